"""What was published, against what is seen here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slimcodec.bench import Row, summarise
from slimcodec.metrics import Interval
from slimcodec.report.figures import change_lanes
from slimcodec.report.trends import Trend, find_trends, trend_sentences, trend_table


def trend(key: str, here: Interval, published: float | None) -> Trend:
    return Trend("v", "first", key, here, published, "")


@pytest.mark.parametrize(
    ("here", "published", "words"),
    [
        (Interval(4.8, 3.0, 6.0), 4.0, "agrees: 1.2 times as large here"),
        (Interval(190.0, 150.0, 230.0), 1.0, "direction agrees, size does not: 190 times as large"),
        (Interval(33.0, 24.0, 45.0), 1.0, "direction agrees, size does not: 33 times as large"),
        (Interval(-1.0, -2.0, -0.5), 1.0, "differs: the other direction"),
        (Interval(1.0, -2.0, 3.0), 5.0, "differs: no change here"),
        (Interval(1.0, 0.5, 2.0), 0.0, "differs: no change there"),
        (Interval(0.02, 0.01, 0.03), 0.0, "agrees: no change in either"),
        (Interval(1.0), None, ""),
    ],
)
def test_sign_and_size(here: Interval, published: float | None, words: str) -> None:
    assert trend("average_bytes", here, published).words.startswith(words)


@pytest.mark.parametrize(
    ("key", "still"), [("average_bytes", 0.05), ("ssim", 0.0004), ("total_time_s", 1.0)]
)
def test_what_is_below_print_or_clock_is_no_change(key: str, still: float) -> None:
    assert trend(key, Interval(still), still).words == "agrees: no change in either"
    assert trend(key, Interval(4 * still), 4 * still).words.startswith("agrees: 1 times")


def images_of_a_study(study_rows: list[Row], count: int = 6) -> list[Row]:
    return [
        replace(row, image=f"{n}.png", image_digest=f"{n}")
        for row in study_rows
        if row.image == "alps.png"
        for n in range(count)
    ]


def test_published_trends_of_a_study(study_rows: list[Row], study: dict[str, Any]) -> None:
    """Published: the same bytes, 0.1 of SSIM lost, 5 % of the time; here 0.05 lost and 1.1 %."""
    rows = images_of_a_study(study_rows)
    trends = find_trends(summarise(rows, "baseline"), rows, study)
    assert [(t.variant, t.key) for t in trends] == [
        ("generator 30 %", "average_bytes"),
        ("generator 30 %", "ssim"),
        ("generator 30 %", "total_time_s"),
    ]
    size, ssim, time = trends
    assert size.agreement == "agrees" and "as long as before" in size.why
    assert ssim.words == "agrees: 0.5 times as large here" and ssim.is_alike
    assert ssim.why == "SSIM alone: PSNR and LPIPS stay"
    assert time.words == "differs: no change here"
    assert "generator 30\N{NO-BREAK SPACE}% zeros" in time.why and "multiply by zeros" in time.why
    table = trend_table(trends)
    assert len(table.rows) == 3
    assert all(len(row) == len(table.columns) for row in table.rows)
    said = trend_sentences(trends)
    assert said[0] == (
        "Of 3 published changes, 2 agree in direction (bytes 1 of 1, SSIM 1 of 1 and time 0 of 1), "
        "2 of them in size too, to a factor of two."
    )
    assert said[1].startswith("Where time differs, −5.0\N{NO-BREAK SPACE}% is published and −1.1")
    assert "multiply by zeros" in said[1]


def test_a_part_that_runs_while_encoding_is_why_bits_change(
    study_rows: list[Row], study: dict[str, Any]
) -> None:
    rows = [
        replace(row, settings={"encoder": 0.3}, stream_bytes=13_000)
        if row.variant == "generator 30 %"
        else row
        for row in images_of_a_study(study_rows)
    ]
    size, *_ = find_trends(summarise(rows, "baseline"), rows, study)
    assert size.words == "differs: no change there"
    assert size.why == "the encoder runs while encoding, so other bits are written"


def test_a_part_that_saves_time_is_named(study_rows: list[Row], study: dict[str, Any]) -> None:
    rows = [
        replace(row, decode_ms=70.0, parts_ms={**row.parts_ms, "decode.generator": 50.0})
        if row.variant == "generator 30 %"
        else row
        for row in images_of_a_study(study_rows)
    ]
    time = find_trends(summarise(rows, "baseline"), rows, study)[-1]
    assert time.words.startswith("direction agrees, size does not: 5.6 times")
    assert time.why == "most of it in generator while decoding: −50.0 ms"


def test_other_metrics_that_move_are_named(study_rows: list[Row], study: dict[str, Any]) -> None:
    worse = {"ssim": 0.75, "psnr": 26.5, "lpips": 0.141}
    rows = [
        replace(row, metrics={**row.metrics, **worse}) if row.variant == "generator 30 %" else row
        for row in images_of_a_study(study_rows)
    ]
    ssim = find_trends(summarise(rows, "baseline"), rows, study)[1]
    assert ssim.why == "not SSIM alone: PSNR −1.50 dB"


def test_without_published_figures_there_is_no_verdict(study_rows: list[Row]) -> None:
    trends = find_trends(summarise(study_rows, "baseline"), study_rows, {})
    assert trend_table(trends).rows == [] and trend_sentences(trends) == []
    assert {t.agreement for t in trends} == {""}


def test_changes_are_drawn_with_the_published_ones_hollow(
    study_rows: list[Row], study: dict[str, Any]
) -> None:
    rows = images_of_a_study(study_rows)
    summary = summarise(rows, "baseline")
    drawn = change_lanes(summary, find_trends(summary, rows, study))
    assert [chart.title for chart in drawn] == ["Bytes", "SSIM", "Time"]
    for chart in drawn:
        (lane,) = chart.lanes
        here, there = lane.dots
        assert not here.hollow and there.hollow and "published" in there.words
    assert drawn[2].lanes[0].figure == "−1.1"


def test_times_that_were_not_alone_are_not_judged(
    study_rows: list[Row], study: dict[str, Any]
) -> None:
    """Where some pictures were timed alone those decide; where none were nothing is decided."""
    rows = images_of_a_study(study_rows)

    def of_time(rows: list[Row]) -> Trend:
        trends = find_trends(summarise(rows, "baseline"), rows, study)
        return next(t for t in trends if t.key == "total_time_s" and t.published is not None)

    loud = [replace(row, beside="2 workers", encode_ms=9.0 * row.encode_ms) for row in rows]
    some = [after if row.image == "0.png" else row for row, after in zip(rows, loud, strict=True)]
    assert of_time(some).here.value == pytest.approx(of_time(rows).here.value)
    assert of_time(some).agreement == of_time(rows).agreement != ""
    assert of_time(loud).agreement == ""
    assert of_time(loud).words == "not judged: timed beside other work"
    said = trend_sentences(find_trends(summarise(loud, "baseline"), loud, study))
    assert said[-1] == "Times are not judged, as they were timed beside other work."
    assert "time" not in said[0]
    moved = [
        replace(row, machine={"cpu": "Other"}) if row.variant == "baseline" else row for row in rows
    ]
    assert of_time(moved).words.startswith("not judged: timed on different machines")
