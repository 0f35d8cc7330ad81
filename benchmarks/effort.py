"""What an encoder's effort saves, from the rows of benches: BD-rates against the codec without, and
against image formats.

    slimcodec bench hific-s+effort=4 --images KODAK --out results/effort
    python benchmarks/effort.py results/effort results/kodak --of hific-s
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.bench import Row, read_rows
from slimcodec.metrics import bd_rate, bd_rate_interval, curve_quality
from slimcodec.naming import effort_of

Rows = Sequence[Row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("refined", type=Path, help="folder of rows of codecs with an effort")
    parser.add_argument("others", type=Path, help="of the codec without, and of formats")
    parser.add_argument("--of", default="hific-s", help="the codec")
    parser.add_argument("--against", nargs="+", default=["jpeg", "avif"])
    options = parser.parse_args()
    refined, others = read_rows(options.refined), read_rows(options.others)
    metrics = [
        name for name in registry.metrics if name in {*refined[0].metrics} & {*others[0].metrics}
    ]
    print("\t".join(["bits at equal quality", *metrics]))
    for name in dict.fromkeys(row.variant for row in refined):
        base, effort = effort_of(name)
        if base != options.of or not effort:
            continue
        own = [row for row in refined if row.variant == name]
        for against in (options.of, *options.against):
            theirs = [row for row in others if row.variant == against]
            print(
                "\t".join([f"{name} against {against}", *(_saved(theirs, own, m) for m in metrics)])
            )
        for against in options.against:
            theirs = [row for row in others if row.variant == against]
            plain = [row for row in others if row.variant == options.of]
            figures = [_saved(theirs, plain, metric) for metric in metrics]
            print("\t".join([f"{options.of} against {against}", *figures]))
        _print_points(own, [row for row in others if row.variant == options.of])


def _saved(reference: Rows, variant: Rows, metric: str) -> str:
    """The BD-rate of means over images, and its interval."""
    theirs, ours = _curves(reference, metric), _curves(variant, metric)
    points = [
        [(bpp, float(curve_quality(metric, value))) for bpp, value in each.mean(axis=0).tolist()]
        for each in (theirs, ours)
    ]
    rate = bd_rate(*points)
    interval = bd_rate_interval(theirs, ours, partial(curve_quality, metric), rate)
    if interval.low is None or interval.high is None:
        return f"{rate:+.1f} %"
    return f"{rate:+.1f} % ({interval.low:.1f} to {interval.high:.1f})"


def _curves(rows: Rows, metric: str) -> NDArray[np.float64]:
    """``[images, qualities, 2]``: bits per pixel and the metric."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in sorted(rows, key=lambda row: row.quality):
        found.setdefault(row.image, []).append((row.bpp, row.metrics[metric]))
    return np.array([found[image] for image in sorted(found)])


def _print_points(refined: Rows, plain: Rows) -> None:
    for quality in sorted({row.quality for row in refined}):
        figures = []
        for rows in (plain, refined):
            own = [row for row in rows if row.quality == quality]
            bpp = fmean(row.bpp for row in own)
            psnr, ms_ssim = (
                fmean(row.metrics[name] for row in own) for name in ("psnr", "ms-ssim")
            )
            figures.append(f"{bpp:.3f} bpp, {psnr:.2f} dB, {ms_ssim:.4f}")
        print(f"quality {quality:g}: {figures[0]} became {figures[1]}")


if __name__ == "__main__":
    main()
