"""A run against an earlier one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slimcodec.bench import Row
from slimcodec.errors import UsageError
from slimcodec.report.comparison import compare_rows

NAMES = ("new", "old")


def many(rows: list[Row], count: int = 5) -> list[Row]:
    """The rows of the first image, on so many images of different sizes of stream."""
    return [
        replace(row, image=f"{n}.png", image_digest=f"{n}", stream_bytes=row.stream_bytes + 500 * n)
        for row in rows
        if row.image == rows[0].image
        for n in range(count)
    ]


def changed(rows: list[Row], variant: str, **changes: Any) -> list[Row]:
    return [replace(row, **changes) if row.variant == variant else row for row in rows]


def test_rows_that_are_equal_are_no_change(bench_rows: list[Row]) -> None:
    found = compare_rows(bench_rows, bench_rows, NAMES)
    assert found.sentences == [
        "No change in hific-s and jpeg: 20 streams of the same length, and pictures of the same "
        "metrics."
    ]
    assert [row[3] for row in found.table.rows] == ["no change", "no change"]


def test_what_changed_has_intervals(bench_rows: list[Row]) -> None:
    old = many(bench_rows)
    new = [
        replace(row, stream_bytes=round(0.9 * row.stream_bytes) + int(row.image[0]))
        if row.variant == "hific-s"
        else row
        for row in old
    ]
    found = compare_rows(new, old, NAMES)
    row = dict(zip([c.name for c in found.table.columns], found.table.rows[0], strict=True))
    assert row["Variant"] == "hific-s" and row["Images"] == "5" and row["Qualities"] == "5"
    assert row["Bytes (%)"].startswith("−10.0 [") or row["Bytes (%)"].startswith("−9.9 [")
    assert row["PSNR (%)"].startswith("−") and "[" in row["PSNR (%)"]
    assert row["PSNR (dB)"] == "0.00 [0.00, 0.00]"
    assert row["Time (%)"] == "0.0 [0.0, 0.0]"
    said = next(line for line in found.sentences if line.startswith("hific-s changed: bytes −"))
    assert "\N{NO-BREAK SPACE}% [−" in said
    assert any(line.startswith("No change in jpeg") for line in found.sentences)


def test_times_of_another_machine_are_not_compared(study_rows: list[Row]) -> None:
    new = changed(study_rows, "baseline", machine={"cpu": "Other", "cores": 2}, stream_bytes=9)
    found = compare_rows(new, study_rows, NAMES)
    assert (
        "Times of baseline are of another machine or number of threads, so they are not compared."
    ) in found.sentences
    assert found.table.rows[0][-1] == "–" and found.table.rows[1][-1] != "–"


def test_times_taken_beside_other_work_are_not_compared(study_rows: list[Row]) -> None:
    new = changed(study_rows, "baseline", beside="2 workers")
    found = compare_rows(study_rows, new, NAMES)
    assert "Times of baseline are taken beside other work, so" in " ".join(found.sentences)


def test_another_version_is_said(study_rows: list[Row]) -> None:
    old = changed(study_rows, "baseline", environment={"runtime": "onnx 1.22"}, stream_bytes=7)
    new = changed(study_rows, "baseline", environment={"runtime": "onnx 1.23"})
    said = " ".join(compare_rows(new, old, NAMES).sentences)
    assert "baseline changed (runtime onnx 1.22 → onnx 1.23)" in said


def test_what_only_one_has_is_named(study_rows: list[Row]) -> None:
    found = compare_rows(study_rows[:1], study_rows[1:] + study_rows[:1], NAMES)
    assert "Only in old: generator 30 % and JPEG, same size." in found.sentences


def test_nothing_in_common_is_an_error(study_rows: list[Row], bench_rows: list[Row]) -> None:
    with pytest.raises(UsageError, match="new and old have nothing in common"):
        compare_rows(bench_rows, study_rows, NAMES)


def test_pictures_that_came_back_equal_have_no_difference_in_db(study_rows: list[Row]) -> None:
    endless = {"psnr": float("inf")}
    new = changed(study_rows, "baseline", metrics=endless)
    old = changed(study_rows, "baseline", metrics=endless, stream_bytes=5)
    table = compare_rows(new, old, NAMES).table
    row = dict(zip([c.name for c in table.columns], table.rows[0], strict=True))
    assert row["PSNR (dB)"] == "–" and row["Bytes (%)"] != "no change"


def test_a_metric_that_is_new_is_no_change(study_rows: list[Row]) -> None:
    new = [replace(row, metrics={**row.metrics, "ssimulacra2": 70.0}) for row in study_rows]
    found = compare_rows(new, study_rows, NAMES)
    assert all(line.startswith("No change in ") for line in found.sentences)


def test_times_on_fewer_threads_are_not_compared(study_rows: list[Row]) -> None:
    """Two cores have two threads where rows say nothing, as those of old."""
    two = [replace(row, machine={**row.machine, "threads": 2}) for row in study_rows]
    one = [replace(row, machine={**row.machine, "threads": 1}) for row in study_rows]
    assert not any("Times of" in line for line in compare_rows(two, study_rows, NAMES).sentences)
    assert any("Times of" in line for line in compare_rows(one, study_rows, NAMES).sentences)
