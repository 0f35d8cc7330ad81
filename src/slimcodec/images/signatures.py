"""Formats by the first bytes of their files: those read here, and others by name.

Whoever gets a HEIC or a camera's raw file is helped more by its name than by a list of what it is
not.
"""

from __future__ import annotations

__all__ = ["LONGEST", "foreign_name", "format_of"]

LONGEST = 32
"""Bytes from the start of a file that the names are told by."""

_READ = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"GIF8", "GIF"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\0\0\0\x0cjP  ", "JPEG2000"),
    *((b"P" + digit, "PPM") for digit in (b"1", b"2", b"3", b"4", b"5", b"6", b"f")),
)

_FOREIGN = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"II\xbc", "JPEG XR"),
    (b"8BPS", "Photoshop"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"\0\0\1\0", "Windows icon"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML, perhaps SVG"),
    (b"PF", "colour PFM (floating point)"),
    (b"P7", "PAM"),
    (b"gimp xcf", "GIMP"),
    (b"FUJIFILM", "camera raw"),
    (b"IIRO", "camera raw"),
    (b"IIU\0", "camera raw"),
)

_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def format_of(start: bytes) -> str | None:
    """Pillow's name of the format that a file begins like; None when it is none that is read."""
    if start[4:8] == b"ftyp" and start[8:12] in (b"avif", b"avis"):
        return "AVIF"
    if start[4:8] == b"ftyp" and b"avif" in start[16:]:
        return "AVIF"  # of the common kind (mif1), with AVIF among the brands it goes with
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    return next((name for signature, name in _READ if start.startswith(signature)), None)


def foreign_name(start: bytes) -> str | None:
    """The name of a format that is not read here, if it is a well-known one."""
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF:
        return "HEIF (HEIC)"
    return next((name for signature, name in _FOREIGN if start.startswith(signature)), None)
