"""What a model's integers make of latents and bits that are given.

Run as a program with model files as arguments it prints a digest of the streams that the engine of
``SLIMCODEC_ENGINE`` writes; it imports no torch of its own, so that takes little time.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from slimcodec import registry
from slimcodec.integers.engines import trusted
from slimcodec.model_file import Model, load

SIZE = 6, 9


def graphs_of(family: str, coding: Any) -> dict[str, Any]:
    """Stand for a network: what a seed says, whatever comes in; no float is ever summed."""
    rng = np.random.default_rng(0)
    if family != "toderici":
        latents, hyper = len(coding.log_gain[0]), len(coding.hyper_tables)
        y = rng.integers(-40, 41, (1, latents, *SIZE)).astype(np.float32) / 8
        z = rng.integers(-150, 151, (1, hyper, 2, 3)).astype(np.float32)
        means = np.zeros((1, latents, 8, 12), np.float32)
        return {
            "encoder": lambda x: y,
            "hyper_analysis": lambda x: z,
            "hyper_mean": lambda x: means,
            "generator": lambda x: x,
        }

    def bits(features: np.ndarray, number: np.ndarray) -> np.ndarray:
        drawn = np.random.default_rng(int(number)).choice([-1, 1], (*SIZE, coding.prior.bits))
        code = np.where(coding.prior.sent(drawn), drawn, 0)
        return code.transpose(2, 0, 1)[None].astype(np.float32)

    return {
        "encoder": lambda residual, *state: (residual,),
        "binarizer": bits,
        "decoder": lambda code, number, *state: (np.zeros((1, 3, 96, 144), np.float32),),
    }


def coded(model: Model) -> bytes:
    """A stream, once it was read back."""
    family = registry.families.get(model.family)
    config, coding = family.config(model.config), model.coding
    graphs = graphs_of(model.family, coding)
    codec = family.codec(config, graphs, coding, name="own", digest="", model_bytes=0)
    image = np.zeros((16 * SIZE[0] - 3, 16 * SIZE[1] - 5, 3), np.uint8)
    stream = codec.encode(image, codec.qualities[-1])
    read: Any = codec.read(stream)
    if model.family == "toderici":
        for number, code in enumerate(read):
            wrote = graphs["binarizer"](image, np.array(number))[0].transpose(1, 2, 0)
            assert np.array_equal(code, wrote)
    else:
        (wrote,) = codec.analyse(image, 8 * (len(codec.qualities) - 1))
        assert np.array_equal(read[1][0].symbols, wrote.symbols)
    return stream


def digest(paths: list[str]) -> str:
    """Of all streams."""
    streams = [coded(load(Path(path))) for path in paths]
    return hashlib.sha256(b"".join(streams)).hexdigest()


if __name__ == "__main__":
    found = digest(sys.argv[1:])
    print(trusted().name, found)
