"""From a mask to what a squared error weighs in each block.

White weighs four times as much as black, and grey lies between them by the logarithm: every level
of a mask is one of importance. Weights are relative. Their geometric mean is 1, and so a mask moves
bytes and does not add them: where bits are spent well, an error is inversely proportional to its
weight, and bits go by its logarithm.

Around what matters importance fades over one block, outwards only, so that the quality of a picture
has no step at a seam and no block that shows a part of a region counts less than that part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.regions.coefficients import BLOCK, UNIT, padded
from slimcodec.errors import UsageError
from slimcodec.types import Mask

__all__ = ["WHITE_TO_BLACK", "check_mask", "weights_of"]

WHITE_TO_BLACK = 4.0
"""Ratio of weights: what is black is quantized as with steps of twice the size. With eight a region
gains about 0.4 dB more, and the whole picture 0.2 to 0.4 dB less, at middle qualities."""


def check_mask(mask: Mask) -> None:
    """A mask that says something.

    Raises:
        UsageError: when it is not ``uint8 [h, w]``, or tells no places apart.
    """
    if mask.dtype != np.uint8 or mask.ndim != 2 or mask.size == 0:
        raise UsageError(
            f"a mask must be uint8 [h, w] and not empty, got {mask.dtype} {mask.shape}"
        )
    least, most = int(mask.min()), int(mask.max())
    if most - least < 2:
        raise UsageError(
            f"the mask tells no places apart: its values are {least} to {most} of 0 to 255; what "
            "matters must be white (255), the rest black (0), grey is between; or leave it out"
        )


def weights_of(mask: Mask) -> NDArray[np.float32]:
    """What a squared error weighs in each block of luma, ``float32 [rows, columns]``; the geometric
    mean is 1.

    Args:
        mask: ``uint8 [h, w]``.
    """
    whole = padded(mask, UNIT)
    rows, columns = (side // BLOCK for side in whole.shape)
    matters = whole.reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3)) / 255
    around = np.pad(matters, 1, mode="edge")
    faded = sum(around[i : i + rows, j : j + columns] for i in range(3) for j in range(3)) / 9
    logs = np.log(WHITE_TO_BLACK) * np.maximum(matters, faded)
    weights: NDArray[np.float32] = np.exp(logs - logs.mean()).astype(np.float32)
    return weights
