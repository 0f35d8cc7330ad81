"""A codec that something can go from, photographs for it, and searches of a trial or three."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slimcodec.explore.search import Asked, Found, search
from slimcodec.images import write_image
from slimcodec.model_file import Model, freeze_network
from slimcodec.types import Image


@pytest.fixture(scope="session")
def wide_model(make_network_of: Callable[..., Any]) -> Model:
    """Wide enough that widths can be rounded, with three residual blocks."""
    network = make_network_of(
        "hific", 0, trunk_width=32, residual_blocks=3, generator_widths=(24, 16, 16, 3)
    )
    return freeze_network(network, name="wide", family="hific")


@pytest.fixture(scope="session")
def four_photographs(
    picture: Callable[..., Image], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder of four small pictures, none of which judges."""
    folder = tmp_path_factory.mktemp("four")
    for number in range(4):
        write_image(folder / f"{number}.png", picture(64, 96, number))
    return folder


@pytest.fixture(scope="session")
def searched(wide_model: Model, four_photographs: Path) -> Callable[..., Found]:
    """``searched(out, trials=2)``: a search in a folder."""

    def call(out: Path, **asked: Any) -> Found:
        settings = {"trials": 2, "steps": 0, "runtime": "onnx", "pictures": 1, **asked}
        return search(wide_model, four_photographs, out, Asked(**settings))

    return call


@pytest.fixture(scope="session")
def once(searched: Callable[..., Found], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search of two trials; copy it before changing it."""
    folder = tmp_path_factory.mktemp("searched") / "out"
    searched(folder)
    return folder
