"""What a file's header says of its picture, as far as Pillow does not say it or does not know it.

Pillow reads most files right, some wrong without a word (planar 16-bit TIFF, JPEG 2000 of 12 bits),
and does not tell which. So each format whose kinds are many has a module here that reads the header
by itself and sorts: kinds that Pillow reads right are left to it, kinds that another decoder reads
right get that one, and every other kind is refused by its name. The lists are of what *is* right,
so a kind that nobody thought of is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slimcodec.errors import ImageError, MissingExtraError
from slimcodec.images.samples import Samples

__all__ = ["Kind", "decoders", "refused"]


@dataclass(frozen=True)
class Kind:
    """How one picture is to be read, and what is to be known about it beside its pixels.

    Attributes:
        name: for messages, for example ``12-bit RGB TIFF``.
        bits: of a sample, where a header says it and Pillow does not.
        size: width and height as stored, where ``decode`` is given.
        decode: the bytes of the file to its samples; None where Pillow reads the kind right.
        profile: an ICC profile that Pillow does not hand on.
        primaries: what the colours are made of, whatever a profile says; a key of
            `slimcodec.images.codepoints.PRIMARIES`.
        orientation: 1 to 8 as in EXIF; only where ``decode`` is given.
        several: there are more pages than this one; only where ``decode`` is given.
        notes: sentences for the user.
    """

    name: str
    bits: int = 8
    size: tuple[int, int] = (0, 0)
    decode: Callable[[bytes], Samples] | None = None
    profile: bytes | None = None
    primaries: int | None = None
    orientation: int = 1
    several: bool = False
    notes: tuple[str, ...] = ()


def refused(name: str, reason: str) -> ImageError:
    """What to raise for a sound file of a kind that is not read."""
    return ImageError(f"{name}: {reason}; convert it to a PNG")


def decoders(name: str, codec: str) -> Any:
    """The optional package imagecodecs, which decodes what Pillow does not.

    Args:
        name: of the kind of picture that needs it.
        codec: what must be in it, by the package's name.

    Raises:
        MissingExtraError: when it is not installed, or was built without the codec.
    """
    try:
        import imagecodecs
    except ImportError as error:
        raise MissingExtraError(f"reading a {name}", "codecs") from error
    if not getattr(imagecodecs, codec).available:
        raise MissingExtraError(f"reading a {name}", "codecs")
    return imagecodecs
