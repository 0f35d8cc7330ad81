"""What a page shows of pictures: shots of an image on a plate, plates in a gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from slimcodec.report.differing import Box

__all__ = ["Gallery", "Plate", "Shot", "join_galleries"]


@dataclass(frozen=True)
class Shot:
    """One picture of an image.

    Attributes:
        name: ``original``, or variant and quality as in the kept file's name; in links.
        label: the variant, or "Original".
        detail: its quality in words, where the variant has several.
        number: of the variant in the order of the rows, which picks its colour; None of originals.
        is_matched: whether it is among the crops of about equal size.
        lines: size and the usual three metrics, for under a crop.
        figures: name and value of everything that was measured of it.
        source: the picture as a ``data:`` address.
        stored: what of the image that is, in pixels of the image: all of it or the plate's crop.
        spot: where it differs most from the original; None of originals.
    """

    name: str
    label: str
    detail: str
    number: int | None
    is_matched: bool
    lines: list[str]
    figures: list[tuple[str, str]]
    source: str
    stored: Box
    spot: Box | None


@dataclass(frozen=True)
class Plate:
    """All shots of one image, the original first.

    Attributes:
        crop: what every variant is shown of in print, in pixels of the image.
        is_whole: whether its shots at about equal size are whole pictures.
        score: the leading codec's metric, as words; empty where it has none.
    """

    image: str
    width: int
    height: int
    crop: Box
    is_whole: bool
    score: str
    shots: list[Shot]


@dataclass(frozen=True)
class Gallery:
    """Everything that is shown, worst image first, and what of it did not fit.

    Attributes:
        ranking: by what images are ordered, as words; empty where there is no metric.
        named: the image that the study puts first; empty where none.
        lead: name of the shot that the viewer opens with beside the original, by image.
        budget: bytes that all pictures together may take in the page.
        left_out: names of images that did not fit at all.
        others, others_left_out: how many pictures at other qualities did, and did not.
    """

    plates: list[Plate]
    ranking: str
    named: str
    lead: Mapping[str, str]
    budget: int
    left_out: list[str]
    others: int
    others_left_out: int


def join_galleries(galleries: Sequence[tuple[str, Gallery]]) -> Gallery:
    """The galleries of several runs as one; an image that several runs kept is there once for each.

    Args:
        galleries: each with the name of its run, which goes behind the names of its images where
            there are several.
    """
    if len(galleries) == 1:
        return galleries[0][1]
    plates, lead, left_out = [], {}, []
    for run, each in galleries:
        for plate in each.plates:
            name = f"{plate.image} ({run})"
            plates.append(replace(plate, image=name))
            lead[name] = each.lead[plate.image]
        left_out += [f"{image} ({run})" for image in each.left_out]
    rankings = dict.fromkeys(each.ranking for _, each in galleries if each.ranking)
    return Gallery(
        plates=plates,
        ranking=" and the ".join(rankings),
        named="",
        lead=lead,
        budget=sum(each.budget for _, each in galleries),
        left_out=left_out,
        others=sum(each.others for _, each in galleries),
        others_left_out=sum(each.others_left_out for _, each in galleries),
    )
