"""Structured pruning: whole channels and whole residual blocks go, and the network is physically
narrower, so every runtime multiplies less.

    keep the strongest units of each group of channels, cut the rest out of every tensor

What a group is, the family's table of layers says (``codecs.layers``); what is strong,
``importance``. How much goes is said per part or group as a ratio of its channels, or for a part as
the share of its multiplications: then all of its groups that nothing else is said about lose the
same share of channels, the least that is enough. Widths are rounded to a multiple that kernels
like. Norms divide for the channels that are left: told to go on counting those that went (``norms =
"full"``), which is exactly what zeros would give, the un-trained picture of ``hific-s`` at 15.7 of
26.8 kMAC a pixel is 0.01 dB worse, and a graph has more to do.

A narrowed network has lost 1 to 2.6 dB and gets most of that back by learning on; nothing here
learns. Streams stay what they are unless a group is narrowed that they depend on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from slimcodec.codecs.layers import groups
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.shrink.importance import Alike, Energy, Importance
from slimcodec.shrink.recipe import Context
from slimcodec.shrink.roles import absent, by_part, parts_of
from slimcodec.shrink.widths import Plan, check_share, planned

if TYPE_CHECKING:
    from torch import nn

    from slimcodec.codecs.family import Family

__all__ = ["PruneChannels"]

_NORMS = ("own", "full")
_IMPORTANCES = ("energy", "taylor")
_KEYS = ("macs", "blocks", "multiple", "norms", "importance", "images")


@dataclass(frozen=True)
class PruneChannels:
    """Cut the weakest channels out of chosen parts or groups.

    Attributes:
        ratios: part or role (``roles``), group, or the beginning of several groups' names, to the
            share of their channels that goes, in [0, 1); the longest that fits a group counts.
        macs: part or role to the share of its multiplications that goes, in [0, 1).
        blocks: part or role to how many of its residual blocks stay; all when not said.
        multiple: channels that a width is rounded to multiples of, where it has as many.
        importance: what says which are weak: ``energy`` of the weights, or ``taylor``, the gradient
            of the rate-distortion cost on photographs.
        images: how many photographs ``taylor`` looks at.
        norms: what a norm of narrowed channels divides for: ``own``, those that are left, or
            ``full``, those that there were.
    """

    name: ClassVar[str] = "prune-channels"

    ratios: Mapping[str, float] = field(default_factory=dict)
    macs: Mapping[str, float] = field(default_factory=dict)
    blocks: Mapping[str, int] = field(default_factory=dict)
    multiple: int = 8
    norms: Literal["own", "full"] = "own"
    importance: Literal["energy", "taylor"] = "energy"
    images: int = 16

    def __post_init__(self) -> None:
        for key in ("macs", "blocks"):
            if not isinstance(getattr(self, key), Mapping):
                raise UsageError(f"{key} takes a table of parts, got {getattr(self, key)!r}")
        for name, ratio in self.ratios.items():
            check_share(f"the ratio of {name}", ratio)
        for part, share in self.macs.items():
            check_share(f"macs.{part}", share)
            if part in self.ratios:
                raise UsageError(f"{part} has a ratio and a share of its macs; say one of them")
        for part, count in self.blocks.items():
            if type(count) is not int or count < 0:
                raise UsageError(f"blocks.{part} must be a whole number from 0, got {count!r}")
        for key in ("multiple", "images"):
            value = getattr(self, key)
            if type(value) is not int or value < 1:
                raise UsageError(f"{key} must be a whole number from 1, got {value!r}")
        if self.norms not in _NORMS:
            raise UnknownNameError("norms of prune-channels", str(self.norms), _NORMS)
        if self.importance not in _IMPORTANCES:
            raise UnknownNameError("importance", str(self.importance), _IMPORTANCES)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> PruneChannels:
        """Every key that is no setting is a part or a group with its ratio."""
        ratios = {key: value for key, value in settings.items() if key not in _KEYS}
        return cls(ratios, **{key: settings[key] for key in _KEYS if key in settings})

    def settings(self) -> dict[str, Any]:
        """The inverse of ``from_settings``."""
        usual = PruneChannels()
        given = {key: getattr(self, key) for key in _KEYS}
        more = {key: value for key, value in given.items() if value != getattr(usual, key)}
        tables = {key: dict(value) for key, value in more.items() if isinstance(value, Mapping)}
        return {**self.ratios, **more, **tables}

    def check(self, family: Family, config: Any) -> Any:
        """Names must be those of parts and groups that there are, and so much must be there to
        go."""
        plan = self._planned(config, family, Alike(len(family.residual_blocks(config))))
        widths = {name: len(kept) for name, kept in plan.keep.items()}
        return family.narrowed(config, widths, plan.blocks, self.norms == "full")

    def plan(self, network: nn.Module, family: Family) -> list[str]:
        """Widths before and after, a line per group, and what each part costs."""
        _check_float(network)
        plan = self._planned(network.config, family, _energy(network, family))
        lines = plan.lines(self.name, which=self.importance == "energy")
        return [f"{self.name}: {line}" for line in absent(family, self._names())] + lines

    def _names(self) -> list[str]:
        return [*self.ratios, *self.macs, *self.blocks]

    def touches(self, family: Family) -> frozenset[str]:
        """Parts that get narrower."""
        ratios, macs, blocks = self._asked(family)
        asked = {name.split(".")[0] for name, ratio in ratios.items() if ratio > 0}
        asked |= {part for part, share in macs.items() if share > 0}
        return frozenset(asked | set(blocks))

    def needs_photographs(self) -> bool:
        """Whether photographs say which channels are weak."""
        return self.importance == "taylor"

    def apply(
        self, network: nn.Module, family: Family, context: Context | None = None
    ) -> tuple[nn.Module, list[dict[str, Any]]]:
        """A narrowed copy, and widths before and after of each group and each part's cost."""
        from slimcodec.codecs.narrowing import narrow

        plan = self.decide(network, family, context or Context())
        made = narrow(network, family, plan.keep, plan.blocks, self.norms == "full")
        return made, plan.records()

    def decide(self, network: nn.Module, family: Family, context: Context) -> Plan:
        """What stays and what goes; nothing is cut yet.

        Raises:
            UnknownNameError: for a part or group that there is not.
            UsageError: when nothing would be left of one, or the network is quantized.
        """
        # What cannot be is said before anything is measured.
        _check_float(network)
        plan = self._planned(network.config, family, _energy(network, family))
        if self.importance == "taylor":
            seen = self._measured(network, family, plan, context)
            plan = self._planned(network.config, family, seen)
        return plan

    def _measured(
        self, network: nn.Module, family: Family, plan: Plan, context: Context
    ) -> Importance:
        from slimcodec.shrink.calibration import crops_of
        from slimcodec.shrink.taylor import Taylor

        crops = crops_of(context.folder(self.name), self.images)
        known = groups(family.layers(network.config))
        asked = {name: known[name] for name in plan.widths}
        return Taylor(network, family, asked, crops, context.stage("looking at gradients"))

    def _planned(self, config: Any, family: Family, importance: Importance) -> Plan:
        parts_of(family, self._names())
        ratios, macs, blocks = self._asked(family)
        return planned(config, family, ratios, macs, blocks, self.multiple, importance)

    def _asked(self, family: Family) -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
        """Ratios, shares and blocks, by the family's own parts."""
        return (
            by_part(family, self.ratios),
            by_part(family, self.macs),
            by_part(family, self.blocks),
        )


def _check_float(network: nn.Module) -> None:
    from slimcodec.quantization.simulation import is_quantized

    if is_quantized(network):
        raise UsageError("the network is quantized already; prune first, then quantize")


def _energy(network: nn.Module, family: Family) -> Energy:
    from slimcodec.quantization.simulation import plain_state

    return Energy(plain_state(network), len(family.residual_blocks(network.config)))
