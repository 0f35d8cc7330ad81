"""Curves of a codec that works in steps: one encode, cut; a killed run still resumes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slimcodec import registry
from slimcodec.bench import (
    Candidate,
    CodecReference,
    Job,
    Measurement,
    Row,
    RowStore,
    measure,
    opening,
    run_grid,
)
from slimcodec.bench.surroundings import Watch
from slimcodec.errors import SlimcodecError
from slimcodec.images import read_image, write_image
from slimcodec.types import Clock, Image, Progressive, no_clock
from tests.planes import BitPlanes

Picture = Callable[..., Image]

LADDER = (1.0, 2.0, 5.0, 8.0)


PLANES = CodecReference("planes")
_codec = BitPlanes()


def current() -> BitPlanes:
    """What is opened under the name ``planes``."""
    return _codec


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.codecs._entries, "planes", f"{__name__}:current")


def use(codec: BitPlanes) -> None:
    """Have a codec opened under the name from now on."""
    globals()["_codec"] = codec
    opening.forget()


def curve_of(
    codec: BitPlanes, path: Path, qualities: Sequence[float], repeats: int = 2
) -> list[Measurement]:
    use(codec)
    candidate = Candidate(PLANES, tuple(qualities), "planes")
    known = opening.environment(PLANES)
    job = Job(
        candidate,
        path,
        opening.picture(path).digest,
        opening.opened(candidate.codec).digest,
        known,
        (),
        repeats,
        True,
    )
    return list(measure(job))


@pytest.fixture()
def photo(picture: Picture, tmp_path: Path) -> Path:
    write_image(tmp_path / "a.png", picture(40, 56))
    return tmp_path / "a.png"


def test_one_encode_gives_the_whole_curve(photo: Path) -> None:
    codec = BitPlanes()
    assert isinstance(codec, Progressive)
    curve = curve_of(codec, photo, LADDER)
    # One encode to warm up and two timed; the highest quality is the stream as it is.
    assert codec.calls == {"encode": 3, "cut": 3, "decode": 1 + 2 * len(LADDER)}
    assert [measured.row.quality for measured in curve] == list(LADDER)
    for measured in curve:
        (alone,) = curve_of(BitPlanes(), photo, (measured.row.quality,), 2)
        assert without_reading(measured.row) == without_reading(alone.row)
        np.testing.assert_array_equal(measured.decoded, alone.decoded)


def without_times(row: Row) -> Row:
    parts = dict.fromkeys(row.parts_ms, 0.0)
    steps = {part: [0.0] * len(steps) for part, steps in row.steps_ms.items()}
    return replace(
        row, encode_ms=0.0, decode_ms=0.0, spread=0.0, parts_ms=parts, steps_ms=steps, beside="",
        peak_mb=None, energy_j=None,
    )  # fmt: skip


def test_a_lower_quality_takes_the_steps_up_to_it(photo: Path) -> None:
    curve = curve_of(BitPlanes(), photo, LADDER, 1)
    rows = {measured.row.quality: measured.row for measured in curve}
    whole = rows[8.0]
    names = ["encode.encoder", "encode.entropy", "decode.entropy", "decode.decoder"]
    for quality, row in rows.items():
        assert list(row.steps_ms) == names
        for name in names:
            assert len(row.steps_ms[name]) == quality
            assert row.parts_ms[name] == pytest.approx(sum(row.steps_ms[name]))
        for name in names[:2]:
            assert row.steps_ms[name] == whole.steps_ms[name][: int(quality)]
        later = sum(sum(whole.steps_ms[name][int(quality) :]) for name in names[:2])
        assert row.encode_ms == pytest.approx(whole.encode_ms - later)
        assert row.encode_ms >= sum(row.parts_ms[name] for name in names[:2])
    assert rows[1.0].encode_ms < rows[5.0].encode_ms < whole.encode_ms


class Restless(BitPlanes):
    """Another stream each time."""

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        return super().encode(image ^ np.uint8(self.calls["encode"]), quality, clock=clock)


class Lost(BitPlanes):
    """Its beginnings decode to another shape."""

    def cut(self, stream: bytes, quality: float) -> bytes:
        return super().encode(np.zeros((3, 3, 3), np.uint8), quality)


@pytest.mark.parametrize(
    ("codec", "words"), [(Restless(), "other bytes the second time"), (Lost(), r"to \(3, 3, 3\)")]
)
def test_a_progressive_codec_that_breaks_the_contract(
    codec: BitPlanes, words: str, photo: Path
) -> None:
    with pytest.raises(SlimcodecError, match=words):
        curve_of(codec, photo, LADDER)


class Stop(Exception):
    """As if killed."""


def grid(
    codec: BitPlanes, photos: list[Path], folder: Path, die_at: int = -1
) -> tuple[list[Row], list[str]]:
    """Rows, and what was announced; stopped before the n-th measurement is begun."""
    folder.mkdir(exist_ok=True)
    use(codec)
    said: list[str] = []

    def progress(done: int, total: int, what: str) -> None:
        assert total == len(photos) * len(LADDER)
        if done == die_at:
            raise Stop
        said.append(what)

    store = RowStore(folder / "rows.sqlite")
    with contextlib.suppress(Stop):
        run_grid(
            [Candidate(PLANES, LADDER, "planes")], photos, ["psnr"], store,
            repeats=1, pictures=1, on_progress=progress,
        )  # fmt: skip
    rows = list(store)
    store.close()
    return rows, said


def test_a_stopped_curve_resumes_where_it_was(photos: list[Path], tmp_path: Path) -> None:
    whole, said = grid(BitPlanes(), photos, tmp_path / "whole")
    assert [what for what in said if "photo1" in what] == [
        "photo1.png · planes",
        *(f"photo1.png · planes · {quality:g}" for quality in LADDER),
    ]
    codec, folder = BitPlanes(), tmp_path / "stopped"
    before, _ = grid(codec, photos, folder, die_at=6)
    assert len(before) == 6
    codec.calls.clear()
    after, _ = grid(codec, photos, folder)
    # Of the second photo two qualities are missing, of the third all; nothing of the first.
    assert codec.calls == {"encode": 2 * 2, "cut": 1 + 3, "decode": 2 + 2 + 4}
    assert [without_reading(row) for row in after] == [without_reading(row) for row in whole]
    assert all(row in after for row in before)
    codec.calls.clear()
    assert grid(codec, photos, folder)[0] == after
    assert not codec.calls


def without_reading(row: Row) -> Row:
    return replace(without_times(row), read_ms=0.0)


def test_pictures_of_a_curve_are_of_its_qualities(photos: list[Path], tmp_path: Path) -> None:
    codec = BitPlanes()
    grid(codec, photos, tmp_path)
    image = read_image(photos[0]).pixels
    for quality in LADDER:
        kept = read_image(tmp_path / "pictures" / "photo0" / f"planes@{quality:g}.png").pixels
        np.testing.assert_array_equal(kept, codec.decode(codec.encode(image, quality)))


def test_a_named_image_keeps_its_pictures(photos: list[Path], tmp_path: Path) -> None:
    store = RowStore(tmp_path / "rows.sqlite")
    candidates = [Candidate(PLANES, (2.0,), "planes")]
    run_grid(candidates, photos, [], store, repeats=1, pictures=1, always=("photo2.png",))
    store.close()
    kept = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert kept == ["photo0", "photo2"]


def test_what_ran_beside_the_one_encode_is_said_of_the_whole_curve(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows have their times of it, though others were busy before the second was decoded."""
    codec = BitPlanes()

    @contextlib.contextmanager
    def watched() -> Iterator[Watch]:
        watch, encodes = Watch(), codec.calls["encode"]
        yield watch
        watch.others = 1.0 if codec.calls["encode"] > encodes else 0.0

    # The package has a function of the module's name.
    monkeypatch.setattr(sys.modules["slimcodec.bench.measure"], "watched", watched)
    curve = curve_of(codec, photo, LADDER)
    assert all("other processes" in each.row.beside for each in curve)
