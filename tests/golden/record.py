"""Record a golden stream: what every later version must decode to the same symbols.

    python tests/golden/record.py NAME MODEL IMAGE [QUALITY]

writes NAME.slc (the stream) and NAME.npz (symbols, hyper-latents, pixels, and which model decodes
it: a file in this folder or a built-in name). ``tiny.slim`` never changes; streams of a shipped
model are recorded again when its weights change, because a new model has a new stream id.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from slimcodec import library
from slimcodec.codecs.hific.coding import HificCodec
from slimcodec.images import read_image

HERE = Path(__file__).parent


def record(name: str, model: str, image: Path, quality: float) -> None:
    local = HERE / model
    codec = library.load_codec(local if local.exists() else model)
    assert isinstance(codec, HificCodec)
    stream = codec.encode(read_image(image).pixels, quality)
    header, latents = codec.read(stream)
    (HERE / f"{name}.slc").write_bytes(stream)
    np.savez_compressed(
        HERE / f"{name}.npz",
        model=np.array(model),
        symbols=latents.symbols.astype(np.int16),
        hyper_latents=latents.hyper_latents.astype(np.int16),
        pixels=codec.synthesise(latents, header),
    )
    print(f"{name}: {len(stream)} bytes")


if __name__ == "__main__":
    quality = float(sys.argv[4]) if len(sys.argv) > 4 else 3.0
    record(sys.argv[1], sys.argv[2], Path(sys.argv[3]), quality)
