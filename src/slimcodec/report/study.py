"""``study.json``: what a study says of itself beside its rows, checked before it is believed.

The file is written by `slimcodec.bench.Study` and may be edited by hand (a better title, a note),
so a wrong type gets one clear line and not a traceback from a template.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from slimcodec.errors import SlimcodecError

__all__ = ["read_study"]

FILE = "study.json"


def read_study(folder: Path) -> dict[str, Any] | None:
    """The description in ``folder/study.json``; None where there is no such file.

    Raises:
        SlimcodecError: when it is not JSON, or a key holds something else than it should.
    """
    path = folder / FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SlimcodecError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(values, dict):
        raise SlimcodecError(f"{path} must hold an object, got {type(values).__name__}")
    for key, (is_right, words) in _RULES.items():
        if key in values and not is_right(values[key]):
            raise SlimcodecError(f"{path}: {key} must be {words}, got {values[key]!r}")
    return values


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_published(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(figures, dict) and all(map(_is_number, figures.values()))
        for figures in value.values()
    )


def _is_names(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_figure(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    crop = value.get("crop")
    if crop is not None:
        whole = isinstance(crop, list) and all(type(number) is int for number in crop)
        if not whole or len(crop) != 4 or min(crop) < 0 or min(crop[2:]) < 1:
            return False
    return isinstance(value.get("image", ""), str)


_RULES: dict[str, tuple[Callable[[object], bool], str]] = {
    "name": (_is_text, "text"),
    "title": (_is_text, "text"),
    "columns": (_is_texts, "a list of names of settings"),
    "notes": (_is_texts, "a list of sentences"),
    "published": (_is_published, "an object of variant to figures"),
    "published_source": (_is_text, "text"),
    "same_size_as": (_is_names, "an object of variant to the variant that it matches"),
    "figure": (_is_figure, 'an object such as {"image": "a.png", "crop": [x, y, width, height]}'),
}
