"""What the averaged weights do on photographs that nobody trains on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from slimcodec.errors import TrainingError
from slimcodec.images import read_image
from slimcodec.training.config import SMALLEST_CROP
from slimcodec.training.objectives import Objective

__all__ = ["Validation"]

PHOTOS = 8
SIDE = 512


class Validation:
    """The centres of the first held-out photographs.

    Args:
        held_out: files.
        photos: how many at most.

    Raises:
        TrainingError: when one is too small, before anything was trained.
    """

    def __init__(self, held_out: Sequence[Path], photos: int = PHOTOS) -> None:
        self.images = [_centre(path) for path in held_out[:photos]]

    @torch.no_grad()
    def points(
        self, network: nn.Module, objective: Objective, learned: bool, device: torch.device
    ) -> list[tuple[float, float]]:
        """(estimated bpp, dB) at each quality, means over the photographs; none without any."""
        if not self.images:
            return []
        network.eval()
        found = [
            objective.points(network, image.to(device, memory_format=torch.channels_last), learned)
            for image in self.images
        ]
        network.train()
        return [(float(b), float(d)) for b, d in np.mean(found, axis=0)]


def _centre(path: Path) -> Tensor:
    pixels = read_image(path).pixels
    side = min(SIDE, *(s // 64 * 64 for s in pixels.shape[:2]))
    if side < SMALLEST_CROP:
        raise TrainingError(
            f"{path} is {pixels.shape[1]}x{pixels.shape[0]}, too small to validate on; hold out a "
            f"photograph of at least {SMALLEST_CROP} pixels a side"
        )
    top, left = ((s - side) // 2 for s in pixels.shape[:2])
    piece = pixels[top : top + side, left : left + side].transpose(2, 0, 1)
    return torch.from_numpy(piece.copy())[None].float() / 255
