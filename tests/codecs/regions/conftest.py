"""A photograph that ships with the package, and what is asked of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import slimcodec
from slimcodec.types import Image

HEIGHT, WIDTH = 128, 160


@pytest.fixture(scope="session")
def photo() -> Image:
    """A crop, ``uint8 [128, 160, 3]``."""
    with PIL.Image.open(Path(slimcodec.__file__).parent / "demo" / "osprey.png") as whole:
        return np.asarray(whole.convert("RGB"))[60 : 60 + HEIGHT, 60 : 60 + WIDTH]
