"""Numbers and names as a reader wants them: separators, a real minus, units, "–" for nothing.

Here is the one place that knows how many digits of a metric mean something.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from slimcodec import registry
from slimcodec.errors import SlimcodecError
from slimcodec.metrics import Interval

__all__ = [
    "NOTHING",
    "USUAL_METRICS",
    "brackets",
    "interval_text",
    "join_words",
    "metric_digits",
    "metric_heading",
    "metric_label",
    "metric_text",
    "metric_unit",
    "metrics_of",
    "not_taken",
    "number",
    "percent",
    "percent_interval",
    "plain",
    "plural",
    "signed",
    "smaller_is_better",
]

NOTHING = "–"

_NO_BREAK = "\N{NO-BREAK SPACE}"

USUAL_METRICS = ("ssim", "ms-ssim", "psnr", "lpips", "delta-e")
"""What a reader expects, in the order of columns; the absence of one of these is worth a line."""

_DIGITS = {"psnr": 2, "delta-e": 2, "ssimulacra2": 1}
_USUAL_DIGITS = 4


class _HasMetrics(Protocol):
    @property
    def metrics(self) -> Mapping[str, float]: ...


def number(value: float | None, digits: int = 0) -> str:
    """``18,850.3``; "–" for None and for what is not a number, "∞" for infinity."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:,.{digits}f}"
    # -0.0 and what rounds to it would read as a change that is not there.
    text = text.lstrip("-") if float(text.replace(",", "")) == 0 else text
    return text.replace("-", "−")


def signed(value: float | None, digits: int = 1) -> str:
    """A change: always with its sign, except zero."""
    text = number(value, digits)
    positive = value is not None and value > 0 and text.strip("0.,") != ""
    return f"+{text}" if positive and text != NOTHING else text


def interval_text(rate: Interval | None, digits: int = 1) -> str:
    """A change and the ends of its interval: ``−12.3 [−14.0, −9.8]``."""
    if rate is None:
        return NOTHING
    if rate.low is None or rate.high is None:
        return signed(rate.value, digits)
    return f"{signed(rate.value, digits)} [{signed(rate.low, digits)}, {signed(rate.high, digits)}]"


def percent_interval(rate: Interval, digits: int = 1) -> str:
    """``−12.3 % [−14.0, −9.8]``: a change in percent, with its sign at the figure."""
    value, _, ends = interval_text(rate, digits).partition(" ")
    return f"{percent(value)} {ends}".strip()


def brackets(rates: Iterable[Interval | None]) -> str:
    """What the brackets beside some figures are; empty where none has any, as with few images."""
    if all(rate is None or rate.low is None for rate in rates):
        return ""
    return "In brackets the 95 % interval over the choice of images. "


def percent(text: str) -> str:
    """A finished number with its sign of percent, which a line must not break off."""
    return f"{text}{_NO_BREAK}%"


def plain(value: object) -> str:
    """A setting or a quality: as short as it can be said."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:g}".replace("-", "−")
    return str(value)


def plural(count: int, word: str) -> str:
    """``1 image``, ``2 images``, ``2 qualities``."""
    if count == 1:
        return f"1 {word}"
    return f"{count:,} {word[:-1]}ies" if word.endswith("y") else f"{count:,} {word}s"


def join_words(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def metrics_of(things: Iterable[_HasMetrics]) -> list[str]:
    """Every metric that any of these rows or points has: the usual ones first, then by name."""
    found = {name for thing in things for name in thing.metrics}
    usual = [name for name in USUAL_METRICS if name in found]
    return usual + sorted(found - set(usual))


def metric_label(name: str) -> str:
    """As the metric calls itself; rows may hold one that is not installed here."""
    return str(_attribute(name, "label", name))


def metric_heading(name: str) -> str:
    """Label and unit, for a column."""
    unit = metric_unit(name)
    return f"{metric_label(name)} ({unit})" if unit else metric_label(name)


def metric_unit(name: str) -> str:
    """``dB``, or nothing for a bare number."""
    return str(_attribute(name, "unit", ""))


def metric_text(name: str, value: float | None) -> str:
    """The value in its usual number of digits."""
    return number(value, metric_digits(name))


def metric_digits(name: str) -> int:
    """How many digits of a metric mean something."""
    return _DIGITS.get(name, _USUAL_DIGITS)


def smaller_is_better(name: str) -> bool:
    """Whether an improvement of this metric is a smaller number."""
    return bool(_attribute(name, "better", "higher") == "lower")


def _attribute(name: str, attribute: str, default: str) -> object:
    try:
        return getattr(registry.metrics.get(name), attribute, default)
    except (SlimcodecError, ImportError):
        return default


def not_taken(name: str, taken: set[str]) -> str:
    """The name, numbered where it is another's; from now on it is taken."""
    numbered = (name if n == 1 else f"{name}, {n}" for n in itertools.count(1))
    found = next(each for each in numbered if each not in taken)
    taken.add(found)
    return found
