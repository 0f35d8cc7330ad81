"""Codecs timed in turn, on what takes milliseconds; which times come out is not asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slimcodec import library, registry
from slimcodec.bench.alternating import Limits
from slimcodec.errors import ImageError, ModelFileError, UnknownNameError, UsageError
from slimcodec.images import write_image
from slimcodec.types import Image
from slimcodec.workflows import timing
from slimcodec.workflows.timing import time_codecs
from tests.planes import BitPlanes

ONCE = Limits(rounds=1)
TINY = Path(__file__).parents[1] / "golden" / "tiny.slim"


@pytest.fixture
def photos(picture: Callable[..., Image], tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for seed, path in enumerate(paths):
        write_image(path, picture(40 + 16 * seed, 56, seed=seed))
    return paths


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Memory is not measured, which takes processes; which would have been."""
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(timing, "_peak", asked.append)
    return asked


def test_every_codec_both_ways(photos: list[Path], no_memory: list[dict[str, object]]) -> None:
    told: list[tuple[int, int, str]] = []
    times = time_codecs(
        ["jpeg", TINY], photos, limits=ONCE, on_progress=lambda *words: told.append(words)
    )
    assert [codec.name for codec in times.codecs] == ["jpeg", str(TINY)]
    assert [c.name for c in times.encode.competitors] == ["jpeg", str(TINY)]
    assert times.decode.control.name == "jpeg, again"
    jpeg = library.load_codec("jpeg")
    assert times.codecs[0].quality == jpeg.qualities[len(jpeg.qualities) // 2]
    assert (times.pictures, times.pixels) == (2, 40 * 56 + 56 * 56)
    assert all(one.wall_ms > 0 and one.cpu_ms > 0 for one in times.encode.competitors)
    # The largest picture there and its stream back, for each codec.
    assert [("image" in job, "stream" in job) for job in no_memory] == [
        (True, False),
        (False, True),
    ] * 2
    assert {job["image"] for job in no_memory if "image" in job} == {str(photos[1])}
    words = [what for _, _, what in told]
    assert words[:3] == ["opening jpeg", f"opening {TINY}", "opening jpeg"]
    # Said before warming up, and before the round.
    assert words[3:7] == ["encode, round 1"] * 2 + ["decode, round 1"] * 2
    assert {total for _, total, _ in told} == {60}
    assert json.loads(json.dumps(times.to_dict()))["encode"]["competitors"][1]["wall_ms"] > 0
    assert repr(times).startswith("<CodecTimes jpeg against ")


def test_memory_is_that_of_a_process_of_its_own(photos: list[Path]) -> None:
    (codec,) = time_codecs(["jpeg"], photos[:1], limits=ONCE).codecs
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc on this system")
    assert codec.encode_peak_mb is not None and codec.decode_peak_mb is not None
    # An interpreter with numpy, and not what this process has by now.
    assert 10 < codec.encode_peak_mb < 300


def test_a_codec_that_only_this_process_knows_has_no_memory(
    photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.codecs._entries, "planes", "planes:BitPlanes")
    (codec,) = time_codecs(["planes"], photos[:1], qualities=[2], limits=ONCE).codecs
    assert (codec.encode_peak_mb, codec.decode_peak_mb) == (None, None)


def test_each_decodes_its_own_streams_at_its_own_quality(
    photos: list[Path], no_memory: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.codecs._entries, "planes", "planes:BitPlanes")
    times = time_codecs(["planes", "planes"], photos, qualities=[1, 8], limits=ONCE)
    assert [codec.name for codec in times.codecs] == ["planes", "planes (2)"]
    assert [codec.quality for codec in times.codecs] == [1, 8]
    assert times.codecs[0].stream_bytes < times.codecs[1].stream_bytes
    times = time_codecs(["planes", "jpeg"], photos, qualities=[5], limits=ONCE)
    assert [codec.quality for codec in times.codecs] == [5, 5]


def test_parts_only_where_they_are_asked_for(
    photos: list[Path], no_memory: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.codecs._entries, "planes", "planes:BitPlanes")
    given = time_codecs(["planes"], photos, limits=ONCE, parts=True)
    assert set(given.decode.competitors[0].parts_ms) == {"entropy", "decoder"}
    assert time_codecs(["planes"], photos, limits=ONCE).decode.competitors[0].parts_ms == {}


@pytest.mark.parametrize(
    ("codecs", "qualities", "error", "said"),
    [
        ([], (), UsageError, "nothing to time; name one codec"),
        (["jpg"], (), UnknownNameError, "did you mean jpeg"),
        (["jpeg", "none.slim"], (), ModelFileError, "there is no model file none.slim"),
        (["jpeg", "webp"], (1, 2, 3), UsageError, "one quality for all codecs or one each, got 3"),
        (["jpeg", "webp"], (50, 900), UsageError, "900"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_codec_is_opened(
    photos: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    codecs: list[str],
    qualities: tuple[float, ...],
    error: type[Exception],
    said: str,
) -> None:
    monkeypatch.setattr(timing, "compare", None)
    with pytest.raises(error, match=said):
        time_codecs(codecs, photos, qualities=qualities)


def test_pictures_are_needed(photos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name one picture or more"):
        time_codecs(["jpeg"], [])
    with pytest.raises(ImageError, match=r"none\.png"):
        time_codecs(["jpeg"], [tmp_path / "none.png"])


def test_what_is_timed_is_the_codec_given(
    photos: list[Path], no_memory: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every instance as often, the control too, and both ways."""
    made: list[BitPlanes] = []

    def load(*_: object, **__: object) -> BitPlanes:
        made.append(BitPlanes())
        return made[-1]

    monkeypatch.setitem(registry.codecs._entries, "planes", "planes:BitPlanes")
    monkeypatch.setattr("slimcodec.bench.alternating._TURN_MS", 1e-9)
    monkeypatch.setattr(library, "load_codec", load)
    time_codecs(["planes", "planes"], photos, qualities=[3], limits=Limits(rounds=2))
    timed = [codec.calls for codec in made[-3:]]
    # Streams once; to warm up, to see how long it takes, then twice a round.
    assert [calls["encode"] for calls in timed] == [2 * (1 + 1 + 5 + 4)] * 3
    assert [calls["decode"] for calls in timed] == [2 * (1 + 5 + 4)] * 3
