"""What the demo says and writes of one photograph, on a codec that needs no weights."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from slimcodec.cli import demo as verb
from slimcodec.cli import study
from slimcodec.cli.demo import cut_short, there_and_back
from slimcodec.errors import InterruptionError, MissingExtraError, UsageError
from slimcodec.images import read_image
from tests.planes import BitPlanes


def test_there_and_back_goes_through_files(photos: list[Path], tmp_path: Path) -> None:
    codec = BitPlanes()
    line = there_and_back(codec, photos[0], tmp_path)
    image = read_image(photos[0]).pixels
    stream = (tmp_path / "photo0.planes.slc").read_bytes()
    assert stream == codec.encode(image)
    shown = read_image(tmp_path / "photo0.planes.png").pixels
    np.testing.assert_array_equal(shown, codec.decode(stream))
    assert f"{image.nbytes:,} bytes of pixels → {len(stream):,} bytes of planes stream" in line


def test_one_stream_cut_everywhere(photos: list[Path], tmp_path: Path) -> None:
    codec = BitPlanes()
    line = cut_short(codec, photos[0], tmp_path)
    assert codec.calls["encode"] == 1
    image = read_image(photos[0]).pixels
    streams = [codec.encode(image, quality) for quality in codec.qualities]
    assert "one planes stream of 8 iterations, bytes when cut after 1: " in line
    assert " · ".join(f"{step}: {len(stream):,}" for step, stream in enumerate(streams, 1)) in line
    assert "\n" not in line
    for quality, stream in zip(codec.qualities, streams, strict=True):
        shown = read_image(tmp_path / f"photo0.planes@{quality:g}.png").pixels
        np.testing.assert_array_equal(shown, codec.decode(stream))


def test_only_a_demo_makes_way_for_a_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted one too; a folder of somebody's measurements does not."""
    monkeypatch.setattr(verb, "CODECS", ())

    def interrupted(*args: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "shown", interrupted)
    for _ in range(2):
        with pytest.raises(InterruptionError, match="the same command begins again"):
            verb.demo(tmp_path / "out")
    other = tmp_path / "other"
    other.mkdir()
    (other / "rows.sqlite").touch()
    with pytest.raises(UsageError, match="holds something else"):
        verb.demo(other)
    assert (other / "rows.sqlite").exists()


@pytest.mark.parametrize("missing", ["torch", "jinja2"])
def test_what_is_not_installed_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'slimcodec\[torch,report\]'"):
        verb.demo(tmp_path / "out")
    assert not (tmp_path / "out").exists()
