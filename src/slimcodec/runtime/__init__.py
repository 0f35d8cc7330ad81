"""Runtimes: what executes a learned codec's parts. The glue around them is the codec's own."""

from slimcodec.runtime.base import Runtime, open_codec

__all__ = ["Runtime", "open_codec"]
