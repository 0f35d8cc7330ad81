"""Pictures at a rate that is bounded by construction (Agustsson et al. 2019): networks, integer
contexts, coding."""

from slimcodec.codecs.extreme.family import ExtremeFamily

__all__ = ["family"]

family = ExtremeFamily()
