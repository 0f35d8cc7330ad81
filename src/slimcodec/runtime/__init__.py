"""Runtimes: what executes a learned codec's graphs. The glue around them is the codec's own."""

from slimcodec.runtime.base import DEFAULT, Operator, Runtime, open_codec, open_file
from slimcodec.runtime.bundle import Bundle, is_bundle, open_bundle
from slimcodec.runtime.cache import known_file
from slimcodec.runtime.manifest import read_manifest as bundle_manifest
from slimcodec.runtime.profiling import profile

__all__ = [
    "DEFAULT",
    "Bundle",
    "Operator",
    "Runtime",
    "bundle_manifest",
    "is_bundle",
    "known_file",
    "open_bundle",
    "open_codec",
    "open_file",
    "profile",
]
