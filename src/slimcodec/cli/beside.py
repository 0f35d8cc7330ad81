"""What travels with a picture: EXIF, XMP and transparency, from its file into the stream and back.

Pixels are turned upright and converted to sRGB when they are read. So what travels is what is right
for those pixels (``images.exif``), and no colour profile does: it would be of other colours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from slimcodec.images import ReadImage
    from slimcodec.types import Image, Region

__all__ = ["Back", "Kept", "check_kept", "picture_bytes", "travelled", "travelling"]

_MOST_BYTES = 16 << 20
"""Of EXIF and XMP together: more is some program's working copy, hundreds of times the picture."""
_WORDS = {"exif": "EXIF", "xmp": "XMP"}


@dataclass(frozen=True)
class Kept:
    """What of a picture shall travel, where its file has it."""

    metadata: bool
    alpha: bool


@dataclass(frozen=True)
class Back:
    """How what travelled comes back.

    Attributes:
        metadata: whether EXIF and XMP do.
        background: what shows through transparency, in a format that has none.
    """

    metadata: bool
    background: tuple[int, int, int]


def check_kept(kept: Kept, suffix: str, background: str | None) -> None:
    """That what shall travel can, and no option beside it means nothing.

    Args:
        kept: what shall.
        suffix: of the streams.
        background: as it was given.

    Raises:
        UsageError: otherwise.
    """
    from slimcodec.cli.suffixes import STREAM
    from slimcodec.errors import UsageError

    if kept.alpha and background is not None:
        raise UsageError(
            "--alpha keeps transparency, so nothing shows through it; leave --background to decode"
        )
    if (kept.alpha or kept.metadata) and suffix != STREAM:
        option = "--alpha" if kept.alpha else "--metadata"
        raise UsageError(
            f"{option} is for slimcodec streams, and this codec writes {suffix[1:]} files; name a "
            "model with --codec"
        )


def travelling(read: ReadImage, kept: Kept, name: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """What travels with a picture, and sentences about it and what does not.

    Raises:
        ImageError: when it is too much, naming the file.
    """
    from slimcodec.errors import ImageError
    from slimcodec.images import has_position, plane_bytes

    beside = dict(read.metadata) if kept.metadata else {}
    size = sum(map(len, beside.values()))
    if size > _MOST_BYTES:
        raise ImageError(
            f"{name}: its {_listed(beside)} take {size:,} bytes, more than the {_MOST_BYTES:,} "
            "that may travel; encode it without --metadata"
        )
    notes = []
    if not kept.metadata and read.metadata:
        notes.append(f"its {_listed(read.metadata)} were left out (--metadata keeps them)")
    if kept.metadata and not read.metadata:
        notes.append("it has no EXIF or XMP that could travel")
    if has_position(beside):
        notes.append("the position where it was taken travels in the stream (--metadata)")
    if kept.alpha and read.alpha is not None:
        beside["alpha"] = plane_bytes(read.alpha)
    return beside, tuple(notes)


def travelled(data: bytes) -> dict[str, bytes]:
    """What is beside the picture in a stream; nothing in a file of an image format."""
    from slimcodec.errors import StreamError
    from slimcodec.stream import unpack

    try:
        return dict(unpack(data, partial=True).beside)
    except StreamError:
        return {}  # whoever decodes it says what it is


def picture_bytes(
    image: Image,
    beside: Mapping[str, bytes],
    target: Path | str,
    back: Back,
    place: tuple[Region, tuple[int, int]] | None = None,
) -> tuple[bytes, list[str], tuple[str, ...]]:
    """The file of a decoded picture, with what came with it as far as its format holds that.

    Args:
        image: pixels.
        beside: what travelled.
        target: whose suffix says the format.
        back: what is wanted of it.
        place: where a part lies in its picture, and how wide and high that is.

    Returns:
        The file, the names of what is in it besides pixels, and sentences about what is not.

    Raises:
        StreamError: when the transparency is not that of the picture.
        ImageError: when the format cannot hold so many pixels.
    """
    from slimcodec.images import check_suffix, composite, image_bytes, left_out

    wanted = {name: beside[name] for name in ("exif", "xmp") if back.metadata and name in beside}
    alpha = _shown(beside["alpha"], image, place) if "alpha" in beside else None
    if alpha is not None:
        wanted["alpha"] = beside["alpha"]
    lost = left_out(target, wanted)
    held = {name: data for name, data in wanted.items() if name not in lost}
    notes: tuple[str, ...] = ()
    if alpha is not None and "alpha" in lost:
        image, notes = composite(image, alpha, back.background)
    if words := [name for name in lost if name != "alpha"]:
        notes += (f"a {check_suffix(target)} file cannot hold its {_listed(words)}",)
    metadata = {name: data for name, data in held.items() if name != "alpha"}
    shown = alpha if "alpha" in held else None
    return image_bytes(image, target, metadata=metadata, alpha=shown), list(held), notes


def _shown(
    plane: bytes, image: Image, place: tuple[Region, tuple[int, int]] | None
) -> NDArray[np.uint8]:
    """The transparency of an image, which may be a part of what the plane is of."""
    from slimcodec.images import plane_of

    if place is None:
        return plane_of(plane, image.shape[1], image.shape[0])
    (left, top, across, down), (width, height) = place
    return plane_of(plane, width, height)[top : top + down, left : left + across]


def _listed(names: Iterable[str]) -> str:
    return " and ".join(_WORDS[name] for name in names)
