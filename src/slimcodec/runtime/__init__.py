"""Runtimes: what executes a learned codec's graphs. The glue around them is the codec's own."""

from slimcodec.runtime.base import DEFAULT, Operator, Runtime, open_codec, open_file
from slimcodec.runtime.bundle import Bundle, is_bundle, open_bundle

__all__ = [
    "DEFAULT",
    "Bundle",
    "Operator",
    "Runtime",
    "is_bundle",
    "open_bundle",
    "open_codec",
    "open_file",
]
