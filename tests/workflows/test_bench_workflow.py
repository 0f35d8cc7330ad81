"""A bench and a study from a script: rows, summary and page in one call."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import slimcodec
from slimcodec.bench import Processes, PublishedCurve, Study
from slimcodec.bench.published import PublishedPoint
from slimcodec.errors import ImageError, MissingExtraError, UnknownNameError, UsageError
from slimcodec.images import write_image
from slimcodec.types import Image
from slimcodec.workflows.study import folders_of

TINY = Path(__file__).parents[1] / "golden" / "tiny.slim"


@pytest.fixture()
def photos(picture: Callable[..., Image], tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        write_image(folder / f"{number}.png", picture(40, 56, seed=number))
    return folder


def test_a_bench_in_one_call(photos: Path, tmp_path: Path) -> None:
    (photos / "notes.txt").touch()
    said: list[str] = []
    progress: list[tuple[int, int]] = []
    results = slimcodec.run_bench(
        ["jpeg", TINY], photos, tmp_path / "out",
        qualities=[2, 4], metrics=["psnr"], pictures=1,
        on_progress=lambda done, total, what: progress.append((done, total)), on_note=said.append,
    )  # fmt: skip
    assert [(r.variant, r.quality, r.image) for r in results.rows[:4]] == [
        ("jpeg", 2, "0.png"), ("jpeg", 2, "1.png"), ("jpeg", 4, "0.png"), ("jpeg", 4, "1.png"),
    ]  # fmt: skip
    assert {point.variant for point in results.summary.points} == {"jpeg", "tiny"}
    assert results.page == tmp_path / "out" / "report" / "index.html"
    assert results.page.is_file()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary == json.loads(json.dumps(results.summary.to_dict()))
    assert len((tmp_path / "out" / "rows.tsv").read_text(encoding="utf-8").splitlines()) == 9
    assert progress[0] == (0, 8) and (8, 8) in progress
    assert len(said) == 1 and "notes.txt" in said[0]
    again = slimcodec.run_bench(
        ["jpeg", TINY], photos, tmp_path / "out",
        qualities=[2, 4], metrics=["psnr"], pictures=1, executor=Processes(2, threads=1),
    )  # fmt: skip
    assert again.rows == results.rows


def test_what_is_refused_is_refused_first(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UnknownNameError, match="psnr"):
        slimcodec.run_bench(["jpeg"], photos, out, metrics=["psnrr"])
    with pytest.raises(UsageError, match="500"):
        slimcodec.run_bench(["jpeg"], photos, out, qualities=[500])
    with pytest.raises(ImageError, match="nowhere"):
        slimcodec.run_bench(["jpeg"], tmp_path / "nowhere", out)
    with pytest.raises(UnknownNameError, match="unknown runtime 'nope'"):
        slimcodec.run_bench(["jpeg"], photos, out, runtime="nope")
    (photos / "2.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"2\.png: not an image"):
        slimcodec.run_bench(["jpeg"], photos, out)
    (photos / "2.png").unlink()
    assert not out.exists()
    with pytest.raises(UsageError, match="nothing to measure; name a codec"):
        slimcodec.run_bench([], photos, out)


STUDY: dict[str, Any] = {
    "name": "mine",
    "codec": str(TINY),
    "metrics": ["psnr"],
    "repeats": 1,
    "figure": {"image": "1.png"},
    "variant": [
        {"name": "tiny"},
        {"name": "pruned", "pass": [{"pass": "prune", "generator": 0.5}]},
        {"name": "JPEG, same size", "codec": "jpeg", "same_size_as": "tiny"},
    ],
}


def test_a_study_in_one_call(photos: Path, tmp_path: Path) -> None:
    study = Study.from_dict(STUDY, "here")
    stages: list[str] = []
    results = slimcodec.run_study(
        study, photos, tmp_path / "out", pictures=0,
        on_progress=lambda done, total, what: stages.append(what),
    )  # fmt: skip
    assert [row.variant for row in results.rows[::2]] == [v["name"] for v in STUDY["variant"]]
    assert stages[0] == "shrinking · tiny" and "done" in stages
    assert [path.name for path in (tmp_path / "out" / "pictures").iterdir()] == ["1"]
    described = json.loads((tmp_path / "out" / "study.json").read_text(encoding="utf-8"))
    assert described == study.describe()
    pruned = next(row for row in results.rows if row.variant == "pruned")
    assert pruned.base == slimcodec.load_model(TINY).digest != pruned.digest
    matched = next(row for row in results.rows if row.variant.startswith("JPEG"))
    assert "size, runtime" in matched.environment
    other = Study.from_dict({**STUDY, "name": "other"}, "here")
    with pytest.raises(UsageError, match="holds the study 'mine'"):
        slimcodec.run_study(other, photos, tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "runtime", "words"),
    [
        ({}, "nope", "unknown runtime 'nope'"),
        ({"quality": 500}, None, "500"),
        ({"variant": [*STUDY["variant"], {"name": "more", "codec": "jpgg"}]}, None, "jpgg"),
        (
            {"variant": [*STUDY["variant"], {"name": "more", "codec": "jpeg", "quality": 500}]},
            None,
            "study 'mine', variant 'more': jpeg quality must be 1 to 95, got 500",
        ),
        (
            {"variant": [{"name": "eight bits", "recipe": "int8"}]},
            None,
            "study 'mine', variant 'eight bits': quantize measures on photographs; name a folder",
        ),
    ],
)
def test_what_a_study_cannot_measure_is_refused_before_a_model_is_made(
    photos: Path, tmp_path: Path, changes: dict[str, Any], runtime: str | None, words: str
) -> None:
    study = Study.from_dict({**STUDY, **changes}, "here")
    with pytest.raises(UsageError, match=words):
        slimcodec.run_study(study, photos, tmp_path / "out", runtime=runtime)
    assert not (tmp_path / "out").exists()


def test_a_study_without_torch_makes_nothing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.from_dict(STUDY, "here")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"slimcodec\[torch\]"):
        slimcodec.run_study(study, photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_curves_are_kept_of_a_bench_that_is_not_refused(photos: Path, tmp_path: Path) -> None:
    out, kept = tmp_path / "out", tmp_path / "out" / "published.csv"
    one, other = (
        [PublishedCurve("VVC", source, [PublishedPoint(1.0, {"psnr": 30.0})])]
        for source in ("a lab", "another")
    )
    slimcodec.run_bench(["jpeg"], photos, out, qualities=[2], metrics=["psnr"], curves=one)
    before = kept.read_bytes()
    (photos / "0.png").write_bytes((photos / "1.png").read_bytes())
    with pytest.raises(UsageError, match="another picture"):
        slimcodec.run_bench(["jpeg"], photos, out, qualities=[2], metrics=["psnr"], curves=other)
    assert kept.read_bytes() == before and b"a lab" in before


def test_two_at_once_do_not_write_into_one_folder(photos: Path, tmp_path: Path) -> None:
    refused: list[str] = []

    def progress(done: int, total: int, what: str) -> None:
        if not refused:
            with pytest.raises(UsageError, match="another bench or study measures into") as error:
                slimcodec.run_bench(["webp"], photos, tmp_path, metrics=["psnr"])
            refused.append(str(error.value))

    slimcodec.run_bench(
        ["jpeg"], photos, tmp_path, qualities=[2], metrics=["psnr"], on_progress=progress
    )
    assert refused
    results = slimcodec.run_bench(["webp"], photos, tmp_path, qualities=[2], metrics=["psnr"])
    assert {row.variant for row in results.rows} == {"jpeg", "webp"}


def test_a_study_is_against_its_first_variant_everywhere(photos: Path, tmp_path: Path) -> None:
    """Also where another one is called as what benches are against."""
    variants = [{"name": "tiny"}, {"name": "jpeg", "codec": "jpeg"}]
    study = Study.from_dict({**STUDY, "variant": variants, "quality": [2]}, "here")
    assert slimcodec.run_study(study, photos, tmp_path).summary.reference == "tiny"


def test_several_studies_have_a_folder_each(tmp_path: Path) -> None:
    one, two = (Study.from_dict({**STUDY, "name": name}, "here") for name in ("one", "two"))
    assert folders_of([one], tmp_path) == [tmp_path]
    assert folders_of([one, two], tmp_path) == [tmp_path / "one", tmp_path / "two"]
    with pytest.raises(UsageError, match="two of the studies are called 'one'"):
        folders_of([one, one], tmp_path)


def test_a_study_by_name_changed() -> None:
    study = slimcodec.read_study("paper_table1", codec="hific-s", repeats=7)
    assert (study.codec, study.repeats) == ("hific-s", 7)
    assert slimcodec.read_study("paper_table1").codec != "hific-s"
    with pytest.raises(UnknownNameError, match="paper_table1"):
        slimcodec.read_study("paper_table")
