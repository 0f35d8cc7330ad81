"""The formats that Pillow codes: a subclass adds the format's own numbers and how to save."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
import PIL
import PIL.Image

from slimcodec.codecs.peers.file import FileCodec
from slimcodec.errors import ImageError, StreamError
from slimcodec.images import load_picture, open_picture
from slimcodec.types import Image

__all__ = ["PillowCodec"]


class PillowCodec(FileCodec):
    """One of Pillow's formats as a codec.

    Attributes:
        pillow_format: Pillow's name of the format.
    """

    pillow_format: str

    @abstractmethod
    def library(self) -> Mapping[str, str]:
        """The library behind Pillow, with its version, and the effort where one is set."""

    @abstractmethod
    def write(self, picture: PIL.Image.Image, file: io.BytesIO, quality: float) -> None:
        """Code a picture of mode RGB."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Pillow and the format's library."""
        return {"Pillow": PIL.__version__, **self.library()}

    def to_file(self, image: Image, quality: float) -> bytes:
        """Through `write`."""
        file = io.BytesIO()
        self.write(PIL.Image.fromarray(np.ascontiguousarray(image)), file, quality)
        return file.getvalue()

    def from_file(self, stream: bytes) -> Image:
        """Open, check what the header says, decode.

        Raises:
            StreamError: when it is damaged, or holds something else than one RGB image.
        """
        try:
            picture = open_picture(io.BytesIO(stream), [self.pillow_format])
            self.check_picture(picture, stream)
            load_picture(picture)
        except ImageError as error:
            raise StreamError(f"{self.pillow_format} stream: {error}") from error
        return np.array(picture)

    def check_picture(self, picture: PIL.Image.Image, stream: bytes) -> None:
        """From the header alone, before memory is taken for the pixels.

        Raises:
            StreamError: when the picture is not one RGB image that the stream can hold.
        """
        if picture.mode != "RGB" or getattr(picture, "is_animated", False):
            raise StreamError(
                f"{self.pillow_format} stream: must hold one RGB image, got {picture.mode}; "
                "read it as an image file instead"
            )
        self.check_claim(picture.width, picture.height, len(stream))
