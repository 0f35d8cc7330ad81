"""Rows made by hand, and photographs on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slimcodec.bench import Row
from slimcodec.images import write_image
from slimcodec.types import Image

MakeRow = Callable[..., Row]


def make(**values: Any) -> Row:
    """A plain row of 100 x 80 pixels in 1000 bytes, changed as told."""
    plain: dict[str, Any] = {
        "codec": "jpeg",
        "variant": "jpeg",
        "digest": "d" * 64,
        "runtime": "",
        "quality": 50.0,
        "image": "a.png",
        "image_digest": "0" * 16,
        "height": 100,
        "width": 80,
        "stream_bytes": 1000,
        "model_bytes": 0,
        "encode_ms": 2.0,
        "decode_ms": 1.0,
        "read_ms": 5.0,
        "parts_ms": {"encode.encoder": 2.0, "decode.decoder": 1.0},
        "spread": 0.1,
        "metrics": {"psnr": 30.0, "ssim": 0.9},
        "settings": {},
        "machine": {"cpu": "any"},
    }
    return Row(**{**plain, **values})


@pytest.fixture(scope="session")
def make_row() -> MakeRow:
    return make


@pytest.fixture(scope="session")
def photos(picture: Callable[..., Image], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three small pictures as PNG files."""
    folder = tmp_path_factory.mktemp("photos")
    for number, shape in enumerate([(40, 56), (48, 48), (33, 70)]):
        write_image(folder / f"photo{number}.png", picture(*shape, seed=number))
    return sorted(folder.iterdir())
