"""A model's graphs and whole codings on every runtime, alternating in one run: medians and ratios
to torch eager, whose allocator is tuned.

python benchmarks/runtime_speed.py hific-s --image kodim05.png --calibration PHOTOS
python benchmarks/runtime_speed.py hific --image kodim05.png --calibration PHOTOS

A preset that has no trained weights gets random ones: their speed is the same. The int8 variant is
made here, by the pass ``quantize`` with its usual settings but few photographs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from slimcodec import library, registry
from slimcodec.errors import UnknownNameError
from slimcodec.images import read_image
from slimcodec.model_file import Model, freeze_network
from slimcodec.runtime.base import glue
from slimcodec.shrink import Context, Quantize, Recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a built-in model, or a preset of a family")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=1, help="rounds before the first counts")
    parser.add_argument("--runtimes", default="openvino,onnx")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    floats = model_of(arguments.model)
    recipe = Recipe([Quantize(8, 8, images=2, bias_correction=False, rounding="nearest")], "int8")
    small = library.shrink_model(floats, recipe, Context(arguments.calibration))
    variants = {"torch": (floats, "torch")}
    for runtime in arguments.runtimes.split(","):
        variants |= {f"{runtime} float": (floats, runtime), f"{runtime} int8": (small, runtime)}
    recorded = {name: Recorded(*variant) for name, variant in variants.items()}
    image = read_image(arguments.image).pixels
    for _ in range(arguments.warm_up):
        for codec in recorded.values():
            codec.run(image)
    for codec in recorded.values():
        codec.clear()
    for _ in range(arguments.rounds):
        for codec in recorded.values():
            codec.run(image)
    print(f"{image.shape[1]}x{image.shape[0]}, ms a call (median), times faster than torch eager")
    reference = recorded["torch"].medians()
    for name in reference:
        line = [f"{name:28}", f"torch {reference[name]:8.1f}"]
        for label, codec in recorded.items():
            if label != "torch":
                own = codec.medians()[name]
                line.append(f"{label} {own:8.1f} {reference[name] / own:5.2f}x")
        print("  ".join(line))


def model_of(name: str) -> Model:
    """A built-in model, or a preset with random weights."""
    if name in library.built_in_models():
        return library.load_model(name)
    for family in map(registry.families.get, registry.families):
        try:
            network = family.build(family.preset(name)).eval()
        except UnknownNameError:
            continue
        return freeze_network(network, name=f"random-{name}", family=family.name)
    raise UnknownNameError("model or preset", name, library.built_in_models())


class Recorded:
    """A codec on a runtime whose calls are timed, graph by graph and whole."""

    def __init__(self, model: Model, runtime: str) -> None:
        graphs = registry.runtimes.get(runtime)().graphs(model)
        self.codec = glue(model, {name: self.timed(name, own) for name, own in graphs.items()})
        self.spent: dict[str, list[float]] = {}

    def timed(self, name: str, graph: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arrays: Any) -> Any:
            started = time.perf_counter()
            out = graph(*arrays)
            ways = f"{name}, {len(arrays)} arrays"
            self.spent.setdefault(ways, []).append(time.perf_counter() - started)
            return out

        return call

    def run(self, image: Any) -> None:
        started = time.perf_counter()
        stream = self.codec.encode(image)
        between = time.perf_counter()
        self.codec.decode(stream)
        self.spent.setdefault("whole encode", []).append(between - started)
        self.spent.setdefault("whole decode", []).append(time.perf_counter() - between)

    def clear(self) -> None:
        self.spent.clear()

    def medians(self) -> dict[str, float]:
        return {name: 1000 * statistics.median(times) for name, times in self.spent.items()}


if __name__ == "__main__":
    main()
