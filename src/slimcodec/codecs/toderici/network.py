"""The recurrent codec's networks in torch (Toderici, Vincent, Johnston et al. 2016), at any width.

    residual ─► encoder ─► binarizer ─► code ─► decoder ─► output
    residual ← residual - output;  reconstruction = 1/2 + Σ outputs

Every part is a pure function of one iteration: what a ConvLSTM remembers goes in and comes out as
tensors, so an iteration exports as one graph. No state means the state before the first iteration,
whose hidden convolutions would be of zeros and are not computed.

``TodericiNetwork.forward`` is the training path: signs with a straight-through gradient, some first
iterations without one. The coded path, in numpy, is ``coding.py``; it calls the same parts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.toderici.config import STRIDE, TodericiConfig
from slimcodec.codecs.toderici.probability import BitModel
from slimcodec.quantization.simulation import seen_by

__all__ = ["Binarizer", "ConvLstm", "Decoder", "Encoder", "Iterations", "TodericiNetwork"]

CORRECTION = 0.2
"""Unit of the network's corrections to a coefficient, in usual spreads of that coefficient: about
what an early iteration moves it by."""

BAND = 1 << 22
"""Gates that a ConvLSTM computes at once where nothing learns: 16 MB."""

State = tuple[Tensor, ...]
"""Hidden and cell of each ConvLSTM in turn; empty before the first iteration."""


class Iterations(NamedTuple):
    """What some iterations of a batch came to.

    Shapes: ``residuals`` [n, b, 3, h, w], what each iteration left; ``bits`` [m, b], the ideal code
    length of each iteration's code, of those before the first residual too.
    """

    residuals: Tensor
    bits: Tensor


class _Sign(torch.autograd.Function):
    """±1, with the gradient of tanh."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grads[0] * (1 - torch.tanh(x).square())


def sign_through(x: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """The sign, one for zero, with a straight-through gradient."""
    out: Tensor = _Sign.apply(x)  # type: ignore[no-untyped-call]
    return out


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


def in_float32(module: nn.Module, x: Tensor) -> Tensor:
    """Run a module outside mixed precision: coefficients span three decades."""
    with torch.autocast(x.device.type, enabled=False):
        return module(x.float())  # type: ignore[no-any-return]


def _per_iteration(table: Tensor, iteration: Tensor, x: Tensor) -> Tensor:
    """A 1x1 convolution without bias, its weights [d, c] looked up in [t, d, c]."""
    with torch.autocast(x.device.type, enabled=False):
        out: Tensor = F.conv2d(x.float(), table[iteration][:, :, None, None])
        return out


class Encoder(nn.Module):
    """What is left of the image, to features for the binarizer."""

    def __init__(self, config: TodericiConfig) -> None:
        super().__init__()
        self.scale = config.input_scale
        self.stem = nn.Conv2d(3, config.stem_width, 3, stride=2, padding=1, bias=config.gate_bias)
        self.cells = nn.ModuleList()
        width = config.stem_width
        for outputs in config.encoder_widths:
            self.cells.append(
                ConvLstm(width, outputs, stride=2, hidden_kernel=1, bias=config.gate_bias)
            )
            width = outputs
        self.linear = (
            nn.Conv2d(3, config.linear_components, STRIDE, stride=STRIDE, bias=False)
            if config.linear_components
            else None
        )

    def forward(self, residual: Float[Tensor, "b 3 h w"], *state: Tensor) -> tuple[Tensor, ...]:
        """Features [b, width, h/16, w/16], behind them the linear path's coefficients; then the
        new state."""
        x = self.stem(residual * self.scale)
        after: list[Tensor] = []
        for number, cell in enumerate(self.cells):
            x, memory = cell(x, state[2 * number : 2 * number + 2])
            after += (x, memory)
        if self.linear is not None:
            x = torch.cat([x.float(), in_float32(self.linear, residual)], dim=1)
        return x, *after


class Binarizer(nn.Module):
    """Features to ±1.

    With a linear path, an iteration's bits fall in rounds. Each bit decides on what the earlier
    rounds left of a component: ``sign(network + decision c - feedback b)``, c the coefficients and
    b the bits so far.
    """

    rounds: Tensor

    def __init__(self, config: TodericiConfig) -> None:
        super().__init__()
        self.width = config.encoder_widths[-1]
        self.conv = nn.Conv2d(self.width, config.bits, 1, bias=False)
        self.linear = config.linear_components > 0
        if self.linear:
            count, bits = config.iterations, config.bits
            self.decision = nn.Parameter(torch.zeros(count, bits, config.linear_components))
            self.feedback = nn.Parameter(torch.zeros(count, bits, bits))
            self.register_buffer("rounds", torch.zeros(count, config.linear_rounds, bits))

    def forward(
        self, features: Float[Tensor, "b c h w"], iteration: Int[Tensor, ""]
    ) -> Float[Tensor, "b n h w"]:
        """The code of an iteration, counted from 0."""
        x = self.before_sign(features)
        if not self.linear:
            return sign_through(x)
        x = x + _per_iteration(self.decision, iteration, features[:, self.width :])
        rounds = self.rounds[iteration][:, None, :, None, None]
        code = rounds[0] * sign_through(x)
        for chosen in rounds[1:]:
            left = x - _per_iteration(self.feedback, iteration, code)
            code = code + chosen * sign_through(left)
        return code

    def before_sign(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n h w"]:
        """The network's part of what is binarized."""
        out: Tensor = self.conv(features[:, : self.width])
        return out.float()


class Decoder(nn.Module):
    """A code to what it adds to the picture."""

    spread: Tensor

    def __init__(self, config: TodericiConfig) -> None:
        super().__init__()
        self.scale, self.bounded = config.input_scale, config.bounded_output
        components = config.linear_components
        self.head = nn.Conv2d(config.bits + components, config.head_width, 1, bias=config.gate_bias)
        self.cells = nn.ModuleList()
        width = config.head_width
        for outputs, kernel in zip(
            config.decoder_widths, config.decoder_hidden_kernels, strict=True
        ):
            self.cells.append(
                ConvLstm(width, outputs, stride=1, hidden_kernel=kernel, bias=config.gate_bias)
            )
            width = outputs // 4
        self.out = nn.Conv2d(width, 3, 1, bias=config.gate_bias)
        self.linear: nn.ConvTranspose2d | None = None
        if components:
            self.linear = nn.ConvTranspose2d(components, 3, STRIDE, stride=STRIDE, bias=False)
            self.steps = nn.Parameter(torch.zeros(config.iterations, components, config.bits))
            self.correction = nn.Conv2d(
                config.decoder_widths[0], components, 1, bias=config.gate_bias
            )
            self.register_buffer("spread", torch.ones(1, components, 1, 1))

    def forward(
        self, code: Float[Tensor, "b n h w"], iteration: Int[Tensor, ""], *state: Tensor
    ) -> tuple[Tensor, ...]:
        """The output [b, 3, 16h, 16w] of an iteration, counted from 0; then the new state, which
        with a linear path begins with the coefficients decoded so far.

        A bit moves a coefficient by the same step wherever it stands. What the first ConvLSTM knows
        of the place (a smooth one, an edge, what the neighbours say) corrects the coefficients
        before they become pixels.
        """
        features = code
        after: list[Tensor] = []
        if self.linear is not None:
            step = _per_iteration(self.steps, iteration, code)
            decoded, state = (state[0], state[1:]) if state else (torch.zeros_like(step), ())
            features = torch.cat([code, (decoded + step) / self.spread], dim=1)
        x = self.head(features)
        for number, cell in enumerate(self.cells):
            x, memory = cell(x, state[2 * number : 2 * number + 2])
            after += (x, memory)
            x = F.pixel_shuffle(x, 2)
        x = self.out(x)
        if self.bounded:
            x = torch.tanh(x) / 2
        x = x.float() / self.scale
        if self.linear is not None:
            step = step + CORRECTION * self.spread * in_float32(self.correction, after[0])
            x = x + in_float32(self.linear, step)
            after.insert(0, decoded + step)
        return x, *after


class TodericiNetwork(nn.Module):
    """The whole codec as one module with the parts ``encoder``, ``binarizer``, ``decoder`` and
    ``probability``."""

    def __init__(self, config: TodericiConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.binarizer = Binarizer(config)
        self.decoder = Decoder(config)
        self.probability = BitModel(config)

    def forward(
        self,
        image: Float[Tensor, "b 3 h w"],
        skip: int = 0,
        count: int = 3,
        rate_share: float = 0.0,
    ) -> Iterations:
        """Iterations as in training.

        Args:
            image: values in [0, 1]; sides are multiples of 16.
            skip: so many first iterations run without a gradient.
            count: so many follow with one.
            rate_share: how much of the gradient of ``bits`` reaches the bits themselves, and so
                the encoder. At 0 only the bit model learns from it; above, doubtful bits come to
                fall as the model expects.
        """
        learns = torch.is_grad_enabled()
        codec_learns = learns and any(
            p.requires_grad
            for part in (self.encoder, self.binarizer, self.decoder)
            for p in part.parameters()
        )
        residual = image - 0.5
        residuals: list[Tensor] = []
        codes: list[Tensor] = []
        encoder_state: State = ()
        decoder_state: State = ()
        for number in range(skip + count):
            with torch.set_grad_enabled(codec_learns and number >= skip):
                iteration = torch.tensor(number, device=image.device)
                features, *encoder_state = self.encoder(residual, *encoder_state)
                code = self.binarizer(features, iteration)
                output, *decoder_state = self.decoder(code, iteration, *decoder_state)
                residual = residual - output
            fixed = code.detach()
            codes.append(fixed + rate_share * (code - fixed) if rate_share else fixed)
            if number >= skip:
                residuals.append(residual)
        return Iterations(torch.stack(residuals), self.probability(codes, skip))

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Optimizer groups. The linear path starts where it should be and learns a fifth as fast,
        or its steps chase the networks; the bit model only follows, and learns twice as fast."""
        bits = list(self.probability.parameters())
        linear = [
            p
            for name, p in self.named_parameters()
            if name.startswith(("encoder.linear", "decoder.linear"))
            or name in ("binarizer.decision", "binarizer.feedback", "decoder.steps")
        ]
        apart = {id(p) for p in (*bits, *linear)}
        rest = [p for p in self.parameters() if id(p) not in apart]
        groups = [
            {"params": rest, "lr": learning_rate},
            {"params": linear, "lr": 0.2 * learning_rate},
            {"params": bits, "lr": 2 * learning_rate},
        ]
        return [group for group in groups if group["params"]]
