"""The full-resolution recurrent codec (Toderici et al. 2016): networks, bit model, progressive
coding, published checkpoints."""

from slimcodec.codecs.toderici.family import TodericiFamily

__all__ = ["family"]

family = TodericiFamily()
