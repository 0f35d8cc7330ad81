"""Which channels and which residual blocks stay, worked out before a weight is touched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from slimcodec.codecs.layers import Group, Layer, groups, multiplications
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.shrink.importance import Importance, strongest

if TYPE_CHECKING:
    from slimcodec.codecs.family import Family

__all__ = ["Plan", "check_share", "planned"]

_HALVINGS = 30
"""Of the interval in which a ratio is looked for: finer than any width."""


@dataclass(frozen=True)
class Plan:
    """What stays, and what that comes to.

    Attributes:
        keep: group to the units that stay; groups that stay whole are not named.
        blocks: numbers of the residual blocks that stay; None where all do.
        widths: group to channels before and after, of all groups of the parts in question; a block
            that goes has none after.
        block_counts: of the residual blocks, before and after.
        costs: part to multiplications per pixel before and after, of all parts that get cheaper or
            are in question.
        streams: whether streams will be others.
    """

    keep: Mapping[str, Sequence[int]]
    blocks: Sequence[int] | None
    widths: Mapping[str, tuple[int, int]]
    block_counts: tuple[int, int]
    costs: Mapping[str, tuple[float, float]]
    streams: bool

    def lines(self, name: str, which: bool = True) -> list[str]:
        """For whoever looks at a recipe before it is applied; groups of one kind and equal widths
        (``generator.blocks.0`` and its like) share a line.

        Args:
            name: of the pass.
            which: whether it is known already which residual blocks stay.
        """
        found = []
        for (kind, (before, after)), alike in groupby(
            self.widths.items(), key=lambda item: (_kind(item[0]), item[1])
        ):
            names = [group for group, _ in alike]
            label = names[0] if len(names) == 1 else f"{kind} ({len(names)} of them)"
            if after:
                found.append(f"{name} {label}: {before} \u2192 {after} channels")
        if self.blocks is not None:
            before, after = self.block_counts
            stays = f"; {', '.join(map(str, self.blocks))} stay" if which and after else ""
            found.append(f"{name}: {before} \u2192 {after} residual blocks{stays}")
        for part, (cost, less) in self.costs.items():
            found.append(f"{name} {part}: {_kmac(cost)} \u2192 {_kmac(less)} kMAC per pixel")
        if self.streams:
            found.append(f"{name}: streams depend on some of this, and will be others")
        return found

    def records(self) -> list[dict[str, Any]]:
        """Plain values for a model's history: per group, then per part."""
        found: list[dict[str, Any]] = [
            {"group": group, "before": before, "after": after}
            for group, (before, after) in self.widths.items()
        ]
        for part, (before, after) in self.costs.items():
            found.append({"part": part, "kmac_before": _kmac(before), "kmac_after": _kmac(after)})
        if self.blocks is not None:
            found.append({"blocks": list(self.blocks), "of": self.block_counts[0]})
        return found


@dataclass(frozen=True)
class _Wanted:
    """What is asked of one network, checked against its table."""

    family: Family
    config: Any
    table: Sequence[Layer]
    known: Mapping[str, Group]
    multiple: int


def planned(
    config: Any,
    family: Family,
    ratios: Mapping[str, float],
    macs: Mapping[str, float],
    blocks: Mapping[str, int],
    multiple: int,
    importance: Importance,
) -> Plan:
    """See ``prune_channels.PruneChannels`` for what may be asked.

    Raises:
        UnknownNameError: for a name that no group begins with.
        UsageError: when a group would have no channel left, there are not so many blocks, or a
            part cannot be made so cheap.
    """
    table = family.layers(config)
    wanted = _Wanted(family, config, table, groups(table), multiple)
    for name in ratios:
        if not any(_begins(group, name) for group in wanted.known):
            raise UnknownNameError(f"group of channels of {family.name}", name, _names(wanted))
    stays = _blocks(wanted, blocks, importance)
    shares = {
        name: ratios[max((given for given in ratios if _begins(name, given)), key=len)]
        for name in wanted.known
        if any(_begins(name, given) for given in ratios)
    }
    for part, share in macs.items():
        open_groups = [n for n, g in wanted.known.items() if g.part == part and n not in shares]
        ratio = _ratio_for(wanted, part, share, open_groups, shares, stays)
        shares |= dict.fromkeys(open_groups, ratio)
    units = {name: _left(wanted, name, ratio) for name, ratio in shares.items()}
    keep = {
        name: strongest(importance.channels(wanted.known[name]), count)
        for name, count in units.items()
        if count < wanted.known[name].units
    }
    return _plan(wanted, keep, units, stays, {*macs, *blocks})


def check_share(what: str, share: object) -> None:
    """Refuse what is no share of something that leaves some of it.

    Raises:
        UsageError: naming it.
    """
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise UsageError(f"{what} must be a number, got {share!r}")
    if not 0 <= share < 1:
        raise UsageError(f"{what} must be at least 0 and below 1, got {share}")


def _left(wanted: _Wanted, name: str, ratio: float) -> int:
    """Units of a group that stay: the nearest multiple of channels, and at least one multiple."""
    group = wanted.known[name]
    left = (1 - ratio) * group.units
    if round(left) < 1:
        raise UsageError(
            f"a ratio of {ratio:g} leaves no channel of the {group.width} of {name}; "
            f"take at most {1 - 1 / group.units:.2g}"
        )
    if ratio == 0:
        return group.units
    step = math.lcm(wanted.multiple, group.size) // group.size
    return min(group.units, max(1, round(left / step)) * step)


def _ratio_for(
    wanted: _Wanted,
    part: str,
    share: float,
    names: Sequence[str],
    given: Mapping[str, float],
    stays: Sequence[int] | None,
) -> float:
    """The least ratio of the named groups that takes a share off a part's multiplications."""
    before = multiplications(wanted.table, part)
    known = {name: _left(wanted, name, ratio) for name, ratio in given.items()}

    def cost(ratio: float) -> float:
        widths = known | {name: _left(wanted, name, ratio) for name in names}
        return multiplications(wanted.family.layers(_config(wanted, widths, stays)), part)

    fewest = min((wanted.known[name].units for name in names), default=1)
    low, high = 0.0, 1 - 1 / fewest
    most = (1 - share) * before
    if cost(low) <= most:
        return low
    if cost(high) > most:
        raise UsageError(
            f"{part} has {_kmac(before)} kMAC per pixel and cannot have {share:.0%} less; "
            f"at most {math.floor(100 * (1 - cost(high) / before))}% by channels"
        )
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if cost(middle) <= most else (middle, high)
    return high


def _blocks(wanted: _Wanted, blocks: Mapping[str, int], importance: Importance) -> list[int] | None:
    names = wanted.family.residual_blocks(wanted.config)
    own = {name.split(".")[0] for name in names}
    stays = None
    for part, count in blocks.items():
        if part not in own or count > len(names):
            there = len(names) if part in own else 0
            raise UsageError(f"{count} residual blocks of {part} cannot stay: it has {there}")
        stays = importance.blocks(count) if count < len(names) else stays
    return stays


def _config(wanted: _Wanted, widths: Mapping[str, int], stays: Sequence[int] | None) -> Any:
    return wanted.family.narrowed(wanted.config, widths, stays, False)


def _plan(
    wanted: _Wanted,
    keep: Mapping[str, Sequence[int]],
    units: Mapping[str, int],
    stays: Sequence[int] | None,
    asked: set[str],
) -> Plan:
    after = wanted.family.layers(_config(wanted, {n: len(k) for n, k in keep.items()}, stays))
    costs = {
        part: (multiplications(wanted.table, part), multiplications(after, part))
        for part in wanted.family.parts
    }
    changed = asked | {wanted.known[name].part for name in units}
    gone = _gone(wanted, stays)
    return Plan(
        {name: kept for name, kept in keep.items() if name not in gone},
        stays,
        {
            name: (group.width, 0 if name in gone else units.get(name, group.units) * group.size)
            for name, group in wanted.known.items()
            if group.part in changed
        },
        (
            len(wanted.family.residual_blocks(wanted.config)),
            len(wanted.family.residual_blocks(wanted.config) if stays is None else stays),
        ),
        {
            part: (before, less)
            for part, (before, less) in costs.items()
            if less < before or part in changed
        },
        any(wanted.known[name].streams for name in keep),
    )


def _gone(wanted: _Wanted, stays: Sequence[int] | None) -> set[str]:
    """Groups that only blocks have which do not stay."""
    names = wanted.family.residual_blocks(wanted.config)
    going = [] if stays is None else [n for i, n in enumerate(names) if i not in stays]
    return {
        name
        for name, group in wanted.known.items()
        if all(any(_begins(layer.module, block) for block in going) for layer in group.made_by)
    }


def _begins(name: str, given: str) -> bool:
    return name == given or name.startswith(given + ".")


def _names(wanted: _Wanted) -> list[str]:
    """Groups and their beginnings."""
    return sorted({
        ".".join(name.split(".")[:count])
        for name in wanted.known
        for count in range(1, name.count(".") + 2)
    })  # fmt: skip


def _kind(group: str) -> str:
    """A group's name without its number."""
    head, _, last = group.rpartition(".")
    return head if last.isdigit() else group


def _kmac(multiplications_: float) -> float:
    return round(multiplications_ / 1000, 2)
