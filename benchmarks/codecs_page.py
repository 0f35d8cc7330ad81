"""docs/codecs.md: all codecs on one rate-distortion plot, and a table of what each is for.

    slimcodec bench hific-s hific-s-natural hific-s-fast toderici-s jpeg webp avif jxl \\
        --images KODAK --out results/kodak
    slimcodec bench extreme-s vq-s compact:jpeg compact:webp compact:avif --images KODAK \\
        --metrics psnr,ms-ssim,lpips --runtime openvino --out results/codecs
    slimcodec bench jpeg+restore jpeg-regions --images KODAK --quality 10,20,30,45,60,75,90 \\
        --metrics psnr,ms-ssim,lpips --runtime openvino --out results/codecs
    python benchmarks/codecs_page.py --rows results/kodak results/codecs -o docs/codecs.md

Writes the page, and the plot beside it, codecs.png. The text above and below the table stands here;
every figure in the table comes from the rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

from slimcodec.bench import Point, Summary, summarise
from slimcodec.metrics import to_db
from slimcodec.report.runs import group_runs, read_runs
from slimcodec.report.text import interval_text

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

REFERENCE = "jpeg"


@dataclass(frozen=True)
class Shown:
    """How a codec is drawn, and what it is in a few words.

    Attributes:
        colour, marker: of its curve; no marker for image formats.
        words: a cell of the table.
        variant: its name in rows, where that is another: the model's behind a name.
    """

    colour: str
    marker: str
    words: str
    variant: str = ""


SHOWN: Mapping[str, Shown] = {
    "hific-s": Shown("#d62728", "o", "learned transform, hyperprior and context"),
    "hific-s-natural": Shown("#ff7f0e", "s", "the same streams, drawn as a photograph"),
    "hific-s-fast": Shown("#8c564b", "v", "the same streams, a narrower decoder"),
    "toderici-s": Shown("#9467bd", "^", "recurrent, one stream cut at any iteration"),
    "extreme-s": Shown("#e377c2", "*", "generative, a rate that is bounded by construction"),
    "vq-s": Shown("#bcbd22", "D", "codebooks on blocks, no network at all"),
    "compact:jpeg": Shown("#4d4d4d", "<", "a small JPEG and what brings it back", "compact-s:jpeg"),
    "compact:webp": Shown("#1a6b1a", "<", "a small WebP and what brings it back", "compact-s:webp"),
    "compact:avif": Shown("#114b7a", "<", "a small AVIF and what brings it back", "compact-s:avif"),
    "jpeg+restore": Shown("#000000", "P", "any JPEG there is, decoded better", "jpeg+restore-s"),
    "jpeg-regions": Shown("#a0a0a0", "x", "one ordinary JPEG, finer where people look"),
    "avif": Shown("#1f77b4", "", "image format"),
    "webp": Shown("#2ca02c", "", "image format"),
    "jxl": Shown("#17becf", "", "image format"),
    "jpeg": Shown("#7f7f7f", "", "image format"),
}
AXES = (("psnr", "PSNR, dB"), ("ms-ssim", "MS-SSIM, dB"), ("lpips", "LPIPS (less is better)"))
RANGE = (0.04, 1.6)
"""Bits per pixel that are drawn."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, nargs="+", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    summary = summarise(group_runs(read_runs(arguments.rows))[0].rows, REFERENCE)
    picture = arguments.output.with_suffix(".png")
    draw(summary.points, picture)
    text = HEAD.format(picture=picture.name) + table(summary) + FOOT
    arguments.output.write_text(text, encoding="utf-8")


def draw(points: Sequence[Point], out: Path) -> None:
    """A panel for each metric, all codecs in each, the legend below."""
    figure, axes = plt.subplots(1, len(AXES), figsize=(15, 6), dpi=110)
    for axis, (metric, label) in zip(axes, AXES, strict=True):
        for name, shown in SHOWN.items():
            curve(axis, points_of(points, name), metric, name, shown)
        ticks = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
        axis.set_xscale("log")
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.set(xlabel="bits per pixel", title=label, xlim=RANGE)
        axis.grid(alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=8, fontsize=9, frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(out)


def points_of(points: Sequence[Point], name: str) -> list[Point]:
    """A codec's, by its name on the page."""
    variant = SHOWN[name].variant or name
    return [point for point in points if point.variant == variant]


def curve(axis: Axes, points: Sequence[Point], metric: str, name: str, shown: Shown) -> None:
    """One codec in one panel, as far as the panel reaches."""
    kept = [p for p in points if RANGE[0] <= p.bpp <= RANGE[1]]
    values = [to_db(p.metrics[metric]) if metric == "ms-ssim" else p.metrics[metric] for p in kept]
    axis.plot(
        [p.bpp for p in kept],
        values,
        color=shown.colour,
        marker=shown.marker,
        label=name,
        linewidth=1.8 if shown.marker else 1.2,
        markersize=12 if shown.marker == "*" else 5,
    )


def table(summary: Summary) -> str:
    """A row for each codec: what it is, its size, the rates that it reaches, and BD-rates."""
    lines = [
        "| codec | what it is | model, MB | bits per pixel | PSNR | MS-SSIM | LPIPS |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, shown in SHOWN.items():
        own = points_of(summary.points, name)
        if not own:
            raise SystemExit(f"there are no rows of {name}; the head of this script makes them")
        size = f"{own[0].model_bytes / 1e6:.1f}" if own[0].model_bytes else ""
        rates = [p.bpp for p in own]
        reach = f"{min(rates):.3f}" + (f" to {max(rates):.2f}" if len(rates) > 1 else "")
        found = summary.bd_rates.get(shown.variant or name, {})
        gains = [
            interval_text(found[metric]) if metric in found else ("0" if name == REFERENCE else "")
            for metric, _ in AXES
        ]
        lines.append(f"| `{name}` | {shown.words} | {size} | {reach} | {' | '.join(gains)} |")
    return "\n".join(lines) + "\n"


HEAD = """# The codecs, side by side

![Quality over bits per pixel on Kodak, every codec: PSNR, MS-SSIM, LPIPS]({picture})

Kodak, means over 24 pictures, real streams, headers included. In the table, percent of bytes
against JPEG at equal quality (BD-rate, with its 95 % interval; less is better). What has fewer than
four rates has none. Page and plot are made by `benchmarks/codecs_page.py`; its head has the
commands.

"""
FOOT = """
## Which one

| you want | take | and know |
|---|---|---|
| few bytes, true to the original | `hific-s` | AVIF is ahead of it in PSNR |
| few bytes, good to look at | `hific-s-natural` | what it adds is invented |
| the fewest bytes that still show a scene | `extreme-s` | nothing finer than 16 pixels is true |
| a stream that may be cut anywhere | `toderici-s` | every iteration costs as much as the first |
| a format one has, at low rates | `compact:webp`, `compact:jpeg` | from 0.25 bpp on WebP is ahead |
| better pictures from files one has | `jpeg+restore` | the files stay as they are |
| files that everyone opens | `jpeg-regions` | what nobody looks at is coarser |
| to read how a codec works | `vq-s` | from 1.1 bits per pixel on JPEG has the better PSNR |

```sh
slimcodec encode photo.png --codec extreme-s --quality 1 -o least.slc
slimcodec encode photo.png --codec vq-s -o blocks.slc
slimcodec encode photo.png --codec compact:webp --quality 20 -o compact.slc
slimcodec decode compact.slc -o compact.png
slimcodec bench vq-s jpeg --images photos --metrics psnr,ms-ssim --out compared
```

## What each leaves out

- **`extreme-s`** has one rate: at most 0.0726 bits per pixel and a frame of some bytes, for any
  picture. On Kodak its LPIPS is below that of JPEG, WebP and AVIF at up to twice its rate, on every
  picture (`benchmarks/extreme.py`). Eyes and teeth are doubtful, lettering is gone, straight fine
  patterns bend.
- **`compact`** is around any format by name, `compact:jxl` for example; it was trained around JPEG,
  WebP and AVIF, and around AVIF it wins in MS-SSIM and loses in PSNR (`benchmarks/compact.py`).
- **`vq-s`** has no network, and no floats decide what is decoded but for pixels. Its encoder
  searches, and takes several times as long as its decoder.
- **`jpeg-regions`** without a mask finds what draws the eye by itself; with `--mask` it takes yours
  (`benchmarks/regions.py`).
- **`jpeg+restore`** is measured on JPEGs of the qualities 10 to 90; its own page of figures is in
  [the built-in models](models.md#restore-s).
"""


if __name__ == "__main__":
    main()
