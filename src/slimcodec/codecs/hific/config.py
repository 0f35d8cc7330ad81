"""The shape of a HiFiC network, and every place where ours departs from the published one.

``hific()`` is Mentzer et al. 2020 as published; ``hific_s()`` keeps its structure
(reflection-padded encoder, channel-normalised residual trunk with head and skip, transposed
convolutions, mean-scale hyperprior, factorized hyper-latents) at a width that trains on two cores.
Each departure is a field below, with its reason and the figure that decided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from slimcodec.codecs.fields import from_plain, later, to_plain
from slimcodec.codecs.latents.config import LatentsConfig, check_range, check_widths
from slimcodec.errors import UsageError

__all__ = ["HificConfig", "TransformsConfig", "hific", "hific_s"]

_MOST_BLOCKS, _MOST_STAGES, _WIDEST_KERNEL = 256, 6, 31


@dataclass(frozen=True)
class TransformsConfig:
    """Encoder and generator, whatever is coded between them: widths, kernels and departures. The
    defaults are the published network's."""

    latent_channels: int = 220
    """What the encoder makes and the generator is given, at a ``stride``-th of the resolution."""
    encoder_widths: tuple[int, ...] = (120, 240, 480, 960)
    """Channels after each stride-2 convolution; their number sets the latents' stride."""
    trunk_width: int = 960
    residual_blocks: int = 9
    generator_widths: tuple[int, ...] = (480, 240, 120, 60)
    """Channels after each stride-2 transposed convolution."""
    block: Literal["normed", "gated"] = later("normed")
    """What residual blocks are: two convolutions with norms, as published, or a 3x3 convolution and
    a gated pair of 1x1 without norms. Generators trained anew on the latents of ``hific-s``, nine
    minutes of a core, 17 to 19.7 kMAC a pixel, BD-rate against ``hific-s``'s own of 26.8: five
    normed blocks at an eighth +15.4 %, depthwise ones +18.8, seven gated +10.4."""
    generator_blocks: tuple[int, ...] = later(())
    """Gated blocks behind each transposed convolution but that which makes the picture. Where they
    are said, no stage has a rectifier: blocks bring their own."""
    block_widths: tuple[int, ...] = later(())
    """Channels inside each residual block, the trunk's first; where nothing is said, as many as
    around it, as published, and twice as many inside a gated one. Nothing else reads them, so a
    block may be narrowed by itself."""
    norm_counts: tuple[tuple[str, int], ...] = later(())
    """For how many channels a norm divides, by group, where that is not how many there are: those
    that were there before some were cut out of a trained network. The outcome is then exactly that
    of zeros in their place. Un-trained it is no better than dividing for what is left: four
    photographs, ``hific-s`` with three quarters of its generator's channels, 28.12 dB and 28.13."""

    input_offset: float = 0.0
    input_scale: float = 1.0
    """The encoder sees ``(x - offset) * scale``; the generator's output is undone the same way."""
    bounded_output: bool = False
    """A tanh on the generator's output (published with ``normalize_input_image``)."""

    stem_kernel: int | None = 7
    """A convolution at full resolution before the first stride, and one after the last. ``None``
    drops both: at full resolution they would take a third of a small network's multiplications."""
    stem_width: int = 60
    stage_kernel: int = 3
    """Kernel of the strided convolutions. 5 in the small network, so that overlapping windows
    replace the missing full-resolution layers."""
    up_kernel: int = later(0)
    """Kernel of the transposed convolutions where it is not ``stage_kernel``. With 2, which takes
    blocks of 2x2 apart, what lies between pixels is left to blocks behind."""
    head_kernel: int = later(3)
    """Kernel of the generator's first layer: 1 where blocks at higher resolutions see enough."""
    picture_stride: int = later(2)
    """Stride of the transposed convolution that makes the picture, where no layer at full
    resolution follows. At 4 there is no layer at half resolution either, whose many small values
    take a runtime longer than their multiplications; each pixel then sees 3x3 places."""
    norm: Literal["everywhere", "trunk"] = "everywhere"
    """Where channel norm stands. It divides each position by its own spread, which hides the
    brightness of a block from the latents (a linear probe finds it with R² 0.6 to 0.7, against
    0.99 without), so the small network keeps it in the residual trunk only; a trunk without it
    did not train at all."""
    centred: tuple[str, ...] = later(())
    """Parts whose layers in front of a norm have weights with a mean of zero over the outputs. What
    such a layer makes has a mean of zero over its channels, so the norm takes none off: a pass over
    the largest tensors less, of the published encoder's float graph at 768x512 on OpenVINO 18 of
    314 ms. ``quantize`` centres them before it rounds; rounded, they are so up to the rounding."""
    negative_slope: float = 0.0
    """Slope of the rectifier for negative inputs in encoder and generator: 0 as published."""
    linear_path: bool = False
    """A stride-16 convolution from pixels to latents and its transpose back, added to the networks'
    outputs and initialised with the principal components of 16x16 blocks: the codec starts as a
    small transform codec and the networks learn the rest. Without it a reduced HiFiC stood at 17.6
    dB after 130 s of training; with it, at 29.8 dB after 75 s."""

    def __post_init__(self) -> None:
        check_range("latent_channels", self.latent_channels, 1)
        check_range("trunk_width", self.trunk_width, 2)
        check_range("residual_blocks", self.residual_blocks, 0, _MOST_BLOCKS)
        check_range("stem_width", self.stem_width, 1)
        check_range("stage_kernel", self.stage_kernel, 2, _WIDEST_KERNEL)
        if self.up_kernel:
            check_range("up_kernel", self.up_kernel, 2, _WIDEST_KERNEL)
        check_range("head_kernel", self.head_kernel, 1, _WIDEST_KERNEL)
        if not self.head_kernel % 2:
            raise UsageError(f"head_kernel must be an odd number, got {self.head_kernel}")
        check_range("picture_stride", self.picture_stride, 2, 1 << _MOST_STAGES)
        if self.stem_kernel is not None:
            check_range("stem_kernel", self.stem_kernel, 1, _WIDEST_KERNEL)
        for name in ("encoder_widths", "generator_widths"):
            widths = getattr(self, name)
            if not 1 <= len(widths) <= _MOST_STAGES or min(widths) < 1:
                raise UsageError(
                    f"{name} must be 1 to {_MOST_STAGES} whole numbers above 0, got {widths}"
                )
        if not self.input_scale > 0 or not 0 <= self.negative_slope < 1:
            raise UsageError(
                f"input_scale must be above 0 and negative_slope from 0 to below 1, got "
                f"{self.input_scale} and {self.negative_slope}"
            )
        ups = 2 ** (len(self.generator_widths) - 1) * self.picture_stride
        if ups != self.stride:
            raise UsageError(
                f"generator_widths and picture_stride go up by {ups}, encoder_widths go down by "
                f"{self.stride}; they must be equal"
            )
        if self.picture_stride != 2 and self.stem_kernel is not None:
            raise UsageError("picture_stride other than 2 goes with stem_kernel None")
        if unknown := sorted(set(self.centred) - {"encoder", "generator"}):
            raise UsageError(f"centred takes encoder and generator, got {unknown[0]!r}")
        self._check_blocks()
        norms = self.norms
        for name, count in self.norm_counts:
            if name not in norms or type(count) is not int or count < norms[name]:
                raise UsageError(
                    f"norm_counts takes a group with a norm and no less than its channels, got "
                    f"{name!r} and {count!r}"
                )
        if self.linear_path and self.latent_channels > 3 * self.stride**2:
            raise UsageError(
                f"linear_path carries at most {3 * self.stride**2} latent channels, "
                f"got {self.latent_channels}"
            )

    def _check_blocks(self) -> None:
        counts = self.generator_blocks
        if counts and len(counts) != self.up_stages:
            raise UsageError(
                f"generator_blocks must be {self.up_stages} whole numbers or none, got {counts}"
            )
        for count in counts:
            check_range("each of generator_blocks", count, 0, _MOST_BLOCKS)
        if counts and self.block != "gated":
            raise UsageError('generator_blocks goes with block "gated"')
        if self.block == "gated" and self.norm == "everywhere":
            raise UsageError('block "gated" goes with norm "trunk", for it has none')
        check_widths("block_widths", self.block_widths, len(self.outer_widths))

    @property
    def block_size(self) -> int:
        """Side of the pixel blocks that starting weights are made from."""
        return self.stride

    @property
    def outer_widths(self) -> tuple[int, ...]:
        """Channels around each residual block, the trunk's first."""
        behind = zip(self.generator_widths, self.generator_blocks, strict=False)
        stages = (width for width, count in behind for _ in range(count))
        return (self.trunk_width,) * self.residual_blocks + tuple(stages)

    @property
    def inner_widths(self) -> tuple[int, ...]:
        """``block_widths``, said or not."""
        times = 2 if self.block == "gated" else 1
        return self.block_widths or tuple(times * width for width in self.outer_widths)

    def blocks_behind(self, stage: int) -> range:
        """The numbers, among all residual blocks, of those behind a transposed convolution."""
        first = self.residual_blocks + sum(self.generator_blocks[:stage])
        return range(first, first + sum(self.generator_blocks[stage : stage + 1]))

    @property
    def norms(self) -> dict[str, int]:
        """The groups of channels that are normalised, and their widths."""
        found: dict[str, int] = {}
        if self.block == "normed":
            found["generator.trunk"] = self.trunk_width
            found |= {f"generator.blocks.{i}": width for i, width in enumerate(self.inner_widths)}
        if self.norm == "everywhere":
            ups = self.generator_widths[: self.up_stages]
            found |= {"encoder.stem": self.stem_width} if self.stem_kernel is not None else {}
            found |= {f"encoder.stages.{i}": width for i, width in enumerate(self.encoder_widths)}
            found |= {f"generator.stages.{i}": width for i, width in enumerate(ups)}
        return found

    def counted(self, group: str) -> int:
        """For how many channels the norms of a group divide."""
        return dict(self.norm_counts).get(group, self.norms[group])

    @property
    def up_stages(self) -> int:
        """Transposed convolutions before what makes the picture; without the full-resolution layer,
        that is the last one."""
        return len(self.generator_widths) - (self.stem_kernel is None)

    @property
    def transposed_kernel(self) -> int:
        """Side of the stride-2 transposed convolutions."""
        return self.up_kernel or self.stage_kernel

    @property
    def picture_kernel(self) -> int:
        """Side of the transposed convolution that makes the picture."""
        return self.transposed_kernel if self.picture_stride == 2 else 3 * self.picture_stride

    @property
    def stride(self) -> int:
        """Pixels per latent position, on a side: 16 for four stages."""
        return int(2 ** len(self.encoder_widths))

    @property
    def bytes_per_pixel(self) -> float:
        """Memory that coding takes, about: what goes into and comes out of the largest layer, four
        times and a half for the copies that runtimes make, and the picture. 270 for ``hific-s``;
        measured between windows of 40 and 80 positions, encode and decode: 147 and 269 on ONNX
        Runtime, 171 and 158 on OpenVINO."""
        up = (self.trunk_width, *self.generator_widths)
        per_pixel = [width * 4.0**i / self.stride**2 for i, width in enumerate(up)]
        per_pixel[-1] = up[-1]  # whatever its stride
        if self.stem_kernel is not None:
            per_pixel.append(self.stem_width)
        largest = max(a + b for a, b in pairwise(per_pixel))
        if self.block == "gated":
            widths = zip(self.outer_widths, self.inner_widths, strict=True)
            gates = zip(widths, self._block_scales, strict=True)
            largest = max(
                [largest, *((a + 2 * b) / (scale * self.stride) ** 2 for (a, b), scale in gates)]
            )
        return 18 * (largest + 3)

    @property
    def encoder_halo(self) -> int:
        """All that an encoder sees: its windows' latents are those of the whole picture."""
        pixels = 0 if self.stem_kernel is None else self.stem_kernel // 2
        pixels += sum(self.stage_kernel // 2 << stage for stage in range(len(self.encoder_widths)))
        return -(-pixels // self.stride) + 1

    @property
    def decoder_halo(self) -> int:
        """A quarter of what a generator sees (two positions for each residual block, one of its own
        resolution for a gated one, and four for the layers around them), or four. ``hific-s`` (4 of
        16), 1024-pixel windows of a picture against all of it at once, in whole and within 8 pixels
        of a seam: 2 positions 77 and 62 dB, 3 85 and 70, 4 93 and 78 (no pixel farther off than
        half a level), 6 109 and 93."""
        each = 1 if self.block == "gated" else 2
        return max(4, math.ceil((each * sum(self._block_scales) + 4) / 4))

    @property
    def _block_scales(self) -> tuple[float, ...]:
        """Sides of what each residual block works at, in those of a latent position."""
        behind = (0.5 ** (i + 1) for i, n in enumerate(self.generator_blocks) for _ in range(n))
        return (1.0,) * self.residual_blocks + tuple(behind)


@dataclass(frozen=True)
class HificConfig(TransformsConfig, LatentsConfig):
    """Transforms, and what lies between them. The defaults are the published network."""

    def __post_init__(self) -> None:
        LatentsConfig.__post_init__(self)
        TransformsConfig.__post_init__(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HificConfig:
        """The inverse of ``to_dict``.

        Raises:
            UsageError: on a key that is not a field.
        """
        return from_plain(cls, values, "HiFiC")


def hific(likelihood: Literal["gaussian", "logistic"] = "gaussian") -> HificConfig:
    """The published network: 181 million parameters."""
    return HificConfig(likelihood=likelihood)


def hific_s() -> HificConfig:
    """The small network that slimcodec trains and ships."""
    return HificConfig(
        latent_channels=192,
        hyper_channels=96,
        encoder_widths=(32, 64, 128, 192),
        trunk_width=192,
        residual_blocks=6,
        generator_widths=(128, 64, 32, 3),
        input_offset=0.5,
        input_scale=4.0,
        stem_kernel=None,
        context_slices=(16, 32, 48, 96),
        stage_kernel=5,
        norm="trunk",
        negative_slope=0.2,
        linear_path=True,
        hyper_log_input=True,
        scale_activation="softplus",
        rate_weight=0.06,
        lambdas=(0.0008, 0.002, 0.005, 0.0125, 0.03),
    )
