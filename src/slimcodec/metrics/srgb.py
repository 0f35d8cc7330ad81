"""sRGB samples as light (IEC 61966-2-1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LINEAR_LIGHT"]


def _linear_light() -> NDArray[np.float64]:
    encoded = np.arange(256) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


LINEAR_LIGHT = _linear_light()
"""``[256]``: light for each sample value, 0 to 1."""
