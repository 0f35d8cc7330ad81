"""What a search may choose, as knobs with few values each, and the recipe that a choice stands for.

    PART.share     of the multiplications that its residual blocks leave, how many go by channels
    PART.blocks    how many of its residual blocks stay
    PART.bits      "float", "8+8" (weights and what layers are given), or bits of weights alone

The share counts what blocks leave, so that no two choices give the same network. The recipe is of
the passes that there are: narrow, let learn for a few steps, round.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slimcodec.codecs.layers import multiplications
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.shrink import Distil, Finetune, Pass, PruneChannels, Quantize, Recipe

if TYPE_CHECKING:
    from torch import nn

    from slimcodec.codecs.family import Family

__all__ = ["Choice", "Knob", "Space", "searchable_parts"]

Choice = Mapping[str, float | str]
"""Knob to value."""

FLOAT = "float"
BITS = (FLOAT, "8+8", "8", "7", "6", "5", "4")
_SHARES = tuple(round(0.05 * n, 2) for n in range(17))
_LOOKED_AT = 4
"""Photographs that a trial's passes measure on: more take longer than everything else of it."""
_BATCH = 4


@dataclass(frozen=True)
class Knob:
    """One thing to choose.

    Attributes:
        name: part and what of it.
        values: two or more; numbers in ascending order, or words, which have none.
    """

    name: str
    values: tuple[float | str, ...]

    @property
    def ordered(self) -> bool:
        """Whether neighbours are alike."""
        return not isinstance(self.values[0], str)


@dataclass(frozen=True)
class Space:
    """All choices about some parts of one model.

    Attributes:
        family: of the model.
        parts: in question.
        knobs: what may be chosen of them; a part that cannot be narrowed has bits alone.
        left: part to what its multiplications come to, as a share of all, with so many residual
            blocks; a part without blocks has the entry of none.
        steps: of learning behind every narrowing; 0 for none.
    """

    family: Family
    parts: tuple[str, ...]
    knobs: tuple[Knob, ...]
    left: Mapping[str, Mapping[int, float]]
    steps: int

    @classmethod
    def of(cls, network: nn.Module, family: Family, parts: Sequence[str], steps: int) -> Space:
        """What may go from these parts of a network.

        Raises:
            UnknownNameError: for a part that there is not.
            UsageError: when no part is named, or one twice, or steps are below 0.
        """
        if steps < 0:
            raise UsageError(f"steps must be a whole number from 0, got {steps}")
        if not parts or len(set(parts)) < len(parts):
            raise UsageError(f"name one or more different parts of {', '.join(family.parts)}")
        knobs, left = [], {}
        for part in parts:
            if part not in family.parts:
                raise UnknownNameError(f"part of {family.name}", part, family.parts)
            left[part] = _left(network.config, family, part)
            fewest, all_blocks = min(left[part]), max(left[part])
            shares = _shares(network, family, part, left[part], fewest)
            if len(shares) > 1:
                knobs.append(Knob(f"{part}.share", shares))
            if fewest < all_blocks:
                knobs.append(Knob(f"{part}.blocks", tuple(range(fewest, all_blocks + 1))))
            knobs.append(Knob(f"{part}.bits", BITS))
        return cls(family, tuple(parts), tuple(knobs), left, steps)

    def anchors(self) -> list[dict[str, float | str]]:
        """Choices that every search begins with: half way in everything, and nothing but bits."""
        half = {
            knob.name: knob.values[len(knob.values) // 2] if knob.ordered else "8+8"
            for knob in self.knobs
        }
        return [half, {**half, **self._whole()}]

    def nothing(self) -> dict[str, float | str]:
        """The choice that leaves the model as it is."""
        bits = {knob.name: FLOAT for knob in self.knobs if not knob.ordered}
        return {**self._whole(), **bits}

    def recipe(self, choice: Choice, name: str) -> Recipe:
        """The passes that a choice stands for."""
        macs, blocks = {}, {}
        for part in self.parts:
            share = float(choice.get(f"{part}.share", 0.0))
            count = int(choice.get(f"{part}.blocks", max(self.left[part])))
            if count < max(self.left[part]):
                blocks[part] = count
            if share > 0:
                macs[part] = _of_all(share, self.left[part][count])
        passes: list[Pass] = []
        if macs or blocks:
            passes.append(
                PruneChannels(macs=macs, blocks=blocks, importance="taylor", images=_LOOKED_AT)
            )
            if self.steps:
                passes.append(self._learning(tuple(p for p in self.parts if p in {*macs, *blocks})))
        bits = {part: str(choice[f"{part}.bits"]) for part in self.parts}
        rounded = {part: own for part, own in bits.items() if own != FLOAT}
        if rounded:
            passes.append(_rounding(rounded))
        return Recipe(passes, name)

    def describe(self) -> dict[str, Any]:
        """Plain values: two spaces of one model that describe themselves alike are alike."""
        knobs = {knob.name: list(knob.values) for knob in self.knobs}
        return {"parts": list(self.parts), "knobs": knobs, "steps": self.steps}

    def size(self) -> int:
        """How many choices there are."""
        count = 1
        for knob in self.knobs:
            count *= len(knob.values)
        return count

    def _whole(self) -> dict[str, float | str]:
        """Every channel and every block stays."""
        return {
            knob.name: knob.values[0 if knob.name.endswith(".share") else -1]
            for knob in self.knobs
            if knob.ordered
        }

    def _learning(self, parts: tuple[str, ...]) -> Pass:
        """A teacher where the family may have one and it teaches these parts."""
        distil = Distil(steps=self.steps, batch=_BATCH)
        if "distillation" in self.family.objectives and parts == distil.parts:
            return distil
        return Finetune(parts=parts, steps=self.steps, batch=_BATCH)


def searchable_parts(family: Family) -> tuple[str, ...]:
    """Parts that a decoder runs and streams do not depend on."""
    others = family.encoding_parts | family.changes_streams
    return tuple(part for part in family.parts if part not in others)


def _left(config: Any, family: Family, part: str) -> dict[int, float]:
    """Blocks that stay to the share of a part's multiplications; at least half of them stay."""
    own = [n for n in family.residual_blocks(config) if n.split(".")[0] == part]
    if not own:
        return {0: 1.0}
    whole = multiplications(family.layers(config), part)

    def share(count: int) -> float:
        fewer = family.narrowed(config, {}, range(count), False)
        return multiplications(family.layers(fewer), part) / whole

    return {count: share(count) for count in range(max(1, len(own) // 2), len(own) + 1)}


def _shares(
    network: nn.Module, family: Family, part: str, left: Mapping[int, float], fewest: int
) -> tuple[float, ...]:
    """Shares that can go whatever the blocks: least where the fewest stay."""
    blocks = {part: fewest} if fewest < max(left) else {}

    def impossible(share: float) -> bool:
        step = PruneChannels(macs={part: _of_all(share, left[fewest])}, blocks=blocks)
        try:
            step.plan(network, family)
        except UsageError:
            return True
        return False

    return _SHARES[: bisect_left(_SHARES, True, lo=1, key=impossible)]


def _of_all(share: float, left: float) -> float:
    """A share of what is left, as the share of all that is then gone."""
    return round(1 - (1 - share) * left, 4)


def _rounding(bits: Mapping[str, str]) -> Quantize:
    def table(own: str) -> dict[str, int]:
        weights, plus, activations = own.partition("+")
        return {"weights": int(weights), **({"activations": int(activations)} if plus else {})}

    parts = {part: table(own) for part, own in bits.items()}
    return Quantize(only=tuple(bits), parts=parts, images=_LOOKED_AT)
