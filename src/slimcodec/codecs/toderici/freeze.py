"""Freezing: from a trained bit model to what coding needs besides its integer layers: tables, and
which bits depend on which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.toderici.network import TodericiNetwork
from slimcodec.codecs.toderici.prior import SENT_IF, bit_tables

__all__ = ["freeze"]


def freeze(network: TodericiNetwork) -> dict[str, NDArray[np.generic]]:
    """The frozen arrays of a network whose weights are already as the model file will hold them."""
    frozen = bit_tables().to_arrays("bit_tables")
    if network.config.significance:
        frozen[SENT_IF] = np.array(network.config.sent_if, np.int16)
    return frozen
