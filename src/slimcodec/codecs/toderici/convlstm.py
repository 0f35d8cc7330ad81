"""The recurrent cell: a convolutional long short-term memory (Shi et al. 2015), without peepholes.

enter, forget, new, out = conv(x) + conv(hidden)
cell   ← σ(forget) cell + σ(enter) tanh(new)
hidden ← σ(out) tanh(cell)
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.quantization.simulation import seen_by

__all__ = ["BAND", "ConvLstm", "State"]

BAND = 1 << 22
"""Gates that a ConvLSTM computes at once where nothing learns: 16 MB."""

State = tuple[Tensor, ...]
"""Hidden and cell of each ConvLSTM in turn; empty before the first iteration."""


class ConvLstm(nn.Module):
    """A convolutional long short-term memory; gates in the order input, forget, cell, output."""

    def __init__(
        self, inputs: int, width: int, *, stride: int, hidden_kernel: int, bias: bool
    ) -> None:
        super().__init__()
        self.width = width
        self.conv_ih = nn.Conv2d(inputs, 4 * width, 3, stride=stride, padding=1, bias=bias)
        self.conv_hh = nn.Conv2d(
            width, 4 * width, hidden_kernel, padding=hidden_kernel // 2, bias=False
        )

    def forward(self, x: Float[Tensor, "b c h w"], state: State = ()) -> State:
        """The new hidden state, which is the output, and the new cell: each [b, width, i, j]."""
        if torch.is_inference_mode_enabled():
            return self._in_bands(x, state)
        gates = self.conv_ih(x)
        if state:
            gates = gates + self.conv_hh(state[0])
        enter, forget, new, out = gates.chunk(4, dim=1)
        cell = torch.sigmoid(enter) * torch.tanh(new)
        if state:
            cell = cell + torch.sigmoid(forget) * state[1]
        return torch.sigmoid(out) * torch.tanh(cell), cell

    def _in_bands(self, x: Tensor, state: State) -> State:
        """The same, a band of rows at a time and in place.

        The gates are the largest tensors of all: at half resolution of a 768x512 image, 200 MB of
        the published network's, twice with the hidden convolution's. A band of them stays in reach
        of the cache.
        """
        stride, reach = self.conv_ih.stride[0], self.conv_hh.kernel_size[0] // 2
        height, width = (-(-side // stride) for side in x.shape[2:])
        hidden, cell = (
            torch.empty(
                (x.shape[0], self.width, height, width),
                dtype=x.dtype,
                device=x.device,
                memory_format=torch.channels_last,
            )
            for _ in range(2)
        )
        around = F.pad(seen_by(self.conv_ih, x), (1, 1, 1, 1))
        before = F.pad(seen_by(self.conv_hh, state[0]), (reach,) * 4) if state else None
        weight, hidden_weight = self.conv_ih.weight, self.conv_hh.weight
        rows = max(1, BAND // (4 * self.width * width * x.shape[0]))
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            seen = around[:, :, stride * top : stride * (bottom - 1) + 3]
            gates = F.conv2d(seen, weight, self.conv_ih.bias, stride)
            if before is not None:
                gates.add_(F.conv2d(before[:, :, top : bottom + 2 * reach], hidden_weight))
            enter, forget, new, out = gates.chunk(4, dim=1)
            band = cell[:, :, top:bottom]
            torch.mul(enter.sigmoid_(), new.tanh_(), out=band)
            if state:
                band.addcmul_(forget.sigmoid_(), state[1][:, :, top:bottom])
            torch.mul(torch.tanh(band), out.sigmoid_(), out=hidden[:, :, top:bottom])
        return hidden, cell
