"""Unstructured magnitude pruning, as the paper did it: per part, by ratio, on every convolution and
transposed convolution.

    keep |w| above the ratio-quantile, set the rest to zero

``layer`` takes the quantile in each layer by itself, so every layer ends at the same sparsity
(torch's ``l1_unstructured``, which the paper used); ``global`` takes one over the whole part, so
layers with small weights give more (Han et al. 2015); ``random`` ignores magnitude and is the
control that any method must beat. Biases and norms stay.

A zero weight is still multiplied by a dense kernel: no runtime here gets faster by it. What it buys
is bytes once weights are entropy coded; the reports show both.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.shrink.recipe import Context
from slimcodec.shrink.roles import absent, by_part, parts_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from slimcodec.codecs.family import Family

__all__ = ["Prune", "largest"]

_METHODS = ("layer", "global", "random")


@dataclass(frozen=True)
class Prune:
    """Set the smallest weights of chosen parts to zero.

    Attributes:
        ratios: part or role (``roles``) to the share of its convolution weights set to zero, in
            [0, 1).
        method: ``layer``, ``global`` or ``random``.
        seed: of the random control.
    """

    name: ClassVar[str] = "prune"

    ratios: Mapping[str, float] = field(default_factory=dict)
    method: Literal["layer", "global", "random"] = "layer"
    seed: int = 0

    def __post_init__(self) -> None:
        for part, ratio in self.ratios.items():
            if isinstance(ratio, bool) or not isinstance(ratio, int | float):
                raise UsageError(f"the ratio of {part} must be a number, got {ratio!r}")
            if not 0 <= ratio < 1:
                raise UsageError(f"the ratio of {part} must be at least 0 and below 1, got {ratio}")
        if self.method not in _METHODS:
            raise UnknownNameError("pruning method", str(self.method), _METHODS)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise UsageError(f"the seed must be a whole number, got {self.seed!r}")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Prune:
        """Every key that is not ``method`` or ``seed`` is a part with its ratio."""
        ratios = {k: v for k, v in settings.items() if k not in ("method", "seed")}
        return cls(ratios, settings.get("method", "layer"), settings.get("seed", 0))

    def settings(self) -> dict[str, Any]:
        """The inverse of ``from_settings``."""
        more: dict[str, Any] = {} if self.method == "layer" else {"method": self.method}
        if self.method == "random":
            more["seed"] = self.seed
        return {**self.ratios, **more}

    def check(self, family: Family, config: Any) -> Any:
        """Every named part must be one of the family's."""
        parts_of(family, self.ratios)
        return config

    def plan(self, network: nn.Module, family: Family) -> list[str]:
        """One line per part."""
        from slimcodec.quantization.simulation import convolutions

        lines = [f"{self.name}: {line}" for line in absent(family, self.ratios)]
        for part, ratio in by_part(family, self.ratios).items():
            layers = convolutions(network.get_submodule(part))
            weights = sum(layer.weight.numel() for layer in layers.values())
            lines.append(
                f"prune {part}: {ratio:.0%} of {weights:,} weights in {len(layers)} convolutions, "
                f"{_WORDS[self.method]}"
            )
        return lines

    def touches(self, family: Family) -> frozenset[str]:
        """Parts with a ratio above 0."""
        ratios = by_part(family, self.ratios)
        return frozenset(part for part, ratio in ratios.items() if ratio > 0)

    def needs_photographs(self) -> bool:
        """No: it looks at weights alone."""
        return False

    def apply(
        self, network: nn.Module, family: Family, context: Context | None = None
    ) -> tuple[nn.Module, list[dict[str, Any]]]:
        """A pruned copy, and the sparsity of each layer."""
        import torch

        from slimcodec.quantization.simulation import convolutions, is_quantized, masked

        self.check(family, network.config)
        if is_quantized(network):
            raise UsageError("the network is quantized already; prune first, then quantize")
        pruned = copy.deepcopy(network)
        generator = torch.Generator().manual_seed(self.seed)
        records = []
        for part, ratio in by_part(family, self.ratios).items():
            layers = convolutions(pruned.get_submodule(part))
            scores = {
                name: torch.rand(layer.weight.shape, generator=generator)
                if self.method == "random"
                else layer.weight.detach().abs()
                for name, layer in layers.items()
            }
            masks = _masks(scores, ratio, across_layers=self.method == "global")
            for name, layer in layers.items():
                masked(layer, masks[name])
                records.append(
                    {
                        "layer": f"{part}.{name}",
                        "weights": layer.weight.numel(),
                        "sparsity": float((layer.weight == 0).float().mean()),
                    }
                )
        return pruned, records


_WORDS = {
    "layer": "smallest of each layer",
    "global": "smallest of the whole part",
    "random": "at random",
}


def _masks(scores: dict[str, Tensor], ratio: float, across_layers: bool) -> dict[str, Tensor]:
    """See ``largest``."""
    import torch

    if not across_layers:
        return {
            name: largest(score.flatten(), ratio).view_as(score) for name, score in scores.items()
        }
    together = torch.cat([score.flatten() for score in scores.values()])
    sizes = [score.numel() for score in scores.values()]
    pieces = torch.split(largest(together, ratio), sizes)
    return {name: piece.view_as(scores[name]) for name, piece in zip(scores, pieces, strict=True)}


def largest(score: Tensor, ratio: float) -> Tensor:
    """Of scores [n]: 1 to keep, 0 for the smallest ``round(ratio · n)``, ties by position."""
    import torch

    dropped = torch.argsort(score, stable=True)[: round(ratio * score.numel())]
    mask = torch.ones_like(score)
    mask[dropped] = 0
    return mask
