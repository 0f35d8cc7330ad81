"""CompressAI's codecs whose latents are all coded at once: Ballé et al. 2018 (``bmshj2018``) with a
factorized density or a scale hyperprior, and Minnen et al. 2018 (``mbt2018-mean``)."""

from slimcodec.codecs.compressai.family import CompressaiFamily

__all__ = ["family"]

family = CompressaiFamily()
