"""The tables of docs/quantization.md, from a study's rows and from what other benchmarks printed.

    slimcodec study quantization --images KODAK --calibration PHOTOS \\
        --runtime openvino --out results/quantization
    python benchmarks/operators.py ... > operators.txt     (and so on, see the page)
    python benchmarks/quantization_page.py results/quantization --operators operators.txt \\
        --naive naive.txt --parity parity.txt --speed speed.txt

Only the tables that are given something are written anew.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from slimcodec.atomic import write_atomically
from slimcodec.metrics import bd_rate

PAGE = Path(__file__).resolve().parents[1] / "docs" / "quantization.md"
Point = Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    for name in ("operators", "naive", "parity", "speed"):
        parser.add_argument(f"--{name}", type=Path)
    arguments = parser.parse_args()
    points = json.loads((arguments.study / "summary.json").read_text(encoding="utf-8"))["points"]
    replace("study", study_lines(points))
    for name in ("operators", "parity"):
        if path := getattr(arguments, name):
            replace(name, path.read_text(encoding="utf-8").splitlines())
    for name in ("naive", "speed"):
        if path := getattr(arguments, name):
            replace(name, ["```", *path.read_text(encoding="utf-8").splitlines(), "```"])


def study_lines(points: list[Point]) -> list[str]:
    curves: dict[str, list[Point]] = {}
    for point in points:
        curves.setdefault(point["variant"], []).append(point)
    costs = [
        "| | model, bytes | of halves | BD-rate, PSNR | BD-rate, MS-SSIM |",
        "|---|---:|---:|---:|---:|",
    ]
    rows = [
        "| | quality | stream, bytes | SSIM | MS-SSIM | PSNR, dB | encode: ms by part "
        "| decode: ms by part |",
        "|---|---:|---:|---:|---:|---:|---|---|",
    ]
    reference: list[Point] = []
    for name, curve in curves.items():
        if not curve[0]["settings"]:
            reference = curve
        size = curve[0]["model_bytes"]
        share = f"{size / reference[0]['model_bytes']:.1%}".replace("%", " %")
        rates = (
            [bd(reference, curve, lambda m: m["psnr"]), bd(reference, curve, similarity)]
            if curve is not reference
            else ["", ""]
        )
        costs.append(f"| {name} | {size:,} | {share} | {' | '.join(rates)} |")
        for point in curve:
            metrics = point["metrics"]
            rows.append(
                f"| {name} | {point['quality']:g} | {point['stream_bytes']:,.0f} "
                f"| {metrics['ssim']:.4f} | {metrics['ms-ssim']:.4f} | {metrics['psnr']:.2f} "
                f"| {parts(point, 'encode')} | {parts(point, 'decode')} |"
            )
    return [*costs, "", "<details><summary>Every quality, with times</summary>", "", *rows, "",
            "</details>"]  # fmt: skip


def similarity(metrics: Mapping[str, float]) -> float:
    """MS-SSIM in decibels."""
    return -10 * math.log10(1 - metrics["ms-ssim"])


def bd(base: list[Point], own: list[Point], of: Callable[[Mapping[str, float]], float]) -> str:
    curves = [[(point["bpp"], of(point["metrics"])) for point in c] for c in (base, own)]
    return f"{bd_rate(*curves):+.2f} %"


def parts(point: Point, verb: str) -> str:
    own = {k.split(".", 1)[1]: v for k, v in point["parts_ms"].items() if k.startswith(verb)}
    return ", ".join(f"{name} {ms:.0f}" for name, ms in own.items())


def replace(name: str, lines: list[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not block.search(text):
        raise SystemExit(f"{PAGE} has no place for {name}")
    body = "\n".join(lines)
    write_atomically(PAGE, block.sub(lambda m: f"{m[1]}{body}\n{m[2]}", text).encode())


if __name__ == "__main__":
    main()
