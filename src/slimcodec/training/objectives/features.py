"""What a pupil's layers know of what its teacher's do: the term of distillation that looks at
features.

    t    the teacher's channels at a layer, each less its mean and over its spread
    s    the pupil's at its own, less their means
    term = mean (t - A s)²,    A = argmin Σ (t - A s)² + r Σ A²

so, the share of the teacher's features that no linear map of the pupil's gives. Few channels have
most of the energy; over its spread each counts alike. The map is a 1x1 convolution from any number
of channels to any other, so a pupil may have any shape, and it need not be known which of the
teacher's channels it kept. It is found anew in every step, in closed form: nothing of it is
learned, kept or resumed, and at its minimum its own gradient is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Features", "given", "unexplained"]

_RIDGE = 1e-2
"""Of the pupil's mean energy: a trunk has not many more places than channels."""
_SMALLEST = 1e-6
"""Spread of a channel that says nothing."""


@dataclass(frozen=True)
class Features:
    """Which layers are compared.

    Attributes:
        weight: of their mean, beside the squared error to the photograph.
        layers: the teacher's and the pupil's, by module; what these are given is compared.
    """

    weight: float
    layers: Sequence[tuple[str, str]]

    def term(self, teacher: dict[str, Tensor], pupil: dict[str, Tensor]) -> Float[Tensor, " b"]:
        """Of each image, from what ``given`` noted."""
        shares = [unexplained(teacher[one], pupil[other]) for one, other in self.layers]
        return self.weight * torch.stack(shares).mean(dim=0)


@contextmanager
def given(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """What modules are given while the network runs, by their names."""
    found: dict[str, Tensor] = {}

    def note(name: str) -> Any:
        def noted(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            found[name] = arguments[0]

        return noted

    hooks = [network.get_submodule(n).register_forward_pre_hook(note(n)) for n in names]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def unexplained(
    teacher: Float[Tensor, "b c h w"], pupil: Float[Tensor, "b d h w"]
) -> Float[Tensor, " b"]:
    """The share of a teacher's features that no linear map of a pupil's gives."""
    with torch.autocast(teacher.device.type, enabled=False):
        wanted, known = _centred(teacher), _centred(pupil)
        wanted = wanted / wanted.square().mean(dim=1, keepdim=True).sqrt().clamp(min=_SMALLEST)
        with torch.no_grad():
            energy = known @ known.T
            ridge = _RIDGE * energy.diagonal().mean() + _SMALLEST
            energy.diagonal().add_(ridge)
            map_ = torch.linalg.solve(energy, known @ wanted.T)
        left = (wanted - map_.T @ known).square().mean(dim=0)
        share: Tensor = left.view(len(teacher), -1).mean(dim=1)
        return share


def _centred(features: Tensor) -> Tensor:
    """[c, n], every channel less its mean over images and places."""
    flat = features.float().transpose(0, 1).flatten(1)
    return flat - flat.mean(dim=1, keepdim=True)
