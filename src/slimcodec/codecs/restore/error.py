"""How far restored pictures are from what they were, as training and pruning count it.

    cost = error / (error of the file itself) ** balance

of each picture; ``error`` is half the squared error of R, G, B and half that of luma, in UNITs. A
balance of 1 would count decibels, 0 squared errors, of which coarse files have nearly all.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from slimcodec.codecs.restore.config import CENTRE, UNIT
from slimcodec.codecs.restore.jpeg_file import condition_of, read_jpeg
from slimcodec.types import Codec

__all__ = ["Errors", "as_rgb", "damaged", "errors_of", "in_units", "planes_of"]

_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
_LEAST = 1e-3
"""Added to a file's own error, which may be nothing."""


class Errors(NamedTuple):
    """Of each picture of a batch [b]: of what the network made, and of what it was given."""

    made: Tensor
    given: Tensor

    def cost(self, balance: float) -> Tensor:
        """See the head; the mean over pictures, a scalar."""
        return (self.made / (self.given.detach() + _LEAST) ** balance).mean()


def planes_of(rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Y, Cb, Cr as JPEG defines them, not rounded, of levels 0 to 255."""
    r, g, b = rgb.unbind(1)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return torch.stack([y, (b - y) / 1.772 + CENTRE, (r - y) / 1.402 + CENTRE], 1)


def in_units(planes: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Levels as networks see them."""
    return (planes - CENTRE) / UNIT


def as_rgb(units: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """What networks make as R, G, B in [0, 1], unclamped."""
    moved = torch.einsum("ij,bjhw->bihw", units.new_tensor(_TO_RGB), units * UNIT)
    # Luma has its centre in every colour; chroma's is none.
    return (moved + CENTRE) / 255


def errors_of(
    restored: Float[Tensor, "b 3 h w"],
    given: Float[Tensor, "b 3 h w"],
    rgb: Float[Tensor, "b 3 h w"],
) -> Errors:
    """How far a network's planes and the file's are from a picture.

    Args:
        restored: what the network made, in units.
        given: what it was given, in units.
        rgb: what the picture was, in [0, 1].
    """
    wanted = in_units(planes_of(rgb * 255))
    return Errors(_squares(restored - wanted), _squares(given - wanted))


def _squares(error: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    rgb = torch.einsum("ij,bjhw->bihw", error.new_tensor(_TO_RGB), error)
    luma = error[:, 0].square().mean((1, 2))
    return 0.5 * rgb.square().mean((1, 2, 3)) + 0.5 * luma


def damaged(
    inner: Codec, image: Float[Tensor, "1 3 h w"], quality: float
) -> tuple[int, Float[Tensor, "1 3 h w"], Float[Tensor, "1 k"]]:
    """An image in [0, 1] as a file of the codec inside: bytes, planes in units, condition."""
    pixels = (image[0].permute(1, 2, 0) * 255).round().to(torch.uint8).cpu().numpy()
    stream = inner.encode(pixels, quality)
    file = read_jpeg(stream)
    planes = torch.from_numpy(file.planes.copy()).permute(2, 0, 1)[None].float()
    facts = torch.from_numpy(condition_of(file))[None]
    return len(stream), in_units(planes).to(image.device), facts.to(image.device)
