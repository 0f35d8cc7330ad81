"""The order in which positions are coded where a model looks at its neighbours: one colour of a
checkerboard, then the other, each all at once (He et al. 2021)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["checkerboard"]


def checkerboard(like: Float[Tensor, "b n h w"]) -> Bool[Tensor, "h w"]:
    """True where row + column is even: the colour that is coded first."""
    height, width = like.shape[2:]
    rows = torch.arange(height, device=like.device)[:, None]
    return (rows + torch.arange(width, device=like.device)) % 2 == 0
