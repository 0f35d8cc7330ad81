"""A model's card: what it is, how it was trained and what it does, as Markdown.

Every figure comes from the model's own history or from rows; what is said about data and weaknesses
is given by whoever knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slimcodec.bench.summary import Summary
from slimcodec.report.text import (
    NOTHING,
    metric_heading,
    metric_label,
    metric_text,
    metrics_of,
    percent,
    plain,
    signed,
)

__all__ = ["CardFacts", "figures_section", "head_section", "network_section", "training_section"]

GENERATIVE = (
    "**Fine detail is invented.** Grass, hair, bark, faces in a crowd look right and need not be "
    "right. Do not read text, plates or faces from such a picture, and do not use it as evidence; "
    "for that, decode the stream with the faithful model that this one was trained from."
)


@dataclass(frozen=True)
class CardFacts:
    """What a model says about itself.

    Attributes:
        name: of the model.
        look: what its pictures aim at.
        stream_id: hex; empty where it writes no streams of its own.
        digest: hex.
        parameters: of each part.
        file_bytes: of the model file.
        history: of the model.
        base: the file beside it that has the rest, where it does not hold everything itself.
    """

    name: str
    look: str
    stream_id: str
    digest: str
    parameters: Mapping[str, int]
    file_bytes: int
    history: Sequence[Mapping[str, Any]]
    base: str = ""

    @classmethod
    def of(cls, model: Any, file_bytes: int, base: str = "") -> CardFacts:
        """Of a ``model_file.Model``, which a report must not import."""
        counts = {part: total for part, (total, _) in model.parameters().items()}
        return cls(
            model.name, model.look, model.stream_id, model.digest, counts, file_bytes,
            model.history, base,
        )  # fmt: skip


def head_section(facts: CardFacts, made_by: str) -> str:
    """Name and identity."""
    caution = f"\n\n{GENERATIVE}" if facts.look == "natural" else ""
    streams = f"Stream id `{facts.stream_id}`" if facts.stream_id else "No streams of its own"
    return (
        f"# {facts.name}\n\n{streams}, digest `{facts.digest[:16]}`, look: "
        f"{facts.look}. {made_by}{caution}"
    )


def network_section(facts: CardFacts) -> str:
    """Parameters by part."""
    lines = ["## Network", "", "| part | parameters |", "|---|---:|"]
    lines += [f"| {part} | {total:,} |" for part, total in facts.parameters.items()]
    lines.append(f"| together | {sum(facts.parameters.values()):,} |")
    rest = f"; what it shares with `{facts.base}` lies there" if facts.base else ""
    lines += ["", f"Model file: {facts.file_bytes / 1e6:.1f} MB, half precision{rest}."]
    return "\n".join(lines)


def training_section(facts: CardFacts, data: str) -> str:
    """Stretches of training in order, and what held-out photographs gave at the end of the last."""
    trained = [entry for entry in facts.history if "train" in entry]
    lines = ["## Training", ""]
    for entry in trained:
        parts = f"only {', '.join(entry['parts'])}; " if entry.get("parts") else ""
        objective = entry.get("objective") or "rate-distortion loss"
        how_far = f"to step {entry['steps']:,}" if entry["steps"] else "fitted"
        lines.append(
            f"- {entry['train']}, {how_far}: {_duration(entry['hours'])} on "
            f"{entry['hardware']}, {entry['photographs']} photographs; {parts}{objective}."
        )
    if any(entry["steps"] for entry in trained):
        lines += ["", "What is kept is the exponential moving average of the weights."]
    lines += ["", data]
    points = trained[-1].get("validation_bpp_db") if trained else None
    if points:
        lines += [
            "",
            "Held-out photographs at the end, estimated bits, centres of 512 pixels:",
            "",
            "| quality | estimated bits per pixel | PSNR, dB |",
            "|---:|---:|---:|",
            *(f"| {i} | {bpp:.3f} | {db:.2f} |" for i, (bpp, db) in enumerate(points, 1)),
        ]
    return "\n".join(lines)


def figures_section(name: str, variant: str, summary: Summary) -> str:
    """A variant's points and everyone's BD-rates, from rows.

    Args:
        name: of the images, for the heading.
        variant: whose card it is.
        summary: of the rows.
    """
    points = [point for point in summary.points if point.variant == variant]
    metrics = metrics_of(points)
    steps = any(point.steps_ms for point in points)
    head = ["iterations" if steps else "quality", "bits per pixel", *map(metric_heading, metrics)]
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
        cells = [plain(p.quality), f"{p.bpp:.3f}"]
        cells += [metric_text(m, p.metrics[m]) for m in metrics]
        lines.append("| " + " | ".join(cells) + " |")
    shown = [m for m in metrics if any(m in rates for rates in summary.bd_rates.values())]
    if not shown:
        return "\n".join(lines)
    lines += [
        "",
        f"BD-rate against {summary.reference} (negative: fewer bytes for the same quality):",
        "",
        "| codec | " + " | ".join(map(metric_label, shown)) + " |",
        "|---|" + "---:|" * len(shown),
    ]
    for codec, rates in summary.bd_rates.items():
        cells = [percent(signed(rates[m].value)) if m in rates else NOTHING for m in shown]
        lines.append(f"| {codec} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _duration(hours: float) -> str:
    minutes = 60 * hours
    return f"{minutes:.0f} minutes" if minutes < 100 else f"{hours:.1f} hours"
