"""A network in CompressAI, on torch eager as it comes, against the same network as one of our
bundles: a picture to a stream and back, alternating in one run, by part.

    python -m pip install --no-deps compressai==1.2.8
    python benchmarks/compressai_speed.py mbt.pth mbt-int8 --image kodim05.png

Theirs is ``compress`` and ``decompress`` of the state dict's own class, with the picture already a
tensor; ours is from pixels to a stream and back to pixels. Entropy coding of theirs is picking
tables and coding with them, of ours coding; what makes scales is another row of either.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from slimcodec.bench.timing import PartClock
from slimcodec.images import read_image
from slimcodec.library import load_codec
from slimcodec.machine import available_cores
from slimcodec.types import Clock, no_clock
from tests.compressai_oracle import of_file

NETWORKS = {"g_a": "transform", "g_s": "transform", "h_a": "scales", "h_s": "scales"}
CODING = {
    "entropy_bottleneck": ("compress", "decompress"),
    "gaussian_conditional": ("build_indexes", "compress", "decompress"),
}
OURS = {"encoder": "transform", "generator": "transform", "prior": "scales", "entropy": "entropy"}

Spent = dict[str, dict[str, list[float]]]
"""Row of the table to whose it is to milliseconds of each round."""


def main() -> None:
    """Time both in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("bundle", help="or a model; as `--codec` of `slimcodec encode`")
    parser.add_argument("--image", type=Path, required=True, help="sides are multiples of 64")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(available_cores())
    theirs, ours = of_file(arguments.checkpoint), load_codec(arguments.bundle)
    pixels = read_image(arguments.image).pixels
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    clocks = _Clocks()
    _watch(theirs, clocks)
    spent: Spent = {}
    with torch.no_grad():
        coded = theirs.compress(image)
        stream = ours.encode(pixels)
        ours.decode(stream)
        ways: dict[str, tuple[Callable[[], object], Callable[[Clock], object]]] = {
            "encode": (
                lambda: theirs.compress(image),
                lambda clock: ours.encode(pixels, clock=clock),
            ),
            "decode": (
                lambda: theirs.decompress(coded["strings"], coded["shape"]),
                lambda clock: ours.decode(stream, clock=clock),
            ),
        }
        for _ in range(arguments.rounds):
            for name, (their_way, our_way) in ways.items():
                clocks.renew()
                _charge(spent, name, "CompressAI", _ms(their_way))
                _charge_parts(spent, name, "CompressAI", clocks.clock)
                # With a clock nothing is done side by side, so the whole is timed without one.
                _charge(spent, name, "ours", _ms(partial(our_way, no_clock)))
                clocks.renew()
                our_way(clocks)
                _charge_parts(spent, name, "ours", clocks.clock)
    _show(spent, sum(len(strings[0]) for strings in coded["strings"]), len(stream))


class _Clocks:
    """One clock after another under one name, so that what is watched need not know which."""

    def __init__(self) -> None:
        self.clock = PartClock()

    def renew(self) -> None:
        self.clock = PartClock()

    def __call__(self, part: str, step: int = 0, /) -> AbstractContextManager[object]:
        return self.clock(part, step)


def _watch(network: Any, clock: _Clocks) -> None:
    def timed(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def charged(*arguments: Any, **named: Any) -> Any:
            with clock(part):
                return work(*arguments, **named)

        return charged

    for name, part in NETWORKS.items():
        if (module := getattr(network, name, None)) is not None:
            module.forward = timed(part, module.forward)
    for name, methods in CODING.items():
        if (module := getattr(network, name, None)) is not None:
            for method in methods:
                setattr(module, method, timed("entropy", getattr(module, method)))


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - started)


def _charge(spent: Spent, row: str, whose: str, ms: float) -> None:
    spent.setdefault(row, {}).setdefault(whose, []).append(ms)


def _charge_parts(spent: Spent, name: str, whose: str, clock: PartClock) -> None:
    parts: dict[str, float] = {}
    for part, ms in clock.ms.items():
        called = OURS.get(part, part)
        parts[called] = parts.get(called, 0.0) + ms
    for part, ms in parts.items():
        _charge(spent, f"{name}: {part}", whose, ms)


def _show(spent: Spent, theirs: int, ours: int) -> None:
    print(f"{'ms, medians':20}{'CompressAI':>12}{'ours':>10}{'ratio':>8}   of single rounds")
    for name in sorted(spent):
        one, other = spent[name]["CompressAI"], spent[name]["ours"]
        ratios = sorted(a / b for a, b in zip(one, other, strict=True))
        print(
            f"{name:20}{statistics.median(one):12.1f}{statistics.median(other):10.1f}"
            f"{statistics.median(ratios):8.1f}   {ratios[0]:.1f} to {ratios[-1]:.1f}"
        )
    print(f"bytes: {theirs} and {ours}")


if __name__ == "__main__":
    main()
