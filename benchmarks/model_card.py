"""A model's card, from the model file and the rows of benches: every figure in it is measured.

    slimcodec bench hific-s hific-s-natural hific-s-fast toderici-s jpeg webp avif jxl \\
        --images KODAK --out results/kodak
    python benchmarks/network_off.py MODEL --images KODAK --json results/network_off_MODEL.json
    slimcodec bench hific-s hific-s-natural hific-s-fast toderici-s jpeg --images HELD_OUT \\
        --out results/held_out
    python benchmarks/model_card.py MODEL --rows Kodak=results/kodak \\
        '20 held-out photographs=results/held_out' \\
        --network-off results/network_off_MODEL.json -o src/slimcodec/models/MODEL.md

of one of extremely few bits, measured by ``benchmarks/extreme.py``:

    python benchmarks/extreme.py extreme-s --images KODAK --json results/extreme.json
    python benchmarks/model_card.py extreme-s --rows Kodak=results/extreme \\
        --against results/extreme.json -o src/slimcodec/models/extreme-s.md

and of one that restores, measured by ``benchmarks/restoration.py``:

    python benchmarks/model_card.py restore-s --rows Kodak=results/restore \\
        --restoration results/restoration_restore-s.json -o src/slimcodec/models/restore-s.md

and of one that makes pictures small, measured by ``benchmarks/compact.py``:

    python benchmarks/model_card.py compact-s --compact results/compact_compact-s.json \\
        -o src/slimcodec/models/compact-s.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from slimcodec import library
from slimcodec.bench import read_rows, summarise
from slimcodec.metrics import curve_unit
from slimcodec.model_file import NATURAL, Model, read_manifest
from slimcodec.report import (
    CardFacts,
    figures_section,
    head_section,
    network_section,
    training_section,
)
from slimcodec.report.text import metric_label

DATA = (
    "The photographs are CC0, Unsplash-licensed, CC BY-SA and free-use pictures with a short side "
    "of 512 to 768 pixels; none of the evaluation pictures and none of the demo's were trained on."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--rows", nargs="+", default=[], metavar="NAME=DIR")
    parser.add_argument("--network-off", type=Path)
    parser.add_argument("--restoration", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--compact", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    model = library.load_model(arguments.model)
    path = library.model_path(arguments.model)
    base = read_manifest(path).get("base", {"file": ""})["file"]
    facts = CardFacts.of(model, path.stat().st_size, base)
    made_by = (
        "Trained by slimcodec and shipped inside it. This card is made by "
        "`benchmarks/model_card.py` from measured rows; its head has the commands."
    )
    parts = [head_section(facts, made_by), network_section(facts), training_section(facts, DATA)]
    for pair in arguments.rows:
        name, _, folder = pair.partition("=")
        rows = read_rows(Path(folder))
        variant = library.load_codec(arguments.model).name
        parts.append(figures_section(name, variant, summarise(rows, "jpeg")))
    if arguments.restoration:
        parts.append(_restoration(json.loads(arguments.restoration.read_text())))
    if arguments.against:
        parts.append(_against(json.loads(arguments.against.read_text())))
    if arguments.compact:
        parts.append(_compact(json.loads(arguments.compact.read_text())))
    if arguments.network_off:
        parts.append(_network_off(json.loads(arguments.network_off.read_text())))
    parts.append(_cautions(model))
    arguments.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _restoration(results: dict[str, Any]) -> str:
    lines = [
        "## What it gains over the files themselves",
        "",
        "PSNR, Kodak: mean over 24 pictures, and the least of any. Grey files in luma, all others "
        "in R, G, B; those compressed twice lay on another grid of blocks at first. Beside them "
        "the same where the picture may leave what the file's quantization allows. "
        "`benchmarks/restoration.py` prints them.",
        "",
        "| files, quality | gain, dB | least | without projection | least |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, own in results.items():
        cells = " | ".join(f"{value:+.2f}" for value in own.values())
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def _against(results: dict[str, list[dict[str, float]]]) -> str:
    """Of ``benchmarks/extreme.py``: the codec first, then each format."""
    codecs, pictures = list(zip(*results.values(), strict=True)), len(results)
    lines = [
        "## Against formats at up to twice its rate",
        "",
        f"Means over {pictures} images of Kodak, headers included; of each format the best LPIPS "
        "in at most twice the bytes, or in its smallest file where that is longer. "
        "`benchmarks/extreme.py` prints them picture by picture.",
        "",
        "| | bits per pixel | LPIPS | PSNR, dB | too long on |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, coded in zip(("this model", "jpeg", "webp", "avif"), codecs, strict=True):
        bpp, lpips, psnr = (
            sum(own[what] for own in coded) / pictures for what in ("bpp", "lpips", "psnr_db")
        )
        longer = sum(own["too_long"] for own in coded)
        lines.append(f"| {name} | {bpp:.4f} | {lpips:.4f} | {psnr:.2f} | {longer:g} |")
    wins = sum(all(own["lpips"] < o["lpips"] for o in others) for own, *others in results.values())
    most = max(own["bpp"] for own in codecs[0])
    lines += ["", f"Below all three on {wins} of {pictures}; {most:.4f} bits per pixel at most."]
    return "\n".join(lines)


def _compact(results: dict[str, Any]) -> str:
    lines = [
        "## What it saves of the codec inside",
        "",
        "Kodak, means over 24 pictures of real streams, everything included: BD-rate of what is "
        "below 0.25 bits per pixel against the plain codec, and the rate from which on that is the "
        "better one. `benchmarks/compact.py` prints them.",
        "",
        "| inside | metric | BD-rate | the plain codec is ahead |",
        "|---|---|---:|---|",
    ]
    for inner, own in results.items():
        for metric, found in own["compared"].items():
            rate, where = found["bd_rate_percent"], found["crossing_bpp"]
            said = "no range in common" if rate is None else f"{rate:+.1f} %"
            crossed = "nowhere" if where is None else f"from {where:.2f} bits per pixel on"
            lines.append(f"| {inner} | {metric_label(metric)} | {said} | {crossed} |")
    for inner, own in results.items():
        names = list(own["ours"])
        heads = " | ".join(f"{metric_label(n)} ({curve_unit(n)})" for n in names)
        lines += [
            "",
            f"| `compact:{inner}`, bits per pixel | {heads} |",
            "|---:" * (1 + len(names)) + "|",
        ]
        for points in zip(*own["ours"].values(), strict=True):
            cells = " | ".join(f"{value:.2f}" for _, value in points)
            lines.append(f"| {points[0][0]:.3f} | {cells} |")
    return "\n".join(lines)


def _network_off(results: dict[str, Any]) -> str:
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
    "compact": "What shrinking lost no bits bring back: it is for few bytes, and from the rates "
    "above on the plain format is better. Fine texture and small lettering are smoothed. It was "
    "trained around JPEG, WebP and AVIF. Around AVIF, on six pictures of Kodak, it needs 3.6 % "
    "more bytes at equal PSNR and 6.9 % fewer at equal MS-SSIM below 0.25 bits per pixel, and "
    "plain AVIF has the higher PSNR from 0.10 on. Around others it works, and was "
    "measured on none.",
    "faithful": "It aims at mean squared error and MS-SSIM, so fine texture is smoothed away at "
    "low rates rather than invented. It was meant to reach -52 % in MS-SSIM on Kodak and does not; "
    "when training ended, bits at equal PSNR still fell by about 2 % in 12,000 steps, most of it "
    "from the falling learning rate. `recipes/train-hific-s-gpu.toml` with `--init hific-s`, a new "
    "seed and `first_step = 53459` goes on.",
    NATURAL: "Its texture is invented, and shows it where the eye knows better: lettering, faces "
    "of a few pixels, regular patterns such as fences and weaves. At low qualities it can draw "
    "grain on smooth surfaces. It is worse than the faithful look in every metric that "
    "compares pixels.",
    "fast": "It is a narrower network for the streams of the faithful one, cut out of that and "
    "taught by it for ten minutes: fine texture is a little smoother still, and the same quality "
    "needs more bits (above). More minutes brought little; a wider generator would.",
    "extreme": "Next to nothing is sent of a picture, and nearly everything finer than sixteen "
    "pixels is invented: it shows what was photographed, not who. Faces smaller than a hundred "
    "pixels fall apart, lettering turns into marks that look like lettering, and straight fine "
    "patterns such as fences and shutters bend or come back as another pattern. There is one "
    "quality; a curve, and so a BD-rate, cannot be had of it.",
    "vq": "It has no network: blocks of 8x8 samples, means, and sums of learned vectors. At low "
    "qualities edges show the blocks, and fine texture is gone; above one bit per pixel its books "
    "end, and JPEG is better. Encoding searches them and takes several times as long as decoding.",
    "restore": "What JPEG threw away stays lost: edges come back, texture mostly does not. From "
    "quality 90 on there is little to gain, and at 95 with halved chroma some pictures get a "
    "little worse (above). A file that was made smaller or sharper after it was first compressed "
    "shows artefacts that it was not trained on.",
    "toderici": "At one to three iterations fine texture turns into a faint weave of its own, and "
    "lettering dissolves. Flat areas of one colour come back up to seven levels off. Iterations "
    "past the eighth were in a sixth to a third of the training steps. In the second half of "
    "training, bits at equal PSNR on held-out photographs no longer fell; at half a bit per pixel "
    "JPEG has the same PSNR.",
}


def _cautions(model: Model) -> str:
    own = CAUTIONS[model.family if model.family in CAUTIONS else model.look]
    return (
        "## Weaknesses\n\n"
        "Trained for the time above, not for days on accelerators: larger published codecs "
        "compress better. Photographs only; line art, screenshots and text were not trained on. "
        + own
    )


if __name__ == "__main__":
    main()
