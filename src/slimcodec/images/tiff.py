"""TIFF: which of its many kinds are read, and by what.

A TIFF names its samples by a dozen independent tags (number, depth, format, meaning, order of
bytes, bits and planes, compression), and Pillow looks its answer up by six of them. So it takes
planes of 16 bits for planes of 8, leaves 16-bit "white is zero" as it is, reads bytes with a sign
as bytes without, and swaps no bytes of compressed big-endian floats. `_pillow_reads` lists what was
compared with an independent reader, sample by sample; other grey and RGB kinds go to libtiff
itself, through imagecodecs, which gives samples as they are stored; what is left is refused.

References: TIFF 6.0 (1992) and its Technical Note 2; Adobe's Technical Notes for floating point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import IO, Any

import numpy as np

from slimcodec.errors import ImageError
from slimcodec.images.kind import Kind, decoders, refused
from slimcodec.images.samples import Samples

__all__ = ["look"]

_UNDECLARED = -1
_MEANINGS = {
    _UNDECLARED: "undeclared", 0: "white-is-zero grey", 1: "grey", 2: "RGB", 3: "palette",
    4: "transparency mask", 5: "CMYK",
    6: "YCbCr", 8: "CIELAB", 9: "ICCLAB", 10: "ITULAB", 32803: "camera raw (colour filter array)",
    32844: "LogL", 32845: "LogLuv", 34892: "camera raw (linear)",
}  # fmt: skip
"""PhotometricInterpretation."""

_BASE = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}
"""Samples per pixel before extra ones, for each meaning that is read."""

_COMPRESSIONS = {
    1: "uncompressed", 2: "CCITT RLE", 3: "CCITT fax 3", 4: "CCITT fax 4", 5: "LZW",
    6: "old-style JPEG", 7: "JPEG", 8: "deflate", 32773: "PackBits", 32809: "ThunderScan",
    32946: "deflate", 33003: "JPEG 2000", 33005: "JPEG 2000", 34661: "JBIG", 34676: "SGI log",
    34677: "SGI log", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG (DNG)", 34925: "LZMA",
    34933: "PNG", 34934: "JPEG XR", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL",
    52546: "JPEG XL",
}  # fmt: skip
_BY_PILLOW = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}
_BY_LIBTIFF = {*_BY_PILLOW, 34887, 34925, 50000, 50001}

_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_FORMATS = {_UNSIGNED: "", _SIGNED: " signed", _FLOAT: " floating-point"}
_ASSOCIATED, _UNASSOCIATED = 1, 2
_THUMBNAIL = 1


@dataclass(frozen=True, eq=False)
class _Page:
    """The first page's tags, with the defaults of the standard where the file leaves them out."""

    tags: Mapping[int, Any]

    def values(self, tag: int, *default: int) -> tuple[int, ...]:
        """A tag's numbers, one or many."""
        found = self.tags.get(tag, default)
        return tuple(found) if isinstance(found, tuple | list) else (found,)

    def value(self, tag: int, default: int) -> int:
        """A tag's only, or first, number."""
        return next(iter(self.values(tag, default)), default)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height as stored."""
        return self.value(256, 0), self.value(257, 0)

    @cached_property
    def meaning(self) -> int:
        return self.value(262, _UNDECLARED)

    @cached_property
    def compression(self) -> int:
        return self.value(259, 1)

    @cached_property
    def samples(self) -> int:
        return self.value(277, 1)

    @cached_property
    def depths(self) -> set[int]:
        return set(self.values(258, 1))

    @cached_property
    def formats(self) -> set[int]:
        return set(self.values(339, _UNSIGNED))

    @cached_property
    def extra(self) -> tuple[int, ...]:
        return self.values(338)

    @cached_property
    def planar(self) -> bool:
        return self.value(284, 1) == 2

    @cached_property
    def reversed_bits(self) -> bool:
        return self.value(266, 1) == 2

    @property
    def bits(self) -> int:
        return max(self.depths)

    @property
    def name(self) -> str:
        """What a user would call it."""
        depth = "/".join(map(str, sorted(self.depths)))
        sign = " or".join(_FORMATS.get(each, " complex or undefined") for each in self.formats)
        meaning = _MEANINGS.get(self.meaning, f"photometric {self.meaning}")
        alpha = " with alpha" if {_ASSOCIATED, _UNASSOCIATED} & set(self.extra) else ""
        how = [_COMPRESSIONS.get(self.compression, f"compression {self.compression}")]
        how += ["planar"] if self.planar and self.samples > 1 else []
        return f"{depth}-bit{sign} {meaning}{alpha} TIFF ({', '.join(how)})"


def look(file: IO[bytes]) -> Kind:
    """The kind of the first page, from its tags.

    Raises:
        ImageError: naming the kind, when it is not read. Or whatever Pillow raises on damaged tags.
    """
    # Loaded for a TIFF alone: it takes longer than a small PNG to read.
    from PIL import TiffImagePlugin

    head = file.read(8)
    head += file.read(8) if head[2:4] in (b"+\0", b"\0+") else b""  # BigTIFF
    tags = TiffImagePlugin.ImageFileDirectory_v2(head)
    file.seek(tags.next)
    tags.load(file)
    page = _Page(tags)
    if not {256, 257} <= set(tags):
        raise ImageError("damaged or cut short (a TIFF without a size); get a fresh copy")
    reason = _refusal(page)
    if reason is not None:
        raise refused(page.name, reason)
    base = _BASE[page.meaning]
    alpha = {_ASSOCIATED: "premultiplied", _UNASSOCIATED: "straight"}.get(next(iter(page.extra), 0))
    left_out = bool(page.extra) and alpha is None
    notes = ("an extra sample of each pixel, of no stated use, was left out",) if left_out else ()
    if _pillow_reads(page):
        return Kind(page.name, page.bits, notes=notes)
    if page.meaning not in (0, 1, 2) or page.compression not in _BY_LIBTIFF:
        raise refused(page.name, "this combination is not read")
    return Kind(
        page.name,
        page.bits,
        page.size,
        partial(_decode, page=page, colours=base, alpha=alpha),
        profile=tags.get(34675),
        orientation=page.value(274, 1),
        several=tags.next != 0,
        notes=notes,
    )


def _refusal(page: _Page) -> str | None:
    """Why no reader is to be trusted with it; None when one may."""
    if 50706 in page.tags or page.value(254, 0) & _THUMBNAIL:
        return "its first page is a thumbnail of a camera raw or another picture further on"
    if page.meaning not in _BASE:
        return "samples of this meaning are not read"
    if page.value(32997, 1) != 1:
        return f"it is a volume of {page.value(32997, 1)} layers, not a picture"
    if page.meaning == 0 and _ASSOCIATED in page.extra:
        return "what alpha has been multiplied with is not agreed on where white is zero"
    if len(page.formats) > 1 or len(page.depths) > 1:
        return "samples of one pixel that are stored differently are not read"
    if not page.formats <= {_UNSIGNED, _FLOAT}:
        return "which value is white is not agreed on for such samples"
    if page.bits not in ((16, 32, 64) if page.formats == {_FLOAT} else (*range(1, 17), 32)):
        return "samples of this depth are not read"
    if page.samples != _BASE[page.meaning] + len(page.extra):
        return (
            f"it has {page.samples} samples a pixel and does not say what those beyond "
            f"{_BASE[page.meaning]} are"
        )
    if {_ASSOCIATED, _UNASSOCIATED} & set(page.extra[1:]):
        return "alpha that does not follow the colours is not read"
    if len(page.extra) > 1 or not set(page.extra) <= {0, _ASSOCIATED, _UNASSOCIATED}:
        return f"what its {len(page.extra)} extra samples a pixel are is not said"
    if page.compression not in _BY_PILLOW | _BY_LIBTIFF:
        return "this compression is not read"
    if page.meaning == 5 and page.value(332, 1) != 1:
        return "inks other than cyan, magenta, yellow and black are not read"
    if page.meaning == 3 and max(page.values(320, 0)) < 256:
        return "its colour map has no value above 255 of 65535"
    return None


def _pillow_reads(page: _Page) -> bool:
    """Whether this is one of the kinds that Pillow was found to read right."""
    if page.formats != {_UNSIGNED} or page.compression not in _BY_PILLOW:
        return False
    if page.reversed_bits and (page.bits != 1 or page.samples > 1):
        return False
    if page.planar:
        return page.meaning == 2 and page.bits == 8 and not page.extra
    if page.meaning in (0, 1):
        depths = (1, 2, 4, 8, 16) if page.meaning == 1 else (1, 2, 4, 8)
        alone = not page.extra and page.bits in depths
        return alone or (page.meaning, page.bits, page.extra) == (1, 8, (_UNASSOCIATED,))
    if page.meaning == 2:
        return page.bits in (8, 16)
    if page.meaning == 3:
        alone = not page.extra and page.bits in (1, 2, 4, 8)
        return alone or (page.bits == 8 and page.extra in ((0,), (_UNASSOCIATED,)))
    if page.meaning == 5:
        return not page.extra and page.bits in (8, 16)
    if page.meaning == 6:
        plain = page.values(530, 2, 2) == (1, 1) and 529 not in page.tags
        return page.bits == 8 and not page.extra and (page.compression == 7 or plain)
    return page.bits == 8 and not page.extra


def _decode(data: bytes, page: _Page, colours: Any, alpha: Any) -> Samples:
    """The samples as libtiff gives them, planes behind one another or samples side by side."""
    width, height = page.size
    values = np.asarray(decoders(page.name, "TIFF").tiff_decode(data))
    if page.planar and page.samples > 1:
        values = np.moveaxis(values, 0, -1)
    return Samples(
        values.reshape(height, width, page.samples),
        white=1.0 if page.formats == {_FLOAT} else float(2**page.bits - 1),
        colours=colours,
        alpha=alpha,
        inverted=page.meaning == 0,
    )
