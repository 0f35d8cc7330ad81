"""A handful of synthetic photographs to train on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slimcodec.images import write_image
from slimcodec.types import Image


@pytest.fixture(scope="session")
def photos(picture: Callable[..., Image], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five pictures of 140 to 300 pixels a side."""
    folder = tmp_path_factory.mktemp("training")
    for number, shape in enumerate([(140, 300), (200, 160), (150, 150), (256, 192), (144, 200)]):
        write_image(folder / f"photo{number}.png", picture(*shape, seed=number))
    return sorted(folder.iterdir())
