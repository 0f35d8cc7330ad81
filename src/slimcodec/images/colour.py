"""From the colours a file means to the colours sRGB has.

The numbers in a file are colours only together with a profile. Most files mean sRGB, with a profile
that says so or with none; photographs from phones often mean Display P3, scans Adobe RGB, print
files some CMYK. Codecs, metrics and screens here take sRGB, so other profiles are converted.

Whether a profile *is* sRGB cannot be told from its name ("c2", "sRGB built-in", "IEC 61966-2.1")
nor from its bytes, so it is tried: a lattice of colours goes through the transform, and when none
moves by more than two of 255 steps the image is left exactly as it is. That keeps images with an
sRGB profile lossless, which the transform, rounding to 8 bits, would not.

Colours that are named by numbers instead are the matter of `slimcodec.images.codepoints`. PNG's
gAMA and cHRM chunks are not applied, as Pillow and libpng by itself do not either; a gamma that is
not the usual one is said in a note.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
from PIL import features

from slimcodec.images.kind import refused

if TYPE_CHECKING:
    from PIL import ImageCms

__all__ = ["from_lab", "to_srgb"]

_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""ICC's name of a colour space, and Pillow's."""

_SAME = 2
"""Steps of 255 by which an sRGB profile may differ from Pillow's sRGB: rounding, in both."""


_WIDEST = 6
"""Steps of 255 in sRGB for one before: half of it is what rounding before the profile costs."""


def to_srgb(
    picture: PIL.Image.Image, profile: bytes | None, *, reduced: bool = False
) -> tuple[PIL.Image.Image, str | None]:
    """An RGB picture in sRGB, and a note for the user when the profile mattered.

    Args:
        picture: mode ``L``, ``RGB`` or ``CMYK``.
        profile: the ICC profile that came with it.
        reduced: its samples had more than 8 bits.

    Returns:
        The picture in mode ``RGB``, and the note or None. A profile that cannot be used is ignored,
        with a note: it must not keep anyone from the pixels.

    Raises:
        ImageError: when samples were reduced to fewer steps than the profile makes visible ones of,
            as with linear light, whose shadows would come out in bands.
    """
    if not profile:
        return picture.convert("RGB"), None
    if not features.check("littlecms2"):
        return picture.convert("RGB"), "the colour profile was ignored: Pillow lacks LittleCMS"
    # LittleCMS takes as long to load as a small picture to read.
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        name = " ".join((source.profile.profile_description or "").split())[:60] or "unnamed"
        if space == "RGB" and picture.mode == "L":
            picture = picture.convert("RGB")  # grey pixels may come with an RGB profile
        if _MODES.get(space) != picture.mode:
            return picture.convert("RGB"), (
                f"the colour profile ({name}) was ignored: it is for {space} pixels, "
                f"these are {picture.mode}"
            )
        # LittleCMS shortens a grey transform to a coarse table, up to ten steps off in the shadows,
        # and saves no time by it; for colours the shortened one is ten times faster and sound.
        flags = ImageCms.Flags.NOOPTIMIZE if picture.mode == "L" else ImageCms.Flags.NONE
        transform = ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), picture.mode, "RGB", flags=flags
        )
        if _changes_nothing(transform, picture.mode):
            return picture.convert("RGB"), None
        if reduced and _widest_step(transform, picture.mode) > _WIDEST:
            raise refused(f"deep samples with the colour profile {name}", "its curve is too steep")
        converted = transform.apply(picture)
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        return picture.convert("RGB"), f"the colour profile was ignored: it is broken ({reason})"
    return converted, f"colours were converted from the embedded profile ({name}) to sRGB"


def _widest_step(transform: ImageCms.ImageCmsTransform, mode: str) -> int:
    """The farthest that one step of 255, of equal light in all channels, goes in sRGB."""
    ramp = np.arange(256, dtype=np.uint8)[None, :, None]
    channels = len(PIL.Image.new(mode, (1, 1)).getbands())
    values = np.ascontiguousarray(np.repeat(ramp, channels, axis=2)).tobytes()
    shown = transform.apply(PIL.Image.frombytes(mode, (256, 1), values))
    return int(np.abs(np.diff(np.asarray(shown, dtype=np.int16), axis=1)).max())


def from_lab(picture: PIL.Image.Image) -> PIL.Image.Image:
    """A picture of mode ``LAB`` (white D50) in sRGB.

    Without the shortened table, as with grey: it is 8 of 255 steps off near the edge of sRGB.
    """
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    flags = ImageCms.Flags.NOOPTIMIZE
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB", flags=flags).apply(picture)


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether the transform leaves a lattice of colours where they are."""
    if mode == "CMYK":
        return False
    if mode == "L":
        lattice = PIL.Image.fromarray(np.arange(256, dtype=np.uint8)[None, :])
    else:
        steps = np.arange(0, 256, 15, dtype=np.uint8)
        colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        lattice = PIL.Image.fromarray(np.ascontiguousarray(colours))
    before = np.asarray(lattice.convert("RGB"), dtype=np.int16)
    after = np.asarray(transform.apply(lattice), dtype=np.int16)
    return int(np.abs(after - before).max()) <= _SAME
