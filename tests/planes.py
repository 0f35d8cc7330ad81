"""A progressive codec that needs no weights: iteration n of its streams is the n-th bit plane."""

from __future__ import annotations

from collections import Counter

import numpy as np

from slimcodec.errors import UsageError, WrongModelError
from slimcodec.stream import Stream, cut, pack, unpack
from slimcodec.types import Clock, Image, no_clock


class BitPlanes:
    """The most significant bits first, one section each.

    ``calls`` counts encodes, decodes and cuts.
    """

    name, digest, model_bytes = "planes", "ab" * 32, 1000
    qualities = tuple(float(step) for step in range(1, 9))
    default_quality = 3.0
    stream_id = b"bitplane"

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        self.calls["encode"] += 1
        height, width = image.shape[:2]
        sections = []
        for step in range(1, self._step(quality) + 1):
            with clock("encoder", step):
                plane = (image >> (8 - step)) & 1
            with clock("entropy", step):
                sections.append(np.packbits(plane).tobytes())
        return pack(Stream(self.stream_id, height, width, 0, tuple(sections), progressive=True))

    def decode(self, stream: bytes, *, clock: Clock = no_clock) -> Image:
        self.calls["decode"] += 1
        content = unpack(stream)
        if content.stream_id != self.stream_id:
            raise WrongModelError("the stream was written by another model")
        image = np.zeros((content.height, content.width, 3), np.uint8)
        for step, section in enumerate(content.sections, 1):
            with clock("entropy", step):
                plane = np.unpackbits(np.frombuffer(section, np.uint8), count=image.size)
            with clock("decoder", step):
                image |= plane.reshape(image.shape) << (8 - step)
        return image

    def cut(self, stream: bytes, quality: float) -> bytes:
        self.calls["cut"] += 1
        return cut(stream, self._step(quality))

    def _step(self, quality: float | None) -> int:
        quality = self.default_quality if quality is None else quality
        if quality not in self.qualities:
            raise UsageError(f"the iterations of planes must be 1 to 8, got {quality:g}")
        return int(quality)
