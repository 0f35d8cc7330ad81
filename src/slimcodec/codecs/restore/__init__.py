"""Better pictures from the JPEGs one already has: a decoder's network behind libjpeg."""

from slimcodec.codecs.restore.family import RestoreFamily

__all__ = ["family"]

family = RestoreFamily()
