"""Latents, for every codec that has them: a mean-scale hyperprior with or without a context over a
checkerboard, its integer twin, and what lies between latents and a stream.

A family brings transforms, a config that is a ``LatentsConfig``, and names of checkpoints; its
network has a part ``probability``, which is a ``hyperprior.Hyperprior``, and tensors ``log_gain``
and ``log_degain`` [qualities, m].
"""

from slimcodec.codecs.latents.codec import MeanScaleCodec
from slimcodec.codecs.latents.coding import Coding
from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.prior import LatentPrior, integer_sums
from slimcodec.codecs.latents.tile import QUALITY_STEPS, Latents, gain_at

__all__ = [
    "QUALITY_STEPS",
    "Coding",
    "LatentPrior",
    "Latents",
    "LatentsConfig",
    "MeanScaleCodec",
    "gain_at",
    "integer_sums",
]
