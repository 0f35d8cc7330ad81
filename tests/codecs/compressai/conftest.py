"""What several files of these networks are tried on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slimcodec.images import write_image
from slimcodec.types import Image


@pytest.fixture(scope="session")
def photographs(picture: Callable[..., Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three pictures that a crop of 128 fits into."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(3):
        write_image(folder / f"{number}.png", picture(160, 192, 50 + number))
    return folder
