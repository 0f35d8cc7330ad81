"""The part ``probability``: how likely each bit is, given the bits that a decoder already has.

The published port writes its bits as they are. They are far from uniform: a block's brightness is
much like its neighbours', and what an earlier bit left decides on the next. The model of an
iteration is a small network of its own, since the same bit means another thing in each:

    memory = Σ over earlier iterations of Q_i b_i      a learned, linear summary of all their bits
    context = relu(3x3 [memory, bits of the iteration before])
    group g: relu(1x1 context + 3x3 bits already coded in this iteration) ─► 1x1 ─► logits

An iteration's bits are coded in groups: slices of the channels, in the order in which the
binarizer decided on them, each in the two colours of a checkerboard. All bits of a group are coded
at once, knowing the earlier slices everywhere and the other colour of their own (the two-pass
context model of He et al. 2021, over bits). A sign whose significance bit says that nothing moves
is 0 in a code and costs nothing. This is the torch twin, for training and for the ideal
code length; what codes is its integer twin in ``prior.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.checkerboard import GroupNet, checkerboard
from slimcodec.codecs.toderici.config import TodericiConfig

__all__ = ["BitModel", "Group", "IterationModel"]


class Group(GroupNet):
    """Logits of one slice in one colour.

    Args:
        config: widths.
        number: of the slice.
        second: whether the slice's other colour is known.
    """

    def __init__(self, config: TodericiConfig, number: int, second: bool) -> None:
        size = config.bits // config.slices
        self.start = number * size
        self.known = self.start + (size if second else 0)
        """Bits from the first on that the convolution over this iteration sees."""
        super().__init__(self.known, config.context_channels, config.hidden_channels, size)

    def forward(
        self, base: Float[Tensor, "b c h w"], seen: Float[Tensor, "b n h w"] | None
    ) -> Float[Tensor, "b m h w"]:
        """Logits of +1 at every position, of which this colour's count.

        Args:
            base: the context.
            seen: the iteration's whole code.
        """
        if seen is not None:
            code, seen = seen, seen[:, : self.known]
            if self.known > self.start:
                own = seen[:, self.start :] * checkerboard(code)
                seen = torch.cat([seen[:, : self.start], own], dim=1)
        return super().forward(base, seen)


class IterationModel(nn.Module):
    """The model of one iteration's bits."""

    def __init__(self, config: TodericiConfig) -> None:
        super().__init__()
        inputs = config.memory_channels + config.bits
        self.context = nn.Conv2d(inputs, config.context_channels, 3, padding=1)
        self.groups = nn.ModuleList(
            Group(config, number, second)
            for number in range(config.slices)
            for second in (False, True)
        )

    def forward(
        self, known: Float[Tensor, "b c h w"], code: Float[Tensor, "b n h w"]
    ) -> Float[Tensor, "b n h w"]:
        """Logits of +1 for every bit, each from what its group knows."""
        context = F.relu(self.context(known))
        first = checkerboard(code)
        logits = []
        for one, two in zip(self.groups[::2], self.groups[1::2], strict=True):
            logits.append(torch.where(first, one(context, code), two(context, code)))
        return torch.cat(logits, dim=1)


class BitModel(nn.Module):
    """A model for each iteration, and what each adds to the memory of the later ones."""

    def __init__(self, config: TodericiConfig) -> None:
        super().__init__()
        self.memory = nn.Parameter(
            torch.zeros(config.iterations, config.memory_channels, config.bits)
        )
        self.iterations = nn.ModuleList(IterationModel(config) for _ in range(config.iterations))
        self.slices, self.gated = config.slices, config.significance

    def sent(self, code: Float[Tensor, "b n h w"]) -> Float[Tensor, "b n h w"] | float:
        """1 for every bit of a code that is written, 0 for the others; with a gradient to the
        significance bits, which decide. The layout is that of ``config.sent_if``."""
        if not self.gated:
            return 1.0
        written: list[Tensor] = []
        for significant in code.chunk(2 * self.slices, dim=1)[::2]:
            written += (torch.ones_like(significant), (1 + significant) / 2)
        return torch.cat(written, dim=1)

    def forward(
        self, codes: Sequence[Float[Tensor, "b n h w"]], skip: int = 0
    ) -> Float[Tensor, "m b"]:
        """Ideal code length of each iteration's code, in bits per image.

        Args:
            codes: of the first m iterations: ±1, and 0 where a bit is not written.
            skip: so many first lengths are computed without a gradient.
        """
        device = codes[0].device.type
        lengths = []
        with torch.autocast(device, enabled=False):
            learns = torch.is_grad_enabled()
            known = self.start(codes[0])
            for number, code in enumerate(codes):
                with torch.set_grad_enabled(learns and number >= skip):
                    logits = self.iterations[number](known, code)
                    nats = (self.sent(code) * F.softplus(-logits * code)).flatten(1).sum(dim=1)
                lengths.append(nats / math.log(2))
                known = self.remember(known, code, number)
        return torch.stack(lengths)

    def start(self, code: Float[Tensor, "b n h w"]) -> Float[Tensor, "b c h w"]:
        """What is known before the first iteration: zeros, for memory and for bits."""
        channels = self.memory.shape[1] + self.memory.shape[2]
        return code.new_zeros(code.shape[0], channels, *code.shape[2:])

    def remember(
        self, known: Float[Tensor, "b c h w"], code: Float[Tensor, "b n h w"], number: int
    ) -> Float[Tensor, "b c h w"]:
        """What is known after an iteration, counted from 0: memory, and its bits."""
        added = F.conv2d(code, self.memory[number][:, :, None, None])
        return torch.cat([known[:, : self.memory.shape[1]] + added, code], dim=1)
