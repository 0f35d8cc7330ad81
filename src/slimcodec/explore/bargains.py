"""What costs of single changes amount to: where a byte or a multiplication goes for the least, and
how many bits each layer might have. No torch.

Costs were measured one change at a time. That several add up is an assumption, good for small ones
and no promise: what a recipe really costs, shrinking by it and ``slimcodec bench`` say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from slimcodec.explore.sensitivity_rows import Cost, Subject
from slimcodec.settings import to_toml

__all__ = ["NEGLIGIBLE_PERCENT", "MixedBits", "mixed_bits", "per_byte", "per_multiplication"]

NEGLIGIBLE_PERCENT = 0.1
"""Of the rate: what costs less counts as much, or the best bargains would be those that differ from
nothing by chance."""


@dataclass(frozen=True)
class MixedBits:
    """Bits of weights, layer by layer.

    Attributes:
        layers: name to bits.
        percent: sum of the measured costs, in percent of the rate.
        bits_a_weight: mean over the weights of these layers.
        budget_percent: of the rate, that they were to cost at most.
        fewest: whether every layer has the fewest bits that were measured.
    """

    layers: dict[str, int]
    percent: float
    bits_a_weight: float
    budget_percent: float
    fewest: bool

    @property
    def highest(self) -> int:
        """The most bits that a layer has."""
        return max(self.layers.values())

    @property
    def missed(self) -> str:
        """How the budget is not met, in words; nothing where it is spent."""
        over = round(self.percent - self.budget_percent, 6)  # sums of floats
        if over > 0:
            return (
                f"nothing that was measured costs {self.budget_percent:g} % or less; this is the "
                f"nearest, with {self.percent:.2f} %"
            )
        if self.fewest and over < 0:
            return (
                f"nothing that was measured costs as much as {self.budget_percent:g} %; this has "
                f"the fewest bits everywhere, for {self.percent:.2f} %"
            )
        return ""

    def as_recipe(self, model: str) -> str:
        """A recipe for ``slimcodec shrink``, TOML."""
        about = (
            f"# About {self.percent:.1f} % of the rate by the sum of single costs, "
            f"{self.bits_a_weight:.2f} bits a weight.\n"
        )
        if self.missed:
            about += f"# Beside the budget: {self.missed}.\n"
        layers = {name: {"weights": bits} for name, bits in self.layers.items()}
        quantize = {"pass": "quantize", "weights": self.highest, "layers": layers}
        return about + to_toml({"name": f"{model}-mixed-bits", "pass": [quantize]})


def per_byte(costs: Sequence[Cost], count: int) -> list[Cost]:
    """The changes that save bytes for the least, the best of each layer or group."""
    return _cheapest(costs, lambda cost: cost.saved_bytes)[:count]


def per_multiplication(costs: Sequence[Cost], count: int) -> list[Cost]:
    """Likewise multiplications."""
    return _cheapest(costs, lambda cost: cost.saved_kmac)[:count]


def _cheapest(costs: Sequence[Cost], saved: Callable[[Cost], float]) -> list[Cost]:
    def price(cost: Cost) -> float:
        return max(cost.percent, NEGLIGIBLE_PERCENT) / saved(cost)

    best: dict[str, Cost] = {}
    for cost in costs:
        name = cost.change.name
        if saved(cost) > 0 and (name not in best or price(cost) < price(best[name])):
            best[name] = cost
    return sorted(best.values(), key=price)


class _Step(NamedTuple):
    """Fewer bits for one layer, and what each bit that goes costs."""

    price: float
    name: str
    bits: int


def mixed_bits(
    subjects: Sequence[Subject], costs: Sequence[Cost], budget_percent: float
) -> MixedBits | None:
    """Fewer bits where they cost least for what they save, until the costs add up to a budget.

    Every layer begins with the most bits that were measured. Layers that coding runs in integers of
    its own stay as they are, and so do those that were not measured. None where nothing was.

    Args:
        subjects: of the setup.
        costs: of all changes.
        budget_percent: of the rate.
    """
    weights = {s.name: s.parameters for s in subjects if s.kind == "layer" and s.bits == 16}
    ladders: dict[str, dict[int, float]] = {}
    for cost in costs:
        if cost.change.kind == "bits" and cost.change.name in weights:
            ladder = ladders.setdefault(cost.change.name, {})
            ladder[int(cost.change.setting)] = max(0.0, cost.percent)
    if not ladders:
        return None
    chosen = {name: max(ladder) for name, ladder in ladders.items()}
    spent = sum(ladders[name][bits] for name, bits in chosen.items())
    while steps := [
        _Step((ladder[fewer] - ladder[bits]) / (weights[name] * (bits - fewer)), name, fewer)
        for name, bits in chosen.items()
        for ladder in [ladders[name]]
        for fewer in ladder
        if fewer < bits and spent + ladder[fewer] - ladder[bits] <= max(budget_percent, spent)
    ]:
        best = min(steps)
        spent += ladders[best.name][best.bits] - ladders[best.name][chosen[best.name]]
        chosen[best.name] = best.bits
    total = sum(weights[name] for name in chosen)
    mean = sum(weights[name] * bits for name, bits in chosen.items()) / total
    fewest = all(bits == min(ladders[name]) for name, bits in chosen.items())
    return MixedBits(chosen, spent, mean, budget_percent, fewest)
