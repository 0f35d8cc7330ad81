"""Channels and residual blocks that fade before they are cut (mask decay, EVC 2023).

    made(channel) ← factor · made(channel)        factor: 1 at first, 0 in the end

of every channel that will go, in every tensor that makes it, as the family's table says
(``codecs.layers``): weights and biases, or gains and shifts of the norm behind them. A block that
will go has what it adds multiplied. The network learns meanwhile, so what goes says less and less
and what stays takes over. At 0 the channel is zero wherever it is read, through rectifiers, gates
and sums, and cutting it changes nothing.

A norm that will divide for the channels that are left has those that go in its sums by the factor
too (its ``shares``). One that will go on dividing for all is given less of them instead: the layer
in front of it fades as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from slimcodec.codecs.narrowing import narrow
from slimcodec.shrink.importance import ends_of
from slimcodec.shrink.widths import Plan

if TYPE_CHECKING:
    from slimcodec.codecs.family import Family
    from slimcodec.codecs.layers import Carrier

__all__ = ["Fade", "Fading"]


class Fade(nn.Module):
    """The parametrization of a tensor of which some entries go.

    Args:
        going: ones where they do, zeros elsewhere; of the tensor's shape or broadcast to it.
    """

    going: Tensor
    factor: Tensor

    def __init__(self, going: Tensor) -> None:
        super().__init__()
        self.register_buffer("going", going, persistent=False)
        self.register_buffer("factor", going.new_ones(()), persistent=False)

    def forward(self, tensor: Tensor) -> Tensor:
        return tensor * (1 - self.going * (1 - self.factor))


class Fading:
    """A network while some of it fades.

    Args:
        network: of the family; changed in place. Masks and grids of its weights stay.
        family: whose table says where channels are made.
        plan: what stays.
        full_norms: whether norms of narrowed groups go on dividing for as many channels as before.
    """

    def __init__(self, network: Any, family: Family, plan: Plan, full_norms: bool) -> None:
        self._network, self._family = network, family
        self._plan, self._full_norms = plan, full_norms
        self._faded: list[tuple[nn.Module, str, Fade]] = []
        for name, going in _going(network, family, plan, full_norms).items():
            module, _, tensor = name.rpartition(".")
            owner, fade = network.get_submodule(module), Fade(going)
            parametrize.register_parametrization(owner, tensor, fade)
            self._faded.append((owner, tensor, fade))
        self._norms = [] if full_norms else _norms(network, family, plan)

    def at(self, factor: float) -> None:
        """Let what goes count for so much, from 1, as it was, to 0, as if it were cut."""
        for _, _, fade in self._faded:
            fade.factor.fill_(factor)
        for norm, going, before in self._norms:
            after = going.numel() - float(going.sum())
            norm.counted = after + factor * (before - after)
            norm.shares = (1 - going * (1 - factor)).to(norm.gamma.device)

    def cut(self) -> Any:
        """The narrowed network, with the weights that what stays has come to; the one that faded is
        of no more use."""
        for owner, tensor, fade in self._faded:
            chain: Any = owner.get_submodule(f"parametrizations.{tensor}")
            others = [each for each in chain if each is not fade]
            if others:
                del chain[len(others)]
            else:
                parametrize.remove_parametrizations(owner, tensor, leave_parametrized=False)
        plan = self._plan
        return narrow(self._network, self._family, plan.keep, plan.blocks, self._full_norms)


def _going(network: Any, family: Family, plan: Plan, full_norms: bool) -> dict[str, Tensor]:
    """For each tensor that makes what goes, ones where it does."""
    found = {}
    for layer in family.layers(network.config):
        for carrier in layer.outputs() if full_norms else layer.makers():
            if any(own.group in plan.keep for own in carrier.channels):
                found[carrier.tensor] = _where_gone(network, carrier, plan)
    for number, ends in enumerate(ends_of(family, network.config)):
        if plan.blocks is not None and number not in plan.blocks:
            for carrier in (carrier for end in ends for carrier in end.makers()):
                found[carrier.tensor] = torch.ones_like(_where_gone(network, carrier, plan))
    return found


def _where_gone(network: nn.Module, carrier: Carrier, plan: Plan) -> Tensor:
    """Ones for what goes along a tensor's axis, zeros for what stays; broadcast to the tensor."""
    module, _, name = carrier.tensor.rpartition(".")
    tensor: Tensor = getattr(network.get_submodule(module), name)
    shape = [1] * tensor.dim()
    shape[carrier.axis] = carrier.length
    going = torch.ones(carrier.length, dtype=tensor.dtype, device=tensor.device)
    going[torch.from_numpy(carrier.kept(plan.keep))] = 0
    return going.view(shape)


def _norms(network: Any, family: Family, plan: Plan) -> list[tuple[Any, Tensor, float]]:
    """Norms of channels that go, with ones where these are, and for how many they divide now."""
    found = []
    for layer in family.layers(network.config):
        name = layer.module if layer.kind == "norm" else layer.norm
        if name and any(own.group in plan.keep for own in layer.makes):
            norm: Any = network.get_submodule(name)
            found.append((norm, _where_gone(network, layer.makers()[0], plan), norm.counted))
    return found
