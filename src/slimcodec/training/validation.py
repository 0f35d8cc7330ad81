"""What the averaged weights do on photographs that nobody trains on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from slimcodec.errors import TrainingError
from slimcodec.images import read_image
from slimcodec.training.objectives import Objective
from slimcodec.training.objectives.contract import psnr_db
from slimcodec.training.objectives.ms_ssim import MsSsimLoss

__all__ = ["Figures", "Validation"]

SMALLEST_SIDE = 128
"""Reflection padding inside a hyperprior needs eight latents on a side."""
PHOTOS = 8
SIDE = 512
POINTS = 8
"""Qualities that a run looks at while it trains, at most; a progressive codec has more."""


class Figures(NamedTuple):
    """Of a network at one quality: estimated bits per pixel and means over photographs."""

    bpp: float
    psnr_db: float
    ms_ssim: float


class Validation:
    """The centres of the first held-out photographs.

    Args:
        held_out: files.
        photos: how many at most.
        smallest: pixels that a photograph must have a side.

    Raises:
        TrainingError: when one is too small, before anything was trained.
    """

    def __init__(
        self, held_out: Sequence[Path], photos: int = PHOTOS, smallest: int = SMALLEST_SIDE
    ) -> None:
        self.images = [_centre(path, smallest) for path in held_out[:photos]]

    def points(
        self, network: nn.Module, objective: Objective, device: torch.device
    ) -> list[tuple[float, float]]:
        """(estimated bpp, dB) at each quality, the first eight where there are more; means
        over the photographs, none without any."""
        found = [
            [(float(bpp), float(psnr_db(picture - image))) for bpp, picture in coded]
            for image, coded in self._coded(network, objective, device, POINTS)
        ]
        return [(float(b), float(d)) for b, d in np.mean(found, axis=0)] if found else []

    def measured(
        self, network: nn.Module, objective: Objective, device: torch.device
    ) -> list[Figures]:
        """A trained network's figures at every quality; photographs must be large enough for
        MS-SSIM, which ``objectives.settings.SMALLEST_MS_SSIM_CROP`` is."""
        unlike = MsSsimLoss().to(device)
        found = [
            [
                Figures(
                    float(bpp),
                    float(psnr_db(picture - image)),
                    # Rounding may lift the likeness of two equal pictures above 1.
                    1 - max(0.0, float(unlike(image, picture).mean())),
                )
                for bpp, picture in coded
            ]
            for image, coded in self._coded(network, objective, device, None)
        ]
        return [Figures(*map(float, one)) for one in np.mean(found, axis=0)] if found else []

    @torch.no_grad()
    def _coded(
        self,
        network: nn.Module,
        objective: Objective,
        device: torch.device,
        most: int | None,
    ) -> Iterator[tuple[Tensor, Sequence[tuple[Tensor, Tensor]]]]:
        """Each photograph, and what ``objective.coded`` makes of it."""
        network.eval()
        for pixels in self.images:
            image = pixels.to(device, memory_format=torch.channels_last)
            yield image, objective.coded(network, image, most)
        network.train()


def _centre(path: Path, smallest: int) -> Tensor:
    pixels = read_image(path).pixels
    side = min(SIDE, *(s // 64 * 64 for s in pixels.shape[:2]))
    if side < smallest:
        raise TrainingError(
            f"{path} is {pixels.shape[1]}x{pixels.shape[0]}, too small to validate on; hold out a "
            f"photograph of at least {smallest} pixels a side"
        )
    top, left = ((s - side) // 2 for s in pixels.shape[:2])
    piece = pixels[top : top + side, left : left + side].transpose(2, 0, 1)
    return torch.from_numpy(piece.copy())[None].float() / 255
