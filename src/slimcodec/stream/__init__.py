"""Streams: integers to bytes and back. No floats cross this border, and no torch lives behind
it."""

from slimcodec.stream.container import (
    MAX_BYTES,
    MAX_PIXELS,
    MAX_SECTIONS,
    attach,
    cut,
    has_parts,
    image_size,
    is_progressive,
    pack,
    salvage,
    step_ends,
    unpack,
)
from slimcodec.stream.entropy import SYMBOL_LIMIT, SymbolDecoder, SymbolEncoder
from slimcodec.stream.models import least_bits
from slimcodec.stream.parsed import BESIDE, Stream
from slimcodec.stream.tables import Tables

__all__ = [
    "BESIDE",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_SECTIONS",
    "SYMBOL_LIMIT",
    "Stream",
    "SymbolDecoder",
    "SymbolEncoder",
    "Tables",
    "attach",
    "cut",
    "has_parts",
    "image_size",
    "is_progressive",
    "least_bits",
    "pack",
    "salvage",
    "step_ends",
    "unpack",
]
