"""What several passes are tried on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slimcodec.images import write_image
from slimcodec.types import Image


@pytest.fixture(scope="session")
def photographs(picture: Callable[..., Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two small pictures to measure on."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(2):
        write_image(folder / f"{number}.png", picture(64, 96, number))
    return folder
