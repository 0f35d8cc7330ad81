"""A peer at the size of another codec's stream, image by image.

"At the same size" is how people compare codecs, and a fixed quality knob does not give it: the
sizes of two codecs part ways from image to image. So for each image the peer's quality is searched
for the stream that is nearest in length to the reference's, longer or shorter; nothing is
interpolated. How near that is depends on the peer's steps: on photographs JPEG and JPEG XL end
0.1 % beside it on average, WebP, JPEG 2000 and mozjpeg half a percent, AVIF and HEIC, which know
whole numbers only, 2 and 4 %. `size_difference` says it from rows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slimcodec.bench.rows import Row
from slimcodec.errors import UsageError
from slimcodec.target_size import largest_that_fits
from slimcodec.types import Clock, Codec, Image, codec_line, no_clock, quality_range

__all__ = ["SameSize", "SizeDifference", "quality_at", "size_difference"]

_CLOSE = 0.002
"""Near enough to end a search, as a share of the wanted length."""
_HALVINGS = 5
"""Of one step of quality, for peers that take fractions; to a codec that rounds all are the same
two streams again."""


def quality_at(peer: Codec, image: Image, target_bytes: int) -> float:
    """The quality of a peer's stream that is nearest to so many bytes.

    Args:
        peer: a codec whose streams grow with its quality; fractions are tried too.
        image: pixels.
        target_bytes: what the stream should take.
    """
    lengths: dict[float, int] = {}

    def fits(quality: float) -> bool:
        if quality not in lengths:
            lengths[quality] = len(peer.encode(image, quality))
        return lengths[quality] <= target_bytes

    def away(quality: float) -> tuple[int, float]:
        return abs(lengths[quality] - target_bytes), quality

    least, most = quality_range(peer)
    low, high = math.ceil(least), math.floor(most)
    found = largest_that_fits(low, high, fits)
    if found is not None and found < high:
        below, above = float(found), float(found + 1)
        for _ in range(_HALVINGS):
            if min(map(away, lengths))[0] <= _CLOSE * target_bytes:
                break
            middle = (below + above) / 2
            try:
                below, above = (middle, above) if fits(middle) else (below, middle)
            except UsageError:  # a codec that takes whole numbers, and says so
                break
    return float(min(lengths, key=away))


class SameSize:
    """A codec whose quality means: as long as ``reference`` is at that quality.

    Args:
        peer: a codec whose streams grow with its quality.
        reference: what sets the size.
    """

    def __init__(self, peer: Codec, reference: Codec) -> None:
        self.peer, self.reference = peer, reference
        self.name = peer.name
        made_of = f"{peer.digest}|nearest to|{reference.digest}"
        self.digest = hashlib.sha256(made_of.encode()).hexdigest()
        self.environment: Mapping[str, str] = getattr(peer, "environment", {})
        self.qualities = reference.qualities
        self.default_quality = reference.default_quality
        self.model_bytes = peer.model_bytes
        self._found: dict[tuple[str, float], float] = {}

    def __repr__(self) -> str:
        return codec_line(self)

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        """The peer's stream that is nearest in length to the reference's."""
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


@dataclass(frozen=True)
class SizeDifference:
    """How far "the same size" is off.

    Attributes:
        mean_percent: of all streams together; above 0 the peer's are longer.
        worst_percent: of the image where they are furthest apart.
        images: that both have.
    """

    mean_percent: float
    worst_percent: float
    images: int


def size_difference(rows: Sequence[Row], reference: Sequence[Row]) -> SizeDifference | None:
    """The lengths of a ``SameSize`` variant's streams against those that they were to match.

    Args:
        rows: of the variant.
        reference: of the variant that it is to be as long as.

    Returns:
        None where the two have no image in common at the same quality.
    """
    wanted = {(row.image_digest, row.quality): row.stream_bytes for row in reference}
    common = [row for row in rows if (row.image_digest, row.quality) in wanted]
    if not common:
        return None
    theirs = [wanted[row.image_digest, row.quality] for row in common]
    percents = [100 * (row.stream_bytes / n - 1) for row, n in zip(common, theirs, strict=True)]
    mean = 100 * (sum(row.stream_bytes for row in common) / sum(theirs) - 1)
    images = len({row.image_digest for row in common})
    return SizeDifference(mean, max(percents, key=abs), images)
