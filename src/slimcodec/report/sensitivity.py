"""The page of ``slimcodec sensitivity``: a heat map of what each change costs, from rows.

Layers stand down the side as the network has them, settings across. A group of channels that one
layer makes stands in that layer's line; one that several make (a residual stream, what a ConvLSTM
remembers) has a line of its own, and so has a residual block. Colours go by the logarithm of the
cost: what one looks for spans five decades.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from slimcodec.atomic import write_atomically
from slimcodec.explore.bargains import mixed_bits, per_byte, per_multiplication
from slimcodec.explore.sensitivity_rows import Change, Cost, Setup, Subject, costs_of, read_rows
from slimcodec.report.columns import Field, Table, fill, number_field, text_field
from slimcodec.report.rendering import template
from slimcodec.report.text import join_words, number, percent, plain, plural, signed

__all__ = ["bargain_tables", "build_sensitivity_page"]

STEPS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Percent of the rate at which one colour ends and the next begins."""
_KINDS = ("bits", "zeros", "channels", "block")
_HEADINGS = {"bits": "bits a weight", "zeros": "weights at zero", "channels": "channels gone"}
_SHOWN = 8
"""Lines of a table of bargains."""


@dataclass(frozen=True)
class Cell:
    """One cost: what is written, its colour from 0 to 7, and what is said of it when it is pointed
    at; no colour and no words where nothing was measured."""

    text: str
    heat: int | None
    words: str


@dataclass(frozen=True)
class Line:
    """A layer, group or block: its name without its part, what it is where it is no layer, what it
    weighs, and a cell for each column."""

    name: str
    label: str
    remark: str
    parameters: str
    kmac: str
    cells: list[Cell]


@dataclass(frozen=True)
class Heading:
    """Of a run of columns: its name and its settings."""

    name: str
    settings: list[str]


@dataclass(frozen=True)
class HeatMap:
    """The columns, the lines of each part, and what the colours mean."""

    headings: list[Heading]
    parts: list[tuple[str, list[Line]]]
    legend: list[str]

    @property
    def width(self) -> int:
        """Columns, those of names and weights among them."""
        return 3 + sum(len(heading.settings) for heading in self.headings)


def build_sensitivity_page(folder: Path, budget_percent: float) -> Path:
    """Make the page from ``rows.jsonl``.

    Args:
        folder: holds the rows.
        budget_percent: of the rate, that mixed bits may cost.

    Returns:
        The page, ``folder/index.html``; it needs no other file.

    Raises:
        MissingExtraError: when Jinja2 is not installed.
        SlimcodecError: when there are no rows.
    """
    page_template = template("sensitivity.html.j2")
    setup, rows = read_rows(folder / "rows.jsonl")
    costs = costs_of(rows)
    mixed = mixed_bits(setup.subjects, costs, budget_percent)
    page = page_template.render(
        title=f"What {setup.model} is sensitive to",
        headline=_headline(setup, costs),
        facts=_facts(setup, costs),
        unread=_unread(setup),
        map=_heat_map(setup, costs),
        bargains=[table for table in bargain_tables(costs) if table.rows],
        mixed=mixed,
        recipe=mixed.as_recipe(setup.model) if mixed else "",
    )
    path = folder / "index.html"
    write_atomically(path, page.encode())
    return path


def bargain_tables(costs: Sequence[Cost]) -> list[Table]:
    """Where a byte, and where a multiplication, goes for the least."""
    note = "The best change of each; what costs less than 0.1 % of the rate counts as 0.1 %."
    bytes_note = "Bytes are estimated, two a weight where it is a float, before entropy coding."
    shared: list[Field[Cost]] = [
        text_field("Layer or group", lambda c: c.change.name),
        text_field("Change", lambda c: change_text(c.change)),
        number_field("Cost (% of the rate)", lambda c: signed(c.percent, 2)),
        number_field("Standard error (%)", lambda c: number(c.error_percent, 2)),
    ]
    saved_bytes: Field[Cost] = number_field("Saves (bytes)", lambda c: number(c.saved_bytes))
    saved_kmac: Field[Cost] = number_field(
        "Saves (kMAC a pixel)", lambda c: number(c.saved_kmac, 2)
    )
    return [
        fill(
            "Cheapest per byte",
            [*shared, saved_bytes],
            per_byte(costs, _SHOWN),
            f"{note} {bytes_note}",
        ),
        fill(
            "Cheapest per multiplication",
            [*shared, saved_kmac],
            per_multiplication(costs, _SHOWN),
            note,
        ),
    ]


def change_text(change: Change) -> str:
    """A change in words."""
    if change.kind == "bits":
        return f"{plain(change.setting)} bits"
    if change.kind == "block":
        return "block gone"
    share = percent(plain(100 * change.setting))
    return f"{share} zeros" if change.kind == "zeros" else f"{share} of channels gone"


def _headline(setup: Setup, costs: Sequence[Cost]) -> str:
    """The two ends, each layer by the same change."""
    kinds = [("bits", 4.0), ("zeros", 0.5), ("channels", 0.25)]
    alike: list[Cost] = []
    for kind, setting in kinds:
        alike = [c for c in costs if (c.change.kind, c.change.setting) == (kind, setting)]
        if alike:
            break
    if not alike:
        return f"{plural(len(costs), 'change')} of {setup.model}, each by itself."
    least, most = (f(alike, key=lambda c: c.percent) for f in (min, max))
    return (
        f"With {change_text(most.change)}, {most.change.name} alone costs "
        f"{percent(signed(most.percent))} of the rate, {least.change.name} "
        f"{percent(signed(least.percent, 2))}."
    )


def _facts(setup: Setup, costs: Sequence[Cost]) -> list[tuple[str, str]]:
    qualities = join_words([plain(quality) for quality in setup.qualities])
    looked = max((cost.photographs for cost in costs), default=0)
    fewest = min((cost.photographs for cost in costs), default=0)
    photographs = plural(looked, "photograph") if looked == fewest else f"{fewest} to {looked}"
    return [
        ("Model", setup.model),
        ("Quality" if len(setup.qualities) == 1 else "Qualities", qualities),
        ("Photographs", photographs),
        ("Changes", number(len(costs))),
        ("Unit", "% of the rate at equal quality"),
        ("Rate", "ideal code length, no streams"),
    ]


def _unread(setup: Setup) -> str:
    """Layers that were not tried because coding never ran them."""
    names = [one.name for one in setup.subjects if one.kind == "layer" and not one.read]
    if not names:
        return ""
    return (
        f"{plural(len(names), 'layer')}, {names[0]} to {names[-1]}, do not run at these qualities "
        "and were not tried."
    )


def _heat_map(setup: Setup, costs: Sequence[Cost]) -> HeatMap:
    found: dict[tuple[str, str, float], Cost] = {
        (c.change.kind, c.change.name, c.change.setting): c for c in costs
    }
    columns = [
        (kind, setting)
        for kind in _KINDS
        for setting in sorted({c.change.setting for c in costs if c.change.kind == kind})
    ]
    headings = [
        Heading(_HEADINGS.get(kind, "block"), [_setting(kind, setting) for _, setting in run])
        for kind, own in groupby(columns, key=lambda column: column[0])
        for run in [list(own)]
    ]
    groups = {one.maker: one.name for one in setup.subjects if one.kind == "group" and one.maker}
    tried = {c.change.name for c in costs}
    parts: dict[str, list[Line]] = {}
    for one in setup.subjects:
        names = {"bits": one.name, "zeros": one.name, "block": one.name, "channels": one.name}
        if one.kind == "layer":
            names["channels"] = groups.get(one.name, "")
        if (one.kind == "group" and one.maker) or not tried & set(names.values()):
            continue
        cells = [_cell(found.get((kind, names[kind], setting))) for kind, setting in columns]
        parts.setdefault(one.part, []).append(_line(one, cells))
    edges = [plain(step) for step in STEPS]
    between = [f"{low}–{high}" for low, high in pairwise(edges)]
    legend = [f"under {edges[0]}", *between, f"over {edges[-1]}"]
    return HeatMap(headings, list(parts.items()), legend)


def _line(one: Subject, cells: list[Cell]) -> Line:
    remarks = {"layer": "", "group": "channels of several layers", "block": "residual block"}
    label = one.name.removeprefix(f"{one.part}.")
    kmac = number(one.kmac, 2 if one.kmac >= 0.01 else 3)
    return Line(one.name, label, remarks[one.kind], number(one.parameters), kmac, cells)


def _setting(kind: str, setting: float) -> str:
    if kind == "bits":
        return plain(setting)
    return "gone" if kind == "block" else percent(plain(100 * setting))


def _cell(cost: Cost | None) -> Cell:
    if cost is None:
        return Cell("", None, "")
    heat = sum(cost.percent >= step for step in STEPS)
    rest = cost.percent - cost.rate_percent
    saved: Mapping[str, float] = {"bytes": cost.saved_bytes, "kMAC a pixel": cost.saved_kmac}
    gains = [
        f"{number(value, 0 if unit == 'bytes' else 2)} {unit}"
        for unit, value in saved.items()
        if value > 0
    ]
    words = (
        f"{cost.change.name}, {change_text(cost.change)}: {percent(signed(cost.percent, 2))} of "
        f"the rate ± {number(cost.error_percent, 2)} ({signed(cost.rate_percent, 2)} bits, "
        f"{signed(rest, 2)} distortion), {signed(cost.bpp, 4)} bpp"
        + (f"; saves {join_words(gains)}" if gains else "")
    )
    return Cell(_short(cost.percent), heat, words)


def _short(value: float) -> str:
    """As many digits as fit a narrow column."""
    size = abs(value)
    if size >= 9950:
        return f"{number(value / 1000)}k"
    return number(value, 2 if size < 9.95 else 1 if size < 99.5 else 0)
