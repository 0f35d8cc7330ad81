"""Tables of the README and of the guide on shrinking, from the rows of benches and of the demo.

    slimcodec bench hific-s hific-s-fast int8.slim three-blocks.slim small-download.slim \\
        tiny.slim prune-30.slim --images SIX --metrics psnr,ms-ssim --runtime openvino \\
        --out results/front
    slimcodec bench hific-s hific-s-natural hific-s-fast toderici-s jpeg webp avif jxl \\
        --images KODAK --out results/kodak
    slimcodec demo --out demo-out
    python benchmarks/readme.py --front results/front --kodak results/kodak --demo demo-out

It fills tables between markers from those that are given, and draws docs/pruned.png from the demo.
"""

from __future__ import annotations

import argparse
import re
import statistics
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from slimcodec.atomic import write_atomically
from slimcodec.bench import Row, picture_name, read_rows, summarise
from slimcodec.metrics import Interval

ROOT = Path(__file__).resolve().parents[1]
README, GUIDE = ROOT / "README.md", ROOT / "docs" / "guides" / "shrink.md"
SHOWN = "kitten"
CROP = (270, 150, 510, 390)
LABEL_HEIGHT = 44


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--front", type=Path)
    parser.add_argument("--kodak", type=Path)
    parser.add_argument("--demo", type=Path)
    arguments = parser.parse_args()
    if arguments.front:
        _replace(README, "front table", _front_table(read_rows(arguments.front)))
    if arguments.kodak:
        _replace(README, "kodak table", _kodak_table(read_rows(arguments.kodak)))
    if arguments.demo:
        rows = read_rows(arguments.demo)
        _picture(arguments.demo, rows)
        _replace(GUIDE, "demo table", _demo_table(rows))


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


FRONT = {
    "hific-s": "as it is",
    "hific-s+int8": "**`int8`: eight bits everywhere**",
    "hific-s+three-blocks": "`three-blocks`: half of the generator's blocks, taught",
    "hific-s-fast": "`hific-s-fast`: narrower networks, taught; ships too",
    "hific-s+small-download": "`small-download`: two to eight bits, each layer its own",
    "hific-s+tiny": "`tiny`: fewer blocks and channels, four to eight bits, taught",
    "hific-s+prune-30": "30 % of single weights to zero, not taught",
}
"""Rows of the first table: what was measured, and what it is."""


def _front_table(rows: list[Row]) -> list[str]:
    summary = summarise(rows, "hific-s")
    lines = [
        "| `hific-s` on two cores | model, MB | decode, ms | encode, ms | bits at equal PSNR "
        "| at equal MS-SSIM |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for variant, words in FRONT.items():
        points = [p for p in summary.points if p.variant == variant]
        decode_ms = statistics.mean(p.decode_ms for p in points)
        encode_ms = statistics.mean(p.encode_ms for p in points)
        rates = summary.bd_rates.get(variant, {})
        lines.append(
            f"| {words} | {points[0].model_bytes / 1e6:.1f} | {decode_ms:.0f} | {encode_ms:.0f} "
            f"| {_rate(rates, 'psnr')} | {_rate(rates, 'ms-ssim')} |"
        )
    return lines


def _kodak_table(rows: list[Row]) -> list[str]:
    summary = summarise(rows, "jpeg")
    shown = ("psnr", "ssim", "ms-ssim", "lpips", "delta-e")
    lines = [
        "| bits against JPEG at equal quality | model, MB | PSNR | SSIM | MS-SSIM | LPIPS | ΔE |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    variants = dict.fromkeys(p.variant for p in summary.points if p.variant in summary.bd_rates)
    best = {
        metric: min(summary.bd_rates[variant][metric].value for variant in variants)
        for metric in shown
    }
    for variant in variants:
        model_bytes = next(p.model_bytes for p in summary.points if p.variant == variant)
        rates = summary.bd_rates[variant]
        cells = [
            f"**{rates[metric].value:+.1f} %**"
            if rates[metric].value == best[metric]
            else f"{rates[metric].value:+.1f} %"
            for metric in shown
        ]
        size = f"{model_bytes / 1e6:.1f}" if model_bytes else ""
        lines.append(f"| {variant} | {size} | {' | '.join(cells)} |")
    return lines


def _rate(rates: Mapping[str, Interval], metric: str) -> str:
    """With its 95 % interval over the choice of pictures, where there is one."""
    if metric not in rates:
        return ""
    rate = rates[metric]
    digits = 1 if abs(rate.value) < 100 else 0
    ends = (rate.low, rate.high)
    within = "" if None in ends else " ({:.{d}f} to {:.{d}f})".format(*ends, d=digits)
    return f"{rate.value:+.{digits}f} %{within}"


def _replace(path: Path, marker: str, lines: list[str]) -> None:
    text = path.read_text(encoding="utf-8")
    block = f"<!-- {marker} -->\n" + "\n".join(lines) + "\n<!-- end -->"
    pattern = f"<!-- {marker} -->.*?<!-- end -->"
    changed, count = re.subn(pattern, lambda _: block, text, count=1, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{path.name} has no place for the {marker}")
    write_atomically(path, changed.encode())


if __name__ == "__main__":
    main()
