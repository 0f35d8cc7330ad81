"""The shape of a recurrent codec, and every place where ours departs from the published one.

``toderici()`` is the network of Toderici et al. 2016 (full resolution, ConvLSTM, additive
reconstruction) as its common port publishes it; ``toderici_s()`` keeps its structure at a fraction
of the width that trains on two cores. The bit model, which the port lacks, is ours in both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from slimcodec.codecs.fields import from_plain, later, to_plain
from slimcodec.errors import UsageError
from slimcodec.stream import MAX_SECTIONS

__all__ = ["STRIDE", "TodericiConfig", "last_hidden", "toderici", "toderici_s"]

T = TypeVar("T")

STRIDE = 16
"""Pixels per code position, on a side: four strides of two down, four pixel shuffles up."""

_COUNTS = (
    "bits", "iterations", "default_iterations", "ladder", "stem_width", "head_width",
    "memory_channels", "context_channels", "hidden_channels", "slices",
)  # fmt: skip
_COUNTS_FROM_0 = ("linear_components", "linear_rounds", "filter_width", "filter_second_width")
_CHOICES = ("bounded_output", "gate_bias", "significance")
_LISTS = {"encoder_widths": 3, "decoder_widths": 4, "decoder_hidden_kernels": 4}
"""What must be a whole number above 0, and how many of them a field must be."""


@dataclass(frozen=True)
class TodericiConfig:
    """Widths, kernels and departures. The defaults are the published network."""

    bits: int = 32
    """Signs per code position and iteration: 0.125 bits per pixel before entropy coding."""
    iterations: int = 16
    """The most iterations that a stream can have; each has its own bit model."""
    default_iterations: int = 3
    ladder: int = later(8)
    """Iterations of a rate-distortion curve, or all where there are less. Eight for ours: a curve
    has a stream for each, so 16 are 136 iterations a picture for 36, and by the eighth
    ``toderici-s`` spends 0.48 bits per pixel (Kodak), where the formats that it is compared with
    are well past what it is for. A published checkpoint is drawn as far as it goes, all 16
    (``toderici()``), and so is one that is imported."""
    stem_width: int = 64
    encoder_widths: tuple[int, ...] = (256, 512, 512)
    """Hidden channels of the encoder's ConvLSTMs, each of stride 2 with a 1x1 hidden kernel."""
    head_width: int = 512
    decoder_widths: tuple[int, ...] = (512, 512, 256, 128)
    """Hidden channels of the decoder's ConvLSTMs, a pixel shuffle of 2 after each."""
    decoder_hidden_kernels: tuple[int, ...] = (1, 1, 3, 3)
    bounded_output: bool = True
    """A halved tanh on each iteration's output. Not in the small network: a linear path beside it
    needs none."""
    input_scale: float = 1.0
    """The networks see residuals times this, and their output is divided by it: photographs'
    residuals have a spread of a tenth or less."""
    gate_bias: bool = False
    """A bias in each ConvLSTM's input convolution, that of the forget gate starting at one: without
    any, a constant must be learned through the code."""
    linear_components: int = 0
    """So many principal components as a linear path beside the networks: the encoder adds their
    coefficients to the binarizer's input, as successive decisions; the decoder adds steps along
    them to its output, corrected by its first ConvLSTM. 0 for none, as published. From nothing, a
    network of this size stood at 19 dB after eight minutes, since brightness must first be learned
    through sign bits; three iterations of blocks and signs alone give 24.2 dB on Kodak with nothing
    learned."""
    linear_rounds: int = 0
    """The most moves that one iteration makes along one component, each deciding on what the
    earlier ones left."""
    linear_window: int = STRIDE
    """Pixels on a side that a component spans: 16 for blocks, 32 for windows that overlap by half,
    so that a coefficient draws no square (a lapped transform). On eight photographs, coefficients
    unrounded, 12 of them leave 24.50 dB for 24.10, 32 leave 26.82 for 26.47."""
    significance: bool = False
    """Half of the bits say whether a component moves at all (significance bits, as in embedded
    wavelet coders), the other half which way, and those are written only where it moves. With a
    sign alone every component must move at every place, worth a bit or not. Linear path alone on
    blocks, ideal length of each bit by itself, eight photographs: 27.16 dB at 0.265 bits per pixel
    for 24.26 at 0.248 (``benchmarks/linear_path.py``)."""
    filter_width: int = 0
    """Channels of a filter behind the last iteration, which sees the picture and what the decoder
    remembers and takes away what is left of edges; 0 for none. Outside the loop: streams do not
    depend on it."""
    filter_second_width: int = later(0)
    """Channels behind the filter's second layer; 0 for as many as behind its first."""
    memory_channels: int = 48
    """What the bit model keeps of earlier iterations: a learned sum of their bits."""
    context_channels: int = 64
    hidden_channels: int = 32
    slices: int = 4
    """Groups of bits within a position that are coded one after the other, each in the two colours
    of a checkerboard: eight groups an iteration, all positions of one at once."""

    def __post_init__(self) -> None:
        for name in _COUNTS:
            if not _is_count(getattr(self, name)):
                raise UsageError(
                    f"{name} must be a whole number above 0, got {getattr(self, name)!r}"
                )
        for name in _COUNTS_FROM_0:
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise UsageError(f"{name} must be a whole number from 0 on, got {value!r}")
        for name in _CHOICES:
            if type(getattr(self, name)) is not bool:
                raise UsageError(f"{name} must be true or false, got {getattr(self, name)!r}")
        scale = self.input_scale
        if type(scale) not in (int, float) or not 0 < scale < math.inf:
            raise UsageError(f"input_scale must be a number above 0, got {scale!r}")
        for name, length in _LISTS.items():
            values = getattr(self, name)
            if (
                not isinstance(values, tuple)
                or len(values) != length
                or not all(map(_is_count, values))
            ):
                raise UsageError(f"{name} must be {length} whole numbers above 0, got {values!r}")
        if any(width % 4 for width in self.decoder_widths):
            raise UsageError("decoder_widths must be multiples of 4, for the pixel shuffle")
        if not all(kernel % 2 for kernel in self.decoder_hidden_kernels):
            raise UsageError(
                "decoder_hidden_kernels must be odd, or a state would grow or shrink, got "
                f"{self.decoder_hidden_kernels}"
            )
        if self.iterations > MAX_SECTIONS:
            raise UsageError(f"iterations must be 1 to {MAX_SECTIONS}, got {self.iterations}")
        if self.bits % self.slices:
            raise UsageError(f"slices must divide the {self.bits} bits, got {self.slices}")
        if self.linear_components > 3 * STRIDE**2:
            raise UsageError(
                f"linear_components must be 0 to {3 * STRIDE**2}, got {self.linear_components}"
            )
        if self.linear_components and self.linear_components * self.linear_rounds < self.moves:
            raise UsageError(
                f"linear_components times linear_rounds must be {self.moves} or more, a place for "
                f"every move; got {self.linear_components} times {self.linear_rounds}"
            )
        if type(self.linear_window) is not int or self.linear_window not in (STRIDE, 2 * STRIDE):
            raise UsageError(
                f"linear_window must be {STRIDE} or {2 * STRIDE}, got {self.linear_window!r}"
            )
        if not self.linear_components:
            for name, silent in (("linear_rounds", 0), ("linear_window", STRIDE)):
                if getattr(self, name) != silent:
                    raise UsageError(f"{name} is of components; set linear_components")
            if self.significance:
                raise UsageError("significance bits are of components; set linear_components")
        if self.filter_second_width and not self.filter_width:
            raise UsageError("filter_second_width is of a filter; set filter_width")
        if self.significance and self.bits % (2 * self.slices):
            raise UsageError(
                "with significance bits, a slice must have a sign for each of its own; "
                f"{self.bits} bits in {self.slices} slices have not"
            )

    @property
    def filter_widths(self) -> tuple[int, ...]:
        """Channels between the filter's layers; none where there is no filter."""
        if not self.filter_width:
            return ()
        return self.filter_width, self.filter_second_width or self.filter_width

    @property
    def stride(self) -> int:
        """Pixels per code position, on a side."""
        return STRIDE

    @property
    def moves(self) -> int:
        """Decisions along components in an iteration."""
        return self.bits // 2 if self.significance else self.bits

    @property
    def sent_if(self) -> tuple[int, ...]:
        """For every bit the number of the significance bit that says whether it is written; -1
        where it always is. A slice has its significance bits first, then their signs."""
        if not self.significance:
            return (-1,) * self.bits
        half = self.bits // self.slices // 2
        return tuple(
            bit - half if bit // half % 2 else -1  # signs are the odd halves
            for bit in range(self.bits)
        )

    @property
    def block_size(self) -> int:
        """Side of the pixel blocks that starting weights are made from."""
        return self.linear_window

    @property
    def lambdas(self) -> tuple[float, ...]:
        """What each iteration's squared error (of values from 0 to 255) weighs against bits per
        pixel: what the bit rate it is meant for, some 0.06 an iteration, is worth on the curve of a
        good codec (that of hific-s, 0.0008 at 0.11 to 0.03 at 0.88)."""
        return tuple(
            0.037 * (0.03 + 0.06 * number) ** 1.55 for number in range(1, self.iterations + 1)
        )

    @property
    def bytes_per_pixel(self) -> float:
        """Memory that coding takes, about: every ConvLSTM's state before and after a step, and the
        pictures between, three times for the gates and the copies that runtimes make. 1,374 for
        ``toderici-s``; measured between windows of 40 and 80 positions, encode and decode: 1,052
        and 1,142 on ONNX Runtime, 1,466 and 1,226 on OpenVINO."""
        encoder = sum(w / 4.0 ** (n + 2) for n, w in enumerate(self.encoder_widths))
        decoder = sum(w * 4.0**n / STRIDE**2 for n, w in enumerate(self.decoder_widths))
        filtered = (12 + self.decoder_widths[-1] + 2 * self.filter_width) / 4
        return 12 * (4 * (encoder + decoder) + 9 + (filtered if self.filter_width else 0))

    @property
    def halo(self) -> int:
        """Positions around a window that its bits and pixels depend on. ``toderici-s``, eight
        iterations, 512-pixel windows of a picture against all of it at once, in whole and within 8
        pixels of a seam: 1 position 65 and 52 dB, 2 86 and 74, 3 108 and 96 (no pixel farther off
        than a fifteenth of a level), 4 126 and 118. Windows of an encoder see no bits but their
        own: with 3, one of its bits in 6,600 is another one by the seventh iteration, and pictures
        are as good. Hidden kernels that see neighbours reach farther with every iteration."""
        return 3 + (max(self.decoder_hidden_kernels) > 1)

    @property
    def qualities(self) -> tuple[float, ...]:
        """The ladder of a rate-distortion curve, by iterations."""
        return tuple(float(n) for n in range(1, min(self.ladder, self.iterations) + 1))

    def check_quality(self, quality: float, name: str) -> None:
        """A number of iterations that there is.

        Raises:
            UsageError: with the name of the model, when there is none such.
        """
        if not 1 <= quality <= self.iterations or quality != int(quality):
            raise UsageError(
                f"the iterations (the quality) of {name} must be a whole number from 1 to "
                f"{self.iterations}, got {quality:g}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TodericiConfig:
        """The inverse of ``to_dict``.

        Raises:
            UsageError: on a key that is not a field.
        """
        return from_plain(cls, values, "recurrent codec")


def last_hidden(state: Sequence[T]) -> T:
    """Of a decoder's state, what the filter sees: hidden and cell of each ConvLSTM in turn, so the
    last but one."""
    return state[-2]


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


def toderici() -> TodericiConfig:
    """The published network: 35 million parameters, and a bit model of ours."""
    return TodericiConfig(ladder=16)


def toderici_s() -> TodericiConfig:
    """The small network that slimcodec trains and ships.

    The hidden kernels are 1x1 throughout: at half resolution a 3x3 one costs as much as all
    coarser layers together, and the input convolutions see the neighbourhood.
    """
    return TodericiConfig(
        stem_width=24,
        encoder_widths=(48, 96, 128),
        head_width=160,
        decoder_widths=(160, 128, 64, 32),
        decoder_hidden_kernels=(1, 1, 1, 1),
        bounded_output=False,
        input_scale=4.0,
        gate_bias=True,
        linear_components=128,
        linear_rounds=5,
        linear_window=2 * STRIDE,
        significance=True,
        filter_width=32,
    )
