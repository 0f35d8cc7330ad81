"""Colour difference as an eye sees it: the mean CIEDE2000 between two images.

A codec can move every pixel a little towards yellow and lose almost nothing in SSIM or LPIPS; a
pruned generator does exactly that. Delta E is the instrument for it: a difference of 1 is about
what an observer just notices on two patches side by side, and the mean over an image says how far
its tone has moved.

Pixels go sRGB -> linear RGB -> XYZ -> CIELAB (IEC 61966-2-1, D65, 2 degree observer), then pairs of
Lab values go through the CIEDE2000 formula (CIE 142-2001), with k_L = k_C = k_H = 1:

    dE = sqrt( (dL'/S_L)^2 + (dC'/S_C)^2 + (dH'/S_H)^2 + R_T (dC'/S_C)(dH'/S_H) )

The conventions for hue angles, which the standard leaves open, are those of Sharma, Wu and Dalal
("The CIEDE2000 color-difference formula: implementation notes, supplementary test data, and
mathematical observations", Color Research & Application, 2005), whose test pairs are in our tests.

Two limits are worth knowing. The formula was fitted to differences under about 5 and only orders
larger ones. And it has no notion of neighbourhood: noise that averages out for an eye counts in
full, so a delta E without a change of mean colour is texture, not tone.

The white point is the image of RGB (1, 1, 1) under the matrix in use. Tables that quote matrix and
white separately disagree in the fifth digit, which tints greys by some 0.01; here a grey pixel has
no chroma.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import UsageError
from slimcodec.metrics.pair import check_pair
from slimcodec.metrics.srgb import LINEAR_LIGHT
from slimcodec.types import Image

__all__ = ["DeltaE", "delta_e_2000", "srgb_to_lab"]

_RGB_TO_XYZ = np.array(
    [
        [0.4124, 0.3576, 0.1805],
        [0.2126, 0.7152, 0.0722],
        [0.0193, 0.1192, 0.9505],
    ]
)
_RGB_TO_XYZ_OVER_WHITE = _RGB_TO_XYZ / _RGB_TO_XYZ.sum(axis=1, keepdims=True)

# Below this ratio to white the cube root of CIELAB becomes a straight line.
_LINEAR_BELOW = (6 / 29) ** 3

_PIXELS_AT_ONCE = 8192  # some thirty intermediate arrays of this length still fit a core's cache


class DeltaE:
    """Mean CIEDE2000 over all pixels; 0 for equal images."""

    name = "delta-e"
    label = "ΔE"
    unit = ""
    better: Literal["higher", "lower"] = "lower"
    in_db = False

    def __call__(self, original: Image, decoded: Image) -> float:
        """Mean CIEDE2000 of two ``uint8 [h, w, 3]`` sRGB images.

        Raises:
            UsageError: when the arrays are not two images of one shape.
        """
        check_pair(original, decoded)
        x, y = original.reshape(-1, 3), decoded.reshape(-1, 3)
        total = 0.0
        for start in range(0, len(x), _PIXELS_AT_ONCE):
            block = slice(start, start + _PIXELS_AT_ONCE)
            total += float(delta_e_2000(srgb_to_lab(x[block]), srgb_to_lab(y[block])).sum())
        return total / len(x)


def srgb_to_lab(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """CIELAB of sRGB samples.

    Args:
        pixels: ``uint8 [..., 3]``.

    Returns:
        ``[..., 3]``: L* from 0 to 100, a* and b* about -110 to 110.

    Raises:
        UsageError: when the array is not uint8 or its last axis is not 3.
    """
    if pixels.dtype != np.uint8 or pixels.shape[-1:] != (3,):
        raise UsageError(
            f"pixels must be uint8 [..., 3], got {pixels.dtype} {list(pixels.shape)}; "
            "convert to 8-bit RGB"
        )
    ratio = LINEAR_LIGHT[pixels] @ _RGB_TO_XYZ_OVER_WHITE.T
    straight = ratio * (29 / 6) ** 2 / 3 + 4 / 29
    bent = np.where(ratio > _LINEAR_BELOW, np.cbrt(ratio), straight)
    x, y, z = bent[..., 0], bent[..., 1], bent[..., 2]
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1)


def delta_e_2000(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIEDE2000 between Lab colours.

    Args:
        first: CIELAB, ``[..., 3]``.
        second: CIELAB, of the same shape.

    Returns:
        ``[...]``, not negative.

    Raises:
        UsageError: when the shapes differ or the last axis is not 3.
    """
    if first.shape != second.shape or first.shape[-1:] != (3,):
        raise UsageError(
            f"Lab arrays must have one shape [..., 3], got {list(first.shape)} and "
            f"{list(second.shape)}"
        )
    lightness1, a1, b1 = first[..., 0], first[..., 1], first[..., 2]
    lightness2, a2, b2 = second[..., 0], second[..., 1], second[..., 2]

    # a* is stretched for near-greys, where CIELAB is too coarse along red and green.
    grey = 0.5 * (1 - _saturation((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2))
    a1, a2 = a1 * (1 + grey), a2 * (1 + grey)
    chroma1, chroma2 = np.hypot(a1, b1), np.hypot(a2, b2)
    turn, hue = _hues(a1, b1, chroma1, a2, b2, chroma2)

    product = chroma1 * chroma2
    chroma = (chroma1 + chroma2) / 2
    off_middle = ((lightness1 + lightness2) / 2 - 50) ** 2
    weight_l = 1 + 0.015 * off_middle / np.sqrt(20 + off_middle)
    weight_c = 1 + 0.045 * chroma
    weight_h = 1 + 0.015 * chroma * _hue_weight(hue)

    along_l = (lightness2 - lightness1) / weight_l
    along_c = (chroma2 - chroma1) / weight_c
    along_h = 2 * np.sqrt(product) * np.sin(turn / 2) / weight_h
    # In the blues, contours of equal difference are ellipses that lean; this is their tilt.
    lean = np.radians(30) * np.exp(-(((np.degrees(hue) - 275) / 25) ** 2))
    rotation = -2 * _saturation(chroma) * np.sin(2 * lean)
    squared = along_l**2 + along_c**2 + along_h**2 + rotation * along_c * along_h
    return np.asarray(np.sqrt(np.maximum(squared, 0)), dtype=np.float64)


def _saturation(chroma: NDArray[np.float64]) -> NDArray[np.float64]:
    """``sqrt(C^7 / (C^7 + 25^7))``, from 0 for a grey towards 1; 0.7 at a chroma of 25."""
    squared = chroma * chroma
    seventh = squared * squared * squared * chroma
    return np.sqrt(seventh / (seventh + 25.0**7))


def _hues(
    a1: NDArray[np.float64],
    b1: NDArray[np.float64],
    chroma1: NDArray[np.float64],
    a2: NDArray[np.float64],
    b2: NDArray[np.float64],
    chroma2: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The turn from the first hue to the second, and the hue between them, in radians.

    The turn goes the short way round, and the mean hue lies on that way. A grey has no hue: then
    the turn is 0 and the mean is the other colour's hue.
    """
    full = 2 * np.pi
    hue1 = np.arctan2(b1, a1) % full
    hue2 = np.arctan2(b2, a2) % full
    turn, total = hue2 - hue1, hue1 + hue2
    long_way = np.abs(turn) > np.pi
    turn = np.where(long_way, turn - np.copysign(full, turn), turn)
    mean = np.where(long_way, total + np.where(total < full, full, -full), total) / 2
    no_hue = (chroma1 == 0) | (chroma2 == 0)
    return np.where(no_hue, 0.0, turn), np.where(no_hue, total, mean)


def _hue_weight(hue: NDArray[np.float64]) -> NDArray[np.float64]:
    """The factor T: how much more or less the eye minds a turn of hue, around the circle."""
    weight: NDArray[np.float64] = (
        1
        - 0.17 * np.cos(hue - np.radians(30))
        + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + np.radians(6))
        - 0.20 * np.cos(4 * hue - np.radians(63))
    )
    return weight
