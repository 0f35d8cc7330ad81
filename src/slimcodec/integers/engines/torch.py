"""Torch's integer matrix product as an engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import MissingExtraError
from slimcodec.integers.engines import Product

__all__ = ["TorchEngine"]

try:
    import torch
except ImportError as error:
    raise MissingExtraError("the torch engine", "torch") from error

_LIFT = 128


class TorchEngine:
    """``torch._int_mm`` knows signed bytes only, so inputs are moved down and the sums back up."""

    name, version = "torch", str(torch.__version__)

    def product(self, weights: NDArray[np.int8]) -> Product:
        own = torch.from_numpy(np.ascontiguousarray(weights))
        lifted = _LIFT * weights.astype(np.int32).sum(axis=0, dtype=np.int32)

        def call(x: NDArray[np.uint8]) -> NDArray[np.int32]:
            signed = torch.from_numpy((x ^ np.uint8(_LIFT)).view(np.int8))
            sums: NDArray[np.int32] = torch._int_mm(signed, own).numpy()
            sums += lifted
            return sums

        return call
