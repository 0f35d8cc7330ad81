"""Vector quantization (Akrouf 1994; entropy-constrained and in stages, Kossentini et al. 1995): the
teaching case, without a neural network anywhere.

A picture becomes block means and, on what these leave, the nearest of a few learned vectors, again
and again. Read ``config`` (what there is), ``planes`` (pixels to vectors), ``means`` and ``search``
(what is chosen), ``prior`` (what is coded), ``coding`` (the codec), ``fit`` (where the vectors come
from).
"""

from slimcodec.codecs.vq.family import VqFamily

__all__ = ["family"]

family = VqFamily()
"""Codebooks on mean-removed blocks."""
