"""Image formats at the size of one stream: what else so many bytes would have given.

All that are installed are shown, whoever wins. A format has whole qualities, so its file is its
longest within the stream's size, or its shortest of all; where the two sizes are more than a
hundredth apart, that is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slimcodec.report import Table
    from slimcodec.types import Codec, Image

__all__ = ["Compared", "Comparison", "compare"]

_APART = 1.0
"""Percent of a size that need not be said."""


@dataclass(frozen=True)
class Compared:
    """One codec's stream of the picture.

    Attributes:
        codec: by name.
        bytes: of the stream, without what travels beside the picture.
        bytes_percent: more (less, below 0) than the stream that all are compared with.
        psnr: in dB.
        ms_ssim: from 0 to 1.
    """

    codec: str
    bytes: int
    bytes_percent: float
    psnr: float
    ms_ssim: float


@dataclass(frozen=True)
class Comparison:
    """The stream first, then the others.

    Attributes:
        candidates: those that could be measured.
        missing: image formats that could not, and why.
    """

    candidates: tuple[Compared, ...]
    missing: Mapping[str, str]

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            # A lossless one has no PSNR that JSON could say.
            "candidates": [
                {**asdict(one), "psnr": one.psnr if math.isfinite(one.psnr) else None}
                for one in self.candidates
            ],
            "missing": dict(self.missing),
        }

    def table(self) -> Table:
        """For people."""
        from slimcodec.report.columns import Field, fill, number_field, text_field
        from slimcodec.report.text import number, signed

        fields: list[Field[Compared]] = [
            text_field("Codec", lambda one: one.codec),
            number_field("Size (bytes)", lambda one: number(one.bytes)),
            number_field("Size (%)", lambda one: signed(one.bytes_percent, 1)),
            number_field("PSNR (dB)", lambda one: number(one.psnr, 2)),
            number_field("MS-SSIM", lambda one: number(one.ms_ssim, 4)),
        ]
        return fill("At the same size", fields, self.candidates, self._note())

    def _note(self) -> str:
        """What the table does not compare at the same size, or at all."""
        apart = [
            f"{one.codec} is {abs(one.bytes_percent):.1f} % "
            f"{'larger' if one.bytes_percent > 0 else 'smaller'}"
            for one in self.candidates
            if abs(one.bytes_percent) > _APART
        ]
        sentences = [f"Not at the same size: {', '.join(apart)}."] if apart else []
        sentences += [f"{name} is not here: {reason}." for name, reason in self.missing.items()]
        return " ".join(sentences)


def compare(
    codec: Codec, image: Image, stream: bytes, on_progress: Callable[[int, int, str], None]
) -> Comparison:
    """The picture by every image format, at the size of a stream or as near as it comes.

    Args:
        codec: that wrote the stream.
        image: as it was given to the codec.
        stream: nothing travels beside its picture.
        on_progress: told how many formats are done.
    """
    from slimcodec import registry
    from slimcodec.bench import quality_at
    from slimcodec.errors import MissingExtraError, UsageError

    peers = [name for name in registry.codecs if name != codec.name]
    candidates, missing = [_measured(codec, image, stream, len(stream))], {}
    for done, name in enumerate(peers):
        on_progress(done, len(peers), name)
        try:
            peer = registry.codecs.get(name)()
            made = peer.encode(image, quality_at(peer, image, len(stream)))
        except (MissingExtraError, UsageError) as error:
            # Not installed, or the picture is larger than its files may be.
            missing[name] = str(error)
            continue
        candidates.append(_measured(peer, image, made, len(stream)))
    return Comparison(tuple(candidates), missing)


def _measured(codec: Codec, image: Image, stream: bytes, reference: int) -> Compared:
    from slimcodec.metrics import MsSsim, Psnr

    decoded = codec.decode(stream)
    percent = 100 * (len(stream) / reference - 1)
    psnr, ms_ssim = Psnr()(image, decoded), MsSsim()(image, decoded)
    return Compared(codec.name, len(stream), percent, psnr, ms_ssim)
