"""What a search weighs, and how much of it may be spent.

    decode     milliseconds of a decoder's transforms
    bytes      of the model file
    bd-rate    percent of bits more than the unshrunk codec at equal PSNR

A budget is an upper limit, such as ``decode<=30ms``. What has no budget is to be small.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slimcodec.errors import UnknownNameError, UsageError

__all__ = ["Budget", "Row", "factor_of", "objectives", "parse_budgets", "value_of"]

Row = Mapping[str, Any]
"""One trial, plain values; see ``search``."""

_UNITS: dict[str, dict[str, float]] = {
    "decode": {"ms": 1, "s": 1000},
    "bytes": {"": 1, "B": 1, "kB": 1e3, "MB": 1e6},
    "bd-rate": {"%": 1},
}
_WRITTEN = re.compile(r"\s*([a-z-]+)\s*<=\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-z%]*)\s*")
_UNDEFINED = 1.0
"""How far beyond a budget that is which has no value: as far as twice the budget."""


@dataclass(frozen=True)
class Budget:
    """An upper limit.

    Attributes:
        quantity: what is limited.
        most: milliseconds, bytes or percent.
        text: as it was given.
    """

    quantity: str
    most: float
    text: str

    def excess(self, row: Row) -> float:
        """How far a trial is beyond it, as a share of the limit (percent of bits: in hundreds);
        0 or less where it is kept."""
        value = value_of(row, self.quantity)
        if value is None:
            return _UNDEFINED
        scale = 100.0 if self.quantity == "bd-rate" else self.most
        return (value - self.most) / scale

    def kept(self, row: Row) -> bool:
        """Whether a trial is within it."""
        value = value_of(row, self.quantity)
        return value is not None and value <= self.most


def parse_budgets(texts: Sequence[str]) -> tuple[Budget, ...]:
    """Each as ``QUANTITY<=NUMBER UNIT``.

    Raises:
        UsageError: naming the one that cannot be meant, and what could be.
    """
    found: dict[str, Budget] = {}
    for text in texts:
        written = _WRITTEN.fullmatch(text)
        if written is None:
            raise UsageError(
                f"a budget is written such as decode<=30ms, bytes<=2MB or bd-rate<=2%, got {text!r}"
            )
        quantity, amount, unit = written.groups()
        if quantity not in _UNITS:
            raise UnknownNameError("quantity to budget", quantity, _UNITS)
        units = _UNITS[quantity]
        if unit not in units:
            known = ", ".join(word for word in units if word)
            raise UsageError(f"the budget {text!r} takes {known}, got {unit or 'no unit'!r}")
        most = float(amount) * units[unit]
        if quantity != "bd-rate" and most <= 0:
            raise UsageError(f"the budget {text!r} must be above 0")
        if quantity in found:
            raise UsageError(f"{quantity} has two budgets: {found[quantity].text} and {text}")
        found[quantity] = Budget(quantity, most, text)
    return tuple(found.values())


def objectives(budgets: Sequence[Budget]) -> tuple[str, ...]:
    """What is to be small: bits and time, less what has a budget; else bytes; else bits."""
    limited = {budget.quantity for budget in budgets}
    free = [name for name in ("bd-rate", "decode") if name not in limited]
    if free:
        return tuple(free)
    return ("bd-rate",) if "bytes" in limited else ("bytes",)


def value_of(row: Row, quantity: str) -> float | None:
    """Milliseconds, bytes or percent of a trial; None for a BD-rate that there is not, because the
    two curves share no range of quality."""
    if quantity == "decode":
        return float(row["decode_ms"])
    if quantity == "bytes":
        return float(row["bytes"])
    rate = row["bd_rate_percent"]["psnr"]
    return None if rate is None else float(rate)


def factor_of(row: Row, quantity: str) -> float | None:
    """A quantity of a trial by that of the unshrunk codec; None as in ``value_of``. Time is taken
    as measured in turns with that codec, so that a machine's drift is in neither."""
    if quantity == "decode":
        return float(row["decode_ratio"])
    if quantity == "bytes":
        return float(row["bytes_ratio"])
    rate = value_of(row, quantity)
    return None if rate is None else 1 + rate / 100
