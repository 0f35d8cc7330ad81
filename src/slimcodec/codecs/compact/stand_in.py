"""A codec with a gradient, in place of one that has none.

    levels ─► Y, Cb, Cr ─► cosine transform of 8 x 8 blocks ─► u = coefficients / step
    back from q = sign(u) ⌊|u| + 0.4⌋, through which gradients pass as through u
    bits = 1.3 · log2(1 + |u|) of each coefficient

Chroma's steps are 1.6 times luma's. There is no prediction and no context, so the bits are those of
no real codec; what counts is that they fall where a picture is easier to code.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from slimcodec.codecs.compact.config import UNIT
from slimcodec.codecs.compact.losses import MIDDLE

__all__ = ["stand_in"]

_SIDE = 8
_CHROMA = 1.6
_ROUNDING = 0.4
_BITS = 1.3
_TO_PLANES = (
    (0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312),
)  # fmt: skip
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def stand_in(
    small: Float[Tensor, "b 3 h w"], step: Float[Tensor, " b"]
) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b k"], Float[Tensor, " b"]]:
    """Small pictures, what is known of what comes back, and bits per pixel of them.

    Args:
        small: in units; sides are multiples of 8.
        step: of luma's coefficients, in levels.
    """
    small = small.float()
    planes = torch.einsum("ij,bjhw->bihw", small.new_tensor(_TO_PLANES), small * UNIT)
    count, _, height, width = planes.shape
    sides = (count, 3, height // _SIDE, _SIDE, width // _SIDE, _SIDE)
    dct = _cosines(small)
    steps = step[:, None] * step.new_tensor((1.0, _CHROMA, _CHROMA))
    steps = steps[:, :, None, None, None, None]
    u = dct @ planes.view(sides).transpose(3, 4) @ dct.T / steps
    rounded = u.sign() * (u.abs() + _ROUNDING).floor()
    bits = _BITS * (1 + u.abs()).log2().flatten(1).sum(1) / (height * width)
    kept = dct.T @ ((u + (rounded - u).detach()) * steps) @ dct
    decoded = kept.transpose(3, 4).reshape(planes.shape)
    error = (decoded - planes).detach().square()
    means = (error[:, 0].mean((1, 2)), error[:, 1:].mean((1, 2, 3)))
    facts = (1 + torch.stack(means, 1).sqrt()).log2() - MIDDLE
    rgb = torch.einsum("ij,bjhw->bihw", small.new_tensor(_TO_RGB), decoded) / UNIT
    return rgb, facts, bits


def _cosines(like: Tensor) -> Tensor:
    """The orthonormal transform of eight values, [frequency, place]."""
    place = torch.arange(_SIDE, dtype=torch.float64)
    rows = torch.cos((2 * place + 1) * place[:, None] * math.pi / (2 * _SIDE)) / 2
    rows[0] /= math.sqrt(2)
    return rows.to(like)
