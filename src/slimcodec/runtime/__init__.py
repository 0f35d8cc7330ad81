"""Runtimes: what executes a learned codec's parts. The glue around them is the codec's own."""

from slimcodec.runtime.base import Operator, Runtime, open_codec
from slimcodec.runtime.bundle import Bundle, is_bundle, open_bundle
from slimcodec.runtime.cache import exporter

__all__ = ["Bundle", "Operator", "Runtime", "exporter", "is_bundle", "open_bundle", "open_codec"]
