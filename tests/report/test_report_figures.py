"""Geometry of the charts, and crops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import PIL.Image
import pytest

from slimcodec.bench import Row, summarise
from slimcodec.report.figures import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, charts, time_bars
from slimcodec.report.pictures import most_detailed


def test_a_study_at_one_quality_has_no_curves(study_rows: list[Row]) -> None:
    assert charts(summarise(study_rows)) == []


def test_every_point_lies_inside_the_axes(bench_rows: list[Row]) -> None:
    drawn = charts(summarise(bench_rows))
    assert [chart.title for chart in drawn] == ["PSNR", "MS-SSIM"]
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
    looks = {(c.style, c.dashed) for c in charts(summarise(rows))[0].curves}
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
    assert len({s.style for s in legend}) == len(legend)


def test_bars_of_a_codec_that_clocks_no_parts(make_row: Any) -> None:
    rows = [make_row(parts_ms={})]
    groups, _ = time_bars(summarise(rows), rows)
    assert [s.part for s in groups[0].bars[0].segments] == ["the rest"]


def test_the_crop_is_where_the_detail_is() -> None:
    pixels = np.full((400, 600, 3), 128, dtype=np.uint8)
    pixels[96:352, 320:576] = np.random.default_rng(0).integers(0, 256, (256, 256, 3))
    pixels[:, :8] = 255  # one hard edge is no detail
    assert most_detailed(PIL.Image.fromarray(pixels)) == (320, 96, 256, 256)


@pytest.mark.parametrize("size", [(5, 3), (100, 400), (256, 256), (257, 300), (7, 300)])
def test_the_crop_lies_in_any_picture(size: tuple[int, int]) -> None:
    picture = PIL.Image.effect_noise(size, 50).convert("RGB")
    left, top, width, height = most_detailed(picture)
    assert left >= 0 and left + width <= size[0]
    assert top >= 0 and top + height <= size[1]
    assert (width, height) == (min(256, size[0]), min(256, size[1]))
