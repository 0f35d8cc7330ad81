"""What a mean-scale codec's glue computes with: integers, tables, gains. The identity of its
streams is a digest of these."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.family import Floats
from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.prior import LatentPrior
from slimcodec.codecs.latents.scales import SHIFT_STEPS, SHIFT_TABLES, TABLE_COUNT
from slimcodec.errors import ModelFileError
from slimcodec.quantization import Quantization
from slimcodec.stream import Tables

__all__ = ["Coding"]


@dataclass(frozen=True)
class Coding:
    """See ``codecs.family.Exportable.coding``.

    Attributes:
        prior: scale net and context in integers.
        latent_tables: one table per scale and rest of a shift.
        hyper_tables: one table per hyper-latent channel.
        log_gain: float32 [q, m], before rounding.
        log_degain: float32 [q, m], after.
        interface: bytes of whatever else decides what symbols mean (what makes the means).
    """

    prior: LatentPrior
    latent_tables: Tables
    hyper_tables: Tables
    log_gain: Floats
    log_degain: Floats
    interface: bytes

    @classmethod
    def of(
        cls,
        config: LatentsConfig,
        weights: Mapping[str, NDArray[np.float32]],
        quantization: Quantization,
        frozen: Mapping[str, NDArray[Any]],
    ) -> Coding:
        """Put together from a model's contents.

        Raises:
            ModelFileError, LookupError: when they make no codec.
        """
        hyper_tables = Tables.from_arrays(frozen, "hyper_tables")
        latent_tables = Tables.from_arrays(frozen, "latent_tables")
        prior = LatentPrior(config, weights, quantization, frozen)
        gains = (len(config.lambdas), config.latent_channels)
        wanted = TABLE_COUNT
        if config.context_slices:
            wanted += SHIFT_STEPS // 2 * SHIFT_TABLES
        if (
            (len(hyper_tables), len(latent_tables)) != (config.hyper_channels, wanted)
            or not gains == prior.grid.shifts.shape == weights["log_gain"].shape
            or weights["log_degain"].shape != gains
        ):
            raise ModelFileError("its tables and gains are not as many as its channels need")
        means = sorted(name for name in weights if name.startswith("probability.mean."))
        others = ("probability.latent_scale", "probability.median")
        means += [name for name in others if name in weights]
        return cls(
            prior,
            latent_tables,
            hyper_tables,
            weights["log_gain"],
            weights["log_degain"],
            b"".join(weights[name].astype("<f4").tobytes() for name in means),
        )

    @cached_property
    def stream_id(self) -> bytes:
        """Digest of everything that a stream's meaning depends on, 8 bytes."""
        digest = hashlib.sha256(b"mean-scale/2")
        digest.update(self.prior.to_bytes())
        for tables in (self.latent_tables, self.hyper_tables):
            digest.update(tables.to_bytes())
        digest.update(self.log_gain.astype("<f4").tobytes())
        digest.update(self.log_degain.astype("<f4").tobytes())
        digest.update(self.interface)
        return digest.digest()[:8]
