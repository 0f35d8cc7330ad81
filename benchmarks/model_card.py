"""A model's card, from the model file and the rows of benches: every figure in it is measured.

    slimcodec bench hific-s toderici-s jpeg webp avif jxl --images KODAK --out results/kodak \\
        --metrics psnr,ssim,ms-ssim
    python benchmarks/network_off.py MODEL --images KODAK --json results/network_off_MODEL.json
    python benchmarks/model_card.py MODEL --rows Kodak=results/kodak \\
        --network-off results/network_off_MODEL.json -o src/slimcodec/models/MODEL.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from slimcodec import library
from slimcodec.bench import RowStore, Summary, summarise
from slimcodec.model_file import Model

LABELS = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "ms-ssim": "MS-SSIM",
    "lpips": "LPIPS",
    "delta-e": "ΔE2000",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--rows", nargs="+", required=True, metavar="NAME=DIR")
    parser.add_argument("--network-off", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    model = library.load_model(arguments.model)
    parts = [_head(model), _network(model), _training(model)]
    for pair in arguments.rows:
        name, _, folder = pair.partition("=")
        store = RowStore(Path(folder) / "rows.sqlite")
        rows = list(store)
        store.close()
        parts.append(_figures(name, model.name, summarise(rows)))
    if arguments.network_off:
        parts.append(_network_off(json.loads(arguments.network_off.read_text())))
    parts.append(_cautions(model.family))
    arguments.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _head(model: Model) -> str:
    return (
        f"# {model.name}\n\nTrained by slimcodec and shipped inside it. Stream id "
        f"`{model.stream_id}`, digest `{model.digest[:16]}`. This card is made by "
        "`benchmarks/model_card.py` from measured rows; its head has the commands."
    )


def _network(model: Model) -> str:
    lines = ["## Network", "", "| part | parameters |", "|---|---:|"]
    counts = model.parameters()
    lines += [f"| {part} | {total:,} |" for part, (total, _) in counts.items()]
    lines.append(f"| together | {sum(t for t, _ in counts.values()):,} |")
    return "\n".join(lines)


def _training(model: Model) -> str:
    lines = ["## Training", ""]
    for entry in model.history:
        if "train" not in entry:
            continue
        objective = entry.get("objective") or (
            f"rate-distortion loss at {len(model.config['lambdas'])} qualities at once"
        )
        parts = f"only {', '.join(entry['parts'])}; " if entry.get("parts") else ""
        lines.append(
            f"- Up to step {entry['steps']:,}: {60 * entry['hours']:.0f} minutes on "
            f"{entry['hardware']}, {entry['photographs']} photographs; {parts}{objective}."
        )
    lines += [
        "",
        "What ships is the exponential moving average of the weights.",
        "",
        "The photographs are CC0, Unsplash-licensed, CC BY-SA and free-use pictures with a short "
        "side of 512 to 768 pixels; none of the evaluation pictures and none of the demo's were "
        "trained on.",
    ]
    return "\n".join(lines)


def _figures(name: str, model: str, summary: Summary) -> str:
    points = [point for point in summary.points if point.variant == model]
    metrics = [metric for metric in LABELS if metric in points[0].metrics]
    steps = any(point.steps_ms for point in points)
    head = ["iterations" if steps else "quality", "bits per pixel", *[LABELS[m] for m in metrics]]
    lines = [
        f"## On {name}",
        "",
        f"Real streams, everything included, means over {points[0].images} images. Times depend on "
        "the machine: `benchmarks/coding_speed.py` prints them for the one at hand.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---:|" * len(head),
    ]
    for p in points:
        cells = [f"{p.quality:g}", f"{p.bpp:.3f}"]
        cells += [f"{p.metrics[m]:.{2 if m in ('psnr', 'delta-e') else 4}f}" for m in metrics]
        lines.append("| " + " | ".join(cells) + " |")
    shown = [m for m in metrics if any(m in rates for rates in summary.bd_rate_percent.values())]
    lines += [
        "",
        f"BD-rate against {summary.reference} (negative: fewer bytes for the same quality):",
        "",
        "| codec | " + " | ".join(LABELS[m].split(",")[0] for m in shown) + " |",
        "|---|" + "---:|" * len(shown),
    ]
    for codec, rates in summary.bd_rate_percent.items():
        cells = [f"{rates[m]:+.1f} %" if m in rates else "" for m in shown]
        lines.append(f"| {codec} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _network_off(results) -> str:
    base = results["as it is"]
    lines = [
        "## What each learned network is worth",
        "",
        "Kodak at quality (iterations) 3; a network's output set to zero, the linear path left.",
        "",
        "| | bits per pixel | PSNR, dB | lost, dB | MS-SSIM |",
        "|---|---:|---:|---:|---:|",
    ]
    for label, r in results.items():
        lost = base["psnr_db"] - r["psnr_db"]
        lines.append(
            f"| {label} | {r['bpp']:.3f} | {r['psnr_db']:.2f} | {lost:.2f} | {r['ms_ssim']:.4f} |"
        )
    return "\n".join(lines)


CAUTIONS = {
    "hific": "It aims at mean squared error, so fine texture is smoothed away at low rates "
    "rather than invented.",
    "toderici": "Its first iterations spend their bits on the means of 16x16 blocks, so blocks "
    "show at one or two iterations; each iteration adds less than the one before.",
}


def _cautions(family: str) -> str:
    return (
        "## Weaknesses\n\n"
        "Trained on two cores, for the time above, not for days on accelerators: larger published "
        "codecs compress better. Photographs only; line art, screenshots and text were not "
        "trained on. " + CAUTIONS[family]
    )


if __name__ == "__main__":
    main()
