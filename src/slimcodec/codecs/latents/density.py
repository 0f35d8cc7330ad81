"""The factorized density of hyper-latents (Ballé et al. 2018, appendix 6.1): a learned cumulative
per channel, nothing assumed of its shape."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FactorizedDensity"]


class FactorizedDensity(nn.Module):
    """A learned cumulative per channel: softplus matrices and gated tanh.

    Args:
        channels: each has its own.
        inner: widths between a value and its logit.
        init_scale: of values, about, before anything is learned.
    """

    def __init__(
        self, channels: int, inner: tuple[int, ...] = (3, 3, 3), init_scale: float = 4.0
    ) -> None:
        super().__init__()
        filters = (1, *inner, 1)
        scale = init_scale ** (1 / (len(filters) - 1))
        self.matrices = nn.ParameterList()
        self.gates = nn.ParameterList()
        self.biases = nn.ParameterList()
        for inputs, outputs in pairwise(filters):
            start = math.log(math.expm1(1 / scale / outputs))
            self.matrices.append(nn.Parameter(torch.full((channels, outputs, inputs), start)))
            self.biases.append(nn.Parameter(torch.rand(channels, outputs, 1) - 0.5))
            self.gates.append(nn.Parameter(torch.zeros(channels, outputs, 1)))

    def logits(self, x: Float[Tensor, "c 1 n"]) -> Float[Tensor, "c 1 n"]:
        """The cumulative distribution at x, as a logit; every layer is gated, the last too."""
        for matrix, bias, gate in zip(self.matrices, self.biases, self.gates, strict=True):
            x = torch.bmm(F.softplus(matrix), x) + bias
            x = x + torch.tanh(gate) * torch.tanh(x)
        return x

    def forward(self, z: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Probability of the unit bin around each value."""
        b, c, h, w = z.shape
        flat = z.transpose(0, 1).reshape(c, 1, -1)
        lower, upper = self.logits(flat - 0.5), self.logits(flat + 0.5)
        # Work on the side where the sigmoid has not run into one, or the difference loses digits.
        sign = -torch.sign(lower + upper).detach()
        likelihood = (torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)).abs()
        return likelihood.reshape(c, b, h, w).transpose(0, 1)
