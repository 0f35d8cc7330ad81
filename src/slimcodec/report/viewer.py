"""What the viewer of pictures is told, as plain values: ``templates/viewer.js`` reads them.

The pictures themselves stand once each in the page, as the crops of its figure; the viewer takes
them from there by their ids.
"""

from __future__ import annotations

from typing import Any

from slimcodec.report.figures import STYLES
from slimcodec.report.gallery import Gallery, Plate, Shot

__all__ = ["shot_id", "viewer_data"]


def viewer_data(gallery: Gallery) -> list[dict[str, Any]]:
    """Images in the order in which they are shown, each with its pictures."""
    return [
        {
            "image": plate.image,
            "width": plate.width,
            "height": plate.height,
            "score": plate.score,
            "lead": gallery.lead[plate.image],
            "shots": [_shot_data(number, plate, shot) for shot in plate.shots],
        }
        for number, plate in enumerate(gallery.plates)
    ]


def shot_id(number: int, shot: Shot) -> str:
    """Of the element that holds a picture of the image of this number."""
    return f"shot-{number}-{shot.name}"


def _shot_data(number: int, plate: Plate, shot: Shot) -> dict[str, Any]:
    return {
        "name": shot.name,
        "label": shot.label,
        "detail": shot.detail,
        "style": None if shot.number is None else shot.number % STYLES,
        "id": shot_id(number, shot),
        "stored": shot.stored,
        "isMatched": shot.is_matched,
        "isCrop": shot.stored != (0, 0, plate.width, plate.height),
        "spot": shot.spot,
        "figures": shot.figures,
    }
