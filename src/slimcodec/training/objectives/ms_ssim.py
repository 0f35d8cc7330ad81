"""MS-SSIM that can be learned from: batches of tensors, a gradient everywhere.

The definition is the metric's (``metrics.ssim``; a test holds the two together). Two things differ
from the packages at hand: a factor at or below zero gets no gradient instead of an infinite one
(its exponent is below one), and every constant lies on the device from the start, so that a step
can be recorded as a CUDA graph.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SMALLEST_SIDE", "MsSsimLoss"]

SMALLEST_SIDE = 161
"""The fifth scale still holds the window of 11 taps."""
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_TAPS, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
_FLOOR = 1e-4


class MsSsimLoss(nn.Module):
    """1 - MS-SSIM of each pair of images."""

    window: Tensor
    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.exp(-((torch.arange(_TAPS) - _TAPS // 2) ** 2) / (2 * _SIGMA**2))
        self.register_buffer("window", taps / taps.sum(), persistent=False)
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
        mean_x, mean_y, xx, yy, xy = self._blur(torch.cat([x, y, x * x, y * y, x * y])).chunk(5)
        spread = xx - mean_x * mean_x + yy - mean_y * mean_y
        luminance = (2 * mean_x * mean_y + _C1) / (mean_x * mean_x + mean_y * mean_y + _C1)
        return luminance, (2 * (xy - mean_x * mean_y) + _C2) / (spread + _C2)

    def _blur(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
        """As two matrix products: on a CPU, a convolution of single channels takes most of a step's
        time in its gradient."""
        down, across = (self._band(side) for side in x.shape[2:])
        blurred: Tensor = down @ x @ across.T
        return blurred

    def _band(self, side: int) -> Float[Tensor, "out side"]:
        """The window at every place where all of it lies inside."""
        places = torch.arange(side, device=self.window.device)
        taps = places[None, :] - places[: side - _TAPS + 1, None]
        inside = (taps >= 0) & (taps < _TAPS)
        return torch.where(inside, self.window[taps.clamp(0, _TAPS - 1)], 0.0)
