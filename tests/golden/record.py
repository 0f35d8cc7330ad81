"""Record a golden stream: what every later version must decode to the same integers.

    python tests/golden/record.py NAME MODEL IMAGE [QUALITY]

writes NAME.slc (the stream) and NAME.npz (every integer that the entropy decoder gives, by name;
the pixels; and which model decodes it: a file in this folder or a built-in name). ``tiny.slim``,
``tiny-rnn.slim``, ``tiny-rnn-lapped.slim``, ``tiny-bmshj2018-*.slim`` and
``tiny-mbt2018-mean.slim`` never change; streams of a shipped model are recorded again when its
weights change, because a new model has a new stream id.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np

from slimcodec import library
from slimcodec.codecs.extreme.codec import ExtremeCodec
from slimcodec.codecs.latents import MeanScaleCodec
from slimcodec.codecs.toderici.coding import TodericiCodec
from slimcodec.codecs.vq.coding import VqCodec
from slimcodec.images import read_image

HERE = Path(__file__).parent


@singledispatch
def integers_of(codec: Any, stream: bytes) -> Mapping[str, np.ndarray]:
    """What the entropy decoder gives for a stream, by the names in the recorded files."""
    raise TypeError(f"no golden streams of {type(codec).__name__} yet; say what its integers are")


@integers_of.register
def _(codec: MeanScaleCodec, stream: bytes) -> Mapping[str, np.ndarray]:
    _, tiles = codec.read(stream)
    if len(tiles) == 1:
        return {"symbols": tiles[0].symbols, "hyper_latents": tiles[0].hyper_latents}
    return {
        f"{name}.{number}": integers
        for number, tile in enumerate(tiles)
        for name, integers in (("symbols", tile.symbols), ("hyper_latents", tile.hyper_latents))
    }


@integers_of.register
def _(codec: TodericiCodec, stream: bytes) -> Mapping[str, np.ndarray]:
    return {"bits": codec.read(stream)}


@integers_of.register
def _(codec: ExtremeCodec, stream: bytes) -> Mapping[str, np.ndarray]:
    _, tiles = codec.read(stream)
    return {f"symbols.{number}": integers for number, integers in enumerate(tiles)}


@integers_of.register
def _(codec: VqCodec, stream: bytes) -> Mapping[str, np.ndarray]:
    return {
        f"{book.name}.{kind}.{number}": integers
        for number, tile in enumerate(codec.read(stream))
        for book, blocks in zip(codec.config.books, tile, strict=True)
        for kind, integers in (("means", blocks.means), ("chosen", blocks.chosen))
    }


def model_of(recorded: Mapping[str, np.ndarray]) -> str:
    """What a recorded file says about its model, as ``library.load_codec`` takes it."""
    name = str(recorded["model"])
    local = HERE / name
    return str(local) if local.exists() else name


def record(name: str, model: str, image: Path, quality: float | None) -> None:
    codec = library.load_codec(model_of({"model": np.array(model)}))
    stream = codec.encode(read_image(image).pixels, quality)
    integers = integers_of(codec, stream)
    (HERE / f"{name}.slc").write_bytes(stream)
    np.savez_compressed(
        HERE / f"{name}.npz",
        allow_pickle=False,
        model=np.array(model),
        pixels=codec.decode(stream),
        **{key: array.astype(np.int16) for key, array in integers.items()},
    )
    print(f"{name}: {len(stream)} bytes")


if __name__ == "__main__":
    quality = float(sys.argv[4]) if len(sys.argv) > 4 else None
    record(sys.argv[1], sys.argv[2], Path(sys.argv[3]), quality)
