"""The quantizer's layers as a table (``codecs.layers``).

Nothing of it can be made narrower: what layers exchange are means, codes and planes, and to take a
code out of a book is to number the others anew, in streams that exist."""

from __future__ import annotations

from slimcodec.codecs.layers import Channels, Layer
from slimcodec.codecs.vq.config import BLOCK, STRIDE, VqConfig
from slimcodec.codecs.vq.means import REACH
from slimcodec.codecs.vq.prior import CONTEXTS

__all__ = ["layers"]


def layers(config: VqConfig) -> list[Layer]:
    """One row per layer."""
    found = []
    planes = {book.name: Channels(f"{book.name} planes", book.channels) for book in config.books}
    for book in config.books:
        places = (book.places / STRIDE) ** 2
        means = Channels(f"{book.name} means", book.channels)
        codes = Channels(f"{book.name} codes", book.stages * book.codes)
        makes = (planes[book.name],)
        for name, reads, kernel in (
            (f"{book.name}_surface", means, 3 * BLOCK),
            (book.name, codes, BLOCK),
        ):
            found.append(
                Layer(f"decoder.{name}", "transposed", (reads,), makes, kernel, places, bias=False)
            )
    chroma, full = planes["chroma"], Channels("interpolated", 2)
    found.append(
        Layer("decoder.interpolation", "transposed", (chroma,), (full,), 4, 1 / 4, bias=False)
    )
    pixels = Channels("pixels", 3)
    found.append(Layer("decoder.colour", "conv", (planes["luma"], full), (pixels,), 1, 1.0))
    for book in config.books:
        flags, numbers = Channels("contexts", CONTEXTS), Channels("numbers", book.codes)
        for name, made in (("flags", flags), ("numbers", numbers)):
            tensor = f"probability.{book.name}_{name}"
            found.append(Layer(tensor, "vector", (), (made,), axis=2, streams=True))
    distances = Channels("distances", 2 * REACH + 2)
    found.append(Layer("probability.means", "vector", (), (distances,), axis=2, streams=True))
    return found
