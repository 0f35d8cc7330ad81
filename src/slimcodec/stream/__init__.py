"""Streams: integers to bytes and back. No floats cross this border, and no torch lives behind
it."""

from slimcodec.stream.container import MAX_PIXELS, Stream, pack, unpack
from slimcodec.stream.entropy import SYMBOL_LIMIT, SymbolDecoder, SymbolEncoder
from slimcodec.stream.tables import Tables

__all__ = [
    "MAX_PIXELS",
    "SYMBOL_LIMIT",
    "Stream",
    "SymbolDecoder",
    "SymbolEncoder",
    "Tables",
    "pack",
    "unpack",
]
