"""Samples of any depth, as a file stores them, brought to 8 bits.

One rule for every kind: what the file declares to be white becomes 255, and what lies between is
scaled and rounded. White is a property of the kind (the greatest value that its bits hold; 1 for
floating point) and never taken from the content: a picture must not change because one sample of it
does. What lies outside is clipped, and said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Samples"]


@dataclass(frozen=True, eq=False)
class Samples:
    """A decoded picture before its samples are 8-bit.

    Attributes:
        values: ``[h, w, c]``, integers or floats; alpha, if any, right behind the colours. What
            stands behind that is not looked at.
        white: the value of full light, and of full cover.
        colours: 1 (grey) or 3 (RGB).
        alpha: how colours and alpha go together; None without alpha.
        inverted: 0 is full light instead; never together with premultiplied alpha.
    """

    values: NDArray[Any]
    white: float
    colours: Literal[1, 3]
    alpha: Literal["straight", "premultiplied"] | None = None
    inverted: bool = False

    def in_8_bits(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, list[str]]:
        """Colours ``[h, w]`` or ``[h, w, 3]``, alpha ``[h, w]`` or None, and notes for the user."""
        shares = self.values[:, :, : self.colours + (self.alpha is not None)].astype(np.float32)
        shares /= np.float32(self.white)
        notes = self._notes(shares)
        # fmax and fmin take the number where the other is none: "not a number" becomes black.
        shares = np.fmin(np.fmax(shares, np.float32(0)), np.float32(1))
        light, cover = shares[:, :, : self.colours], None
        if self.alpha is not None:
            cover = shares[:, :, self.colours]
        if self.inverted:
            light = 1 - light
        if self.alpha == "premultiplied":
            light = np.fmin(light / np.fmax(shares[:, :, -1:], np.float32(1e-6)), np.float32(1))
        colours = _rounded(light)
        return (
            colours[:, :, 0] if self.colours == 1 else colours,
            None if cover is None else _rounded(cover),
            notes,
        )

    def _notes(self, shares: NDArray[np.float32]) -> list[str]:
        outside = float(np.mean(~((shares >= 0) & (shares <= 1))))
        clipped = f"; those outside ({_percent(outside)}) were clipped" if outside else ""
        if self.values.dtype.kind == "f":
            return [f"floating-point samples were read as 0 to 1{clipped}"]
        bits = int(self.white).bit_length()
        return [f"{bits}-bit samples were reduced to 8{clipped}"] if bits > 8 else []


def _rounded(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (shares * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"
