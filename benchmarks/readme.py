"""The README's picture and tables, from the rows of `slimcodec demo` and of a bench.

    slimcodec demo --out demo-out
    slimcodec bench hific-s hific-s-natural hific-s-fast toderici-s jpeg webp avif jxl \\
        --images KODAK --out results/kodak
    python benchmarks/readme.py demo-out --model-rows results/kodak

Writes docs/pruned.png and the tables between the README's markers.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from slimcodec.atomic import write_atomically
from slimcodec.bench import Row, RowStore, picture_name, summarise

ROOT = Path(__file__).resolve().parents[1]
SHOWN = "kitten"
CROP = (270, 150, 510, 390)
LABEL_HEIGHT = 44


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model-rows", type=Path)
    arguments = parser.parse_args()
    rows = _rows(arguments.folder)
    _picture(arguments.folder, rows)
    _replace("demo table", _demo_table(rows))
    if arguments.model_rows:
        _replace("model table", _model_table(_rows(arguments.model_rows)))


def _rows(folder: Path) -> list[Row]:
    store = RowStore(folder / "rows.sqlite")
    rows = list(store)
    store.close()
    return rows


def _picture(folder: Path, rows: list[Row]) -> None:
    shown = [row for row in rows if Path(row.image).stem == SHOWN]
    pictures = folder / "pictures" / SHOWN
    # The original, the peers and what has no variants on one line, then one for each learned codec
    # and its variants.
    lines = {"": [("original", "", pictures / "original.png")]}
    for row in shown:
        words = f"{row.stream_bytes:,} B, {row.metrics['psnr']:.1f} dB"
        path = pictures / f"{picture_name(row.variant, row.quality)}.png"
        line = lines.setdefault(row.base if row.model_bytes else "", [])
        line.append((row.variant, words, path))
    for base in [base for base, line in lines.items() if base and len(line) == 1]:
        lines[""] += lines.pop(base)
    side = CROP[2] - CROP[0]
    columns = max(map(len, lines.values()))
    size = (columns * (side + 8) - 8, len(lines) * (side + LABEL_HEIGHT + 8) - 8)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for down, line in enumerate(lines.values()):
        for across, (label, words, path) in enumerate(line):
            left, top = across * (side + 8), down * (side + LABEL_HEIGHT + 8)
            sheet.paste(Image.open(path).crop(CROP), (left, top))
            draw.text((left + 2, top + side + 3), label, "black", font)
            draw.text((left + 2, top + side + 22), words, "#555555", font)
    sheet.save(ROOT / "docs" / "pruned.png", optimize=True)


def _demo_table(rows: list[Row]) -> list[str]:
    lines = [
        "| on the four bundled photographs | average bytes | bits per pixel | PSNR, dB | SSIM "
        "| MS-SSIM | ΔE |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for p in summarise(rows).points:
        m = p.metrics
        lines.append(
            f"| {p.variant} | {p.stream_bytes:,.0f} | {p.bpp:.3f} | {m['psnr']:.2f} | "
            f"{m['ssim']:.4f} | {m['ms-ssim']:.4f} | {m['delta-e']:.2f} |"
        )
    return lines


def _model_table(rows: list[Row]) -> list[str]:
    summary = summarise(rows, "jpeg")
    learned = dict.fromkeys(p.variant for p in summary.points if p.model_bytes)
    lines: list[str] = []
    for variant in learned:
        points = [p for p in summary.points if p.variant == variant]
        rates = {m: rate.value for m, rate in summary.bd_rates.get(variant, {}).items()}
        steps = any(p.steps_ms for p in points)
        lines += [
            *([""] if lines else []),
            f"`{variant}`, {points[0].model_bytes / 1e6:.1f} MB of model, on the "
            f"{points[0].images} Kodak pictures, real streams. BD-rate against Pillow's JPEG "
            f"(4:2:0, optimized): {_rate(rates, 'psnr')} in PSNR, {_rate(rates, 'ms-ssim')} in "
            f"MS-SSIM, {_rate(rates, 'lpips')} in LPIPS.",
            "",
            f"| {'iterations' if steps else 'quality'} | bits per pixel | PSNR, dB | MS-SSIM "
            "| LPIPS |",
            "|---:|---:|---:|---:|---:|",
        ]
        for p in points:
            m = p.metrics
            lines.append(
                f"| {p.quality:g} | {p.bpp:.3f} | {m['psnr']:.2f} | {m['ms-ssim']:.4f} | "
                f"{m['lpips']:.3f} |"
            )
    return lines


def _rate(rates: Mapping[str, float], metric: str) -> str:
    return f"{rates[metric]:+.1f} %" if metric in rates else "none (no common range)"


def _replace(marker: str, lines: list[str]) -> None:
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    block = f"<!-- {marker} -->\n" + "\n".join(lines) + "\n<!-- end -->"
    pattern = f"<!-- {marker} -->.*?<!-- end -->"
    changed, count = re.subn(pattern, lambda _: block, text, count=1, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"README.md has no place for the {marker}")
    write_atomically(path, changed.encode())


if __name__ == "__main__":
    main()
