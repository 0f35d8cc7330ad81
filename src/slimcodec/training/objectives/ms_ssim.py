"""MS-SSIM that can be learned from: batches of tensors, a gradient everywhere.

The definition is the metric's (``metrics.ssim``; a test holds the two together). Two things differ
from the packages at hand: a factor at or below zero gets no gradient instead of an infinite one
(its exponent is below one), and every constant lies on the device from the start, so that a step
can be recorded as a CUDA graph.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

__all__ = ["SMALLEST_SIDE", "MsSsimLoss"]

SMALLEST_SIDE = 161
"""The fifth scale still holds the window of 11 taps."""
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_TAPS, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
_FLOOR = 1e-4
_BLOCK = 32
"""Places at which the window is laid in one product: of each sum 42 terms are computed, of which 11
count. With all places of a picture's side at once a step took as long for this as for its
networks."""


class MsSsimLoss(nn.Module):
    """1 - MS-SSIM of each pair of images."""

    band: Tensor
    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.exp(-((torch.arange(_TAPS) - _TAPS // 2) ** 2) / (2 * _SIGMA**2))
        places = torch.arange(_BLOCK + _TAPS - 1)[None, :] - torch.arange(_BLOCK)[:, None]
        inside = (places >= 0) & (places < _TAPS)
        window = (taps / taps.sum())[places.clamp(0, _TAPS - 1)]
        self.register_buffer("band", torch.where(inside, window, 0.0), persistent=False)
        self.register_buffer("weights", torch.tensor(_WEIGHTS), persistent=False)

    def forward(
        self, original: Float[Tensor, "b 3 h w"], decoded: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, " b"]:
        """
        Args:
            original: values in [0, 1], 161 pixels a side or more.
            decoded: of the same shape.
        """
        with torch.autocast(original.device.type, enabled=False):
            x, y = original.float(), decoded.float().clamp(0, 1)
            factors = []
            for scale in range(len(_WEIGHTS)):
                if scale:
                    # An odd side is extended in front, as the metric does.
                    odd = (x.shape[3] % 2, 0, x.shape[2] % 2, 0)
                    x, y = (F.avg_pool2d(F.pad(v, odd), 2) for v in (x, y))
                luminance, structure = self._similarity(x, y)
                last = scale == len(_WEIGHTS) - 1
                found = luminance * structure if last else structure
                factors.append(found.mean(dim=(2, 3)).clamp(min=_FLOOR))
            logs = torch.stack(factors).log() * self.weights[:, None, None]
            return 1 - logs.sum(dim=0).exp().mean(dim=1)

    def _similarity(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        # Squares are wanted as a sum alone, and the original's mean has no gradient.
        mean_x, mean_y = self._blur(x), self._blur(y)
        product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
        luminance = (2 * product + _C1) / (squares + _C1)
        spread = self._blur(x * x + y * y) - squares
        return luminance, (2 * (self._blur(x * y) - product) + _C2) / (spread + _C2)

    def _blur(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        out: Tensor = _Blurred.apply(x, self.band)  # type: ignore[no-untyped-call]
        return out


class _Blurred(torch.autograd.Function):
    """The window at every place where all of it lies inside. It is symmetric, so what goes back is
    blurred by it too, with nothing around."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, band: Tensor) -> Tensor:
        ctx.band = band
        return _blurred(x, band)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return _blurred(F.pad(grads[0], (_TAPS - 1,) * 4), ctx.band), None


def _blurred(
    x: Float[Tensor, "b c h w"], band: Float[Tensor, "block span"]
) -> Float[Tensor, "b c h2 w2"]:
    """As products with a matrix: a convolution of single channels is the slower on a CPU, in its
    gradient above all."""
    images, channels, height, width = x.shape
    x = x.reshape(images * channels, height, width)
    across = _spans(x, 2)
    lines = across.reshape(-1, len(band.T)) @ band.T
    lines = lines.view(len(x), height, across.shape[2] * _BLOCK)[:, :, : width - _TAPS + 1]
    down = _spans(lines, 1).transpose(2, 3).contiguous()
    made = (band @ down).flatten(1, 2)[:, : height - _TAPS + 1]
    return made.reshape(images, channels, *made.shape[1:])


def _spans(x: Float[Tensor, "n h w"], axis: int) -> Tensor:
    """What each block of places along an axis sees, as the last axis; zeros behind the end."""
    blocks = -(-(x.shape[axis] - _TAPS + 1) // _BLOCK)
    short = blocks * _BLOCK + _TAPS - 1 - x.shape[axis]
    padding = (0, short) if axis == 2 else (0, 0, 0, short)
    return F.pad(x, padding).unfold(axis, _BLOCK + _TAPS - 1, _BLOCK)
