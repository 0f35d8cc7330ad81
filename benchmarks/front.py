"""What shrinking buys and what it costs, every way on one picture, from the rows of a bench.

    slimcodec bench hific-s A.slim B.slim ... --images KODAK --metrics psnr,ms-ssim \\
        --runtime openvino --out results/front
    python benchmarks/front.py --rows results/front --baseline hific-s \\
        --unstructured hific-s+prune-30 hific-s+prune-50 --out docs/front.png

Four panels: bits at equal PSNR and at equal MS-SSIM (BD-rate against the baseline, in percent of
its bits) over decoding time (median of pictures and qualities) and over bytes of the model file.
Nearer to the lower left is better; the line joins those that no other beats in both. Zeros that
stay where they are (``--unstructured``) have hollow marks. Only pictures count that every model has
coded at every quality, so a bench may be looked at before it is done. Prints the same as a table;
models that cost more than ``--most`` percent, or whose curve shares no range of quality with the
baseline's, are named in a corner.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import matplotlib as mpl

from slimcodec.bench import Row, read_rows, summarise
from slimcodec.errors import UnknownNameError, UsageError

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

METRICS = (("psnr", "PSNR"), ("ms-ssim", "MS-SSIM"))
COSTS = (("decode_ms", "decoding, ms a picture"), ("megabytes", "model file, MB"))


@dataclass(frozen=True)
class Model:
    """One way to shrink.

    Attributes:
        name: as the rows have it, less the baseline's.
        decode_ms: median of pictures and qualities.
        megabytes: of the model file.
        rates: metric to BD-rate, percent.
        unstructured: whether its zeros stay where they are.
    """

    name: str
    decode_ms: float
    megabytes: float
    rates: dict[str, float]
    unstructured: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--baseline", required=True)
    parser.add_argument("--unstructured", nargs="*", default=())
    parser.add_argument("--most", type=float, default=25.0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    models = read(arguments.rows, arguments.baseline, arguments.unstructured)
    print("| | decode, ms | model, MB | BD-rate, PSNR | BD-rate, MS-SSIM |")
    print("|---|---:|---:|---:|---:|")
    for model in models:
        rates = " | ".join(
            f"{model.rates[metric]:+.1f} %" if metric in model.rates else "–"
            for metric, _ in METRICS
        )
        print(f"| {model.name} | {model.decode_ms:.1f} | {model.megabytes:.1f} | {rates} |")
    draw(models, arguments.baseline, arguments.most, arguments.out)


def read(folder: Path, baseline: str, unstructured: Sequence[str]) -> list[Model]:
    """The models of a bench, the baseline first."""
    rows = read_rows(folder)
    names = list(dict.fromkeys(row.variant for row in rows))
    for name in (baseline, *unstructured):
        if name not in names:
            raise UnknownNameError(f"variant in {folder}", name, names)
    rows = complete(rows)
    if not rows:
        raise UsageError(f"{folder} has no picture that every model has coded; let the bench go on")
    summary = summarise(rows, baseline)
    found = []
    for name in (baseline, *(name for name in names if name != baseline)):
        own = [row for row in rows if row.variant == name]
        found.append(
            Model(
                name.removeprefix(f"{baseline}+"),
                median(row.decode_ms for row in own),
                own[0].model_bytes / 1e6,
                {m: rate.value for m, rate in summary.bd_rates.get(name, {}).items()}
                if name != baseline
                else dict.fromkeys(dict(METRICS), 0.0),
                name in unstructured,
            )
        )
    return found


def complete(rows: Sequence[Row]) -> list[Row]:
    """Those of pictures that every model has coded at every quality."""
    wanted = len({(row.variant, row.quality) for row in rows})
    counts = Counter(row.image for row in rows)
    return [row for row in rows if counts[row.image] == wanted]


def draw(models: Sequence[Model], baseline: str, most: float, out: Path) -> None:
    """Write the picture; what costs more than ``most`` percent is named alone."""
    figure, panels = plt.subplots(2, 2, figsize=(13, 10), dpi=100)
    for line, (metric, metric_words) in zip(panels, METRICS, strict=True):
        for panel, (cost, cost_words) in zip(line, COSTS, strict=True):
            shown = [model for model in models if model.rates.get(metric, math.inf) <= most]
            _panel(panel, shown, cost, metric)
            if beyond := [model.name for model in models if model not in shown]:
                words = f"beyond {most:g} %: {', '.join(beyond)}"
                panel.text(0.98, 0.985, words, transform=panel.transAxes, fontsize=8,
                           horizontalalignment="right", verticalalignment="top")  # fmt: skip
            panel.set(xlabel=cost_words, ylabel=f"bits at equal {metric_words} to {baseline}, %")
    panels[1][0].legend(fontsize=8, loc="center right")
    figure.tight_layout()
    figure.savefig(out)


def _panel(panel: Axes, models: Sequence[Model], cost: str, metric: str) -> None:
    places = [(getattr(model, cost), model.rates[metric]) for model in models]
    front = sorted(own for own in places if not any(_beats(other, own) for other in places))
    panel.plot(*zip(*front, strict=True), color="0.75", zorder=0)
    for unstructured, words in ((False, "narrower or rounded"), (True, "zeros that stay")):
        own = [p for p, m in zip(places, models, strict=True) if m.unstructured == unstructured]
        face = "none" if unstructured else "#1f77b4"
        if own:
            panel.scatter(*zip(*own, strict=True), facecolors=face, edgecolors="#1f77b4",
                          label=words)  # fmt: skip
    # Names lie inside the panel: those at its right end before their marks. Hollow marks lie near
    # filled ones, and theirs are higher.
    least, most = min(x for x, _ in places), max(x for x, _ in places)
    for (x, y), model in zip(places, models, strict=True):
        right = x > least + 0.8 * (most - least)
        place = (-6 if right else 6, 12 if model.unstructured else 4)
        side = "right" if right else "left"
        panel.annotate(
            model.name, (x, y), textcoords="offset points", xytext=place, ha=side, fontsize=8
        )
    panel.axhline(0, color="0.85", linewidth=0.8, zorder=0)
    panel.margins(x=0.14, y=0.12)  # for the names
    panel.grid(alpha=0.3)


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]


if __name__ == "__main__":
    main()
