"""The kept pictures, as the page shows them: any two of an image beside each other.

Every image has one crop that is the same for all variants, as in a figure of a paper: where the
study says, else where the leading codec's picture differs most from the original, so that nobody's
weakest spot is left out by choice. Each variant also knows where it differs most itself.

All of it goes into one file, under a budget. Images come worst first, by the leading learned
codec's metric, and the budget is spent in this order: the crops of all images at about equal size;
whole pictures of them instead of crops; then the crops at other qualities that were kept, nearest
in rate first. What did not fit is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import PIL.Image

from slimcodec.bench import picture_name
from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Point
from slimcodec.errors import SlimcodecError
from slimcodec.report.differing import Box, most_differing, squared_error
from slimcodec.report.gallery import Gallery, Plate, Shot
from slimcodec.report.inlining import Budget, lossless
from slimcodec.report.selection import nearest_in_rate, rate_factor, worst_first
from slimcodec.report.text import (
    metric_label,
    metric_text,
    metric_unit,
    metrics_of,
    number,
    plain,
)

__all__ = ["PICTURE_BYTES", "Progressed", "make_gallery"]

PICTURE_BYTES = 23_500_000
"""Of text, for all pictures of a page; with everything else a page stays under 25 MB."""
_WHOLE_SHARE = 0.88
"""Of the budget, that crops and whole pictures at equal size may take; the rest is for other
qualities."""

CROP = 192
_SPOT = 96
"""Side of the window that "where they differ most" leads to."""
_SHOWN = ("psnr", "ms-ssim", "lpips")

Progressed = Callable[[int, int, str], None]


@dataclass(frozen=True)
class _Kept:
    """What was kept of one image: a row and a file for each picture.

    Attributes:
        detail: the crop of the original.
        matched, others: rows of each variant's picture of about equal size, and of those at other
            qualities, nearest in rate to their variant's matched one first.
    """

    image: str
    folder: Path
    width: int
    height: int
    crop: Box
    detail: PIL.Image.Image
    score: str
    matched: Sequence[Row]
    others: Sequence[Row]

    @property
    def whole(self) -> Box:
        return 0, 0, self.width, self.height


def make_gallery(
    rows: Sequence[Row],
    source: Path,
    lead: Point,
    figure: Mapping[str, Any],
    budget: int,
    on_progress: Progressed = lambda done, total, what: None,
) -> Gallery:
    """Choose and encode the kept pictures of every image that has an original.

    Args:
        rows: of one bench or study.
        source: the folder ``pictures`` beside the rows.
        lead: whose rate on each image the others come nearest to, where there is a choice.
        figure: the study's ``image`` and ``crop``, or empty; that image comes first.
        budget: bytes of text that all pictures may take.
        on_progress: called with (images done, images, name of the next).

    Raises:
        SlimcodecError: when a kept picture cannot be read, or is not of its image's size.
    """
    ranked, ranking = worst_first(rows, lead)
    wanted = figure.get("image")
    order = sorted(ranked, key=lambda image: image != wanted)  # stable: the rest as it was
    found = [image for image in order if (source / Path(image).stem / "original.png").is_file()]
    kept = []
    for done, image in enumerate(found):
        on_progress(done, len(found), image)
        own = [row for row in rows if row.image == image]
        crop = figure.get("crop") if image == wanted else None
        kept.append(_look(image, own, source / Path(image).stem, lead, crop, ranked[image]))
    numbers = {name: n for n, name in enumerate(dict.fromkeys(row.variant for row in rows))}
    gallery = _fill(kept, lead, numbers, Budget(budget), on_progress)
    return replace(gallery, ranking=ranking, named=wanted if wanted in found else "")


def _look(
    image: str, rows: Sequence[Row], folder: Path, lead: Point, crop: Box | None, score: str
) -> _Kept:
    """Which rows are shown, and where to look."""
    original = _open(folder / "original.png")
    leading = [r for r in rows if (r.variant, r.quality) == (lead.variant, lead.quality)]
    bpp = leading[0].bpp if leading else lead.bpp
    matched: list[Row] = []
    others: list[Row] = []
    for variant in dict.fromkeys(row.variant for row in rows):
        own = [r for r in rows if r.variant == variant and _file(folder, r).is_file()]
        if own:
            match = nearest_in_rate(own, bpp)
            matched.append(match)
            others += [row for row in own if row is not match]
    by_variant = {row.variant: row for row in matched}
    others.sort(key=lambda row: rate_factor(row, by_variant[row.variant].bpp))
    if crop is None and matched:
        leader = by_variant.get(lead.variant, matched[0])
        error = squared_error(original, _open(_file(folder, leader), original.size))
        crop = most_differing(error, CROP)
    crop = _inside(crop or (0, 0, CROP, CROP), original)
    width, height = original.size
    detail = _cut(original, crop)
    return _Kept(image, folder, width, height, crop, detail, score, matched, others)


def _fill(
    kept: Sequence[_Kept],
    lead: Point,
    numbers: Mapping[str, int],
    budget: Budget,
    on_progress: Progressed,
) -> Gallery:
    """Spend the budget: crops, then whole pictures, then other qualities."""
    plates: list[Plate] = []
    for done, each in enumerate(kept):
        on_progress(done, len(kept), f"{each.image}, crops")
        plate = _plate(each, each.crop, numbers)
        if not budget.take(_cost(plate), _WHOLE_SHARE):
            break
        plates.append(plate)
    for place, (each, plate) in enumerate(zip(kept, plates, strict=False)):
        on_progress(place, len(plates), f"{each.image}, whole")
        whole = _plate(each, each.whole, numbers)
        if not budget.take(_cost(whole) - _cost(plate), _WHOLE_SHARE):
            break
        plates[place] = whole
    missing = _add_others(kept, plates, numbers, budget, on_progress)
    return Gallery(
        plates=[_in_order(plate) for plate in plates],
        ranking="",
        named="",
        lead={each.image: _lead_name(each, lead) for each in kept},
        budget=budget.total,
        left_out=[each.image for each in kept[len(plates) :]],
        others=sum(not shot.is_matched for plate in plates for shot in plate.shots),
        others_left_out=missing,
    )


def _add_others(
    kept: Sequence[_Kept],
    plates: list[Plate],
    numbers: Mapping[str, int],
    budget: Budget,
    on_progress: Progressed,
) -> int:
    """Put crops at other qualities onto the plates, image by image; how many did not fit."""
    turns = max((len(each.others) for each, _ in zip(kept, plates, strict=False)), default=0)
    waiting = [
        (place, each.others[turn])
        for turn in range(turns)
        for place, each in enumerate(kept[: len(plates)])
        if turn < len(each.others)
    ]
    for done, (place, row) in enumerate(waiting):
        on_progress(done, len(waiting), f"{row.image}, other qualities")
        shot = _shot(kept[place], row, kept[place].crop, kept[place].detail, numbers)
        if not budget.take(len(shot.source)):
            return len(waiting) - done
        shots = [*plates[place].shots, replace(shot, is_matched=False)]
        plates[place] = replace(plates[place], shots=shots)
    return 0


def _plate(kept: _Kept, stored: Box, numbers: Mapping[str, int]) -> Plate:
    """The original and the matched pictures of an image."""
    is_whole = stored == kept.whole
    original = _open(kept.folder / "original.png") if is_whole else kept.detail
    raw = 3 * kept.width * kept.height
    first = Shot(
        name="original",
        label="Original",
        detail="",
        number=None,
        is_matched=True,
        lines=[f"{number(raw)} bytes · 24 bpp", "8-bit RGB, uncompressed"],
        figures=[("Size", f"{number(raw)} bytes"), ("Rate", "24 bpp")],
        source=lossless(original),
        stored=stored,
        spot=None,
    )
    shots = [_shot(kept, row, stored, original, numbers) for row in kept.matched]
    size = kept.width, kept.height
    return Plate(kept.image, *size, kept.crop, is_whole, kept.score, [first, *shots])


def _shot(
    kept: _Kept,
    row: Row,
    stored: Box,
    original: PIL.Image.Image,
    numbers: Mapping[str, int],
) -> Shot:
    """One kept picture.

    Args:
        stored: what of it is shown.
        original: the same of the original.
    """
    has_several = any(other.variant == row.variant for other in kept.others)
    size = kept.width, kept.height
    picture = _cut(_open(_file(kept.folder, row), size), stored)
    left, top, width, height = most_differing(squared_error(original, picture), _SPOT)
    metrics = metrics_of([row])
    values = {name: _metric_value(name, row) for name in metrics}
    usual = [name for name in _SHOWN if name in metrics] or metrics[:3]
    size_text, rate = f"{number(row.stream_bytes)} bytes", f"{number(row.bpp, 3)} bpp"
    return Shot(
        name=picture_name(row.variant, row.quality),
        label=row.variant,
        detail=f"quality {plain(row.quality)}" if has_several else "",
        number=numbers[row.variant],
        is_matched=True,
        lines=[
            f"{size_text} · {rate}",
            " · ".join(f"{metric_label(name)} {values[name]}" for name in usual),
        ],
        figures=[
            ("Size", size_text),
            ("Rate", rate),
            *((metric_label(name), values[name]) for name in metrics),
        ],
        source=lossless(picture),
        stored=stored,
        spot=(stored[0] + left, stored[1] + top, width, height),
    )


def _metric_value(name: str, row: Row) -> str:
    return f"{metric_text(name, row.metrics[name])} {metric_unit(name)}".strip()


def _in_order(plate: Plate) -> Plate:
    """Variant by variant, those of each by quality, as the rows name them."""

    def place(shot: Shot) -> tuple[int, float]:
        is_original = shot.number is None
        return (-1, 0.0) if is_original else (shot.number or 0, float(shot.name.rpartition("@")[2]))

    return replace(plate, shots=sorted(plate.shots, key=place))


def _lead_name(kept: _Kept, lead: Point) -> str:
    leading = [row for row in kept.matched if row.variant == lead.variant] or kept.matched
    return picture_name(leading[0].variant, leading[0].quality) if leading else "original"


def _cost(plate: Plate) -> int:
    return sum(len(shot.source) for shot in plate.shots)


def _file(folder: Path, row: Row) -> Path:
    return folder / f"{picture_name(row.variant, row.quality)}.png"


def _open(path: Path, size: tuple[int, int] | None = None) -> PIL.Image.Image:
    try:
        with PIL.Image.open(path) as picture:
            found = picture.convert("RGB")
    except (OSError, ValueError) as error:
        raise SlimcodecError(f"{path} cannot be read as a picture: {error}") from error
    if size is not None and found.size != size:
        raise SlimcodecError(
            f"{path} is {found.width} × {found.height} pixels and its original {size[0]} × "
            f"{size[1]}; take both away, and the bench keeps them again"
        )
    return found


def _cut(picture: PIL.Image.Image, box: Box) -> PIL.Image.Image:
    left, top, width, height = box
    return picture.crop((left, top, left + width, top + height))


def _inside(box: Sequence[int], picture: PIL.Image.Image) -> Box:
    """The box, moved and cut so that it lies in the picture."""
    left, top, width, height = box
    width, height = min(width, picture.width), min(height, picture.height)
    left = min(max(left, 0), picture.width - width)
    return left, min(max(top, 0), picture.height - height), width, height
