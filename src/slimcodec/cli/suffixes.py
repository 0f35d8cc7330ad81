"""What a file's name says that it is.

One rule for all verbs: **a name says what is in the file.** An output whose suffix is one of
another known format is refused before any work; one that nobody knows, or none, is left to whoever
gave it.
"""

from __future__ import annotations

from pathlib import Path

from slimcodec import naming
from slimcodec.errors import UsageError

__all__ = ["MODEL", "STREAM", "check_suffix_fits", "suffixes_like"]

STREAM, MODEL = ".slc", naming.SUFFIX

_FORMATS: dict[str, tuple[str, ...]] = {
    "a slimcodec stream": (STREAM,),
    "a model file": (MODEL,),
    "a JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "a JPEG of several pictures": (".mpo",),
    "a WebP": (".webp",),
    "an AVIF": (".avif",),
    "an AVIF of several pictures": (".avifs",),
    "a JPEG XL": (".jxl",),
    "a JP2": (".jp2", ".jpx", ".jpf"),
    "a JPEG 2000 codestream": (".j2k", ".j2c", ".jpc"),
    "a HEIC": (".heic", ".heif"),
    "a PNG": (".png", ".apng"),
    "a TIFF": (".tif", ".tiff"),
    "a BMP": (".bmp",),
    "a GIF": (".gif",),
    "a PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
}
"""What people know by its suffix, with an article."""


def suffixes_like(suffix: str) -> tuple[str, ...]:
    """All that files of a format go by, from one of them; that one alone where it is not known."""
    return _FORMATS.get(_format_of(suffix), (suffix,))


def check_suffix_fits(target: Path | None, suffix: str, maker: str) -> None:
    """A name that does not say the file is something else.

    Args:
        target: of what is to be written; None for standard output.
        suffix: that its format goes by.
        maker: what writes it, such as a codec's name.

    Raises:
        UsageError: when the name is one of another known format.
    """
    if target is None:
        return
    said, own = _format_of(target.suffix), _format_of(suffix)
    if said and said != own:
        raise UsageError(
            f"{target} is the name of {said}, and {maker} writes {own or f'{suffix} files'}; name "
            f"it {target.with_suffix(suffix).name}"
        )


def _format_of(suffix: str) -> str:
    """Empty where it is not known."""
    own = suffix.lower()
    return next((name for name, suffixes in _FORMATS.items() if own in suffixes), "")
