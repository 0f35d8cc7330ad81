"""Grids of real codecs on real files; a killed one resumes where it was."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime
import pytest

import slimcodec
from slimcodec import registry
from slimcodec.bench import (
    Candidate,
    CodecReference,
    InProcess,
    Job,
    Measurement,
    Row,
    RowStore,
    load_metrics,
    measure,
    opening,
    picture_name,
    run_grid,
)
from slimcodec.errors import SlimcodecError, UnknownNameError, UsageError
from slimcodec.images import read_image
from slimcodec.integers.engines import trusted
from slimcodec.model_file import Model, save
from slimcodec.types import Codec, Image

GRID = """
import os, signal, sys
from pathlib import Path
from slimcodec.bench import Candidate, CodecReference, RowStore, run_grid

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

codec = CodecReference("jpeg")
candidates = [
    Candidate(codec, (10, 40, 80), "jpeg"),
    Candidate(codec, (30,), "jpeg again", settings={"quality": 30}),
]
store = Store(out / "rows.sqlite")
run_grid(candidates, sorted(photos.iterdir()), ["psnr", "ssim"], store, repeats=2, pictures=2,
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
            beside="",
            peak_mb=None,
            energy_j=None,
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
def tiny(tiny_model: Model, tmp_path_factory: pytest.TempPathFactory) -> CodecReference:
    """The tiny model, by its file."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.slim"
    save(tiny_model, path)
    return CodecReference(str(path))


MakeJob = Callable[..., Job]


@pytest.fixture()
def make_job(tiny: CodecReference, photos: list[Path]) -> MakeJob:
    """A job of the tiny codec at quality 3, changed as told."""

    def make(candidate: Candidate | None = None, **changes: Any) -> Job:
        candidate = candidate or Candidate(tiny, (3,), "tiny at 3", {"generator": 0.5})
        path = changes.get("image", photos[0])
        known = opening.environment(candidate.codec)
        digest = opening.opened(candidate.codec).digest
        job = Job(candidate, path, opening.picture(path).digest, digest, known, ("psnr", "ssim"))
        return replace(job, **changes)

    return make


def test_a_row_says_what_was_measured(tiny_codec: Codec, make_job: MakeJob) -> None:
    job = make_job(repeats=3, keeps_pictures=True, beside="a test")
    (measured,) = measure(job)
    row, image = measured.row, read_image(job.image).pixels
    stream = tiny_codec.encode(image, 3)
    decoded = tiny_codec.decode(stream)
    np.testing.assert_array_equal(measured.decoded, decoded)
    assert (row.codec, row.variant, row.runtime) == ("tiny", "tiny at 3", "onnx")
    assert (row.image, row.height, row.width) == (job.image.name, *image.shape[:2])
    assert row.digest == tiny_codec.digest
    assert row.stream_bytes == len(stream)
    assert row.bpp == 8 * len(stream) / (image.shape[0] * image.shape[1])
    assert row.settings == {"generator": 0.5}
    assert row.read_ms > 0
    metrics, _ = load_metrics(["psnr", "ssim"])
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
    assert (row.repeats, row.beside.startswith("a test")) == (3, True)
    assert {"cpu", "cores", "flags", "slimcodec", "threads"} <= set(row.machine)
    assert set(row.environment) == {"slimcodec", "runtime", "engine"}
    (once,) = measure(make_job())
    assert (once.row.spread, once.decoded) == (None, None)


def test_the_same_pixels_have_the_same_key_under_any_name(
    make_job: MakeJob, photos: list[Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(photos[0].read_bytes())
    keys = [next(measure(make_job(image=path))).row.key for path in (photos[0], other, photos[1])]
    assert keys[0] == keys[1] != keys[2]


def test_a_job_goes_to_another_process_whole(make_job: MakeJob) -> None:
    job = make_job()
    assert pickle.loads(pickle.dumps(job)) == job
    assert len(pickle.dumps(job)) < 2000


def test_a_worker_with_other_files_or_versions_measures_nothing(make_job: MakeJob) -> None:
    with pytest.raises(SlimcodecError, match=r"photo0.png holds other pixels here"):
        next(measure(make_job(image_digest="0" * 16)))
    with pytest.raises(SlimcodecError, match=r"tiny.slim is another model here"):
        next(measure(make_job(digest="0" * 64)))
    other = {**make_job().environment, "runtime": "onnxruntime 0.1"}
    words = "with runtime: onnxruntime 1.*it is runtime: onnxruntime 0.1"
    with pytest.raises(SlimcodecError, match=words):
        next(measure(make_job(environment=other)))


class Cropping:
    """A codec that breaks the contract: it returns another shape."""

    name, digest, model_bytes = "cropping", "0", 0
    qualities, default_quality = (1.0,), 1.0

    def encode(self, image: Image, quality: float | None = None, **_: Any) -> bytes:
        return image.tobytes()

    def decode(self, stream: bytes, **_: Any) -> Image:
        return np.zeros((1, 1, 3), np.uint8)


class Numbering:
    """A codec that counts its calls, and that says what decides its bytes."""

    name, digest, model_bytes = "numbering", "1", 0
    qualities, default_quality = (1.0,), 1.0
    environment: ClassVar = {"library": "libnumber 3, effort 2"}
    calls: ClassVar[list[str]] = []

    def encode(self, image: Image, quality: float | None = None, **_: Any) -> bytes:
        self.calls.append("encode")
        return pickle.dumps(image)

    def decode(self, stream: bytes, **_: Any) -> Image:
        self.calls.append("decode")
        return pickle.loads(stream)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both by name, while a test runs."""
    for kind in (Cropping, Numbering):
        monkeypatch.setitem(registry.codecs._entries, kind.name, f"{__name__}:{kind.__name__}")
    Numbering.calls.clear()
    yield
    opening.forget()


def test_a_codec_that_returns_another_shape(make_job: MakeJob) -> None:
    job = make_job(Candidate(CodecReference("cropping"), (1,), "x"))
    words = r"cropping decoded photo0.png to \(1, 1, 3\), not \(40, 56"
    with pytest.raises(SlimcodecError, match=words):
        next(measure(job))


def test_each_size_of_picture_is_coded_once_untimed(make_job: MakeJob, photos: list[Path]) -> None:
    candidate = Candidate(CodecReference("numbering"), (1, 2), "x")
    list(measure(make_job(candidate)))
    assert Numbering.calls == ["encode", "decode"] + ["encode", "decode"] * 2
    list(measure(make_job(candidate)))
    assert Numbering.calls == ["encode", "decode"] * 5
    list(measure(make_job(candidate, image=photos[1])))
    assert Numbering.calls == ["encode", "decode"] * 8


def test_a_picture_is_read_once_for_all_codecs(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos[0].parent)
    read: list[Path] = []

    def reading(path: Path) -> Any:
        read.append(path)
        return read_image(path)

    monkeypatch.setattr(opening, "read_image", reading)
    store = RowStore(tmp_path / "rows.sqlite")
    candidates = [Candidate(CodecReference("jpeg"), (q,), f"jpeg {q}") for q in (20, 40)]
    run_grid(candidates, [Path(path.name) for path in photos], [], store, pictures=0)
    assert [path.name for path in read] == [path.name for path in photos]
    store.close()


# What decides bytes


def test_an_environment_says_what_decides_bytes(tiny: CodecReference) -> None:
    learned = opening.environment(tiny)
    assert learned["runtime"] == f"onnxruntime {onnxruntime.__version__}"
    assert learned["engine"].split() == [trusted().name, trusted().version]
    assert learned["slimcodec"] == slimcodec.__version__
    assert "threads" not in " ".join([*learned, *learned.values()])
    own = opening.environment(CodecReference("numbering"))
    assert own == {"slimcodec": slimcodec.__version__, "library": "libnumber 3, effort 2"}
    matched = opening.environment(CodecReference("numbering", same_size_as=tiny))
    assert matched == {**own, **{f"size, {n}": learned[n] for n in ("runtime", "engine")}}


def test_every_runtime_says_its_version() -> None:
    for name in registry.runtimes:
        described = registry.runtimes.get(name)().describe()
        assert described and all(version[0].isdigit() for version in described.values())


def test_rows_of_other_versions_do_not_count_as_done(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RowStore(tmp_path / "rows.sqlite")
    candidate = Candidate(CodecReference("numbering"), (1,), "mine")

    def run(into: RowStore) -> None:
        run_grid([candidate], photos[:1], [], into, repeats=1, pictures=0)

    run(store)
    (row,) = store
    Numbering.calls.clear()
    monkeypatch.setattr(Numbering, "environment", {"library": "libnumber 4, effort 2"})
    with pytest.raises(UsageError) as refusal:
        run(store)
    words = str(refusal.value)
    assert "'mine' made with library: libnumber 3, effort 2; here it is library: libn" in words
    assert "\n" not in words and str(store.path) in words and "--out" in words
    assert not Numbering.calls and list(store) == [row]
    # Neither do rows of old, which say nothing of versions.
    old = RowStore(tmp_path / "old.sqlite")
    old.add(replace(row, environment={}))
    with pytest.raises(UsageError, match="from before rows said which versions"):
        run(old)
    store.close()
    old.close()
    assert row.key != replace(row, environment={}).key


# Grids


def test_a_grid(
    tiny: CodecReference, tiny_codec: Codec, photos: list[Path], tmp_path: Path
) -> None:
    jpeg = CodecReference("jpeg")
    candidates = [Candidate(jpeg, (20, 60), "jpeg"), Candidate(tiny, (1, 5), "tiny/1 a")]
    store = RowStore(tmp_path / "rows.sqlite")
    calls: list[tuple[int, int, str]] = []
    metrics = ["psnr"]
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
    assert [call[0] for call in calls] == sorted(call[0] for call in calls)
    assert {call[0] for call in calls} == set(range(13))
    assert {call[1] for call in calls} == {12}
    assert [call[2] for call in calls[:2]] == ["photo0.png · jpeg", "photo0.png · jpeg · 20"]
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


class Backwards(InProcess):
    """An executor whose last job is done first, as workers may have it."""

    def run(self, jobs: Iterator[Job]) -> Generator[Measurement, None, None]:
        yield from super().run(reversed(list(jobs)))


def test_the_first_variant_is_first_whichever_is_measured_first(
    photos: list[Path], tmp_path: Path
) -> None:
    store = RowStore(tmp_path / "rows.sqlite")
    jpeg = CodecReference("jpeg")
    candidates = [Candidate(jpeg, (40,), "baseline"), Candidate(jpeg, (20,), "change")]
    run_grid(candidates, photos[:1], ["psnr"], store, pictures=0, executor=Backwards())
    assert [row.variant for row in store] == ["baseline", "change"]
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


def test_a_row_that_knows_less_than_is_asked_for_is_measured_again(
    photos: list[Path], tmp_path: Path
) -> None:
    """Of metrics and of repeats; what it knew besides stays, and who knows enough is left alone."""
    store = RowStore(tmp_path / "rows.sqlite")

    def run(metrics: list[str], repeats: int) -> Row:
        candidate = Candidate(CodecReference("jpeg"), (40,), "jpeg")
        run_grid([candidate], photos[:1], metrics, store, repeats=repeats, pictures=0)
        (row,) = store
        return row

    first = run(["psnr"], 1)
    more = run(["ssim"], 1)
    assert set(more.metrics) == {"psnr", "ssim"}
    assert more.metrics["psnr"] == first.metrics["psnr"]
    assert run(["ssim"], 3).repeats == 3
    timed = run(["psnr", "ssim"], 3)
    assert run(["psnr"], 1) == timed
    # What another metric or a picture asks for is no reason to know less of the times.
    compared = run(["delta-e"], 1)
    assert compared == replace(timed, metrics=compared.metrics)
    assert set(compared.metrics) == {"psnr", "ssim", "delta-e"}
    store.close()


def test_a_row_of_other_bytes_is_not_mixed_with_the_one_there(
    photos: list[Path], tmp_path: Path
) -> None:
    """As where something decides bytes that is not in the key."""
    store = RowStore(tmp_path / "rows.sqlite")
    candidates = [Candidate(CodecReference("jpeg"), (40,), "jpeg")]
    run_grid(candidates, photos[:1], ["psnr"], store, pictures=0)
    (row,) = store
    store.add(replace(row, stream_bytes=row.stream_bytes + 1))
    with pytest.raises(
        SlimcodecError, match=r"jpeg encodes photo0.png to .* bytes, and in .* it is"
    ):
        run_grid(candidates, photos[:1], ["psnr", "ssim"], store, pictures=0)
    store.close()


def test_another_picture_of_the_same_name_is_refused(photos: list[Path], tmp_path: Path) -> None:
    """Its rows would stand in one mean, and its original beside the other's decoded pictures."""
    store = RowStore(tmp_path / "rows.sqlite")
    candidates = [Candidate(CodecReference("jpeg"), (40,), "jpeg")]
    run_grid(candidates, photos[:1], ["psnr"], store, pictures=1)
    other = tmp_path / photos[0].name
    other.write_bytes(photos[1].read_bytes())
    original = tmp_path / "pictures" / photos[0].stem / "original.png"
    before = original.read_bytes()
    with pytest.raises(UsageError, match=r"holds rows of another picture called photo0.png"):
        run_grid(candidates, [other], ["psnr"], store, pictures=1)
    assert original.read_bytes() == before
    store.close()


def test_two_that_would_keep_pictures_in_one_place_are_refused(
    photos: list[Path], tmp_path: Path
) -> None:
    twin = tmp_path / f"{photos[0].stem}.bmp"
    twin.write_bytes(photos[1].read_bytes())
    jpeg = CodecReference("jpeg")
    one, other = Candidate(jpeg, (40,), "a b"), Candidate(jpeg, (50,), "a_b")
    store = RowStore(tmp_path / "rows.sqlite")
    with pytest.raises(UsageError, match=r"photo0.png and of photo0.bmp would lie in one place"):
        run_grid([one], [photos[0], twin], [], store, pictures=2)
    with pytest.raises(UsageError, match="a b and of a_b would lie in one place"):
        run_grid([one, other], photos[:1], [], store, pictures=1)
    assert not list(store)
    run_grid([one], [photos[0], twin], [], store, pictures=1)
    assert len(list(store)) == 2
    store.close()
