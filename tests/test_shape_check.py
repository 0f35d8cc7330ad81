"""The check of shapes: it is where shapes are written, and says so when it is not."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

from slimcodec.training.data import Crops
from tests import shape_check


def test_modules_that_write_shapes_are_found() -> None:
    found = shape_check.shaped()
    for name in ("codecs.hific.network", "codecs.latents.hyperprior", "training.step"):
        assert f"slimcodec.{name}" in found
    assert "slimcodec.codecs.peers.jpeg" not in found


@pytest.mark.parametrize("name", shape_check.shaped())
def test_they_are_checked(name: str) -> None:
    assert type(importlib.import_module(name).__loader__).__module__.startswith("jaxtyping")


def test_a_wrong_shape_is_refused() -> None:
    from slimcodec.codecs.checkerboard import checkerboard

    with pytest.raises(TypeError):
        checkerboard(torch.zeros(3))


def test_a_wrong_type_is_refused() -> None:
    with pytest.raises(TypeError, match="crop"):
        Crops([Path("photo.png")], crop="large", seed=1)  # type: ignore[arg-type]


def test_a_module_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"slimcodec\.codecs\.gone; say where"):
        shape_check.install(["slimcodec.training.data", "slimcodec.codecs.gone"])
