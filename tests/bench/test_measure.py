"""Grids of real codecs on real files; a killed one resumes where it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import registry
from slimcodec.bench import Candidate, Row, RowStore, load_metrics, measure, picture_name, run_grid
from slimcodec.errors import SlimcodecError, UnknownNameError
from slimcodec.images import read_image
from slimcodec.metrics import Metric
from slimcodec.types import Codec, Image

Picture = Callable[..., Image]

GRID = """
import os, signal, sys
from pathlib import Path
from slimcodec import registry
from slimcodec.bench import Candidate, RowStore, load_metrics, run_grid

photos, out, die_at, die_writing = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def progress(done, total, what):
    if done == die_at:
        die()

class Store(RowStore):
    def add(self, row):
        if len(list(self)) == die_writing:
            die()
        super().add(row)

codec = registry.codecs.get("jpeg")()
candidates = [
    Candidate(codec, (10, 40, 80), "jpeg"),
    Candidate(codec, (30,), "jpeg again", settings={"quality": 30}),
]
metrics, absent = load_metrics(["psnr", "ssim"])
store = Store(out / "rows.sqlite")
run_grid(candidates, sorted(photos.iterdir()), metrics, store, repeats=2, pictures=2,
         on_progress=progress)
store.close()
"""


def run(photos: Path, out: Path, die_at: int = -1, die_writing: int = -1) -> int:
    """A grid in a process that kills itself before its n-th measurement, or between the n-th and
    the writing of its row."""
    out.mkdir(exist_ok=True)
    arguments = [str(photos), str(out), str(die_at), str(die_writing)]
    return subprocess.run([sys.executable, "-c", GRID, *arguments], check=False).returncode


def without_times(rows: list[Row]) -> list[Row]:
    return [
        replace(
            row,
            encode_ms=0.0,
            decode_ms=0.0,
            read_ms=0.0,
            spread=0.0,
            parts_ms=dict.fromkeys(row.parts_ms, 0.0),
        )
        for row in rows
    ]


def rows_in(out: Path) -> list[Row]:
    store = RowStore(out / "rows.sqlite")
    rows = list(store)
    store.close()
    return rows


def test_a_killed_grid_resumes_where_it_was(photos: list[Path], tmp_path: Path) -> None:
    folder = photos[0].parent
    assert run(folder, tmp_path / "whole") == 0
    whole = rows_in(tmp_path / "whole")
    assert len(whole) == 3 * 4
    killed = tmp_path / "killed"
    for place, rows_left in (("die_at", 0), ("die_at", 5), ("die_writing", 9)):
        assert run(folder, killed, **{place: rows_left}) == -signal.SIGKILL
        assert len(rows_in(killed)) == rows_left
    before = {row.key: row for row in rows_in(killed)}
    assert run(folder, killed) == 0
    resumed = rows_in(killed)
    assert without_times(resumed) == without_times(whole)
    # What was there is kept, times included: it was not measured twice.
    assert sum(before.get(row.key) == row for row in resumed) == 9
    assert pictures_in(killed) == pictures_in(tmp_path / "whole")


def pictures_in(out: Path) -> dict[str, bytes]:
    files = (out / "pictures").rglob("*.png")
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


# One measurement


@pytest.fixture(scope="module")
def metrics() -> list[Metric]:
    return load_metrics(["psnr", "ssim"])[0]


def test_a_row_says_what_was_measured(
    tiny_codec: Codec, picture: Picture, metrics: list[Metric]
) -> None:
    image = picture(40, 56)
    candidate = Candidate(tiny_codec, (3,), "tiny at 3", "torch", {"generator": 0.5})
    row, decoded = measure(candidate, 3, Path("folder/a.png"), image, metrics, 3, 1.5)
    stream = tiny_codec.encode(image, 3)
    np.testing.assert_array_equal(decoded, tiny_codec.decode(stream))
    assert (row.codec, row.variant, row.runtime) == ("tiny", "tiny at 3", "torch")
    assert (row.image, row.height, row.width) == ("a.png", 40, 56)
    assert row.digest == tiny_codec.digest
    assert row.stream_bytes == len(stream)
    assert row.bpp == 8 * len(stream) / (40 * 56)
    assert row.settings == {"generator": 0.5}
    assert row.read_ms == 1.5
    assert row.metrics == {m.name: pytest.approx(m(image, decoded)) for m in metrics}
    assert set(row.parts_ms) == {
        "encode.encoder",
        "encode.prior",
        "encode.entropy",
        "decode.entropy",
        "decode.prior",
        "decode.generator",
    }
    assert all(ms > 0 for ms in row.parts_ms.values())
    assert sum(ms for part, ms in row.parts_ms.items() if part.startswith("encode.")) > 0
    assert row.encode_ms > 0
    assert row.decode_ms > 0
    assert row.spread is not None and row.spread >= 0
    assert {"cpu", "cores", "flags", "slimcodec"} <= set(row.machine)


def test_the_same_pixels_have_the_same_key_under_any_name(
    tiny_codec: Codec, picture: Picture, metrics: list[Metric]
) -> None:
    candidate = Candidate(tiny_codec, (3,), "tiny")
    image = picture(20, 20)

    def key(path: str, image: Image) -> str:
        return measure(candidate, 3, Path(path), image, [], 1, 0)[0].key

    assert key("a.png", image) == key("b.png", image)
    assert key("a.png", image) != key("a.png", image[::-1].copy())


class Cropping:
    """A codec that breaks the contract: it returns another shape."""

    name, digest, model_bytes = "cropping", "0", 0
    qualities, default_quality = (1.0,), 1.0

    def encode(self, image: Image, quality: float | None = None, **_: Any) -> bytes:
        return image.tobytes()

    def decode(self, stream: bytes, **_: Any) -> Image:
        return np.zeros((1, 1, 3), np.uint8)


def test_a_codec_that_returns_another_shape(picture: Picture) -> None:
    with pytest.raises(SlimcodecError, match=r"cropping decoded a.png to \(1, 1, 3\), not \(8, 9"):
        measure(Candidate(Cropping(), (1,), "x"), 1, Path("a.png"), picture(8, 9), [], 1, 0)


# Grids


def test_a_grid(tiny_codec: Codec, photos: list[Path], tmp_path: Path) -> None:
    jpeg = registry.codecs.get("jpeg")()
    candidates = [Candidate(jpeg, (20, 60), "jpeg"), Candidate(tiny_codec, (1, 5), "tiny/1 a")]
    store = RowStore(tmp_path / "rows.sqlite")
    calls: list[tuple[int, int, str]] = []
    metrics, _ = load_metrics(["psnr"])
    run_grid(
        candidates,
        photos,
        metrics,
        store,
        repeats=1,
        pictures=1,
        on_progress=lambda *call: calls.append(call),
    )
    rows = list(store)
    assert [(row.variant, row.quality, row.image) for row in rows] == [
        (candidate.variant, quality, path.name)
        for candidate in candidates
        for quality in candidate.qualities
        for path in photos
    ]
    assert [call[0] for call in calls] == list(range(13))
    assert {call[1] for call in calls} == {12}
    assert calls[0][2] == "photo0.png · jpeg · 20"
    assert calls[-1][2] == "done"

    kept = tmp_path / "pictures" / "photo0"
    names = {"original.png"} | {
        f"{picture_name(c.variant, q)}.png" for c in candidates for q in c.qualities
    }
    assert {path.name for path in kept.iterdir()} == names
    assert [path.name for path in kept.parent.iterdir()] == ["photo0"]
    image = read_image(photos[0]).pixels
    np.testing.assert_array_equal(read_image(kept / "original.png").pixels, image)
    shown = read_image(kept / f"{picture_name('tiny/1 a', 5)}.png").pixels
    np.testing.assert_array_equal(shown, tiny_codec.decode(tiny_codec.encode(image, 5)))

    # Again: nothing is measured, unless its picture is gone.
    lost = kept / f"{picture_name('jpeg', 20)}.png"
    lost.unlink()
    run_grid(candidates, photos, metrics, store, repeats=1, pictures=1)
    again = list(store)
    assert lost.exists()
    assert without_times(sorted(again, key=lambda row: row.key)) == without_times(
        sorted(rows, key=lambda row: row.key)
    )
    assert sum(a in rows for a in again) >= len(rows) - 1
    store.close()


def test_picture_names_are_safe() -> None:
    assert picture_name("a/b c:d", 2.5) == "a_b_c_d@2.5"
    assert picture_name("hific-s+cut", 3) == "hific-s+cut@3"
    assert "/" not in picture_name("../../x", 1)


# Metrics that are not to be had


def test_a_metric_that_cannot_be_had_is_left_out_with_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLIMCODEC_LPIPS_WEIGHTS", str(tmp_path / "absent"))
    metrics, lines = load_metrics(["psnr", "lpips", "ssim"])
    assert [metric.name for metric in metrics] == ["psnr", "ssim"]
    assert len(lines) == 1
    assert lines[0].startswith("lpips is left out: the LPIPS metric found no weights at")
    assert "\n" not in lines[0]
    with pytest.raises(UnknownNameError, match="metric 'psrn'; did you mean psnr"):
        load_metrics(["psrn"])
