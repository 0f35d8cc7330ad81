"""ICC profiles made by formula, since Pillow makes none but sRGB and no file may be at hand."""

from __future__ import annotations

import struct

import numpy as np
from PIL import ImageCms

D50 = (0.9642, 1.0, 0.8249)
DISPLAY_P3 = (
    (0.51512, 0.24120, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.15710, 0.06657, 0.78407),
)
"""XYZ of the primaries, adapted to D50."""


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def rgb(
    primaries: tuple[tuple[float, float, float], ...] = DISPLAY_P3, gamma: float = 2.2
) -> bytes:
    tags = {b"desc": _description("Test Wide"), b"wtpt": _xyz(D50)}
    for name, primary in zip("rgb", primaries, strict=True):
        tags[f"{name}XYZ".encode()] = _xyz(primary)
        tags[f"{name}TRC".encode()] = _curve(gamma)
    return _profile(b"RGB ", b"XYZ ", b"mntr", tags)


def grey(gamma: float) -> bytes:
    tags = {b"desc": _description("Test Grey"), b"wtpt": _xyz(D50), b"kTRC": _curve(gamma)}
    return _profile(b"GRAY", b"XYZ ", b"mntr", tags)


def cmyk() -> bytes:
    """A press whose inks are grey: each takes away a quarter of the lightness."""
    identity = bytes(range(256))
    inks = np.array([[i >> 3 & 1, i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(16)])
    lightness = 255 - inks.sum(axis=1) * 255 // 4
    table = b"".join(bytes((int(value), 128, 128)) for value in lightness)
    matrix = b"".join(struct.pack(">i", 65536 * (i % 4 == 0)) for i in range(9))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + identity * 4 + table + identity * 3
    tags = {b"desc": _description("Test Press"), b"wtpt": _xyz(D50), b"A2B0": lut}
    return _profile(b"CMYK", b"Lab ", b"prtr", tags)


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def _description(text: str) -> bytes:
    ascii_text = text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(ascii_text)) + ascii_text + bytes(78)


def _profile(space: bytes, connection: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, offset + len(data), len(content))
        data += content
    header = struct.pack(
        ">I4sI4s4s4s12s4s", offset + len(data), b"test", 0x02100000, kind, space, connection,
        bytes(12), b"acsp",
    )  # fmt: skip
    header += bytes(28) + b"".join(struct.pack(">i", round(v * 65536)) for v in D50)
    return header.ljust(128, b"\0") + table + data
