"""Axes: values to places in a drawing, and round numbers to write along them.

Up is always better: an axis on which less is better is turned around.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from slimcodec.metrics import curve_unit, curve_value
from slimcodec.report.text import plain, smaller_is_better

__all__ = [
    "BOTTOM",
    "HEIGHT",
    "LEFT",
    "RIGHT",
    "TOP",
    "WIDTH",
    "Axis",
    "Spot",
    "Tick",
    "drawn_unit",
    "drawn_value",
    "rate_axis",
    "signed_axis",
    "value_axis",
]

WIDTH, HEIGHT = 400, 320
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 10, 44

_LOG_ABOVE = 8.0


@dataclass(frozen=True)
class Tick:
    """A place along an axis, in units of the drawing, and what is written there."""

    at: float
    label: str


@dataclass(frozen=True)
class Spot:
    """A point of a chart: its place and what is shown when it is pointed at."""

    x: float
    y: float
    words: str


@dataclass(frozen=True)
class Axis:
    """Values to places: the two ends in values and in the drawing, linear or logarithmic."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def at(self, value: float) -> float:
        """The place of a value."""
        low, high = self._on(self.low), self._on(self.high)
        share = (self._on(value) - low) / (high - low)
        return round(self.start + share * (self.stop - self.start), 1)

    def ticks(self) -> list[Tick]:
        """Round values between the ends."""
        values = _log_steps(self.low, self.high) if self.log else _steps(self.low, self.high)
        return [Tick(self.at(value), _tick_text(value)) for value in values]

    def _on(self, value: float) -> float:
        return math.log10(value) if self.log else value


def drawn_value(metric: str, value: float) -> float:
    """What of a mean of a metric is drawn; not finite where it has no place."""
    return float(curve_value(metric, value))


def drawn_unit(metric: str) -> str:
    """The unit of what is drawn, and that the axis is turned where it is."""
    turned = "axis turned, up is better" if smaller_is_better(metric) else ""
    return ", ".join(word for word in (curve_unit(metric), turned) if word)


def rate_axis(values: Sequence[float], start: float = LEFT, stop: float = WIDTH - RIGHT) -> Axis:
    """Of positive values. What spans more than a factor of eight is drawn logarithmically, or
    short curves would stick to the left edge beside a long one."""
    low, high = min(values), max(values)
    if high / low > _LOG_ABOVE:
        return Axis(low / 1.12, high * 1.12, start, stop, log=True)
    return Axis(0.0, high * 1.05, start, stop)


def value_axis(values: Sequence[float], *, turned: bool) -> Axis:
    """Upwards, with all values well inside; turned, the smaller a value the further up."""
    low, high = _padded(values)
    bottom, top = (high, low) if turned else (low, high)
    return Axis(bottom, top, HEIGHT - BOTTOM, TOP)


def signed_axis(values: Sequence[float], start: float, stop: float) -> Axis:
    """Of changes, to the right: with all values well inside, and zero among them."""
    return Axis(*_padded([0.0, *values]), start, stop)


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - pad, high + pad


def _steps(one: float, other: float) -> list[float]:
    """Round numbers between two ends, four to eight of them."""
    low, high = min(one, other), max(one, other)
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999)
    count = math.floor(high / step) - math.ceil(low / step) + 1
    return [step * (math.ceil(low / step) + n) for n in range(count)]


def _log_steps(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    return [value for value in values if low <= value <= high]


def _tick_text(value: float) -> str:
    return plain(0.0 if abs(value) < 1e-12 else round(value, 10))
