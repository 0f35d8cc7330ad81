"""Why a quantized recurrent codec returns nothing: int8 as the pass does it, and every way of doing
it wrongly that a toolkit offers, on the same photographs.

python benchmarks/naive_quantization.py toderici-s --images KODAK --calibration PHOTOS

Prints MS-SSIM after some iterations, and how much contrast the last picture has left (1 is all).
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from slimcodec import library, registry
from slimcodec.codecs.graphs import on_arrays
from slimcodec.images import find_images, read_image
from slimcodec.model_file import Model, freeze_network, thaw_network
from slimcodec.quantization import ActivationGrid
from slimcodec.quantization.simulation import attach_activations, quantization_of
from slimcodec.runtime.base import glue
from slimcodec.shrink import Context, Quantize, Recipe
from slimcodec.types import Codec, Progressive

Parts = Mapping[str, Callable[..., Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a progressive built-in model")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--count", type=int, default=6, help="images that are measured")
    arguments = parser.parse_args()
    floats = library.load_model(arguments.model)
    context = Context(arguments.calibration)
    family = registry.families.get(floats.family)
    wide = {name: {"weights": 8, "activations": 8} for name in family.wide_layers(
        family.config(floats.config))}  # fmt: skip

    def int8(**settings: Any) -> Model:
        return library.shrink_model(floats, Recipe([Quantize(8, 8, **settings)], "int8"), context)

    usual = int8()
    rows: dict[str, Codec] = {
        "float": opened(floats),
        "int8, the pass's usual settings": opened(usual),
        "... nearest levels, min-max steps": opened(
            int8(rounding="nearest", calibration="minmax", equalise=False, bias_correction=False)
        ),
        "... wide layers in 8 bits too": opened(int8(layers=wide)),
        "... cell states in 8 bits too": opened(usual, cells_rounded),
        "... calibrated on the first iteration": opened(
            with_grids(usual, lambda name, grid: _never_seen(grid) if "hh" in name else grid)
        ),
        "... never calibrated, steps of 1": opened(
            with_grids(usual, lambda name, grid: ActivationGrid(1.0, 8, -128))
        ),
    }
    paths = find_images(arguments.images)
    images = [read_image(p).pixels for p in paths[:: max(1, len(paths) // arguments.count)]]
    images = images[: arguments.count]
    reference = rows["float"]
    assert isinstance(reference, Progressive)
    counts = sorted({1, 2, 4, 8, int(reference.qualities[-1])} & set(map(int, reference.qualities)))
    similarity = registry.metrics.get("ms-ssim")()
    print(f"{'MS-SSIM after iterations':42}" + "".join(f"{n:8}" for n in counts) + "  contrast")
    for label, codec in rows.items():
        assert isinstance(codec, Progressive)
        scores, contrasts = [], []
        for image in images:
            stream = codec.encode(image, codec.qualities[-1])
            pictures = [codec.decode(codec.cut(stream, n)) for n in counts]
            scores.append([similarity(image, picture) for picture in pictures])
            contrasts.append(pictures[-1].std() / image.std())
        means = np.mean(scores, axis=0)
        print(f"{label:42}" + "".join(f"{m:8.4f}" for m in means) + f"  {np.mean(contrasts):8.3f}")


def opened(model: Model, change: Callable[[Parts], Parts] = lambda parts: parts) -> Codec:
    """A codec on eager torch, its parts changed."""
    network = thaw_network(model)
    family = registry.families.get(model.family)
    return glue(model, change(on_arrays(family.graphs(network))))


def with_grids(model: Model, change: Callable[[str, ActivationGrid], ActivationGrid]) -> Model:
    """A quantized model with other grids for what its layers are given."""
    network = copy.deepcopy(thaw_network(model))
    grids = quantization_of(network).activations
    attach_activations(network, {name: change(name, grid) for name, grid in grids.items()})
    return freeze_network(network, name="changed", family=model.family)


def _never_seen(grid: ActivationGrid) -> ActivationGrid:
    """What an observer that saw only zeros makes: the least step that a float32 scale may have."""
    return ActivationGrid(float(np.finfo(np.float32).eps), grid.bits, -128)


def cells_rounded(parts: Parts) -> Parts:
    """What a ConvLSTM remembers, to 256 levels between its own least and largest value after every
    iteration: the finest that eight bits can do without knowing more than one step per tensor."""

    def rounded(state: Any) -> Any:
        low, high = min(float(state.min()), 0.0), max(float(state.max()), 0.0)
        step = np.float32(max(high - low, 1e-9) / 255)
        return np.rint(state / step) * step

    def around(part: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arrays: Any) -> Any:
            out = part(*arrays)
            return (out[0], *map(rounded, out[1:])) if isinstance(out, tuple) else out

        return call

    return {name: around(part) for name, part in parts.items()}


if __name__ == "__main__":
    main()
