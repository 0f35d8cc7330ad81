"""Pictures in and out of files, and the padding that codecs need.

Everything beyond this room is ``uint8 [h, w, 3]`` in sRGB (`slimcodec.types.Image`); what else a
file may hold (transparency, 16 bits, palettes, colour profiles, rotation flags) is dealt with here,
and said to the user in notes.
"""

from __future__ import annotations

from slimcodec.images.checking import check_images
from slimcodec.images.exif import has_position
from slimcodec.images.folder import find_images, skipped, spread
from slimcodec.images.given import Given, as_image, of_pixels
from slimcodec.images.opening import load_picture, open_picture, pixel_limit
from slimcodec.images.padding import crop, pad_to_multiple
from slimcodec.images.planes import from_planes, to_planes
from slimcodec.images.reading import (
    WHITE,
    ReadImage,
    read_image,
    read_image_bytes,
)
from slimcodec.images.transparency import composite, plane_bytes, plane_of
from slimcodec.images.writing import check_suffix, image_bytes, left_out, write_image

__all__ = [
    "WHITE",
    "Given",
    "ReadImage",
    "as_image",
    "check_images",
    "check_suffix",
    "composite",
    "crop",
    "find_images",
    "from_planes",
    "has_position",
    "image_bytes",
    "left_out",
    "load_picture",
    "of_pixels",
    "open_picture",
    "pad_to_multiple",
    "pixel_limit",
    "plane_bytes",
    "plane_of",
    "read_image",
    "read_image_bytes",
    "skipped",
    "spread",
    "to_planes",
    "write_image",
]
