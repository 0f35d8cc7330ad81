"""What a page says first: true, and never a win without the metric in which somebody else wins."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec.bench import Point, Row, Summary, summarise
from slimcodec.metrics import Interval
from slimcodec.report.selection import changed_points
from slimcodec.report.sentences import beside_note, changes, facts, same_size_notes
from slimcodec.report.standing import Standing, crossings, duels, outcome, standings
from slimcodec.report.text import metric_label
from slimcodec.report.verdict import cost_sentence, standing_sentences, verdict

METRICS = ("ssim", "ms-ssim", "psnr", "lpips", "delta-e")
PEERS = ("jpeg", "webp", "avif")


def point(variant: str, model_bytes: int) -> Point:
    """Nothing but what a verdict looks at."""
    metrics = dict.fromkeys(METRICS, 0.5)
    return Point(variant, variant, 1.0, 24, 0.5, 1000.0, metrics, 50.0, 100.0, 1.0, {}, model_bytes)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    value = draw(st.floats(-80, 80).filter(lambda v: abs(v) > 0.05))
    if draw(st.booleans()):
        return Interval(value)
    return Interval(value, value - draw(st.floats(0, 40)), value + draw(st.floats(0, 40)))


FOUGHT = st.dictionaries(
    st.sampled_from(PEERS),
    st.dictionaries(st.sampled_from(METRICS), intervals(), min_size=1),
    min_size=1,
)


@settings(max_examples=300)
@given(FOUGHT)
def test_no_win_is_named_without_every_metric_in_which_a_peer_wins(
    fought: dict[str, dict[str, Interval]],
) -> None:
    points = [point("slim", 10_000_000), *(point(name, 0) for name in PEERS)]
    summary = Summary(points, "jpeg", {})
    compared = standings(summary, fought)
    said = standing_sentences("slim", compared, 24, rivals=len(PEERS))[0]
    for metric in METRICS:
        rates = {name: each[metric] for name, each in fought.items() if metric in each}
        if not rates:
            assert f"at equal {metric_label(metric)}" not in said
            continue
        standing = next(each for each in compared if each.metric == metric)
        assert standing.rival in said and f"at equal {metric_label(metric)}" in said
        outcomes = {outcome(rate) for rate in rates.values()}
        # Won is only what is won against everybody; whoever wins surely is the one who is named.
        assert (standing.outcome == "wins") == (outcomes == {"wins"})
        assert (standing.outcome == "loses") == ("loses" in outcomes)
        if standing.outcome == "loses":
            assert f"at equal {metric_label(metric)}" in said.partition("more bytes")[2]
        named = outcome(rates[standing.rival])
        alike = [rate.value for rate in rates.values() if outcome(rate) == named]
        assert rates[standing.rival].value == max(alike)


@given(intervals())
def test_an_interval_with_zero_in_it_is_no_difference(rate: Interval) -> None:
    if rate.low is None or rate.high is None:
        assert outcome(rate) == ("wins" if rate.value < 0 else "loses")
    else:
        assert (outcome(rate) == "level") == (rate.low <= 0 <= rate.high)


def ladder(make_row: Callable[..., Row], sizes: dict[str, float], images: int) -> list[Row]:
    """Each variant's streams as long as said, in shares of JPEG's, for the same PSNR."""
    rows = []
    for n in range(images):
        for name, share in sizes.items():
            for quality in range(1, 6):
                metrics = {"psnr": 22.0 + 2.5 * quality, "lpips": 0.5 / quality}
                size = 4000 * 1.6**quality * share * (1 + 0.02 * (n % 3) * (share < 1))
                model = {"model_bytes": 15_100_000} if name.startswith("slim") else {
                    "model_bytes": 0, "codec": name,
                }  # fmt: skip
                rows.append(
                    make_row(
                        variant=name, image=f"{n}.png", quality=float(quality), metrics=metrics,
                        stream_bytes=round(size), **model,
                    )
                )  # fmt: skip
    return rows


def test_the_peer_that_was_left_out_is_named(make_row: Callable[..., Row]) -> None:
    """A page of one photograph announced -35.7 % against JPEG, and WebP on it had -36.0."""
    rows = ladder(make_row, {"slim": 0.643, "jpeg": 1.0, "webp": 0.64}, images=1)
    summary = summarise(rows)
    said = verdict(summary, rows, duels(summary, rows), is_study=False)
    assert said[0] == (
        "On the one picture that was measured: against webp, its strongest rival in every metric, "
        "slim needs 0.5\N{NO-BREAK SPACE}% more bytes at equal PSNR and 0.5\N{NO-BREAK SPACE}% "
        "more at equal LPIPS."
    )
    assert said[1] == "One picture says nothing about others."
    assert "fewer" not in " ".join(said)


def test_a_rival_that_cannot_be_compared_may_be_the_strongest(
    make_row: Callable[..., Row],
) -> None:
    """WebP at three qualities has no BD-rate; JPEG is then not called the strongest rival."""
    rows = ladder(make_row, {"slim": 0.6, "jpeg": 1.0, "webp": 0.5}, images=6)
    rows = [row for row in rows if row.variant != "webp" or row.quality < 4]
    summary = summarise(rows)
    said = verdict(summary, rows, duels(summary, rows), is_study=False)
    assert said[0].startswith("Against jpeg, the strongest of those that compare")
    assert any("cannot be compared with webp" in sentence for sentence in said)
    alone = ladder(make_row, {"slim": 0.6, "jpeg": 1.0}, images=6)
    summary = summarise(alone)
    said = verdict(summary, alone, duels(summary, alone), is_study=False)
    assert said[0].startswith("Against jpeg, slim needs")


def test_few_pictures_are_said_to_be_too_few(make_row: Callable[..., Row]) -> None:
    rows = ladder(make_row, {"slim": 0.6, "jpeg": 1.0}, images=3)
    summary = summarise(rows)
    said = verdict(summary, rows, duels(summary, rows), is_study=False)
    assert "3 pictures are too few for intervals." in said and "[" not in said[0]


def test_intervals_stand_beside_what_is_won(make_row: Callable[..., Row]) -> None:
    rows = ladder(make_row, {"slim": 0.6, "jpeg": 1.0, "webp": 0.8}, images=6)
    summary = summarise(rows)
    said = verdict(summary, rows, duels(summary, rows), is_study=False)
    assert said[0].startswith("Against webp, its strongest rival in every metric, slim needs 2")
    assert "[" in said[0] and "fewer bytes at equal PSNR" in said[0]
    assert said[1].startswith(
        "The model file of slim has 15.1 MB. It encodes a picture of 320 × 288"
    )
    assert "webp takes 60.0 ms and 120.0 ms" in said[1]


def test_learned_codecs_that_are_better_are_named(make_row: Callable[..., Row]) -> None:
    rows = ladder(make_row, {"slim": 0.6, "slim-2": 0.4, "jpeg": 1.0}, images=6)
    summary = summarise(rows)
    said = verdict(summary, rows, duels(summary, rows), is_study=False)
    assert (
        "Of the other learned codecs, fewer bytes are needed by slim-2 at equal PSNR and LPIPS."
        in said
    )


def test_a_peer_that_cannot_be_compared_is_named(make_row: Callable[..., Row]) -> None:
    rows = ladder(make_row, {"slim": 0.6, "jpeg": 1.0, "webp": 0.5}, images=4)
    rows = [row for row in rows if row.variant != "webp" or row.quality < 3]
    summary = summarise(rows)
    said = " ".join(verdict(summary, rows, duels(summary, rows), is_study=False))
    assert "It cannot be compared with webp at equal PSNR and LPIPS" in said


def test_without_curves_nobody_wins(study_rows: list[Row]) -> None:
    summary = summarise(study_rows)
    said = verdict(summary, study_rows, {}, is_study=False)
    assert "bits per pixel" in said[0]
    assert said[1].startswith("Who needs fewer bytes cannot be said")


def test_times_taken_beside_other_work_are_no_speeds(study_rows: list[Row]) -> None:
    rows = [replace(row, beside="2 workers") for row in study_rows]
    assert "no speeds" in cost_sentence(summarise(rows), rows)
    assert "no speeds" not in cost_sentence(summarise(study_rows), study_rows)


def test_a_killed_run_says_what_is_missing(study_rows: list[Row]) -> None:
    rows = study_rows[:-1]
    said = verdict(summarise(rows), rows, {}, is_study=True)
    assert said[-1] == (
        "Not all 2 pictures are measured with every variant, so means are over different ones: "
        "JPEG, same size lacks some."
    )


def test_a_killed_run_takes_no_less_time(study_rows: list[Row]) -> None:
    """Half the pictures take half the time together, which is nothing that a pass brought."""
    rows = [row for row in study_rows if row.variant != "JPEG, same size"]
    summary = summarise([row for n, row in enumerate(rows) if n != 3])
    (said,) = changes(changed_points(summary))
    whole = changes(changed_points(summarise(rows)))
    assert said.split("total time")[1] == whole[0].split("total time")[1]


def test_as_many_other_pictures_are_not_the_same_pictures(bench_rows: list[Row]) -> None:
    """Two benches of two sets of photographs in one folder."""
    rows = [row if row.model_bytes else replace(row, image_digest=row.image) for row in bench_rows]
    summary = summarise(rows)
    fought = duels(summary, rows)
    assert fought == {}
    said = verdict(summary, rows, fought, is_study=False)
    assert "on the same pictures" in said[1]
    assert said[-1].endswith("hific-s and jpeg lack some.")


def test_a_tie_is_neither_won_nor_lost() -> None:
    compared = [Standing("psnr", "avif", Interval(-2.0, -7.2, 3.6))]
    (said,) = standing_sentences("slim", compared, 24, rivals=2)
    assert said == (
        "Against avif, its strongest rival, slim cannot be told apart from avif at equal "
        "PSNR (−2.0\N{NO-BREAK SPACE}% [−7.2, +3.6])."
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"repeats": 3}, ("Timed runs of each", "3")),
        ({"beside": "2 workers"}, ("Beside it ran", "2 workers")),
        ({"environment": {"runtime": "onnx 1.23"}}, ("Versions", "runtime onnx 1.23")),
        ({"peak_mb": 812.4}, ("Peak memory", "up to 812 MB")),
        ({"energy_j": 3.21}, ("Energy", "3.2 J for one encode and decode")),
    ],
)
def test_facts_know_what_rows_know(
    study_rows: list[Row], changes: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert expected in facts([replace(row, **changes) for row in study_rows])


def test_how_near_the_same_size_came_is_said(study_rows: list[Row]) -> None:
    """12,000 and 13,000 bytes were to be matched, by 11,900 and 12,900."""
    study = {"same_size_as": {"JPEG, same size": "baseline"}}
    assert same_size_notes(study, study_rows) == [
        "JPEG, same size: its streams together are −0.8\N{NO-BREAK SPACE}% of bytes off those of "
        "baseline, −0.8\N{NO-BREAK SPACE}% at worst."
    ]
    assert same_size_notes({}, study_rows) == []


def test_times_that_are_no_speeds_are_named(study_rows: list[Row]) -> None:
    busy = [replace(row, beside="2 workers") for row in study_rows]
    assert beside_note(busy) == (
        "Other work ran beside, so these times are no speeds (all variants: 2 workers)."
    )
    assert beside_note([*busy[:1], *study_rows[1:]]).endswith("(baseline: 2 workers).")
    assert beside_note(study_rows) == ""


def test_a_rival_that_overtakes_is_named_with_the_rate(make_row: Callable[..., Row]) -> None:
    """Few bytes are spent better by the one, many by the other."""
    rows = []
    for variant, slope in (("small", 4.0), ("jpeg", 8.0)):
        for number, bpp in enumerate((0.1, 0.2, 0.8, 1.6)):
            row = make_row(variant=variant, quality=float(number))
            size = round(bpp * row.height * row.width / 8)
            metrics = {"psnr": 30 + slope * math.log(bpp / 0.4)}
            model_bytes = 0 if variant == "jpeg" else row.model_bytes
            rows.append(replace(row, stream_bytes=size, metrics=metrics, model_bytes=model_bytes))
    summary = summarise(rows, "jpeg")
    (found,) = crossings(summary)
    assert (found.metric, found.rival) == ("psnr", "jpeg")
    assert found.bpp == pytest.approx(0.4, rel=0.02)
    said = verdict(summary, rows, duels(summary, rows), is_study=False)
    assert "jpeg is ahead from 0.40 bits per pixel on in PSNR." in said
