"""What a stream may claim on the command line: one line, whatever it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from slimcodec import library
from slimcodec.types import Image


def drawn() -> Image:
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def test_the_verb_takes_the_limit_and_names_it(
    outcome_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 1 << 26)  # put back behind the verb
    path, out = tmp_path / "photo.slc", tmp_path / "photo.png"
    path.write_bytes(library.load_codec("hific-s").encode(drawn()))
    outcome = outcome_of("decode", path, "-o", out, "--max-pixels", 1000)
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert str(path) in outcome.err and "--max-pixels" in outcome.err
    assert not out.exists()
    assert outcome_of("decode", path, "-o", out, "--max-pixels", 2000).status == 0


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no such device")
def test_a_device_without_end(
    outcome_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slimcodec.stream.MAX_BYTES", 3 << 20)
    outcome = outcome_of("decode", "/dev/zero", "-o", tmp_path / "never.png")
    assert outcome.status == 1
    assert outcome.err.count("\n") == 1 and "/dev/zero is no stream" in outcome.err
