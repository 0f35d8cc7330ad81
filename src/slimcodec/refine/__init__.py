"""Streams that take an encoder longer and are smaller; decoders do not know of it.

An encoder rounds latents as if each were worth what it is worth on average, and as if what it loses
were lost once. Refined, a picture is decoded, and its symbols are moved by one where its own error
says that this saves more than it costs, in rounds (``rounds``). That takes gradients, hence torch
and a model's weights (``gradients``); streams are those of the model, and every runtime reads them.
"""

from slimcodec.refine.effort import refining

__all__ = ["refining"]
