"""The quantizer as modules; what the decoder computes is said once more in ``graphs.py``, without
torch.

A book is the weight of a transposed convolution whose stride is its block: to look a code up is to
multiply its book by a vector that is 1 in one place. That is what makes a vector quantizer a
network like any other, whose codes can be pruned, quantized, exported and, for the choice does not
depend on small changes of them, learned on by gradients: those of the sums that were chosen.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.vq.coding import choose, decoder_inputs
from slimcodec.codecs.vq.config import BLOCK, VqConfig
from slimcodec.codecs.vq.freeze import freeze
from slimcodec.codecs.vq.means import REACH, SPREADS
from slimcodec.codecs.vq.planes import FROM_PLANES, planes_of
from slimcodec.codecs.vq.prior import CONTEXTS, DIRECTIONS
from slimcodec.codecs.vq.tables import PLANES, VqCoding
from slimcodec.codecs.vq.tile import show

__all__ = ["Decoded", "Decoder", "Probability", "VqNetwork"]


class Decoder(nn.Module):
    """Means and codes to a picture."""

    def __init__(self, config: VqConfig) -> None:
        super().__init__()
        luma, chroma = config.books

        def laid(inputs: int, outputs: int, blocks: int = 1) -> nn.ConvTranspose2d:
            kernel, padding = BLOCK * blocks, BLOCK * (blocks // 2)
            return nn.ConvTranspose2d(inputs, outputs, kernel, BLOCK, padding, bias=False)

        self.luma_surface = laid(1, 1, blocks=3)
        self.chroma_surface = laid(2, 2, blocks=3)
        self.luma = laid(luma.stages * luma.codes, 1)
        self.chroma = laid(chroma.stages * chroma.codes, 2)
        self.interpolation = nn.ConvTranspose2d(2, 2, 4, 2, 1, bias=False)
        self.colour = nn.Conv2d(3, 3, 1)
        with torch.no_grad():
            line = torch.tensor((0.25, 0.75, 0.75, 0.25))
            self.interpolation.weight.copy_(
                torch.eye(2)[:, :, None, None] * torch.outer(line, line)
            )
            self.colour.weight.copy_(torch.from_numpy(FROM_PLANES)[:, :, None, None])
            self.colour.bias.fill_(0.5)  # type: ignore[union-attr]

    def forward(
        self,
        luma_means: Float[Tensor, "b 1 h8 w8"],
        chroma_means: Float[Tensor, "b 2 h16 w16"],
        luma_codes: Float[Tensor, "b k h8 w8"],
        chroma_codes: Float[Tensor, "b l h16 w16"],
    ) -> Float[Tensor, "b 3 h w"]:
        """The picture, in [0, 1] and a little beyond.

        Args:
            luma_means: less the middle of the range, in units of it.
            chroma_means: likewise.
            luma_codes: 1 where a code is taken, 0 elsewhere.
            chroma_codes: likewise.
        """
        luma = self.luma_surface(luma_means) + self.luma(luma_codes)
        chroma = self.chroma_surface(chroma_means) + self.chroma(chroma_codes)
        planes = torch.cat([luma, self.interpolation(chroma)], dim=1)
        out: Tensor = self.colour(planes)
        return out


class Probability(nn.Module):
    """Logits of everything that is coded; see ``prior`` and ``means``.

    Shapes: ``luma_flags`` and ``chroma_flags`` [qualities, stages, contexts], of taking a code;
    ``luma_numbers`` and ``chroma_numbers`` [stages, directions, codes]; ``means`` [planes, spreads,
    distances and, last, those beyond].
    """

    def __init__(self, config: VqConfig) -> None:
        super().__init__()
        for book in config.books:
            flags = torch.zeros(len(config.lambdas), book.stages, CONTEXTS)
            numbers = torch.zeros(book.stages, DIRECTIONS, book.codes)
            setattr(self, f"{book.name}_flags", nn.Parameter(flags))
            setattr(self, f"{book.name}_numbers", nn.Parameter(numbers))
        self.means = nn.Parameter(torch.zeros(PLANES, SPREADS, 2 * REACH + 2))

    def bits(
        self, name: str, symbols: NDArray[np.int64], numbers: NDArray[np.int64]
    ) -> Float[Tensor, ""]:
        """What symbols take under the tables of that name; see ``tile.Put``."""
        wanted, rows = torch.from_numpy(symbols), torch.from_numpy(numbers)
        if name == "means":
            beyond = wanted.abs() > REACH
            places = torch.where(beyond, 2 * REACH + 1, wanted + REACH)
            nats = F.cross_entropy(self.means.flatten(0, 1)[rows], places, reduction="sum")
        elif name.endswith(".flags"):
            logits = getattr(self, name.replace(".", "_")).flatten()[rows]
            nats = F.binary_cross_entropy_with_logits(logits, wanted.float(), reduction="sum")
        else:
            logits = getattr(self, name.replace(".", "_")).flatten(0, 1)[rows]
            nats = F.cross_entropy(logits, wanted, reduction="sum")
        return nats / math.log(2)


class Bits(NamedTuple):
    """Ideal code lengths, [b]."""

    total: Tensor

    def bits(self) -> Float[Tensor, " b"]:
        """Of each image."""
        return self.total


class Decoded(NamedTuple):
    """What training sees of a batch: images [b, 3, h, w], and what they take."""

    image: Tensor
    likelihoods: Bits


class VqNetwork(nn.Module):
    """Decoder and probability model, and the encoder's search as training runs it."""

    def __init__(self, config: VqConfig) -> None:
        super().__init__()
        self.config = config
        self.decoder, self.probability = Decoder(config), Probability(config)

    def coding(self) -> VqCoding:
        """What the glue would compute with, of the weights as they are now."""
        weights = {f"decoder.{name}.weight": getattr(self.decoder, name).weight for name in _CODING}
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in weights.items()}
        return VqCoding.of(self.config, arrays, freeze(self))

    def forward(self, image: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"]) -> Decoded:
        """Chosen as an encoder chooses; pictures have a gradient to the codes that were chosen,
        bits to the logits of them.

        Args:
            image: values in [0, 1]; sides are multiples of 16.
            quality: of each image, from 0.
        """
        coding, config = self.coding(), self.config
        given: list[list[Tensor]] = []
        bits = []
        for pixels, number in zip(
            image.detach().cpu().numpy(), quality.long().tolist(), strict=True
        ):
            levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
            tile, _ = choose(coding, config, number, planes_of(levels))
            inputs = decoder_inputs(config, number, tile)
            given.append([torch.from_numpy(array).to(image.device) for array in inputs])
            found: list[Tensor] = []
            show(
                config,
                number,
                tile,
                lambda *coded, found=found: found.append(self.probability.bits(*coded)),
            )
            bits.append(torch.stack(found).sum())
        pictures = self.decoder(*(torch.cat(pieces) for pieces in zip(*given, strict=True)))
        return Decoded(pictures, Bits(torch.stack(bits)))


_CODING = ("luma", "luma_surface", "chroma", "chroma_surface")
