"""Geometry of the figures."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimcodec.bench import Row, summarise
from slimcodec.bench.published import PublishedCurve, PublishedPoint
from slimcodec.metrics import Interval
from slimcodec.report.figures import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    bd_rate_lanes,
    charts,
    image_scatters,
    layer_charts,
    legend,
    pareto_charts,
    time_bars,
)
from slimcodec.report.figures.labels import place_labels
from slimcodec.report.figures.lanes import Figure, lane_chart
from slimcodec.report.figures.looks import MARKS, STYLES, looks_of, part_look
from slimcodec.report.figures.pareto import non_dominated
from slimcodec.report.standing import duels, standings


def test_a_study_at_one_quality_has_no_curves(study_rows: list[Row]) -> None:
    assert charts(summarise(study_rows)) == []


def test_every_point_lies_inside_the_axes(bench_rows: list[Row]) -> None:
    drawn = charts(summarise(bench_rows))
    assert [chart.title for chart in drawn] == ["MS-SSIM", "PSNR"]
    for chart in drawn:
        assert [curve.label for curve in chart.curves] == ["hific-s", "jpeg"]
        spots = [spot for curve in chart.curves for spot in curve.spots]
        assert len(spots) == 10
        assert all(LEFT <= spot.x <= WIDTH - RIGHT for spot in spots)
        assert all(TOP <= spot.y <= HEIGHT - BOTTOM for spot in spots)
        for tick in chart.x_ticks:
            assert LEFT <= tick.at <= WIDTH - RIGHT
        for tick in chart.y_ticks:
            assert TOP <= tick.at <= HEIGHT - BOTTOM


def test_up_is_always_better(make_row: Any) -> None:
    rows = [
        make_row(quality=q, stream_bytes=1000 * q, metrics={"psnr": 20.0 + q, "lpips": 0.5 / q})
        for q in (1, 2, 3)
    ]
    for chart in charts(summarise(rows)):
        heights = [spot.y for spot in chart.curves[0].spots]
        assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize(("factor", "words"), [(4, "bits per pixel"), (40, "bits per pixel, log")])
def test_a_wide_range_of_rates_gets_a_logarithmic_axis(
    make_row: Any, factor: int, words: str
) -> None:
    rows = [make_row(quality=q, stream_bytes=1000 * factor**q) for q in (0, 1)]
    chart = charts(summarise(rows))[0]
    assert chart.x_title.startswith(words)
    assert len(chart.x_ticks) >= 2


@pytest.mark.parametrize("psnr", [(30.0, 30.0), (30.0, math.inf), (0.0, 0.0)])
def test_flat_and_infinite_curves_are_drawn(make_row: Any, psnr: tuple[float, float]) -> None:
    rows = [
        make_row(quality=q, stream_bytes=1000 + q, metrics={"psnr": psnr[q], "ms-ssim": 1.0})
        for q in (0, 1)
    ]
    (chart,) = charts(summarise(rows))  # an MS-SSIM of 1 has no place in dB, so no chart
    assert chart.title == "PSNR"
    assert all(math.isfinite(spot.y) for spot in chart.curves[0].spots)


def test_a_ninth_curve_is_told_from_the_first(make_row: Any) -> None:
    rows = [make_row(variant=f"v{n}", quality=q) for n in range(10) for q in (1, 2)]
    looks = {(c.look.style, c.look.varied) for c in charts(summarise(rows))[0].curves}
    assert len(looks) == 10


def test_bars_are_shares_of_the_longest(study_rows: list[Row]) -> None:
    groups, legend = time_bars(summarise(study_rows, "baseline"), study_rows)
    encode, decode = groups[0].bars
    assert [s.part for s in encode.segments] == ["encoder", "prior", "entropy", "the rest"]
    assert [s.part for s in decode.segments] == ["generator", "entropy", "prior", "the rest"]
    assert sum(s.share for s in decode.segments) == pytest.approx(100)
    assert sum(s.share for s in encode.segments) == pytest.approx(50)
    assert encode.total == "60.0"
    assert [s.part for s in legend][-1] == "the rest"
    assert len({s.look for s in legend}) == len(legend)


def test_bars_of_a_codec_that_clocks_no_parts(make_row: Any) -> None:
    rows = [make_row(parts_ms={})]
    groups, _ = time_bars(summarise(rows), rows)
    assert [s.part for s in groups[0].bars[0].segments] == ["the rest"]


def many_images(make_row: Any, images: int = 5) -> list[Row]:
    """A learned codec that is better on some images, and JPEG, at five qualities."""
    rows = []
    for n in range(images):
        for quality in range(1, 6):
            size = 4000 * 1.6**quality * (1 + 0.1 * n)
            metrics = {"psnr": 22.0 + 2.5 * quality - 0.4 * n}
            common = {"image": f"{n}.png", "quality": float(quality), "metrics": metrics}
            ours = round(size * (0.7 + 0.1 * n))
            rows.append(make_row(variant="slim", stream_bytes=ours, **common))
            peer = {"codec": "jpeg", "model_bytes": 0, "decode_ms": 3.0, "parts_ms": {}}
            rows.append(make_row(variant="jpeg", stream_bytes=round(size), **peer, **common))
    return rows


def test_every_measured_metric_has_a_chart(make_row: Any) -> None:
    metrics = {"ssim": 0.8, "lpips": 0.1, "zeta": 3.0}
    rows = [
        make_row(
            quality=q, stream_bytes=1000 * q, metrics={n: v * q / 4 for n, v in metrics.items()}
        )
        for q in (1, 2, 3)
    ]
    drawn = charts(summarise(rows))
    assert [chart.metric for chart in drawn] == ["ssim", "lpips", "zeta"]
    assert [chart.unit for chart in drawn] == ["dB", "axis turned, up is better", ""]


def test_bands_lie_around_their_curve_and_inside_the_chart(make_row: Any) -> None:
    rows = many_images(make_row)
    for curve in charts(summarise(rows), rows)[0].curves:
        places = [tuple(map(float, p.split())) for p in curve.band.strip("MZ").split("L")]
        uppers, lowers = places[:5], places[:4:-1]
        for spot, upper, lower in zip(curve.spots, uppers, lowers, strict=True):
            assert upper[0] == lower[0] == spot.x
            assert TOP <= upper[1] <= spot.y <= lower[1] <= HEIGHT - BOTTOM
        assert "95 % interval" in curve.spots[0].words


def test_few_images_have_no_band(make_row: Any) -> None:
    rows = many_images(make_row, images=3)
    assert [curve.band for curve in charts(summarise(rows), rows)[0].curves] == ["", ""]
    rows = many_images(make_row)
    assert [curve.band for curve in charts(summarise(rows))[0].curves] == ["", ""]  # rows not given


def test_published_curves_are_told_from_ours(make_row: Any) -> None:
    rows = many_images(make_row)
    points = [PublishedPoint(0.1, {"psnr": 25.0}), PublishedPoint(0.4, {"psnr": 30.0})]
    published = [PublishedCurve("paper", "a journal", points)]
    published.append(PublishedCurve("other", "a shop", [PublishedPoint(1.0, {"lpips": 0.1})]))
    (chart,) = charts(summarise(rows), rows, published)
    ours, theirs = legend([chart])
    assert [curve.label for curve in ours] == ["slim", "jpeg"]
    assert [curve.label for curve in theirs] == ["paper (published)"]
    (curve,) = theirs
    assert curve.kind == "published" and curve.band == "" and len(curve.spots) == 2
    assert all(LEFT <= spot.x <= WIDTH - RIGHT for spot in curve.spots)
    assert curve.number not in {each.number for each in ours}
    assert "published" in curve.spots[0].words and "a journal" in curve.spots[0].words


def test_the_legend_names_a_curve_that_the_first_chart_has_not(make_row: Any) -> None:
    rows = [
        make_row(variant=v, quality=q, stream_bytes=1000 * q, metrics={m: 0.1 * q})
        for v, m in (("a", "ssim"), ("b", "lpips"))
        for q in (1, 2)
    ]
    ours, _ = legend(charts(summarise(rows)))
    assert [curve.label for curve in ours] == ["a", "b"]


def test_a_variant_looks_the_same_in_every_figure(make_row: Any) -> None:
    rows = many_images(make_row)
    summary = summarise(rows)
    curve = next(c for c in charts(summary)[0].curves if c.label == "jpeg")
    lane = next(lane for lane in bd_rate_lanes(summary)[0].lanes if lane.name == "jpeg")
    bubble = next(b for b in pareto_charts(summary)[0].bubbles if b.label.text == "jpeg")
    assert curve.look == lane.dots[0].look == bubble.look


def test_looks_repeat_no_sooner_than_they_must() -> None:
    looks = list(looks_of([f"v{n}" for n in range(2 * STYLES)]).values())
    assert len({(look.style, look.varied) for look in looks}) == 2 * STYLES
    pairs = zip(looks[:STYLES], looks[STYLES:], strict=True)
    assert all(first.mark != second.mark for first, second in pairs)
    assert {look.mark for look in looks} == set(MARKS)


def test_parts_have_their_colours_on_every_page() -> None:
    assert [part_look(p).style for p in ("encoder", "generator", "decoder", "prior")] == [
        0,
        1,
        2,
        3,
    ]
    assert [part_look(p).style for p in ("entropy", "filter", "binarizer")] == [4, 5, 6]
    assert part_look("the rest").style == STYLES
    assert part_look("probability") == part_look("prior")
    strange = part_look("a new part")
    assert strange == part_look("a new part") and strange.varied


def test_lanes_show_the_best_first_with_intervals(make_row: Any) -> None:
    (chart,) = bd_rate_lanes(summarise(many_images(make_row)))
    assert [lane.name for lane in chart.lanes] == ["slim", "jpeg"]
    ours, reference = chart.lanes
    assert ours.leads and not reference.leads
    (dot,) = ours.dots
    assert dot.low is not None and dot.high is not None
    assert dot.low < dot.at < dot.high
    assert reference.dots[0].at == chart.zero and reference.dots[0].low is None
    assert "[" in dot.words and ours.figure.startswith("−")


def test_what_is_far_outside_is_drawn_at_the_edge() -> None:
    lanes = {"near": [Figure(Interval(-5.0), looks_of(["near"])["near"])]}
    lanes["far"] = [Figure(Interval(900.0, 800.0, 1000.0), looks_of(["far"])["far"])]
    chart = lane_chart("PSNR", "%", lanes, [-5.0, 100.0], lead="", x_title="")
    far = chart.lanes[1]
    assert far.dots[0].beyond and not chart.lanes[0].dots[0].beyond
    assert far.dots[0].at <= chart.right and far.figure == "+900.0"


@given(st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(-90, 200)), max_size=12))
def test_the_front_is_what_nobody_dominates(points: list[tuple[float, float]]) -> None:
    front = non_dominated(points)

    def is_dominated(n: int) -> bool:
        x, y = points[n]
        return any(a <= x and b <= y and (a, b) != (x, y) for a, b in points)

    assert {points[n] for n in front} == {p for n, p in enumerate(points) if not is_dominated(n)}
    assert [points[n][0] for n in front] == sorted(points[n][0] for n in front)


def test_the_area_of_a_bubble_is_the_model(make_row: Any) -> None:
    rows = many_images(make_row)
    small = [
        make_row(
            variant="small", image=row.image, quality=row.quality, metrics=row.metrics,
            stream_bytes=row.stream_bytes, model_bytes=row.model_bytes // 4, decode_ms=30.0,
        )
        for row in rows
        if row.variant == "slim"
    ]  # fmt: skip
    (chart,) = pareto_charts(summarise([*rows, *small]))
    bubbles = {bubble.label.text: bubble for bubble in chart.bubbles}
    assert bubbles["small"].radius == pytest.approx(bubbles["slim"].radius / 2, rel=0.01)
    assert bubbles["jpeg"].ring and not bubbles["slim"].ring
    assert chart.bubbles[0] is bubbles["slim"]  # drawn first, or it would cover the others
    for bubble in bubbles.values():
        assert LEFT <= bubble.spot.x <= WIDTH - RIGHT and TOP <= bubble.spot.y <= HEIGHT - BOTTOM


def test_words_beside_marks_cover_nothing() -> None:
    marks = [(60.0 + 14 * n, 100.0 + 3 * n, 6.0, f"codec-{n}") for n in range(5)]
    labels = place_labels(marks, (0, 0, 400, 320))
    assert [label.text for label in labels] == [text for *_, text in marks]

    def box(label: Any) -> tuple[float, float, float, float]:
        width = 6.6 * len(label.text)
        left = label.x - {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
        return left, label.y - 6.5, left + width, label.y + 6.5

    boxes = [box(label) for label in labels]
    boxes += [(x - r, y - r, x + r, y + r) for x, y, r, _ in marks]
    for n, one in enumerate(boxes[:5]):
        for other in (*boxes[:n], *boxes[n + 1 :]):
            across = min(one[2], other[2]) - max(one[0], other[0])
            down = min(one[3], other[3]) - max(one[1], other[1])
            assert across <= 0.11 or down <= 0.11


def test_single_images_come_worst_first(make_row: Any) -> None:
    rows = many_images(make_row)
    summary = summarise(rows)
    (chart,) = image_scatters(rows, "slim", standings(summary, duels(summary, rows)))
    assert [dot.image for dot in chart.dots] == ["4.png", "3.png", "2.png", "1.png", "0.png"]
    assert [dot.lost for dot in chart.dots] == [True, False, False, False, False]
    assert chart.x_title == "5 images, worst first; jpeg wins on 1"
    assert [label.text for label in chart.labels if label.text] == ["4", "3", "2"]


def test_times_taken_beside_other_work_are_marked(study_rows: list[Row]) -> None:
    from dataclasses import replace

    rows = [
        replace(row, beside="2 workers") if row.variant == "baseline" else row for row in study_rows
    ]
    groups, _ = time_bars(summarise(rows), rows)
    assert [group.beside for group in groups] == ["2 workers", "", ""]


def test_bits_of_layers_are_drawn_where_a_recipe_says_them(make_row: Any) -> None:
    layers = {
        "encoder.head": {"weights": 6},
        "generator.trunk.0": {"weights": 2},
        "generator.trunk.1": {"weights": 4},
        "generator.out": {"activations": 8},
    }
    rows = [make_row(), make_row(variant="mixed", settings={"weights": 8, "layers": layers})]
    (chart,) = layer_charts(summarise(rows))
    assert chart.title == "mixed"
    assert [bar.spot.words for bar in chart.bars] == [
        "encoder.head: 6 bits", "generator.trunk.0: 2 bits", "generator.trunk.1: 4 bits",
    ]  # fmt: skip
    assert [part.label for part in chart.parts] == ["encoder", "generator"]
    heights = [bar.height for bar in chart.bars]
    assert heights[0] == pytest.approx(3 * heights[1], abs=0.2)
    assert chart.bars[1].look == chart.bars[2].look == part_look("generator")
    assert layer_charts(summarise(rows[:1])) == []
