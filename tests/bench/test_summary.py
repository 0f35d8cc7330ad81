"""Aggregates are means over rows, and BD-rates have the right sign and size."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from slimcodec.bench import Row, Summary, summarise

MakeRow = Callable[..., Row]


def test_points_are_means_over_images(make_row: MakeRow) -> None:
    rows = [
        make_row(image="a", stream_bytes=1000, metrics={"psnr": 30.0, "ssim": 0.9}),
        make_row(image="b", stream_bytes=3000, height=200, metrics={"psnr": 34.0}, encode_ms=4.0),
        make_row(image="a", quality=70.0, metrics={"psnr": 40.0}, settings={"x": 1}),
    ]
    low, high = summarise(rows).points
    assert (low.variant, low.quality, low.images) == ("jpeg", 50.0, 2)
    assert low.stream_bytes == 2000
    assert low.bpp == pytest.approx((1.0 + 1.5) / 2)  # a mean of rates, not a rate of means
    assert low.metrics == {"psnr": 32.0}  # only where every image has it
    assert low.encode_ms == 3.0
    assert low.total_s == pytest.approx((2 + 1 + 4 + 1) / 1e3)
    assert low.parts_ms == {"encode.encoder": 2.0, "decode.decoder": 1.0}
    assert (high.quality, high.images, dict(high.settings)) == (70.0, 1, {"x": 1})


def test_steps_are_means_over_images(make_row: MakeRow) -> None:
    rows = [
        make_row(image="a", steps_ms={"encode.encoder": [1.0, 3.0], "x": [1.0]}, base="b"),
        make_row(image="b", steps_ms={"encode.encoder": [2.0, 5.0]}, base="b"),
    ]
    (point,) = summarise(rows).points
    assert point.steps_ms == {"encode.encoder": [1.5, 4.0]}  # only what every image has
    assert point.base == "b"
    assert summarise(rows).to_dict()["points"][0]["steps_ms"] == point.steps_ms
    assert summarise([make_row()]).points[0].steps_ms == {}


def curve(make_row: MakeRow, variant: str, factor: float, shift_db: float = 0) -> list[Row]:
    """Five qualities of one picture; the bytes follow the quality exponentially."""
    return [
        make_row(
            variant=variant,
            quality=float(step),
            stream_bytes=round(100_000 * factor * 2**step),
            height=1000,
            width=1000,
            metrics={
                "psnr": 30.0 + 2 * step + shift_db,
                "ms-ssim": 1 - 10 ** -(1 + 0.3 * step + 0.1 * shift_db),
                "lpips": 0.5 - 0.08 * step - 0.01 * shift_db,
            },
        )
        for step in range(5)
    ]


def rates(rows: list[Row], reference: str | None = None) -> Summary:
    return summarise(rows, reference)


def test_half_the_bytes_is_minus_fifty_percent(make_row: MakeRow) -> None:
    rows = curve(make_row, "jpeg", 1) + curve(make_row, "half", 0.5) + curve(make_row, "more", 1.25)
    summary = rates(rows)
    assert summary.reference == "jpeg"
    assert set(summary.bd_rates) == {"half", "more"}
    for metric in ("psnr", "ms-ssim", "lpips"):
        assert summary.bd_rates["half"][metric].value == pytest.approx(-50, abs=0.1)
        assert summary.bd_rates["more"][metric].value == pytest.approx(25, abs=0.1)


def test_a_better_picture_at_the_same_bytes_is_negative_for_every_metric(
    make_row: MakeRow,
) -> None:
    """Also for those where less is better, and for MS-SSIM, which is compared in decibels."""
    summary = rates(curve(make_row, "jpeg", 1) + curve(make_row, "better", 1, shift_db=1))
    better = summary.bd_rates["better"]
    assert better["psnr"].value == pytest.approx(100 * (2**-0.5 - 1), abs=0.5)
    assert better["ms-ssim"].value == pytest.approx(100 * (2 ** -(1 / 3) - 1), abs=0.5)
    assert better["lpips"].value == pytest.approx(100 * (2 ** -(1 / 8) - 1), abs=0.5)


def test_the_reference(make_row: MakeRow) -> None:
    half, whole = curve(make_row, "half", 0.5), curve(make_row, "whole", 1)
    assert rates(half + whole).reference == "half"
    assert rates(half + whole).bd_rates["whole"]["psnr"].value == pytest.approx(100, abs=0.5)
    assert rates(half + whole + curve(make_row, "jpeg", 1)).reference == "jpeg"
    named = rates(half + whole, "whole")
    assert named.bd_rates["half"]["psnr"].value == pytest.approx(-50, abs=0.1)
    assert "whole" not in named.bd_rates


def test_no_number_where_there_is_none(make_row: MakeRow) -> None:
    three_points = curve(make_row, "short", 1)[:3]
    elsewhere = curve(make_row, "elsewhere", 1, shift_db=1000)
    summary = rates(curve(make_row, "jpeg", 1) + three_points + elsewhere)
    assert summary.bd_rates == {}
    empty = rates([])
    assert (list(empty.points), empty.reference, dict(empty.bd_rates)) == ([], "", {})


def test_plain_values(make_row: MakeRow) -> None:
    summary = rates(curve(make_row, "jpeg", 1) + curve(make_row, "half", 0.5))
    plain = json.loads(json.dumps(summary.to_dict()))
    assert len(plain["points"]) == 10
    assert plain["points"][0]["bpp"] == summary.points[0].bpp
    assert plain["reference"] == "jpeg"
    assert math.isclose(plain["bd_rates"]["half"]["psnr"]["value"], -50, abs_tol=0.1)


def test_rates_of_several_images_have_intervals(make_row: MakeRow) -> None:
    """Images that save 40 to 60 % give an interval inside that; the same seed, the same ends."""
    rows = []
    for number, share in enumerate([0.4, 0.45, 0.5, 0.55, 0.6, 0.5]):
        for variant, factor in (("jpeg", 1.0), ("half", share)):
            rows += [
                replace(row, image=f"{number}.png", image_digest=str(number))
                for row in curve(make_row, variant, factor)
            ]
    rate = summarise(rows).bd_rates["half"]["psnr"]
    assert rate.low is not None and rate.high is not None
    assert -60 < rate.low < rate.value < rate.high < -40
    assert rate == summarise(rows).bd_rates["half"]["psnr"]
    few = summarise([row for row in rows if row.image_digest in "012"])
    assert few.bd_rates["half"]["psnr"].low is None


def test_a_metric_that_is_not_installed_here_has_no_rate(make_row: MakeRow) -> None:
    """Nobody knows in which direction it is better; the others are computed as ever."""
    rows = [
        replace(row, metrics={**row.metrics, "their-own": row.metrics["psnr"]})
        for row in curve(make_row, "jpeg", 1) + curve(make_row, "half", 0.5)
    ]
    assert set(summarise(rows).bd_rates["half"]) == {"psnr", "ms-ssim", "lpips"}


def test_curves_are_compared_over_the_images_of_both(make_row: MakeRow) -> None:
    """A killed run leaves more images of one codec than of another, and a folder may hold two sets
    of photographs; a name that changed is the same image."""
    reference, half = curve(make_row, "jpeg", 1), curve(make_row, "half", 0.5)
    renamed = [replace(row, image="another name") for row in half]
    large = [
        replace(row, image_digest="large", stream_bytes=9 * row.stream_bytes)
        for row in curve(make_row, "half", 1)
    ]
    whole = rates(reference + half)
    assert rates(reference + renamed + large).bd_rates == whole.bd_rates
    assert rates(reference + renamed + large[:2]).bd_rates == whole.bd_rates
    assert rates(reference + large).bd_rates == {}
