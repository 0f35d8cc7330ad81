"""Several codecs in one study, compared like with like; and codecs that work in iterations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slimcodec.bench import Row, summarise
from slimcodec.report import (
    Table,
    build_report,
    change_table,
    speed_table,
    steps_table,
    study_table,
)
from slimcodec.report.figures import time_bars
from slimcodec.report.selection import changed_points
from slimcodec.report.verdict import verdict

PUBLISHED = {
    "published": {
        "RNN": {"ssim": 0.8, "average_bytes": 1000},
        "RNN decoder 30 %": {"ssim": 0.7, "average_bytes": 900},
    }
}


def column(table: Table, name: str) -> list[str]:
    place = [column.name for column in table.columns].index(name)
    return [row[place] for row in table.rows]


def test_changes_are_within_a_codec(two_codec_rows: list[Row]) -> None:
    pairs = [(a.variant, b.variant) for a, b in changed_points(summarise(two_codec_rows))]
    assert pairs == [
        ("RNN decoder 30 %", "RNN"),
        ("RNN probability 30 %", "RNN"),
        ("HiFiC generator 30 %", "HiFiC"),
    ]
    table = change_table(summarise(two_codec_rows), PUBLISHED)
    assert table.title == "Change against RNN and HiFiC"
    assert column(table, "Against") == ["RNN", "RNN", "HiFiC"]
    assert column(table, "Bytes here (%)") == ["0.0", "0.0", "−10.9"]  # 11,000 of 12,345
    assert column(table, "Bytes published (%)") == ["−10.0", "–", "–"]
    assert column(table, "SSIM published") == ["−0.1000", "–", "–"]


def test_speed_is_expected_of_the_own_codec(two_codec_rows: list[Row]) -> None:
    table = speed_table(summarise(two_codec_rows))
    assert column(table, "Variant") == ["RNN decoder 30 %", "HiFiC generator 30 %"]
    # Of the RNN, 0.3 of the decoder's 25 + 30 ms in 86 + 37 ms; of HiFiC, 0.3 of 100 in 180.
    assert column(table, "Expected (ms)") == ["106.5", "150.0"]
    assert column(table, "Achieved (ms)") == ["123.0", "150.0"]
    assert "RNN takes 123.0 ms and HiFiC takes 180.0 ms" in table.note
    assert "not clocked by itself" in table.note  # the RNN's probability


def test_nothing_is_said_of_unclocked_parts_where_there_are_none(study_rows: list[Row]) -> None:
    assert "clocked" not in speed_table(summarise(study_rows)).note


def test_variants_at_another_quality_are_changes_of_their_own_first(
    stepped_row: Callable[..., Row],
) -> None:
    rows = [
        stepped_row("three", 3),
        stepped_row("five", 5),
        stepped_row("three, pruned", 3),
        stepped_row("five, pruned", 5),
    ]
    summary = summarise(rows)
    pairs = [(a.variant, b.variant) for a, b in changed_points(summary)]
    assert pairs == [("three, pruned", "three"), ("five, pruned", "five")]
    table = study_table(summary, {})
    assert column(table, "Quality") == ["3", "5", "3", "5"]
    groups, _ = time_bars(summary, rows)
    assert [group.detail for group in groups] == ["quality 3", "quality 5"] * 2


def test_a_setting_is_zero_only_where_the_codec_could_have_it(two_codec_rows: list[Row]) -> None:
    summary = summarise(two_codec_rows)
    table = study_table(summary, {"columns": ["decoder", "generator"]})
    assert column(table, "Decoder") == ["0", "0.3", "0", "–", "–", "–"]
    assert column(table, "Generator") == ["–", "–", "–", "0", "0.3", "–"]


def test_the_headline_has_a_sentence_for_each_codec(two_codec_rows: list[Row]) -> None:
    said = " ".join(verdict(summarise(two_codec_rows), two_codec_rows, {}, is_study=True))
    assert said.startswith("Against RNN, its 2 other variants change the average stream by 0.0")
    assert ". Against HiFiC, HiFiC generator 30 % changes the average stream by −10.9" in said


def test_time_per_iteration(stepped_row: Callable[..., Row]) -> None:
    """From the highest quality: a lower one is the same, ended earlier."""
    rows = [stepped_row("rnn", n) for n in (1, 2, 3)]
    table = steps_table(summarise(rows))
    assert [(name, span) for name, span in table.groups] == [("", 1), ("Encode", 3), ("Decode", 3)]
    assert [column.name for column in table.columns] == [
        "Iteration",
        "Encoder (ms)", "Decoder (ms)", "Up to here (ms)",
        "Entropy (ms)", "Decoder (ms)", "Up to here (ms)",
    ]  # fmt: skip
    assert table.rows == [
        ["1", "10.0", "0.0", "10.0", "1.0", "5.0", "6.0"],
        ["2", "20.0", "10.0", "40.0", "2.0", "10.0", "18.0"],
        ["3", "30.0", "15.0", "85.0", "3.0", "15.0", "36.0"],
    ]
    assert table.note.startswith("Milliseconds of rnn for one image")


def test_iterations_are_those_of_each_codecs_first_variant(
    two_codec_rows: list[Row], stepped_row: Callable[..., Row]
) -> None:
    other = stepped_row("other", 4, base="another model")
    table = steps_table(summarise([*two_codec_rows, other]))
    assert column(table, "Variant") == ["RNN"] * 3 + ["other"] * 4
    assert column(table, "Iteration") == ["1", "2", "3", "1", "2", "3", "4"]
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_codecs_without_iterations_have_no_such_table(study_rows: list[Row]) -> None:
    assert steps_table(summarise(study_rows)).rows == []


@pytest.mark.parametrize("kind", ["bench", "study"])
def test_the_page_shows_iterations(
    kind: str,
    tmp_path: Path,
    fill: Callable[..., Path],
    two_codec_rows: list[Row],
    stepped_row: Callable[..., Row],
) -> None:
    ladder = [stepped_row("rnn", n) for n in range(1, 6)]
    study: dict[str, Any] | None = {"title": "Two", **PUBLISHED} if kind == "study" else None
    page = build_report(fill(tmp_path, two_codec_rows if study else ladder, study))
    text = page.read_text("utf-8")
    assert "Time per iteration" in text and "Up to here" in text
    if study:
        assert "Change against RNN and HiFiC" in text
    else:
        assert "<svg" in text  # the ladder is a curve as any other
