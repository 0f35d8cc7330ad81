"""The recurrent codec's networks in torch (Toderici, Vincent, Johnston et al. 2016), at any width.

    residual ─► encoder ─► binarizer ─► code ─► decoder ─► output
    residual ← residual - output;  reconstruction = filter(1/2 + Σ outputs)

Every part is a pure function of one iteration: what a ConvLSTM remembers goes in and comes out as
tensors, so an iteration exports as one graph. No state means the state before the first iteration,
whose hidden convolutions would be of zeros and are not computed.

``TodericiNetwork.forward`` is the training path: signs with a straight-through gradient, some first
iterations without one. The coded path, in numpy, is ``coding.py``; it calls the same parts.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.toderici.config import STRIDE, TodericiConfig, last_hidden
from slimcodec.codecs.toderici.convlstm import ConvLstm, State
from slimcodec.codecs.toderici.probability import BitModel
from slimcodec.codecs.toderici.windows import Windows

__all__ = ["Binarizer", "Decoder", "Encoder", "Filter", "Iterations", "TodericiNetwork"]

CORRECTION = 0.2
"""Unit of the network's corrections to a coefficient, in usual spreads of that coefficient: about
what an early iteration moves it by."""


class Iterations(NamedTuple):
    """What some iterations of a batch came to.

    Shapes: ``residuals`` [n, b, 3, h, w], what each iteration left for the next; ``errors``, of the
    same shape, what a decoder's picture would lack that stopped there (the same, where there is no
    filter); ``bits`` [m, b], the ideal code length of each iteration's code, of those before the
    first residual too.
    """

    residuals: Tensor
    errors: Tensor
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


def in_float32(module: nn.Module, x: Tensor) -> Tensor:
    """Run a module outside mixed precision: coefficients span three decades."""
    with torch.autocast(x.device.type, enabled=False):
        return module(x.float())  # type: ignore[no-any-return]


def _per_iteration(table: Tensor, iteration: Tensor, x: Tensor) -> Tensor:
    """A 1x1 convolution without bias, its weights [d, c] looked up in [t, d, c]."""
    with torch.autocast(x.device.type, enabled=False):
        out: Tensor = F.conv2d(x.float(), _looked_up(table, iteration)[:, :, None, None])
        return out


def _looked_up(table: Tensor, iteration: Tensor) -> Tensor:
    """An iteration's row. Not ``table[iteration]``, for which the host would ask the device for the
    number: no graph can be recorded then."""
    return table.index_select(0, iteration.view(1))[0]


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
        self.reach = (config.linear_window - STRIDE) // 2
        self.linear = (
            nn.Conv2d(3, config.linear_components, config.linear_window, stride=STRIDE, bias=False)
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
            # Its own mirror would repeat the last pixel, as the decoder's does; ONNX pads by this
            # one only. The bits say what the picture is there too, so it costs next to nothing.
            seen = F.pad(residual, (self.reach,) * 4, "reflect") if self.reach else residual
            x = torch.cat([x.float(), in_float32(self.linear, seen)], dim=1)
        return x, *after


class Binarizer(nn.Module):
    """Features to a code.

    Without a linear path, signs. With one, an iteration is a sequence of moves along components, in
    rounds; each decides on what the earlier rounds left of its component:

        left = network + decision c - feedback u         c the coefficients, u the moves so far
        u = sign(left)                                   or, with significance bits,
        u = sign(left) where |left| > 1 + network', else 0

    In the code, significance bits are ±1 and a sign is 0 where nothing moves, which is not written.
    """

    rounds: Tensor

    def __init__(self, config: TodericiConfig) -> None:
        super().__init__()
        self.width, self.slices = config.encoder_widths[-1], config.slices
        self.conv = nn.Conv2d(self.width, config.bits, 1, bias=False)
        self.linear, self.significance = config.linear_components > 0, config.significance
        if self.linear:
            count, moves = config.iterations, config.moves
            self.decision = nn.Parameter(torch.zeros(count, moves, config.linear_components))
            self.feedback = nn.Parameter(torch.zeros(count, moves, moves))
            self.register_buffer("rounds", torch.zeros(count, config.linear_rounds, moves))

    def forward(
        self, features: Float[Tensor, "b c h w"], iteration: Int[Tensor, ""]
    ) -> Float[Tensor, "b n h w"]:
        """The code of an iteration, counted from 0."""
        x = self.before_sign(features)
        if not self.linear:
            return sign_through(x)
        threshold = None
        if self.significance:
            x, more = x.chunk(2, dim=1)
            threshold = 1 + more
        x = x + _per_iteration(self.decision, iteration, features[:, self.width :])
        rounds = _looked_up(self.rounds, iteration)[:, None, :, None, None]
        moves = significant = torch.zeros_like(x)
        for number, chosen in enumerate(rounds):
            left = x - _per_iteration(self.feedback, iteration, moves) if number else x
            sign = sign_through(left)
            if threshold is not None:
                says = sign_through(left.abs() - threshold)
                significant = significant + chosen * says
                sign = sign * (1 + says) / 2
            moves = moves + chosen * sign
        return self._together(significant, moves) if self.significance else moves

    def before_sign(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n h w"]:
        """The network's part of what is binarized."""
        out: Tensor = self.conv(features[:, : self.width])
        return out.float()

    def _together(self, significant: Tensor, moves: Tensor) -> Tensor:
        """Slice by slice, significance bits before their signs."""
        pairs = (v.chunk(self.slices, dim=1) for v in (significant, moves))
        return torch.cat([piece for pair in zip(*pairs, strict=True) for piece in pair], dim=1)


class Filter(nn.Module):
    """The picture so far, without what is left of edges between windows; at half resolution.

    It sees what the decoder's last ConvLSTM remembers, and so which of the picture was sent.
    """

    def __init__(self, config: TodericiConfig) -> None:
        super().__init__()
        self.scale = config.input_scale
        sizes = (12 + config.decoder_widths[-1], *config.filter_widths, 12)
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=1) for inputs, outputs in pairwise(sizes)
        )

    def forward(
        self, picture: Float[Tensor, "b 3 h w"], hidden: Float[Tensor, "b c h2 w2"]
    ) -> Float[Tensor, "b 3 h w"]:
        """
        Args:
            picture: values about 0 to 1.
            hidden: of the decoder's last ConvLSTM, half as high and wide.
        """
        own = F.pixel_unshuffle((picture - 0.5) * self.scale, 2)
        x = torch.cat([own, hidden.to(own.dtype)], dim=1)
        *layers, last = self.layers
        for layer in layers:
            x = F.relu(layer(x))
        return picture + F.pixel_shuffle(last(x), 2).float() / self.scale


class Decoder(nn.Module):
    """A code to what it adds to the picture."""

    spread: Tensor
    parity: Tensor

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
        self.linear: Windows | None = None
        if components:
            self.laps = config.linear_window > STRIDE
            self.linear = Windows(components, config.linear_window)
            self.steps = nn.Parameter(torch.zeros(config.iterations, components, config.bits))
            self.correction = nn.Conv2d(
                config.decoder_widths[0], components, 1, bias=config.gate_bias
            )
            self.register_buffer("spread", torch.ones(1, components, 1, 1))
            if self.laps:
                self.register_buffer("parity", torch.ones(2, components, 1, 1))
        self.filter = Filter(config) if config.filter_width else None

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
            x = x + in_float32(self.linear, self._mirrored(step) if self.laps else step)
            after.insert(0, decoded + step)
        return x, *after

    def _mirrored(self, x: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k h2 w2"]:
        """One window more on every side: beyond its edge a picture is its mirror image, in which a
        component is itself or its negative (``parity``)."""
        down, across = self.parity
        x = torch.cat([x[:, :, :1] * down, x, x[:, :, -1:] * down], dim=2)
        return torch.cat([x[..., :1] * across, x, x[..., -1:] * across], dim=3)


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
        errors: list[Tensor] = []
        codes: list[Tensor] = []
        encoder_state: State = ()
        decoder_state: State = ()
        for number in range(skip + count):
            with torch.set_grad_enabled(codec_learns and number >= skip):
                # Not torch.tensor, which copies from the host: no graph can be recorded then.
                iteration = torch.full((), number, dtype=torch.int64, device=image.device)
                features, *encoder_state = self.encoder(residual, *encoder_state)
                code = self.binarizer(features, iteration)
                output, *decoder_state = self.decoder(code, iteration, *decoder_state)
                residual = residual - output
            fixed = code.detach()
            codes.append(fixed + rate_share * (code - fixed) if rate_share else fixed)
            if number >= skip:
                residuals.append(residual)
                if self.decoder.filter is not None:
                    picture = self.decoder.filter(image - residual, last_hidden(decoder_state))
                    errors.append(image - picture)
        left = torch.stack(residuals)
        lacking = torch.stack(errors) if errors else left
        return Iterations(left, lacking, self.probability(codes, skip))

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
