"""From coefficients to pixels, a window each: a transposed convolution whose stride is a block.

Written as such it is slow: a kernel of 32x32 with three outputs took 23 ms of a picture of 768x512
on two cores. Every block of pixels is made from the coefficients of the one or 2x2 windows that
reach into it, so it is also an ordinary convolution to a block's pixels as channels, which are then
laid out: 4 ms. Graphs for other runtimes keep the transposed form; ``runtime.graphs.rewrites`` does
the same to them.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.toderici.config import STRIDE

__all__ = ["Windows"]


class Windows(nn.ConvTranspose2d):
    """Components on windows of 16 or 32 pixels at a distance of 16.

    Args:
        components: inputs.
        window: side of a window in pixels. Where windows overlap, the input has one more on every
            side than the picture has blocks; none of its pixels is kept but what reaches inside.
    """

    def __init__(self, components: int, window: int) -> None:
        self.reach = window // STRIDE
        # Half a window lies outside, and a window beyond.
        cut = STRIDE + STRIDE // 2 if self.reach > 1 else 0
        super().__init__(components, 3, window, stride=STRIDE, padding=cut, bias=False)

    def forward(  # type: ignore[override]  # of a fixed size, and so without output_size
        self, x: Float[Tensor, "b k h w"]
    ) -> Float[Tensor, "b 3 h16 w16"]:
        """Pixels."""
        if torch.compiler.is_exporting():
            return super().forward(x)
        reach = self.reach
        taps = self.weight.view(-1, 3, reach, STRIDE, reach, STRIDE)
        # A block sees the last window that reaches it with that window's first pixels.
        as_blocks = taps.flip(2, 4).permute(1, 3, 5, 0, 2, 4).flatten(0, 2)
        pixels = F.pixel_shuffle(F.conv2d(x, as_blocks), STRIDE)
        half = STRIDE // 2
        return pixels[:, :, half:-half, half:-half] if reach > 1 else pixels
