"""The kept pictures as a figure in a paper: one crop of each image, the same for every variant.

Where to look is decided once per image: where the study says, else where the original has most
detail. Detail is the sum of the variances of 8 x 8 blocks of luma, so that a window of leaves wins
over a window with one hard edge in it. Whole pictures are copied byte by byte beside the crops, and
both are PNGs: a report on compression must not compress once more.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import PIL.Image

from slimcodec.atomic import write_atomically
from slimcodec.bench import picture_name
from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Point
from slimcodec.errors import SlimcodecError
from slimcodec.report.selection import nearest_in_rate
from slimcodec.report.text import (
    metric_label,
    metric_text,
    metric_unit,
    metrics_of,
    number,
    plain,
)

__all__ = ["Plate", "Shot", "make_plates", "most_detailed", "remove_stale"]

CROP = 256
_BLOCK = 8
_SHOWN = ("psnr", "ms-ssim", "lpips")

Box = tuple[int, int, int, int]
"""Left, top, width, height."""


@dataclass(frozen=True)
class Shot:
    """One variant's crop: links relative to the page, and the lines beneath it."""

    label: str
    detail: str
    crop: str
    full: str
    lines: list[str]


@dataclass(frozen=True)
class Plate:
    """All shots of one image."""

    image: str
    width: int
    height: int
    box: Box
    shots: list[Shot]


def make_plates(
    rows: Sequence[Row], source: Path, target: Path, lead: Point, figure: Mapping[str, Any]
) -> list[Plate]:
    """Crop and copy the kept pictures of every image that has an original.

    Args:
        rows: of one bench or study.
        source: the folder ``pictures`` beside the rows.
        target: the folder of the page.
        lead: whose rate on each image the others come nearest to, where there is a choice.
        figure: the study's ``image`` and ``crop``, or empty; that image comes first.
    """
    images: dict[str, list[Row]] = {}
    for row in rows:
        images.setdefault(row.image, []).append(row)
    wanted = figure.get("image")
    plates = []
    for image in sorted(images, key=lambda name: name != wanted):  # stable: the rest as it was
        folder = source / Path(image).stem
        if (folder / "original.png").is_file():
            box = figure.get("crop") if image == wanted else None
            plates.append(_plate(image, images[image], folder, target, lead, box))
    return plates


def remove_stale(target: Path, plates: Sequence[Plate]) -> None:
    """Delete pictures of an earlier page that this one does not show."""
    folder = target / "pictures"
    kept = {name for plate in plates for name in _names(plate)}
    for path in sorted(folder.glob("*/*.png")):
        if quote(path.relative_to(target).as_posix()) not in kept:
            path.unlink()
    for path in sorted(folder.glob("*")):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def most_detailed(picture: PIL.Image.Image, side: int = CROP) -> Box:
    """The square window with the largest sum of block variances; the whole of a small picture."""
    width, height = min(side, picture.width), min(side, picture.height)
    rows, columns = picture.height // _BLOCK, picture.width // _BLOCK
    down, across = height // _BLOCK, width // _BLOCK
    if not down or not across:
        return 0, 0, width, height
    luma = np.asarray(picture.convert("L"), dtype=np.float64)
    blocks = luma[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    detail = np.zeros((rows + 1, columns + 1))
    # Sums over any window are then four look-ups. Rounded, so that a tie is one on every machine.
    detail[1:, 1:] = np.rint(blocks.var(axis=(1, 3))).cumsum(axis=0).cumsum(axis=1)
    windows = detail[down:, across:] - detail[:-down, across:]
    windows -= detail[down:, :-across] - detail[:-down, :-across]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(left) * _BLOCK, int(top) * _BLOCK, width, height


def _plate(
    image: str, rows: Sequence[Row], folder: Path, target: Path, lead: Point, box: Box | None
) -> Plate:
    original = _open(folder / "original.png")
    box = _inside(box, original) if box else most_detailed(original)
    first = rows[0]
    raw = 3 * first.width * first.height
    place = target / "pictures" / folder.name
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SlimcodecError(f"{place} cannot be made: {error.strerror}") from error
    shots = [
        Shot(
            "Original",
            "",
            *_keep(folder / "original.png", place, box),
            [f"{number(raw)} bytes · 24 bpp", "8-bit RGB, uncompressed"],
        )
    ]
    leading = [r for r in rows if (r.variant, r.quality) == (lead.variant, lead.quality)]
    bpp = leading[0].bpp if leading else lead.bpp
    for variant in dict.fromkeys(row.variant for row in rows):
        kept = [r for r in rows if r.variant == variant and _picture(folder, r).is_file()]
        if kept:
            row = nearest_in_rate(kept, bpp)
            links = _keep(_picture(folder, row), place, box)
            detail = f"quality {plain(row.quality)}" if len(kept) > 1 else ""
            shots.append(Shot(variant, detail, *links, _lines(row)))
    return Plate(image, original.width, original.height, box, shots)


def _lines(row: Row) -> list[str]:
    metrics = metrics_of([row])
    shown = [name for name in _SHOWN if name in metrics] or metrics[:3]
    texts = []
    for name in shown:
        value = f"{metric_text(name, row.metrics[name])} {metric_unit(name)}".strip()
        texts.append(f"{metric_label(name)} {value}")
    size = f"{number(row.stream_bytes)} bytes · {number(row.bpp, 3)} bpp"
    return [size, " · ".join(texts)]


def _picture(folder: Path, row: Row) -> Path:
    return folder / f"{picture_name(row.variant, row.quality)}.png"


def _keep(path: Path, place: Path, box: Box) -> tuple[str, str]:
    """Write the crop and the copy; their links, crop first."""
    left, top, width, height = box
    out = io.BytesIO()
    _open(path).crop((left, top, left + width, top + height)).save(out, "PNG", optimize=True)
    crop, full = place / f"{path.stem}.crop.png", place / path.name
    write_atomically(crop, out.getvalue())
    write_atomically(full, path.read_bytes())
    folder = place.parent.parent
    return quote(crop.relative_to(folder).as_posix()), quote(full.relative_to(folder).as_posix())


def _open(path: Path) -> PIL.Image.Image:
    try:
        with PIL.Image.open(path) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError) as error:
        raise SlimcodecError(f"{path} cannot be read as a picture: {error}") from error


def _inside(box: Sequence[int], picture: PIL.Image.Image) -> Box:
    """The box, moved and cut so that it lies in the picture."""
    left, top, width, height = box
    width, height = min(width, picture.width), min(height, picture.height)
    left = min(max(left, 0), picture.width - width)
    return left, min(max(top, 0), picture.height - height), width, height


def _names(plate: Plate) -> list[str]:
    return [name for shot in plate.shots for name in (shot.crop, shot.full)]
