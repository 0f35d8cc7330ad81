"""What reads files that anyone may have written, as a table.

A row says where its sound inputs are, how one is edited, how its checks are forged, and how it is
used. Whoever adds a format adds a class and its line in ``PARSERS``, and a maker to ``seeds``;
whoever adds a version of streams a line in ``frames.Frame``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fuzzing.parsers.files import Checkpoints, Rows
from fuzzing.parsers.kinds import Parser, WrongPicture
from fuzzing.parsers.models import Bundles, Models
from fuzzing.parsers.settings import Recipes, Studies, Trainings
from fuzzing.parsers.streams import Streams

__all__ = ["PARSERS", "Parser", "WrongPicture"]

PARSERS: dict[str, Callable[[Path, Path], Parser]] = {
    "streams": Streams,
    "models": Models,
    "bundles": Bundles,
    "recipes": Recipes,
    "studies": Studies,
    "trainings": Trainings,
    "checkpoints": Checkpoints,
    "rows": Rows,
}
