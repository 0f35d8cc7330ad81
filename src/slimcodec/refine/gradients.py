"""A network's generator as ``rounds`` asks it, in torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from slimcodec.codecs.family import Floats
from slimcodec.codecs.tiles import Box
from slimcodec.errors import MissingExtraError
from slimcodec.images import to_planes
from slimcodec.machine import cpu_flags
from slimcodec.types import Image

try:
    import torch
    from torch import Tensor

    from slimcodec.training.objectives.ms_ssim import SMALLEST_SIDE, MsSsimLoss
except ImportError as error:
    raise MissingExtraError("effort", "torch") from error

__all__ = ["Generator"]

_SIMILARITY = 0.003
"""Of 1 - MS-SSIM beside the squared error. Bits at equal PSNR and at equal MS-SSIM, held-out crops,
24 rounds: 0 -8.9 and +0.3 %, 0.003 -6.7 and -4.3, 0.006 -5.0 and -6.1, 0.01 -3.9 and -6.1."""
_EQUALS = 0.02
"""The weight at which it counts as much as the squared error, about."""
_PROBES = 2
"""Random pictures whose way back through the generator tells how far each channel reaches."""


class Generator:
    """See ``rounds.Differentiable``.

    Args:
        network: whose ``generator(latents)`` is a picture, values in [0, 1]; what it is given is
            [1, m, h, w], a picture [1, 3, H, W].
    """

    def __init__(self, network: Any) -> None:
        self.generator = network.generator.eval().requires_grad_(False)
        self.generator.to(memory_format=torch.channels_last)
        self._ms_ssim = MsSsimLoss()
        self._mixed = bool({"amx_bf16", "avx512_bf16"} & set(cpu_flags()))

    def distortion(self, latents: Floats, image: Image, inside: Box) -> tuple[float, Floats]:
        """See ``rounds.Differentiable``."""
        height, width, _ = image.shape
        wanted = torch.from_numpy(to_planes(image))
        given, made = self._made(latents)
        made = made[:, :, :height, :width]
        lost = (made - wanted).square().mean(dim=1)
        rows, columns = inside.slices
        total = lost.sum()
        counted = float(lost.detach()[0, rows, columns].sum(dtype=torch.float64))
        if min(height, width) >= SMALLEST_SIDE:
            unlike = _SIMILARITY * self._ms_ssim(wanted, made).sum()
            total = total + height * width * unlike
            counted += lost[0, rows, columns].numel() * float(unlike.detach())
        (gradient,) = torch.autograd.grad(total, given)
        return counted, gradient[0].float().numpy()

    def curvature(self, latents: Floats) -> Floats:
        """See ``rounds.Differentiable``: of a random picture ``v``, the expectation of ``(Jᵀ v)²``
        is a channel's squared reach into the picture."""
        given, made = self._made(latents)
        source = torch.Generator().manual_seed(0)
        found = torch.zeros(len(latents), dtype=torch.float64)
        for number in range(_PROBES):
            probe = torch.randn(made.shape, generator=source)
            (back,) = torch.autograd.grad(made, given, probe, retain_graph=number + 1 < _PROBES)
            found += back[0].double().square().mean(dim=(1, 2))
        curve: Floats = (found / (3 * _PROBES)).numpy().astype(np.float32)
        return curve * (1 + _SIMILARITY / _EQUALS)

    def _made(self, latents: Floats) -> tuple[Tensor, Tensor]:
        """What it is given, to be differentiated by, and the picture."""
        given = torch.from_numpy(latents)[None].contiguous(memory_format=torch.channels_last)
        given.requires_grad_()
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self._mixed):
            return given, self.generator(given).float()
