"""Pictures to streams and back, one call each, whatever a picture is in Python.

    stream = slimcodec.encode("photo.png", quality=2)
    pixels = slimcodec.decode(stream)

A codec itself takes ``uint8 [h, w, 3]`` and nothing else (``types.Codec``); this is the layer above
it, where paths, Pillow's pictures and arrays of other shapes become that. A built-in model or an
image format is opened once in a process and kept; whoever has opened a codec gives it as it is.
"""

from __future__ import annotations

import functools
import os
import warnings
from pathlib import Path

import numpy as np
import PIL.Image

from slimcodec import library, readers, registry
from slimcodec.errors import ImageError, StreamError, UsageError
from slimcodec.images import WHITE, Given, ReadImage, as_image, of_pixels
from slimcodec.metrics import bytes_at
from slimcodec.stream import MAX_BYTES, unpack
from slimcodec.target_size import encode_to_size
from slimcodec.types import Codec, Image, Mask, Maskable, Restoring

__all__ = [
    "DEFAULT_CODEC",
    "DEFAULT_RESTORER",
    "ConversionWarning",
    "built_in_reader",
    "check_takes_mask",
    "decode",
    "encode",
    "encode_pixels",
    "opened",
    "restore",
    "restored",
    "with_mask",
]

DEFAULT_CODEC = "hific-s"
DEFAULT_RESTORER = "jpeg+restore"


class ConversionWarning(UserWarning):
    """Something of a picture that its stream will not hold, such as transparency or a rotation that
    was applied."""


def encode(
    image: Given,
    quality: float | None = None,
    *,
    codec: str | os.PathLike[str] | Codec = DEFAULT_CODEC,
    target_bytes: int | None = None,
    target_bpp: float | None = None,
    background: tuple[int, int, int] = WHITE,
    mask: Given | None = None,
) -> bytes:
    """One stream for one picture.

    Args:
        image: a path, a picture of Pillow's, or ``uint8 [h, w]``, ``[h, w, 3]`` or ``[h, w, 4]``.
        quality: in the codec's own scale; its default when not given.
        codec: an open one, or what ``load`` takes.
        target_bytes: instead of a quality, what the stream may take; it comes as close as the codec
            can (``target_size``).
        target_bpp: the same in bits per pixel.
        background: the sRGB colour that shows through transparency.
        mask: a picture of the same size that is white where it matters, black where it does not;
            for codecs that take one, such as ``jpeg-regions``.

    Raises:
        UsageError: when the image is none of these, the quality is outside the codec's range, even
            the smallest stream does not fit, more than one of the three says how good it is, or
            the mask is of another size, tells no places apart, or the codec takes none.
        ImageError: when the picture cannot be read.

    Warns:
        ConversionWarning: for each thing that the stream does not hold of the picture.
    """
    read = as_image(image, background=background)
    for sentence in read.notes:
        warnings.warn(sentence, ConversionWarning, stacklevel=2)
    own = opened(codec) if mask is None else with_mask(opened(codec), mask)
    return encode_pixels(own, read.pixels, quality, target_bytes, target_bpp)


def with_mask(codec: Codec, mask: Given) -> Codec:
    """A codec for pictures that a mask is for.

    Args:
        codec: one that takes masks.
        mask: white where it matters. Of colours their luma counts; what is transparent does not
            matter; an orientation is applied, as to pictures.

    Raises:
        UsageError: when the codec takes none, or the mask tells no places apart.
        ImageError: when the mask cannot be read.
    """
    if not isinstance(codec, Maskable):
        raise _takes_none(codec.name)
    return codec.masked(_mask_of(mask))


def check_takes_mask(name: str | os.PathLike[str]) -> None:
    """A codec, by name or path, that takes masks; it is not opened for that.

    Raises:
        UsageError: when it takes none.
    """
    if os.fspath(name) not in _mask_takers():
        raise _takes_none(os.fspath(name))


def _takes_none(name: str) -> UsageError:
    return UsageError(f"{name} takes no mask; a codec that does is {', '.join(_mask_takers())}")


def _mask_takers() -> list[str]:
    return [name for name in registry.codecs if hasattr(registry.codecs.get(name), "masked")]


def _mask_of(given: Given) -> Mask:
    read = as_image(given, background=(0, 0, 0))
    return np.asarray(PIL.Image.fromarray(np.ascontiguousarray(read.pixels)).convert("L"))


def encode_pixels(
    codec: Codec,
    pixels: Image,
    quality: float | None,
    target_bytes: int | None,
    target_bpp: float | None,
) -> bytes:
    """One stream, of a quality or of a size; see ``encode``."""
    if [quality, target_bytes, target_bpp].count(None) < 2:
        raise UsageError(
            "quality, target_bytes and target_bpp each choose how good the picture is; give one"
        )
    height, width, _ = pixels.shape
    if target_bpp is not None:
        target_bytes = bytes_at(target_bpp, height, width)
    if target_bytes is None:
        return codec.encode(pixels, quality)
    return encode_to_size(codec, pixels, target_bytes).stream


def decode(
    stream: bytes | str | os.PathLike[str],
    *,
    codec: str | os.PathLike[str] | Codec | None = None,
    look: str | None = None,
) -> Image:
    """The picture of a stream, ``uint8 [h, w, 3]``.

    Args:
        stream: its bytes, or the path of a file that holds them.
        codec: what wrote it, as ``encode`` takes it; a built-in model is found by itself.
        look: what the picture shall aim at, of a stream that several built-in models read.

    Raises:
        StreamError: when the file cannot be read, or the bytes are damaged or foreign.
        WrongModelError: when another model wrote them, or no built-in one did.
        UsageError: when a codec and a look are given, or the stream is neither bytes nor a path.
    """
    data = _bytes_of(stream)
    if codec is None:
        return built_in_reader(unpack(data).stream_id, look).decode(data)
    if look is not None:
        raise UsageError("look picks one of the built-in models; codec names a model already")
    return opened(codec).decode(data)


def restore(
    jpeg: bytes | str | os.PathLike[str],
    *,
    strength: float = 1.0,
    projected: bool = True,
    codec: str | os.PathLike[str] | Codec = DEFAULT_RESTORER,
) -> Image:
    """A better picture of a JPEG than everyone sees, ``uint8 [h, w, 3]``, upright and sRGB.

    Args:
        jpeg: the file's bytes, or its path.
        strength: 0 is what everyone sees, 1 what the network makes of it.
        projected: whether the picture is kept within what the file's quantization allows.
        codec: a model that restores, as ``encode`` takes it.

    Raises:
        ImageError: when the file cannot be read, is no JPEG, of a kind that is not restored, or
            damaged; naming it where it has a name.
        UsageError: when the strength is not from 0 to 1, or the codec restores nothing.
    """
    own = opened(codec)
    if not isinstance(own, Restoring):
        raise UsageError(f"{own.name} restores nothing; a model that does is {DEFAULT_RESTORER}")
    if isinstance(jpeg, bytes | bytearray | memoryview):
        return restored(own, bytes(jpeg), strength, projected).pixels
    path = Path(jpeg)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {(error.strerror or '').lower()}") from error
    try:
        return restored(own, data, strength, projected).pixels
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def restored(
    codec: Restoring, file: bytes, strength: float, projected: bool, memory: int | None = None
) -> ReadImage:
    """A file's better picture as reading it would give it: upright, sRGB, with its metadata.

    Raises:
        ImageError: see ``Restoring.restore_file``.
    """
    made = codec.restore_file(file, strength=strength, projected=projected, memory=memory)
    return of_pixels(made.pixels, made.info)


def _bytes_of(stream: bytes | str | os.PathLike[str]) -> bytes:
    if isinstance(stream, bytes | bytearray | memoryview):
        return bytes(stream)
    if not isinstance(stream, str | os.PathLike):
        raise UsageError(f"a stream must be bytes or a path, got {type(stream).__name__}")
    path = Path(stream)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StreamError(f"{path} cannot be read: {(error.strerror or '').lower()}") from error
    if len(data) > MAX_BYTES:
        raise StreamError(f"{path} is no stream: it goes on after {MAX_BYTES:,} bytes")
    return data


def opened(codec: str | os.PathLike[str] | Codec) -> Codec:
    """A codec that is open, or the one that a name or path means.

    Raises:
        UsageError: when it is neither.
    """
    if isinstance(codec, Codec):
        return codec
    if not isinstance(codec, str | os.PathLike):
        raise UsageError(f"a codec must be a name, a path or open, got {type(codec).__name__}")
    name = os.fspath(codec)
    # Files may change, names do not.
    return library.load_codec(name) if Path(name).exists() else _kept(name)


@functools.lru_cache(maxsize=4)
def _kept(name: str) -> Codec:
    return library.load_codec(name)


@functools.lru_cache(maxsize=4)
def built_in_reader(stream_id: bytes, look: str | None = None) -> Codec:
    """The built-in model of a stream id and a look, kept open; see ``readers.codec_of_id``."""
    return readers.codec_of_id(stream_id.hex(), look=look)
