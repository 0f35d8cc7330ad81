"""The pictures of docs/models.md: curves of the built-in models, and crops at one size.

    slimcodec bench hific-s hific-s-natural toderici-s jpeg webp avif jxl --images KODAK \\
        --out results/kodak
    python benchmarks/model_plots.py --rows results/kodak --published kodak_published.csv \\
        --images KODAK --out docs/models

Writes rate.png (PSNR, MS-SSIM and LPIPS over bits per pixel; published curves, where given, are
dashed), crops.png (what each codec makes of the same number of bytes) and iterations.png (what a
progressive stream is after some of its iterations).
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from slimcodec import library
from slimcodec.bench import SameSize, read_rows, summarise
from slimcodec.images import read_image
from slimcodec.metrics import to_db
from slimcodec.types import Image as Picture
from slimcodec.types import Progressive

mpl.use("Agg")
from matplotlib import pyplot as plt

SHOWN = {
    "hific-s": ("#d62728", "o"),
    "hific-s-natural": ("#ff7f0e", "s"),
    "hific-s-fast": ("#8c564b", "v"),
    "toderici-s": ("#9467bd", "^"),
    "avif": ("#1f77b4", ""),
    "webp": ("#2ca02c", ""),
    "jxl": ("#17becf", ""),
    "jpeg": ("#7f7f7f", ""),
}
PUBLISHED = {
    "bmshj2018-factorized (mse)": "factorized prior 2018",
    "bmshj2018-hyperprior (mse)": "hyperprior 2018",
    "mbt2018 (mse)": "autoregressive 2018",
    "BPG 4:4:4": "BPG 4:4:4",
}
AXES = (("psnr", "PSNR, dB"), ("ms-ssim", "MS-SSIM, dB"), ("lpips", "LPIPS (less is better)"))
MOST_BPP = 1.0
CROPS = (
    ("kodim01.png", (360, 250)),
    ("kodim05.png", (110, 90)),
    ("kodim08.png", (330, 200)),
    ("kodim19.png", (150, 420)),
)
SIDE, QUALITY, LABEL = 224, 2.0, 22
ITERATIONS, AS_LONG_AS = (1, 2, 3, 8), 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--published", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    _curves(arguments.rows, arguments.published, arguments.out / "rate.png")
    _crops(arguments.images, arguments.out / "crops.png")
    _iterations(arguments.images, arguments.out / "iterations.png")


def _curves(rows: Path, published: Path | None, out: Path) -> None:
    points = summarise(read_rows(rows), "jpeg").points
    theirs = _published(published) if published else {}
    figure, axes = plt.subplots(1, len(AXES), figsize=(15, 5), dpi=110)
    for axis, (metric, label) in zip(axes, AXES, strict=True):
        for name, (colour, marker) in SHOWN.items():
            kept = [p for p in points if p.variant == name and p.bpp <= MOST_BPP]
            values = [_value(metric, p.metrics[metric]) for p in kept]
            axis.plot([p.bpp for p in kept], values, color=colour, marker=marker, label=name,
                      linewidth=2 if marker else 1.3)  # fmt: skip
        for number, (name, curve) in enumerate(theirs.items()):
            if metric != "lpips":
                drawn = [(bpp, values[metric]) for bpp, values in curve if bpp <= MOST_BPP]
                axis.plot(*zip(*drawn, strict=True), "--", linewidth=1, label=name,
                          color=str(0.2 + 0.15 * number))  # fmt: skip
        axis.set(xlabel="bits per pixel", title=label, xlim=(0, MOST_BPP))
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(out)


def _published(path: Path) -> dict[str, list[tuple[float, dict[str, float]]]]:
    found: dict[str, list[tuple[float, dict[str, float]]]] = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["codec"] in PUBLISHED and row["ms_ssim"]:
                values = {"psnr": float(row["psnr_db"]), "ms-ssim": to_db(float(row["ms_ssim"]))}
                found[PUBLISHED[row["codec"]]].append((float(row["bpp"]), values))
    return found


def _value(metric: str, value: float) -> float:
    return to_db(value) if metric == "ms-ssim" else value


def _crops(images: Path, out: Path) -> None:
    faithful, natural = library.load_codec("hific-s"), library.load_codec("hific-s-natural")
    peers = [library.load_codec(name) for name in ("jpeg", "webp", "avif")]

    def cells(name: str, pixels: Picture) -> list[tuple[str, Picture]]:
        stream = faithful.encode(pixels, QUALITY)
        found = [(f"{name}, original", pixels)]
        for peer in peers:
            own = SameSize(peer, faithful).encode(pixels, QUALITY)
            found.append((f"{peer.name}, {len(own):,} B", peer.decode(own)))
        found.append((f"hific-s, {len(stream):,} B", faithful.decode(stream)))
        return [*found, ("the same stream, natural", natural.decode(stream))]

    _sheet(images, cells, out)


def _iterations(images: Path, out: Path) -> None:
    """One progressive stream after some of its iterations, and JPEG at the size of one of them."""
    codec, jpeg = library.load_codec("toderici-s"), library.load_codec("jpeg")
    assert isinstance(codec, Progressive)

    def cells(name: str, pixels: Picture) -> list[tuple[str, Picture]]:
        stream = codec.encode(pixels, max(ITERATIONS))
        found = [(f"{name}, original", pixels)]
        peer = SameSize(jpeg, codec).encode(pixels, AS_LONG_AS)
        found.append((f"jpeg, {len(peer):,} B", jpeg.decode(peer)))
        for count in ITERATIONS:
            own = codec.cut(stream, count)
            label = f"{count} iteration{'s' if count > 1 else ''}, {len(own):,} B"
            found.append((label, codec.decode(own)))
        return found

    _sheet(images, cells, out)


def _sheet(
    images: Path, cells: Callable[[str, Picture], list[tuple[str, Picture]]], out: Path
) -> None:
    """A row for each crop, its cells labelled below."""
    font = ImageFont.load_default(13)
    rows = []
    for name, (left, top) in CROPS:
        found = cells(name, read_image(images / name).pixels)
        row = Image.new("RGB", (len(found) * (SIDE + 6) - 6, SIDE + LABEL + 6), "white")
        draw = ImageDraw.Draw(row)
        for across, (label, picture) in enumerate(found):
            x = across * (SIDE + 6)
            row.paste(Image.fromarray(picture[top : top + SIDE, left : left + SIDE]), (x, 0))
            draw.text((x + 2, SIDE + 3), label, "black", font)
        rows.append(row)
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)))
    for down, row in enumerate(rows):
        sheet.paste(row, (0, down * row.height))
    sheet.save(out, optimize=True)


if __name__ == "__main__":
    main()
