"""A small picture through any codec, brought back: networks before and behind another codec."""

from slimcodec.codecs.compact.family import CompactFamily

__all__ = ["family"]

family = CompactFamily()
