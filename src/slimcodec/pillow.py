"""Streams as a format of Pillow's, by the name ``SLC``.

    import slimcodec.pillow
    from PIL import Image

    with Image.open("photo.slc") as picture:   # size and mode, from the header
        picture.save("photo.png")              # decoded here, by the built-in model that wrote it
    Image.open("photo.png").save("photo.slc", quality=3, codec="hific-s")

Importing this module registers the format; Pillow looks for no plugins of others by itself.

Reading: no pixel is decoded before it is asked for, and for ``crop`` only those of the part. What
is damaged, or was written by a model that is not built in, is an ``OSError`` then, as with any
format; ``PIL.ImageFile.LOAD_TRUNCATED_IMAGES`` has what is whole decoded, where parts of a stream
stand alone. Pictures of too many pixels are refused by Pillow, from the header.

Writing: a picture of any mode becomes sRGB of 8 bits by the rules of ``images.reading``, and what
the stream does not hold is said in a ``ConversionWarning``. ``save`` takes

    quality      in the codec's own scale; instead, what the stream may take: target_bytes, or
                 target_bpp in bits per pixel
    codec        a name, a path, or an open codec; not an image format
    background   what shows through transparency, as Pillow names colours; white when not given
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import PIL.Image
from PIL import ImageColor, ImageFile

from slimcodec.errors import SlimcodecError, StreamError, UsageError
from slimcodec.images import as_image
from slimcodec.pictures import (
    DEFAULT_CODEC,
    ConversionWarning,
    built_in_reader,
    encode_pixels,
    opened,
)
from slimcodec.stream import MAX_BYTES, has_parts, image_size, salvage, unpack
from slimcodec.types import Image, Region, Tiled

if TYPE_CHECKING:
    from PIL import _imaging

__all__ = ["SlcImageFile"]

FORMAT, SUFFIX, MIME = "SLC", ".slc", "image/x-slimcodec"
_LONGEST_HEADER = 64


class SlcImageFile(ImageFile.ImageFile):
    """A stream that Pillow has opened."""

    format = FORMAT
    format_description = "slimcodec stream"

    def _open(self) -> None:
        assert self.fp is not None
        try:
            self._size = image_size(self.fp.read(_LONGEST_HEADER))
        except StreamError as error:
            # How a plugin says that it cannot read a file.
            raise SyntaxError(str(error)) from error
        self._mode = "RGB"

    def load(self) -> _imaging.PixelAccess | None:
        """Decode the stream, all of it, when a pixel is first asked for."""
        if self.fp is not None:
            with _as_pillow_raises():
                pixels = _decoded(self._stream())
            self.im = PIL.Image.fromarray(pixels).im
            self.readonly = 0
            self._done_with_file()
        return super().load()

    def crop(self, box: tuple[float, float, float, float] | None = None) -> PIL.Image.Image:
        """A part; of a stream that is not decoded yet, that part alone is."""
        if self.fp is None or box is None:
            return super().crop(box)
        left, upper, right, lower = (round(edge) for edge in box)
        region = Region(left, upper, right - left, lower - upper)
        inside = left >= 0 <= upper and right <= self.width and lower <= self.height
        if not (inside and min(region.width, region.height) > 0):
            # Black beyond the edges, and what is wrong with such a box, are Pillow's to say.
            return super().crop(box)
        with _as_pillow_raises():
            return PIL.Image.fromarray(_decoded(self._stream(), region))

    def verify(self) -> None:
        """Every check of the stream, without decoding it."""
        with _as_pillow_raises():
            unpack(self._stream())
        super().verify()

    def _stream(self) -> bytes:
        if self.fp is None:
            raise OSError("the stream's file is closed; open it again")
        self.fp.seek(0)
        return self.fp.read(MAX_BYTES + 1)

    def _done_with_file(self) -> None:
        """As Pillow does when an image is loaded: what it opened, it closes."""
        if self._exclusive_fp and self.fp is not None:
            self.fp.close()
        self.fp = None


def _decoded(data: bytes, region: Region | None = None) -> Image:
    partial = ImageFile.LOAD_TRUNCATED_IMAGES and has_parts(data)
    if partial:
        data, _ = salvage(data)
    codec = built_in_reader(unpack(data, partial=partial).stream_id)
    if isinstance(codec, Tiled):
        return codec.decode(data, region=region, partial=partial)
    return codec.decode(data)


def _save(picture: PIL.Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    """What ``Image.save`` calls; ``file`` is open for writing."""
    settings: dict[str, Any] = picture.encoderinfo
    with _as_pillow_raises():
        codec = opened(settings.get("codec", DEFAULT_CODEC))
        background = ImageColor.getrgb(settings.get("background", "white"))[:3]
        read = as_image(picture, background=background)
        for sentence in read.notes:
            # Said of the line that called ``save``.
            warnings.warn(sentence, ConversionWarning, stacklevel=3)
        size = (settings.get("target_bytes"), settings.get("target_bpp"))
        stream = encode_pixels(codec, read.pixels, settings.get("quality"), *size)
        if not _accept(stream):
            raise UsageError(f"{codec.name} is an image format of its own; name a model")
    file.write(stream)


@contextmanager
def _as_pillow_raises() -> Iterator[None]:
    """Our errors as those that Pillow's users catch."""
    try:
        yield
    except UsageError as error:
        raise ValueError(str(error)) from error
    except MemoryError:
        raise
    except SlimcodecError as error:
        raise OSError(str(error)) from error


def _accept(start: bytes) -> bool:
    return start.startswith(b"SLC")


PIL.Image.register_open(FORMAT, SlcImageFile, _accept)
PIL.Image.register_save(FORMAT, _save)
PIL.Image.register_extension(FORMAT, SUFFIX)
PIL.Image.register_mime(FORMAT, MIME)
