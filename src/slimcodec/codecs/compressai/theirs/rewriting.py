"""Symbols of a stream of CompressAI's as a stream of ours."""

from __future__ import annotations

from typing import Any

from slimcodec.codecs.compressai.config import CompressaiConfig
from slimcodec.codecs.foreign import ForeignPicture
from slimcodec.codecs.latents import MeanScaleCodec
from slimcodec.errors import UsageError

__all__ = ["rewritten"]


def rewritten(codec: Any, picture: ForeignPicture, padded: bool) -> bytes:
    """See ``codecs.foreign.ReadsForeign.foreign_stream``. All of it is one tile, as it was."""
    header, latents = picture.header, picture.latents
    wanted = latents.config
    own = codec.config if isinstance(codec, MeanScaleCodec) else None
    if not isinstance(own, CompressaiConfig) or _shape(own) != _shape(wanted):
        raise UsageError(
            f"{codec.name} is no {wanted.architecture} with {wanted.latent_channels} latents and "
            f"{wanted.hyper_channels} hyper-latents; give what `slimcodec import` makes of the "
            "checkpoint"
        )
    header.check_beginning(padded)
    height, width = header.region.height, header.region.width
    if padded:
        height, width = header.height, header.width
    stream: bytes = codec.encode_symbols(latents.symbols, latents.hyper_latents, height, width)
    return stream


def _shape(config: CompressaiConfig) -> tuple[str, int, int]:
    hyper = config.hyper_channels if config.structure.hyperprior else 0
    return config.architecture, config.latent_channels, hyper
