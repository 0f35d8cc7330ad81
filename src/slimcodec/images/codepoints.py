"""Coding-independent code points: colours named by numbers (ITU-T H.273), in AVIF and in PNG.

Three numbers say what an ICC profile says in a thousand bytes: which primaries the colours are made
of, which curve leads from light to samples, and (not looked at here, decoders use it) which matrix.

Curves meant for a screen of usual brightness are taken as sRGB's: BT.709 and its kin describe the
camera's side, and are shown by the same screens, which is what browsers do too. That is said in a
note. Curves of high dynamic range (PQ, HLG) have no one rendering on such a screen, so they are
refused, as are linear light and curves of film. Primaries other than sRGB's are converted.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from slimcodec.images.kind import refused

__all__ = ["PRIMARIES", "check_code_points", "from_primaries"]

_SRGB = 1
_UNSPECIFIED = 2

_D65 = (0.3127, 0.3290)
PRIMARIES: dict[int, tuple[str, tuple[tuple[float, float], ...]]] = {
    _SRGB: ("BT.709", ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))),
    5: ("BT.601 (625 lines)", ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060))),
    6: ("BT.601 (525 lines)", ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))),
    7: ("SMPTE 240M", ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))),
    9: ("BT.2020", ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))),
    12: ("Display P3", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))),
}
"""Name, and x and y of red, green and blue; white is D65 in all of them."""

_SRGB_CURVE = 13
_OF_SCREENS = {1: "BT.709", 6: "BT.601", 14: "BT.2020", 15: "BT.2020"}
_CURVES = {
    4: "gamma 2.2", 5: "gamma 2.8", 7: "SMPTE 240M", 8: "linear light", 9: "logarithmic",
    10: "logarithmic", 11: "IEC 61966-2-4", 12: "BT.1361", 16: "PQ, high dynamic range",
    17: "SMPTE ST 428", 18: "HLG, high dynamic range",
}  # fmt: skip


def check_code_points(name: str, primaries: int, curve: int) -> tuple[int | None, tuple[str, ...]]:
    """Primaries, None where the file leaves them open, and notes for the user.

    Args:
        name: of the kind of picture, for messages.
        primaries: ColourPrimaries of the standard.
        curve: its TransferCharacteristics.

    Raises:
        ImageError: when either is one that is not read.
    """
    if curve not in (_SRGB_CURVE, _UNSPECIFIED, *_OF_SCREENS):
        called = _CURVES.get(curve, "unknown")
        raise refused(name, f"its transfer curve ({called}, number {curve}) is not read")
    if primaries not in (_UNSPECIFIED, *PRIMARIES):
        raise refused(name, f"its colour primaries (number {primaries}) are not read")
    taken = _OF_SCREENS.get(curve)
    notes = (f"its transfer curve ({taken}) was taken as sRGB's",) if taken else ()
    return None if primaries == _UNSPECIFIED else primaries, notes


def from_primaries(picture: PIL.Image.Image, primaries: int) -> tuple[PIL.Image.Image, str | None]:
    """A picture with sRGB's curve and any primaries, in sRGB; and the note where that mattered.

    Args:
        picture: mode ``L`` or ``RGB``.
        primaries: a key of `PRIMARIES`.
    """
    picture = picture.convert("RGB")
    if primaries == _SRGB:
        return picture, None
    name, points = PRIMARIES[primaries]
    matrix = np.linalg.inv(_to_xyz(PRIMARIES[_SRGB][1])) @ _to_xyz(points)
    steps = np.arange(256) / 255
    light = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    linear = light.astype(np.float32)[np.asarray(picture)] @ matrix.T.astype(np.float32)
    linear = np.clip(linear, 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    converted = PIL.Image.fromarray(np.rint(coded * 255).astype(np.uint8))
    return converted, f"colours were converted from {name} primaries to sRGB"


def _to_xyz(points: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    """The 3x3 matrix from linear RGB to CIE XYZ: primaries scaled so that they add up to white."""
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in points]).T
    x, y = _D65
    white = np.array([x / y, 1.0, (1 - x - y) / y])
    return np.asarray(columns * np.linalg.solve(columns, white), dtype=np.float64)
