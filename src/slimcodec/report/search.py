"""The page of a search: its front, drawn and as a table, and every trial.

``search.json`` has a row for each trial, and says which are on the front and which one won
(``explore.search``). Time is drawn as a share of the unshrunk codec's, as it was measured in turns
with that; bits as BD-rate, upside down, so that up and left are better as in every chart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimcodec.atomic import write_atomically
from slimcodec.errors import SlimcodecError
from slimcodec.report import figures
from slimcodec.report.columns import Field, Table, fill, number_field, text_field
from slimcodec.report.figures import LEFT, RIGHT, WIDTH, Axis, Spot, Tick
from slimcodec.report.rendering import template
from slimcodec.report.text import join_words, number, percent, plain, plural, signed

__all__ = ["build_search_page", "front_table", "is_search"]

FILE = "search.json"
_HEADROOM = 0.6
"""Of the front's range of bits, how much more of it is drawn for what is dominated."""
_WORDS = {"bd-rate": "bits", "decode": "decoding time", "bytes": "bytes of the model file"}


@dataclass(frozen=True)
class Trial:
    """One row, as far as it is shown; the unshrunk codec has the number 0 and no settings.

    Attributes:
        decode_percent: of the unshrunk codec's time.
        rates: BD-rates by metric, percent; None where there is none.
        point: means at the usual quality, by metric.
    """

    number: int
    settings: Mapping[str, Any]
    bytes: int
    decode_ms: float
    decode_percent: float
    rates: Mapping[str, float | None]
    point: Mapping[str, float]


@dataclass(frozen=True)
class _Search:
    """What ``search.json`` holds, checked."""

    name: str
    runtime: str
    budgets: Sequence[str]
    objectives: Sequence[str]
    learn: int
    judges: int
    steps: int
    timed: Mapping[str, float]
    unshrunk: Trial
    trials: Sequence[Trial]
    front: Sequence[Trial]
    winner: int | None

    @property
    def knobs(self) -> list[str]:
        """In the order in which trials name them."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.settings))


@dataclass(frozen=True)
class Mark:
    """A trial in the chart: its place, what is written beside it, and how it looks."""

    spot: Spot
    label: str
    look: str


@dataclass(frozen=True)
class FrontChart:
    """Everything a template needs to draw the front."""

    x_title: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    zero: float
    path: str
    marks: list[Mark]
    words: str
    beyond: int


def is_search(folder: Path) -> bool:
    """Whether a folder holds a search."""
    return (Path(folder) / FILE).is_file()


def front_table(folder: Path) -> Table:
    """The front of a search, fastest first, behind the unshrunk codec."""
    return _table(_read(Path(folder)))


def build_search_page(folder: Path) -> Path:
    """Make the page of a search.

    Args:
        folder: holds ``search.json``.

    Returns:
        The page, ``folder/report/index.html``.

    Raises:
        MissingExtraError: when Jinja2 is not installed.
        SlimcodecError: when there is no trial yet, or the file is damaged.
    """
    search_template = template("search.html.j2")
    folder = Path(folder)
    search = _read(folder)
    target = folder / "report"
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise SlimcodecError(f"{target} cannot be made: {error.strerror}") from error
    page = search_template.render(
        title=f"What may go from {search.name}",
        headline=_headline(search),
        facts=_facts(search),
        chart=_chart(search),
        drawing=figures,
        front=_table(search),
        everything=fill("Every trial", _fields(search), search.trials),
        winner=(folder / "winner.toml").is_file(),
    )
    index = target / "index.html"
    write_atomically(index, page.encode())
    return index


def _read(folder: Path) -> _Search:
    path = folder / FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not values["trials"]:
            raise SlimcodecError(f"{path} holds no trials yet; nothing has been measured")
        quality = values["timed"]["quality"]
        trials = [_trial(row, quality) for row in values["trials"]]
        claim = values["claim"]
        return _Search(
            name=values["name"],
            runtime=values["runtime"],
            budgets=values["budgets"],
            objectives=values["objectives"],
            learn=(len(claim["photographs"]) + 1) // 2,
            judges=len(claim["judges"]),
            steps=claim["space"]["steps"],
            timed=values["timed"],
            unshrunk=_trial({"number": 0, "settings": {}, **values["unshrunk"]}, quality),
            trials=trials,
            front=[trials[number - 1] for number in values["front"]],
            winner=values["winner"],
        )
    except (OSError, ValueError, LookupError, TypeError, StopIteration) as error:
        raise SlimcodecError(
            f"{path} cannot be read as a search: {type(error).__name__}: {error}"
        ) from error


def _trial(row: Mapping[str, Any], quality: float) -> Trial:
    return Trial(
        number=row["number"],
        settings=row["settings"],
        bytes=row["bytes"],
        decode_ms=row["decode_ms"],
        decode_percent=100 * row["decode_ratio"],
        rates=row["bd_rate_percent"],
        point=next(point for point in row["points"] if point["quality"] == quality),
    )


def _table(search: _Search) -> Table:
    within = f" within {join_words(search.budgets)}" if search.budgets else ""
    quality = plain(search.timed["quality"])
    return fill(
        f"The front{within}, fastest first",
        _fields(search),
        [search.unshrunk, *search.front],
        f"PSNR and MS-SSIM are those at quality {quality}. An asterisk is on the winner.",
    )


def _fields(search: _Search) -> list[Field[Trial]]:
    def name(trial: Trial) -> str:
        if trial.number == 0:
            return search.name
        return f"{trial.number}{' *' if trial.number == search.winner else ''}"

    def rate(metric: str, label: str) -> Field[Trial]:
        return number_field(f"BD-rate {label} (%)", lambda trial: signed(trial.rates[metric], 2))

    return [
        text_field("trial", name),
        *(_knob_field(knob) for knob in search.knobs),
        number_field("decode (ms)", lambda trial: number(trial.decode_ms, 1)),
        number_field("of before (%)", lambda trial: number(trial.decode_percent, 1)),
        number_field("model file (kB)", lambda trial: number(trial.bytes / 1000)),
        rate("psnr", "PSNR"),
        rate("ms-ssim", "MS-SSIM"),
        number_field("PSNR (dB)", lambda trial: number(trial.point["psnr"], 2)),
        number_field("MS-SSIM", lambda trial: number(trial.point["ms-ssim"], 4)),
    ]


def _knob_field(knob: str) -> Field[Trial]:
    part, _, what = knob.rpartition(".")
    heading = f"{part} multiply-adds gone (%)" if what == "share" else f"{part} {what}"

    def cell(trial: Trial) -> str:
        value = trial.settings.get(knob)
        if value is None:
            return "as it is"
        return number(100 * value) if what == "share" else plain(value)

    return number_field(heading, cell)


def _chart(search: _Search) -> FrontChart | None:
    """None where no trial has a BD-rate."""
    drawn = [trial for trial in search.trials if trial.rates["psnr"] is not None]
    if not drawn:
        return None
    best = search.front or drawn
    top = max(_rate(trial) for trial in best)
    low = min(0.0, *(_rate(trial) for trial in best))
    worst = top + _HEADROOM * max(top - low, 1.0)
    shown = [trial for trial in drawn if _rate(trial) <= worst]
    times = [trial.decode_percent for trial in (search.unshrunk, *shown)]
    x_axis = Axis(min(times) - 5, max(times) + 5, LEFT, WIDTH - RIGHT)
    rates = [_rate(trial) for trial in (search.unshrunk, *shown)]
    y_axis = figures.value_axis(rates, turned=True)

    def mark(trial: Trial) -> Mark:
        spot = Spot(x_axis.at(trial.decode_percent), y_axis.at(_rate(trial)), _words(search, trial))
        if trial.number == 0:
            return Mark(spot, search.name, "unshrunk")
        if trial not in search.front:
            return Mark(spot, "", "faint")
        label = str(trial.number)
        return Mark(spot, label, "s1 winner" if trial.number == search.winner else "s0")

    # Those that matter lie on top.
    others = [mark(trial) for trial in shown if trial not in search.front]
    front = [mark(trial) for trial in search.front]
    return FrontChart(
        x_title=f"decoding time, % of {search.name}’s",
        x_ticks=x_axis.ticks(),
        y_ticks=y_axis.ticks(),
        zero=y_axis.at(0.0),
        path="M" + "L".join(f"{m.spot.x:g} {m.spot.y:g}" for m in front) if front else "",
        marks=[*others, mark(search.unshrunk), *front],
        words=f"BD-rate over decoding time of {plural(len(shown), 'trial')}; the numbers are in "
        "the table of the front.",
        beyond=len(search.trials) - len(shown),
    )


def _rate(trial: Trial) -> float:
    rate = trial.rates["psnr"]
    assert rate is not None
    return rate


def _words(search: _Search, trial: Trial) -> str:
    if trial.number == 0:
        return f"{search.name} as it is: {number(trial.decode_ms, 1)} ms"
    settings = ", ".join(f"{name} {plain(value)}" for name, value in trial.settings.items())
    return (
        f"trial {trial.number}: {settings}: "
        f"{percent(number(trial.decode_percent, 1))} of the time, "
        f"BD-rate {percent(signed(trial.rates['psnr'], 2))}, {number(trial.bytes / 1000)} kB"
    )


def _headline(search: _Search) -> str:
    if search.winner is None:
        asked = join_words(search.budgets) if search.budgets else "comparable pictures"
        return f"None of {plural(len(search.trials), 'trial')} is within {asked}."
    won = search.trials[search.winner - 1]
    return (
        f"Trial {won.number} of {len(search.trials)} decodes in "
        f"{percent(number(won.decode_percent))} of {search.name}’s time at "
        f"{percent(signed(won.rates['psnr']))} of bits for equal PSNR, from a model file of "
        f"{number(won.bytes / 1000)} kB instead of {number(search.unshrunk.bytes / 1000)}."
    )


def _facts(search: _Search) -> list[tuple[str, str]]:
    timed = search.timed
    size = f"{plain(timed['width'])} × {plain(timed['height'])}"
    taught = f"{plural(search.steps, 'step')} behind a narrowing" if search.steps else "none"
    return [
        ("Trials", number(len(search.trials))),
        ("Budgets", join_words(search.budgets) if search.budgets else "none"),
        ("To be small", join_words([_WORDS[name] for name in search.objectives])),
        ("Photographs", f"{search.learn} measured on, {search.judges} judge"),
        ("Learning", taught),
        ("Time", f"transforms of one decode, {size} pixels, {search.runtime}"),
    ]
