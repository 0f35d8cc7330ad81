"""A tile's symbols to a section of a stream and back.

    section    0, symbols under the tables that their neighbours choose (``contexts``)
               1, symbols as if all levels were alike (``packing``), where the other is longer

So no section is longer than a byte and what ``packed_bytes`` says.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.extreme.config import ExtremeConfig
from slimcodec.codecs.extreme.contexts import Contexts, Known
from slimcodec.codecs.extreme.packing import pack_levels, packed_bytes, unpack_levels
from slimcodec.errors import StreamError
from slimcodec.stream import SymbolDecoder, SymbolEncoder

__all__ = ["most_section_bytes", "read_section", "write_section"]

_MODELLED, _PACKED = b"\0", b"\1"


def most_section_bytes(config: ExtremeConfig, size: tuple[int, int]) -> int:
    """Of a tile of so many positions, whatever it shows."""
    return 1 + packed_bytes(config.latent_channels * size[0] * size[1], config.levels)


def write_section(symbols: NDArray[np.int32], contexts: Contexts) -> bytes:
    """Symbols around 0, [c, h, w], to a section."""
    levels = contexts.frequencies.shape[2]
    places = symbols + levels // 2
    modelled = _modelled(places, contexts)
    packed = pack_levels(places, levels)
    return _PACKED + packed if len(packed) < len(modelled) else _MODELLED + modelled


def read_section(section: bytes, size: tuple[int, int], contexts: Contexts) -> NDArray[np.int32]:
    """The inverse of ``write_section``.

    Args:
        section: of a stream.
        size: positions down and across.
        contexts: of the model.

    Raises:
        StreamError: when the section is damaged.
    """
    channels, _, levels = contexts.frequencies.shape
    kind, rest = section[:1], section[1:]
    if kind == _PACKED:
        count = channels * size[0] * size[1]
        places = unpack_levels(rest, count, levels).reshape(channels, *size)
        centred: NDArray[np.int32] = np.subtract(places, levels // 2, dtype=np.int32)
        return centred
    if kind != _MODELLED:
        raise StreamError("the stream is damaged: it has a tile of no known kind")
    decoder = SymbolDecoder(rest)
    symbols = _walked(contexts, size, lambda known: decoder.take_levels(known.frequencies))
    decoder.finish()
    return symbols


def _modelled(places: NDArray[np.int32], contexts: Contexts) -> bytes:
    encoder = SymbolEncoder()

    def give(known: Known) -> NDArray[np.int32]:
        own: NDArray[np.int32] = places[known.channel, known.rows, known.columns]
        encoder.put_levels(own, known.frequencies)
        return own

    _, height, width = places.shape
    _walked(contexts, (height, width), give)
    return encoder.finish()


def _walked(
    contexts: Contexts, size: tuple[int, int], exchange: Callable[[Known], NDArray[np.int32]]
) -> NDArray[np.int32]:
    """All symbols of a walk, each group exchanged for what it is."""
    walk = contexts.walk(size)
    known = next(walk)
    while True:
        try:
            known = walk.send(exchange(known))
        except StopIteration as end:
            symbols: NDArray[np.int32] = end.value
            return symbols
