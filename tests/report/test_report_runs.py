"""Several runs: told apart, put together, refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slimcodec.bench import Row, read_rows, rows_to_tsv, summarise
from slimcodec.errors import SlimcodecError, UsageError
from slimcodec.report import build_report
from slimcodec.report.runs import group_runs, read_run, read_runs

Fill = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, fill: Fill) -> Callable[..., Path]:
    def make(name: str, rows: list[Row], study: dict[str, Any] | None = None) -> Path:
        (tmp_path / name).mkdir(parents=True)
        return fill(tmp_path / name, rows, study)

    return make


def test_the_same_measurement_counts_once(folder: Fill, bench_rows: list[Row]) -> None:
    later = [replace(row, encode_ms=999.0) for row in bench_rows if row.variant == "jpeg"]
    runs = read_runs([folder("a", bench_rows), folder("b", later)])
    (group,) = group_runs(runs)
    assert len(group.rows) == len(bench_rows)
    assert max(row.encode_ms for row in group.rows) < 999
    assert any("the same to the key" in line for line in group.remarks)


@pytest.mark.parametrize(
    "change", [{"digest": "cd" * 32}, {"environment": {"library": "libjpeg 9"}}, {"runtime": "x"}]
)
def test_one_name_made_otherwise_is_told_apart(
    folder: Fill, bench_rows: list[Row], change: dict[str, Any]
) -> None:
    other = [replace(row, **change) if row.variant == "jpeg" else row for row in bench_rows]
    (group,) = group_runs(read_runs([folder("a", bench_rows), folder("b", other)]))
    assert list(dict.fromkeys(row.variant for row in group.rows)) == [
        "hific-s", "jpeg (a)", "jpeg (b)",
    ]  # fmt: skip
    assert any(line.startswith("jpeg was made by other models") for line in group.remarks)


def test_only_pictures_that_all_have_count(folder: Fill, bench_rows: list[Row]) -> None:
    half = [row for row in bench_rows if row.image == "alps.png"]
    (group,) = group_runs(read_runs([folder("a", bench_rows), folder("b", half)]))
    assert {row.image for row in group.rows} == {"alps.png"}
    assert "1 picture that not all runs measured is left out." in group.remarks


def test_nothing_in_common_is_an_error(folder: Fill, bench_rows: list[Row]) -> None:
    first = [row for row in bench_rows if row.image == "alps.png"]
    rest = [row for row in bench_rows if row.image != "alps.png"]
    runs = read_runs([folder("a", first), folder("b", rest)])
    with pytest.raises(UsageError, match="a and b have no picture in common"):
        group_runs(runs)


def test_a_folder_twice_is_an_error(folder: Fill, bench_rows: list[Row]) -> None:
    place = folder("a", bench_rows)
    with pytest.raises(UsageError, match="is named twice"):
        read_runs([place, place / ".." / "a"])


def test_folders_without_rows_are_errors(tmp_path: Path, folder: Fill, bench_rows: Any) -> None:
    place = folder("a", bench_rows)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SlimcodecError, match=r"rows\.sqlite is not there"):
        read_runs([place, tmp_path / "empty"])
    with pytest.raises(UsageError, match="at least one folder"):
        read_runs([])


def test_runs_of_one_name_are_told_by_what_is_above(folder: Fill, bench_rows: list[Row]) -> None:
    places = [folder("now/kodak", bench_rows), folder("then/kodak", bench_rows)]
    assert [run.name for run in read_runs(places)] == ["now/kodak", "then/kodak"]


def test_a_run_that_went_on_with_another_version_is_two_variants(
    folder: Fill, bench_rows: list[Row]
) -> None:
    """After an update the same folder holds what both versions measured."""
    after = [replace(row, environment={"runtime": "onnx 1.23"}) for row in bench_rows[:10]]
    run = read_run(folder("a", [*bench_rows, *after]))
    names = list(dict.fromkeys(row.variant for row in run.rows))
    assert "hific-s (onnx 1.23)" in names and "hific-s" in names
    assert len(run.rows) == 30


def test_makers_of_one_name_are_all_told_apart(folder: Fill, bench_rows: list[Row]) -> None:
    """Two models after an update are two, though the same words tell both from the first; and a
    name that is told apart is nobody else's."""
    environment = {"runtime": "onnx 1.23"}
    other = [replace(row, environment=environment) for row in bench_rows]
    third = [replace(row, environment=environment, digest="cd" * 32) for row in bench_rows]
    named = [replace(row, variant="jpeg (onnx 1.23)") for row in bench_rows if not row.model_bytes]
    run = read_run(folder("a", [*bench_rows, *other, *third, *named]))
    assert len({row.variant for row in run.rows}) == 7
    assert {row.images for row in summarise(run.rows).points} == {2}


def test_runs_put_together_are_as_one_run(folder: Fill, bench_rows: list[Row]) -> None:
    """Qualities of two runs in one order, a picture that was renamed under one name, and what
    either measured of the same stream."""
    first = [row for row in bench_rows if row.quality != 2]
    second = [
        replace(row, image=f"copy of {row.image}", metrics={**row.metrics, "extra": 1.0})
        for row in bench_rows
        if row.quality in (1, 2)
    ]
    (group,) = group_runs(read_runs([folder("a", first), folder("b", second)]))
    places = [(row.variant, row.quality, row.image) for row in group.rows]
    assert places == [(row.variant, row.quality, row.image) for row in _in_order(bench_rows)]
    assert {row.quality for row in group.rows if "extra" in row.metrics} == {1, 2}


def _in_order(rows: list[Row]) -> list[Row]:
    variants = list(dict.fromkeys(row.variant for row in rows))
    return sorted(rows, key=lambda row: (variants.index(row.variant), row.quality, row.image))


def test_a_run_named_like_a_variant_of_another(folder: Fill, bench_rows: list[Row]) -> None:
    jpeg = [row for row in bench_rows if not row.model_bytes]
    other = [replace(row, digest="cd" * 32) for row in jpeg]
    taken = [replace(row, variant="jpeg (b)") for row in jpeg]
    (group,) = group_runs(read_runs([folder("a", [*bench_rows, *taken]), folder("b", other)]))
    assert len({row.variant for row in group.rows}) == 4
    assert {point.images for point in summarise(group.rows).points} == {2}


def test_a_page_of_a_bench_and_two_studies(
    tmp_path: Path, folder: Fill, bench_rows: list[Row], study_rows: list[Row], study: Any
) -> None:
    places = [
        folder("study", study_rows, study),
        folder("bench", bench_rows),
        folder("again", study_rows, {**study, "title": "Another study"}),
    ]
    with pytest.raises(UsageError, match="say -o DIR"):
        build_report(places)
    page = build_report(places, tmp_path / "page")
    assert page == tmp_path / "page" / "index.html"
    text = page.read_text("utf-8")
    for expected in (
        "Results of study, bench and again", "Of 3 published changes,", "A small study",
        "Another study", 'id="rate"',
        'id="c2-numbers"', 'id="c3-numbers"', "../bench/rows.sqlite", "alps.png (bench)",
    ):  # fmt: skip
        assert expected in text, expected
    assert text.count('id="pictures"') == 1


def test_a_page_is_not_put_among_rows(folder: Fill, bench_rows: list[Row]) -> None:
    place = folder("a", bench_rows)
    with pytest.raises(UsageError, match="holds results"):
        build_report([place], place)


def as_text(place: Path, old: bool = False) -> None:
    """What is left of a folder's rows where results travelled without their store."""
    rows_to_tsv(read_rows(place), place / "rows.tsv")
    (place / "rows.sqlite").unlink()
    if old:
        lines = (place / "rows.tsv").read_text("utf-8").splitlines()
        width = lines[0].split("\t").index("image_digest")
        kept = "".join("\t".join(line.split("\t")[:width]) + "\n" for line in lines)
        (place / "rows.tsv").write_text(kept, "utf-8")


def test_a_page_of_text_alone(
    tmp_path: Path, folder: Fill, bench_rows: list[Row], study_rows: list[Row], study: Any
) -> None:
    """It says what the store's says."""
    places = [folder("whole", bench_rows), folder("study", study_rows, study)]
    first = build_report(places, tmp_path / "one").read_text("utf-8")
    for place in places:
        as_text(place)
    with pytest.raises(UsageError, match="holds results"):
        build_report(places[:1], places[0])
    second = build_report(places, tmp_path / "two").read_text("utf-8")
    assert "whole/rows.sqlite" in first
    assert "whole/rows.sqlite" not in second
    assert "whole/rows.tsv" in second
    assert ">Settings<" in first
    assert first.count("<td") == second.count("<td")


def test_a_page_of_text_of_old(
    folder: Fill, bench_rows: list[Row], study_rows: list[Row], study: Any
) -> None:
    """Without settings, and on a machine that is no other's."""
    place, then = folder("study", study_rows, study), folder("then", study_rows, study)
    assert "of another machine" not in build_report(place, None, then).read_text("utf-8")
    for each in (place, then):
        as_text(each, old=True)
    text = build_report(place, None, then).read_text("utf-8")
    assert ">Settings<" not in text
    assert "of another machine" in text


def test_a_page_says_what_changed(tmp_path: Path, folder: Fill, bench_rows: list[Row]) -> None:
    better = [replace(row, stream_bytes=row.stream_bytes - 9) for row in bench_rows]
    page = build_report(folder("new", better), None, folder("old", bench_rows))
    text = page.read_text("utf-8")
    assert "new against old" in text and "What changed" in text and "hific-s changed" in text
