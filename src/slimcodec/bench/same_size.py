"""A peer at the size of another codec's stream, image by image.

"At the same size" is how people compare codecs, and a fixed quality knob does not give it: the
sizes of two codecs part ways from image to image. So for each image the peer's quality is searched,
by bisection over its integers, for the largest stream that is no longer than the reference's.
"""

from __future__ import annotations

import hashlib

from slimcodec.target_size import largest_that_fits
from slimcodec.types import Clock, Codec, Image, codec_line, no_clock

__all__ = ["SameSize", "quality_at"]


def quality_at(peer: Codec, image: Image, target_bytes: int) -> float:
    """The quality of a peer's longest stream within so many bytes, or of its shortest of all.

    Args:
        peer: a codec with integer qualities, larger meaning longer streams.
        image: pixels.
        target_bytes: what the stream may take.
    """
    low, high = int(peer.qualities[0]), int(peer.qualities[-1])

    def fits(own: int) -> bool:
        return len(peer.encode(image, own)) <= target_bytes

    found = largest_that_fits(low, high, fits)
    return float(low if found is None else found)


class SameSize:
    """A codec whose quality means: as long as ``reference`` is at that quality.

    Args:
        peer: a codec with integer qualities, larger meaning longer streams.
        reference: what sets the size.
    """

    def __init__(self, peer: Codec, reference: Codec) -> None:
        self.peer, self.reference = peer, reference
        self.name = peer.name
        self.digest = hashlib.sha256(f"{peer.digest}|{reference.digest}".encode()).hexdigest()
        self.qualities = reference.qualities
        self.default_quality = reference.default_quality
        self.model_bytes = peer.model_bytes
        self._found: dict[tuple[str, float], float] = {}

    def __repr__(self) -> str:
        return codec_line(self)

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        """The peer's longest stream within the reference's size, or its shortest of all."""
        quality = self.default_quality if quality is None else quality
        return self.peer.encode(image, self.quality_for(image, quality), clock=clock)

    def decode(self, stream: bytes, *, clock: Clock = no_clock) -> Image:
        """As the peer decodes."""
        return self.peer.decode(stream, clock=clock)

    def quality_for(self, image: Image, quality: float) -> float:
        """The peer's quality for an image; searched once, then remembered."""
        key = (hashlib.sha256(image.tobytes()).hexdigest(), quality)
        if key not in self._found:
            target = len(self.reference.encode(image, quality))
            self._found[key] = quality_at(self.peer, image, target)
        return self._found[key]
