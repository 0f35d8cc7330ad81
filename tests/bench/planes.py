"""A progressive codec that needs no weights: step n of its streams is the n-th bit plane."""

from __future__ import annotations

import struct
import zlib
from collections import Counter

import numpy as np

from slimcodec.errors import StreamError, UsageError
from slimcodec.types import Clock, Image, no_clock

_HEAD = struct.Struct("<HHB")


class BitPlanes:
    """The most significant bits first, one section each, deflated.

    ``calls`` counts encodes, decodes and cuts.
    """

    name, digest, model_bytes = "planes", "ab" * 32, 1000
    qualities = tuple(float(step) for step in range(1, 9))
    default_quality = 3.0

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        self.calls["encode"] += 1
        sections = []
        for step in range(1, self._step(quality) + 1):
            with clock("encoder", step):
                plane = np.packbits((image >> (8 - step)) & 1).tobytes()
            with clock("entropy", step):
                sections.append(zlib.compress(plane))
        return _pack(image.shape[0], image.shape[1], sections)

    def decode(self, stream: bytes, *, clock: Clock = no_clock) -> Image:
        self.calls["decode"] += 1
        height, width, sections = _unpack(stream)
        image = np.zeros((height, width, 3), np.uint8)
        for step, section in enumerate(sections, 1):
            with clock("entropy", step):
                plane = zlib.decompress(section)
            with clock("decoder", step):
                bits = np.unpackbits(np.frombuffer(plane, np.uint8), count=image.size)
                image |= bits.reshape(image.shape) << (8 - step)
        return image

    def cut(self, stream: bytes, quality: float) -> bytes:
        self.calls["cut"] += 1
        height, width, sections = _unpack(stream)
        return _pack(height, width, sections[: self._step(quality)])

    def _step(self, quality: float | None) -> int:
        quality = self.default_quality if quality is None else quality
        if quality not in self.qualities:
            raise UsageError(f"the quality must be 1 to 8, got {quality}")
        return int(quality)


def _pack(height: int, width: int, sections: list[bytes]) -> bytes:
    pieces = [struct.pack("<I", len(section)) + section for section in sections]
    return _HEAD.pack(height, width, len(sections)) + b"".join(pieces)


def _unpack(stream: bytes) -> tuple[int, int, list[bytes]]:
    if len(stream) < _HEAD.size:
        raise StreamError("the stream is cut short")
    height, width, count = _HEAD.unpack_from(stream)
    sections, at = [], _HEAD.size
    for _ in range(count):
        (length,) = struct.unpack_from("<I", stream, at)
        sections.append(stream[at + 4 : at + 4 + length])
        at += 4 + length
    return height, width, sections
