"""The README's picture and table, from the rows of `slimcodec demo`.

    slimcodec demo --out demo-out && python benchmarks/readme.py demo-out

Writes docs/pruned.png and the table between the README's markers.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from slimcodec.atomic import write_atomically
from slimcodec.bench import RowStore, picture_name, summarise

ROOT = Path(__file__).resolve().parents[1]
SHOWN = "kitten"
CROP = (270, 150, 510, 390)
LABEL_HEIGHT = 44


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    store = RowStore(arguments.folder / "rows.sqlite")
    rows = list(store)
    store.close()
    _picture(arguments.folder, rows)
    _table(rows)


def _picture(folder: Path, rows) -> None:
    shown = [row for row in rows if Path(row.image).stem == SHOWN]
    pictures = folder / "pictures" / SHOWN
    cells = [("original", "", pictures / "original.png")]
    for row in shown:
        words = f"{row.stream_bytes:,} B, {row.metrics['psnr']:.1f} dB"
        name = picture_name(row.variant, row.quality)
        cells.append((row.variant, words, pictures / f"{name}.png"))
    side = CROP[2] - CROP[0]
    columns = 4
    lines = -(-len(cells) // columns)
    size = (columns * (side + 8) - 8, lines * (side + LABEL_HEIGHT + 8) - 8)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for number, (label, words, path) in enumerate(cells):
        left = number % columns * (side + 8)
        top = number // columns * (side + LABEL_HEIGHT + 8)
        sheet.paste(Image.open(path).crop(CROP), (left, top))
        draw.text((left + 2, top + side + 3), label, "black", font)
        draw.text((left + 2, top + side + 22), words, "#555555", font)
    sheet.save(ROOT / "docs" / "pruned.png", optimize=True)


def _table(rows) -> None:
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
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    block = "<!-- demo table -->\n" + "\n".join(lines) + "\n<!-- end -->"
    changed, count = re.subn(
        r"<!-- demo table -->.*?<!-- end -->", lambda _: block, text, flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit("README.md has no place for the table")
    write_atomically(path, changed.encode())


if __name__ == "__main__":
    main()
