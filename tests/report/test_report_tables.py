"""Tables as plain words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slimcodec.bench import Row, summarise
from slimcodec.bench.published import PublishedCurve, PublishedPoint
from slimcodec.report import (
    Table,
    bd_rate_table,
    change_table,
    points_table,
    rows_table,
    speed_table,
    study_table,
)
from slimcodec.report.rivalry import break_even_table, of_other_pictures, published_table
from slimcodec.report.tables import part_order


def cells(table: Table, row: str) -> dict[str, str]:
    """Heading to cell, of the row that begins with a word."""
    found = next(each for each in table.rows if each[0] == row)
    return dict(zip([column.name for column in table.columns], found, strict=True))


def test_points_table_has_a_row_per_point(bench_rows: list[Row]) -> None:
    table = points_table(summarise(bench_rows))
    assert len(table.rows) == 10
    first = cells(table, "hific-s")
    assert first["Size (bytes)"] == "5,120"
    assert first["PSNR (dB)"] == "24.50"
    assert first["Model (bytes)"] == "18,000,000"
    assert cells(table, "jpeg")["Model (bytes)"] == "–"
    assert "SSIM" not in first


def test_every_row_is_as_wide_as_its_head(study_rows: list[Row], study: dict[str, Any]) -> None:
    summary = summarise(study_rows, "baseline")
    tables = [
        points_table(summary),
        study_table(summary, study, study_rows),
        change_table(summary, study),
        bd_rate_table(summary),
        speed_table(summary),
        rows_table(study_rows),
    ]
    for table in tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert sum(span for _, span in table.groups) in (0, len(table.columns))


def test_study_table_has_the_papers_columns_then_ours(
    study_rows: list[Row], study: dict[str, Any]
) -> None:
    table = study_table(summarise(study_rows, "baseline"), study, study_rows)
    names = [column.name for column in table.columns]
    assert names == [
        "Variant", "Encoder", "Generator",
        "Total time (s)", "SSIM", "Average size (bytes)",
        "MS-SSIM", "PSNR (dB)", "LPIPS", "ΔE", "Model (bytes)",
        "Encoder (ms)", "Prior (ms)", "Entropy (ms)", "Generator (ms)", "Decoder (ms)",
        "Spread (%)",
    ]  # fmt: skip
    base = cells(table, "baseline")
    assert base["Total time (s)"] == "0.36"
    assert base["Average size (bytes)"] == "12,500"
    assert base["Prior (ms)"] == "20.0"
    assert base["Spread (%)"] == "4.0"
    assert base["Decoder (ms)"] == "–"


def test_a_ratio_that_is_not_named_is_zero_for_a_learned_variant_only(
    study_rows: list[Row], study: dict[str, Any]
) -> None:
    table = study_table(summarise(study_rows, "baseline"), study)
    assert cells(table, "generator 30 %")["Generator"] == "0.3"
    assert cells(table, "baseline")["Generator"] == "0"
    assert cells(table, "JPEG, same size")["Generator"] == "–"
    assert "Spread (%)" not in cells(table, "baseline")  # it needs the rows


def test_changes_stand_beside_the_published(study_rows: list[Row], study: dict[str, Any]) -> None:
    table = change_table(summarise(study_rows, "baseline"), study)
    assert [row[0] for row in table.rows] == ["generator 30 %"]  # the peer is no change of a pass
    change = cells(table, "generator 30 %")
    assert change == {
        "Variant": "generator 30 %",
        "Bytes here (%)": "0.0",
        "Bytes published (%)": "0.0",
        "SSIM here": "−0.0500",
        "SSIM published": "−0.1000",
        "Time here (%)": "−1.1",
        "Time published (%)": "−5.0",
    }
    assert "a paper" in table.note


def test_changes_without_published_figures(study_rows: list[Row]) -> None:
    table = change_table(summarise(study_rows, "baseline"), {})
    assert [c.name for c in table.columns] == [
        "Variant", "Bytes here (%)", "SSIM here", "Time here (%)",
    ]  # fmt: skip


def test_bd_rate_is_negative_for_fewer_bytes(bench_rows: list[Row]) -> None:
    table = bd_rate_table(summarise(bench_rows))
    assert cells(table, "hific-s") == {
        "Variant": "hific-s",
        "MS-SSIM (%)": "−20.0",
        "PSNR (%)": "−20.0",
    }
    assert "Negative means fewer bytes" in table.note


def test_bd_rate_table_is_empty_without_curves(study_rows: list[Row]) -> None:
    assert bd_rate_table(summarise(study_rows)).rows == []


def test_pictures_until_a_model_is_paid_for(bench_rows: list[Row]) -> None:
    """18 MB, and at quality 3 a fifth of 16,384 bytes less in each picture."""
    table = break_even_table(bench_rows)
    (row,) = table.rows
    assert row[:3] == ["hific-s", "18,000,000", "jpeg"]
    assert [column.name for column in table.columns][3:] == ["MS-SSIM", "PSNR"]
    assert 5_400 < int(row[3].replace(",", "")) < 5_600
    assert break_even_table(bench_rows[:3]).rows == []


def test_a_model_that_saves_nothing_is_never_paid_for(bench_rows: list[Row]) -> None:
    rows = [
        replace(row, stream_bytes=2 * row.stream_bytes) if row.model_bytes else row
        for row in bench_rows
    ]
    assert break_even_table(rows).rows[0][3:] == ["never", "never"]


def test_published_curves_have_a_table(bench_rows: list[Row]) -> None:
    points = [
        PublishedPoint(0.5 * 8 * 4000 * 1.6**q / (320 * 288), {"psnr": 22.0 + 2.5 * q})
        for q in range(1, 6)
    ]
    table = published_table(summarise(bench_rows), [PublishedCurve("VVC", "a lab", points)], {"a"})
    assert cells(table, "hific-s") == {"Variant": "hific-s", "VVC (%)": "+60.0"}
    assert table.groups == [("", 1), ("Against, at equal PSNR", 1)]
    assert "Sources: a lab." in table.note
    assert published_table(summarise(bench_rows), [], {"a"}).rows == []
    kodak = PublishedCurve("VVC", "a lab", points, frozenset({"kodim01", "kodim02"}))
    assert published_table(summarise(bench_rows), [kodak], {"a"}).rows == []
    assert "2 other pictures" in of_other_pictures([kodak], {"a"})
    assert published_table(summarise(bench_rows), [kodak], {"kodim02", "kodim01"}).rows
    assert of_other_pictures([kodak], {"kodim02", "kodim01"}) == ""


def test_speed_expected_is_the_share_of_zeros_of_the_parts_time(study_rows: list[Row]) -> None:
    table = speed_table(summarise(study_rows, "baseline"))
    speed = cells(table, "generator 30 %")
    assert speed["Weights set to zero"] == "generator 30\N{NO-BREAK SPACE}%"
    assert speed["Expected (ms)"] == "150.0"  # 180 - 0.3 * 100
    assert speed["Achieved (ms)"] == "178.0"
    assert len(table.rows) == 1


def test_probability_is_clocked_as_prior(make_row: Any) -> None:
    rows = [make_row(), make_row(variant="p", settings={"probability": 0.5})]
    assert cells(speed_table(summarise(rows, "baseline")), "p")["Expected (ms)"] == "170.0"


def test_points_over_fewer_images_are_named(study_rows: list[Row], study: dict[str, Any]) -> None:
    summary = summarise(study_rows[:-1], "baseline")  # as after a killed run
    for table in (points_table(summary), study_table(summary, study)):
        assert "JPEG, same size (1)" in table.note
    assert "Not all" not in points_table(summarise(study_rows)).note


def test_a_missing_metric_has_no_column_and_a_partial_one_a_dash(
    make_row: Any,
) -> None:
    some = {"psnr": 30.0}
    rows = [make_row(metrics=some), make_row(variant="x", metrics={**some, "ssim": 0.9})]
    table = points_table(summarise(rows))
    assert cells(table, "baseline")["SSIM"] == "–"
    assert "LPIPS" not in cells(table, "baseline")


def test_parts_come_as_an_image_meets_them(study_rows: list[Row]) -> None:
    points = summarise(study_rows).points
    expected = ["encoder", "prior", "entropy", "generator", "decoder"]
    assert part_order(points, study_rows) == expected
    assert set(part_order(points)) == set(expected)


def test_rows_are_listed_by_image(study_rows: list[Row]) -> None:
    table = rows_table(study_rows)
    images = [row[0] for row in table.rows]
    assert images == sorted(images)
    assert len(images) == 6
    assert [row[1] for row in table.rows[:3]] == ["baseline", "generator 30 %", "JPEG, same size"]


@pytest.mark.parametrize("columns", [["method"], ["bits"], ["absent"]])
def test_any_setting_can_be_a_column(make_row: Any, columns: list[str]) -> None:
    rows = [make_row(), make_row(variant="x", settings={"method": "global", "bits": 8})]
    table = study_table(summarise(rows, "baseline"), {"columns": columns})
    said = {"method": ("–", "global"), "bits": ("–", "8"), "absent": ("–", "–")}[columns[0]]
    assert tuple(row[1] for row in table.rows) == said
