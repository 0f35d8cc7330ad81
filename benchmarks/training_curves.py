"""Curves of training runs, from their TensorBoard files or from a GPU job's curve.tsv.

    python benchmarks/training_curves.py LABEL=RUN_FOLDER ... -o docs/models/training.png
    python benchmarks/training_curves.py toderici-s=results/gpu_toderici-s.tsv \\
        -o docs/models/training-toderici-s.png

Left the training loss, smoothed over two per cent of a run; right what the averaged weights gave on
held-out photographs, all qualities, one line per validation.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

mpl.use("Agg")
from matplotlib import pyplot as plt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="LABEL=DIR")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    figure, axes = plt.subplots(
        len(arguments.runs), 2, figsize=(11, 3.4 * len(arguments.runs)), dpi=100, squeeze=False
    )
    for (left, right), pair in zip(axes, arguments.runs, strict=True):
        label, _, folder = pair.partition("=")
        path = Path(folder)
        scalars = scalars_of(path) if path.is_dir() else job_scalars(path)
        steps, loss = scalars["train/loss"]
        width = max(1, len(loss) // 50)
        smooth = np.convolve(loss, np.ones(width) / width, "valid")
        left.plot(steps, loss, color="0.8", linewidth=0.7)
        left.plot(steps[width - 1 :], smooth, color="#d62728")
        left.set(title=f"{label}: loss", xlabel="step", ylim=np.quantile(loss, [0.002, 0.998]))
        rates, decibels = (_by_quality(scalars, unit) for unit in ("bpp", "psnr_db"))
        for number, step in enumerate(sorted(rates)):
            shade = str(0.75 * (1 - (number + 1) / len(rates)))
            right.plot(rates[step], decibels[step], marker="o", color=shade, label=f"{step:,}")
        right.set(title=f"{label}: held out, by step", xlabel="estimated bpp", ylabel="PSNR, dB")
        right.legend(fontsize=8)
        for axis in (left, right):
            axis.grid(alpha=0.3)
    figure.tight_layout()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output)


def _by_quality(scalars: dict[str, Any], unit: str) -> dict[int, list[float]]:
    """What each validation gave, quality by quality."""
    found: dict[int, list[float]] = {}
    names = [n for n in scalars if n.startswith("validation/") and n.endswith(f"_{unit}")]
    for name in sorted(names, key=lambda n: int(n.split("/")[1].split("_")[0])):
        for step, value in zip(*scalars[name], strict=True):
            found.setdefault(int(step), []).append(float(value))
    return found


def scalars_of(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Steps and values by name; a step done twice counts as last done."""
    found: dict[str, dict[int, float]] = {}
    for path in sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime):
        events = EventAccumulator(str(path), size_guidance={"scalars": 0})
        events.Reload()
        for name in events.Tags()["scalars"]:
            values = found.setdefault(name, {})
            values |= {event.step: event.value for event in events.Scalars(name)}
    return {
        name: (np.array(sorted(values)), np.array([values[step] for step in sorted(values)]))
        for name, values in found.items()
    }


def job_scalars(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The same, of the last stage that has validations, from rows of a job's reports."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    stage = max(row["stage"] for row in rows if row["held_out"])
    found: dict[str, dict[int, float]] = {"train/loss": {}}
    for row in rows:
        if row["stage"] != stage:
            continue
        step = int(row["step"])
        found["train/loss"][step] = float(row["loss"])
        for number, point in enumerate(row["held_out"].split(), 1):
            for unit, value in zip(("bpp", "psnr_db"), point.split("/"), strict=True):
                found.setdefault(f"validation/{number}_{unit}", {})[step] = float(value)
    return {
        name: (np.array(list(values)), np.array(list(values.values())))
        for name, values in found.items()
    }


if __name__ == "__main__":
    main()
