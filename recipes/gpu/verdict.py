"""What new weights are worth: the same photographs under the old and the new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from slimcodec.errors import UsageError
from slimcodec.metrics import bd_rate, to_db
from slimcodec.training.objectives import Objective
from slimcodec.training.objectives.settings import SMALLEST_MS_SSIM_CROP
from slimcodec.training.validation import Validation

__all__ = ["MEASURED", "Measured", "changes", "measure", "photographs_of", "sentence", "table"]

MEASURED = 20
"""Photographs, at most."""
SAME = 0.3
"""Percent of rate that estimated bits of twenty photographs do not tell from nothing."""


@dataclass(frozen=True)
class Measured:
    """Weights on held-out photographs.

    Attributes:
        bpp: estimated bits per pixel at each quality.
        qualities: by metric, its figure at each quality; higher is better. Another metric is
            another entry here: tables, changes and the sentence take all that there are.
    """

    bpp: tuple[float, ...]
    qualities: Mapping[str, tuple[float, ...]]


def photographs_of(held_out: Sequence[Path]) -> Validation:
    """What weights are measured on, decoded once.

    Raises:
        TrainingError: when one is too small, before anything was trained.
    """
    return Validation(held_out, MEASURED, SMALLEST_MS_SSIM_CROP)


def measure(
    network: nn.Module,
    objective: Objective,
    photographs: Validation,
    device: torch.device,
) -> Measured:
    """Means over photographs, in full precision, at each quality or iteration that is trained."""
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    objective.to(device)
    # torch rounds to ten bits unless told otherwise, and a stage may have told it either.
    with torch.backends.cudnn.flags(allow_tf32=False):
        found = photographs.measured(network, objective, device)
    bpp, psnr_db, ms_ssim = zip(*found, strict=True)
    return Measured(bpp, {"PSNR (dB)": psnr_db, "MS-SSIM (dB)": tuple(map(to_db, ms_ssim))})


def changes(before: Measured, after: Measured) -> dict[str, float | None]:
    """By metric, the BD-rate in percent, negative when bits are saved; None where curves do not
    meet."""
    found: dict[str, float | None] = {}
    for name in after.qualities:
        curves = [list(zip(m.bpp, m.qualities[name], strict=True)) for m in (before, after)]
        try:
            found[name] = bd_rate(*curves)
        except UsageError:
            found[name] = None
    return found


def sentence(before: Measured | None, after: Measured, natural: bool, name: str) -> str:
    """What to do with the new weights."""
    if natural:
        return (
            "ship: only after looking at pictures; these figures judge how close a picture is, and "
            "a look aims at something else"
        )
    if before is None:
        return (
            "nothing to compare with: measure real streams with "
            f"`slimcodec bench {name}.slim` first"
        )
    found = changes(before, after)
    worse = [metric for metric, change in found.items() if change is None or change > SAME]
    if worse:
        return f"do not ship: worse in {', '.join(worse)}, or not to be compared with the old ones"
    if all(change is not None and change > -SAME for change in found.values()):
        return "do not ship: no difference that these photographs could show"
    words = ", ".join(f"{change:+.1f} % in {metric}" for metric, change in found.items())
    return f"ship: bits at equal quality change by {words}"


def table(before: Measured | None, after: Measured) -> str:
    """Markdown: a row for each quality or iteration."""
    sides = [("old ", before), ("new ", after)] if before is not None else [("", after)]
    head, columns = ["quality"], [[str(1 + i) for i in range(len(after.bpp))]]
    for prefix, measured in sides:
        assert measured is not None
        head.append(f"{prefix}bpp")
        columns.append([f"{bpp:.4f}" for bpp in measured.bpp])
        for metric, values in measured.qualities.items():
            head.append(f"{prefix}{metric}")
            columns.append([f"{value:.3f}" for value in values])
    rows = [head, ["---:"] * len(head), *map(list, zip(*columns, strict=False))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
