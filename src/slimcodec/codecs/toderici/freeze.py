"""Freezing: from a trained bit model to what coding needs.

The integer prior is derived exactly from the model file's half-precision weights when a codec is
opened, so all that freezing adds are the tables and which bits depend on which; it builds the prior
once, which proves that its sums are exact.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from slimcodec.codecs.toderici.network import TodericiNetwork
from slimcodec.codecs.toderici.prior import SENT_IF, BitPrior, bit_tables

__all__ = ["freeze"]


@torch.no_grad()
def freeze(network: TodericiNetwork) -> dict[str, NDArray[np.generic]]:
    """The frozen arrays of a network whose weights are already as the model file will hold them."""
    weights = {name: t.cpu().numpy() for name, t in network.probability.state_dict().items()}
    sent_if = np.array(network.config.sent_if, np.int16)
    BitPrior(weights, sent_if)
    frozen = bit_tables().to_arrays("bit_tables")
    return {**frozen, SENT_IF: sent_if} if network.config.significance else frozen
