"""How far pictures that come back are from what they were, as training and pruning count it.

    cost = error / (error of what a filter alone makes of the small picture) ** balance

of each picture; ``error`` is half the squared error of R, G, B and half that of luma, in UNITs. The
inner codec stands between the networks as it is. It has no gradient, so what comes back is taken
for what went in and a constant: the compactor is told where a level would have helped, and not that
the codec would have changed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from slimcodec.codecs.compact.config import CENTRE, UNIT
from slimcodec.codecs.compact.losses import facts_of, measured
from slimcodec.types import Codec, Image

__all__ = ["Coded", "as_pixels", "as_values", "coded", "cost_of", "error_of", "in_units", "through"]

_LUMA = (0.299, 0.587, 0.114)
_LEAST = 1e-3
"""Added to a filter's own error, which may be nothing."""


class Coded(NamedTuple):
    """A small picture behind a codec.

    Attributes:
        decoded: uint8 [h, w, 3].
        losses: see ``losses.measured``.
        bytes: of the file.
    """

    decoded: Image
    losses: bytes
    bytes: int


def coded(inner: Codec, small: Image, quality: float) -> Coded:
    """A small picture through a codec."""
    file = inner.encode(small, quality)
    decoded = inner.decode(file)
    return Coded(decoded, measured(small, decoded), len(file))


def through(
    inners: Sequence[Codec], qualities: Sequence[float], small: Float[Tensor, "b 3 h w"]
) -> tuple[list[int], Float[Tensor, "b 3 h w"], Float[Tensor, "b k"]]:
    """Small pictures through codecs: bytes of each, what comes back, what is known of it.

    Args:
        inners: which codec, for each picture.
        qualities: at which quality of its own.
        small: in units.
    """
    pixels = as_pixels(small)
    each = zip(inners, pixels, qualities, strict=True)
    found = [coded(inner, image, quality) for inner, image, quality in each]
    levels = torch.from_numpy(np.stack([one.decoded for one in found]).transpose(0, 3, 1, 2).copy())
    decoded = ((levels.to(small) - CENTRE) / UNIT - small).detach() + small
    facts = torch.from_numpy(np.stack([facts_of(one.losses) for one in found]))
    return [one.bytes for one in found], decoded, facts.to(small)


def in_units(rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Values in [0, 1] as networks see them."""
    return (rgb * 255 - CENTRE) / UNIT


def as_values(units: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """The inverse of ``in_units``, unclamped."""
    return (units.float() * UNIT + CENTRE) / 255


def as_pixels(units: Float[Tensor, "b 3 h w"]) -> NDArray[np.uint8]:
    """The images that an inner codec is given, [b, h, w, 3]."""
    levels = (units.detach().float() * UNIT + CENTRE).round().clamp(0, 255)
    pixels: NDArray[np.uint8] = levels.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return np.ascontiguousarray(pixels)


def error_of(one: Float[Tensor, "b 3 h w"], other: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Of each picture of a batch, both in units."""
    error = one - other
    luma = torch.einsum("bchw,c->bhw", error, error.new_tensor(_LUMA))
    return 0.5 * error.square().mean((1, 2, 3)) + 0.5 * luma.square().mean((1, 2))


def cost_of(
    made: Float[Tensor, "b 3 h w"],
    filtered: Float[Tensor, "b 3 h w"],
    picture: Float[Tensor, "b 3 h w"],
    balance: float,
    priced: Float[Tensor, " b"] | float = 0.0,
) -> Float[Tensor, ""]:
    """See the head; the mean over pictures, all in units.

    Args:
        made: what came back.
        filtered: what a filter alone makes of the small picture as decoded.
        picture: what it was.
        balance: 0 counts squared errors, 1 decibels.
        priced: what bits are worth, added to the error of each.
    """
    given = error_of(filtered, picture).detach()
    return ((error_of(made, picture) + priced) / (given + _LEAST) ** balance).mean()
