"""Where people are likely to look, where nobody says it: Boolean maps.

After Zhang and Sclaroff, "Saliency detection: a Boolean map approach" (2013; 2016): a picture is
cut at many levels of each of its colours into what is above and what is not, and of both what is
surrounded, that is, does not hang together with the border of the picture, draws the eye. Maps of
little surrounded area count more. Among methods that learn from no recorded gaze its authors report
it ahead of graph-based saliency, which takes far longer, and of spectral residual; and it finds
whole objects, where those find their edges, and a codec needs whole ones. What touches the border
it does not see: a portrait that is cut off below needs a mask.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from slimcodec.types import Image, Mask

__all__ = ["saliency_of"]

_SIDE = 96
"""Longest side in pixels at which maps are made: objects, not textures."""
_LEVELS = 16
"""Cuts of each colour."""
_BLUR = 0.03
"""Standard deviation in longest sides: gaze is no sharper."""
_LEAST_SPREAD = 1.0
"""Standard deviation, of 255 levels, below which a colour is noise."""


def saliency_of(image: Image) -> Mask:
    """A mask of what draws the eye, ``uint8 [h, w]``, 255 where most; the same everywhere where
    nothing is surrounded by anything.

    Args:
        image: ``uint8 [h, w, 3]``.
    """
    height, width, _ = image.shape
    scale = min(_SIDE / max(height, width), 1)
    small = (max(round(width * scale), 1), max(round(height * scale), 1))
    picture = PIL.Image.fromarray(np.ascontiguousarray(image))
    pixels = np.asarray(picture.resize(small, PIL.Image.Resampling.BOX), np.float64)
    found = _smoothed(_attention(_colours(pixels)))
    if found.max() - found.min() < 1e-9:
        return np.full((height, width), 255, np.uint8)
    levels = 255 * (found - found.min()) / (found.max() - found.min())
    whole = PIL.Image.fromarray(levels.astype(np.float32))
    resized = np.asarray(whole.resize((width, height), PIL.Image.Resampling.BILINEAR))
    mask: Mask = np.clip(np.rint(resized), 0, 255).astype(np.uint8)
    return mask


def _colours(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The picture in its own colours, [n, h, w]: uncorrelated, and all equally strong; those that
    do not change are left out."""
    samples = pixels.reshape(-1, 3) - pixels.mean(axis=(0, 1))
    variances, axes = np.linalg.eigh(samples.T @ samples / len(samples))
    strong = variances > _LEAST_SPREAD**2
    own = samples @ axes[:, strong] / np.sqrt(variances[strong])
    colours: NDArray[np.float64] = own.T.reshape(-1, *pixels.shape[:2])
    return colours


def _attention(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each place is surrounded, over all cuts, [h, w]."""
    found = np.zeros(colours.shape[1:])
    for colour in colours:
        least, most = np.quantile(colour, (0.01, 0.99))
        cuts = np.linspace(least, most, _LEVELS + 2)[1:-1, None, None]
        above = colour > cuts
        for part in (above, ~above):
            surrounded = part & ~_from_border(part)
            areas = surrounded.sum(axis=(1, 2))
            found += (surrounded[areas > 0] / np.sqrt(areas[areas > 0])[:, None, None]).sum(axis=0)
    return found


def _from_border(parts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What of each part hangs together with the border, by sides of pixels, [n, h, w]."""
    reached = parts.copy()
    reached[:, 1:-1, 1:-1] = False
    count, before = int(reached.sum()), -1
    while count != before:
        reached[:, 1:] |= reached[:, :-1] & parts[:, 1:]
        reached[:, :-1] |= reached[:, 1:] & parts[:, :-1]
        reached[:, :, 1:] |= reached[:, :, :-1] & parts[:, :, 1:]
        reached[:, :, :-1] |= reached[:, :, 1:] & parts[:, :, :-1]
        count, before = int(reached.sum()), count
    return reached


def _smoothed(attention: NDArray[np.float64]) -> NDArray[np.float64]:
    deviation = _BLUR * max(attention.shape)
    down, across = (_blur(side, deviation) for side in attention.shape)
    return down @ attention @ across.T


def _blur(side: int, deviation: float) -> NDArray[np.float64]:
    """A Gaussian along one side as a matrix; beyond the border there is nothing."""
    places = np.arange(side)
    weights = np.exp(-0.5 * np.square((places[:, None] - places) / max(deviation, 1e-3)))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
