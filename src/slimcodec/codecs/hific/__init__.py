"""HiFiC (Mentzer et al. 2020): networks, integer prior, coding, published checkpoints."""

from slimcodec.codecs.hific.family import HificFamily

__all__ = ["family"]

family = HificFamily()
