"""Numbers and names as a reader wants them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from slimcodec.metrics import Interval
from slimcodec.report.text import (
    join_words,
    metric_heading,
    metric_text,
    metrics_of,
    number,
    percent,
    percent_interval,
    plain,
    plural,
    signed,
    smaller_is_better,
)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (18850.333, 0, "18,850"),
        (18850.333, 1, "18,850.3"),
        (-3.25, 1, "−3.2"),
        (-0.04, 1, "0.0"),
        (None, 2, "–"),
        (math.nan, 2, "–"),
        (math.inf, 2, "∞"),
        (-math.inf, 2, "−∞"),
    ],
)
def test_numbers_have_separators_and_a_real_minus(
    value: float | None, digits: int, text: str
) -> None:
    assert number(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.26, "+1.3"), (-1.26, "−1.3"), (0.0, "0.0"), (0.04, "0.0"), (-0.04, "0.0"), (None, "–")],
)
def test_a_change_has_its_sign_unless_it_rounds_to_zero(value: float | None, text: str) -> None:
    assert signed(value) == text


def test_settings_and_qualities_are_said_as_shortly_as_possible() -> None:
    assert [plain(v) for v in (3.0, 0.3, True, "layer", -1)] == ["3", "0.3", "yes", "layer", "−1"]


def test_percent_stays_with_its_number() -> None:
    assert percent("3") == "3\N{NO-BREAK SPACE}%"


def test_an_interval_has_its_sign_of_percent_at_the_figure() -> None:
    assert percent_interval(Interval(-12.34, -14.0, 9.8)) == (
        "−12.3\N{NO-BREAK SPACE}% [−14.0, +9.8]"
    )
    assert percent_interval(Interval(0.04), 2) == "+0.04\N{NO-BREAK SPACE}%"


def test_words() -> None:
    assert join_words(["a"]) == "a"
    assert join_words(["a", "b", "c"]) == "a, b and c"
    assert (plural(1, "image"), plural(1200, "image")) == ("1 image", "1,200 images")
    assert plural(2, "quality") == "2 qualities"


def test_metrics_come_in_their_usual_order_and_unknown_ones_after(
    make_row: Any,
) -> None:
    rows = [make_row(metrics={"zeta": 1.0, "psnr": 1.0}), make_row(metrics={"ssim": 1.0})]
    assert metrics_of(rows) == ["ssim", "psnr", "zeta"]


def test_a_metric_that_is_not_installed_keeps_its_name() -> None:
    assert metric_heading("psnr") == "PSNR (dB)"
    assert metric_heading("zeta") == "zeta"
    assert not smaller_is_better("zeta")
    assert smaller_is_better("lpips")
    assert (metric_text("psnr", 28.123), metric_text("zeta", 0.5)) == ("28.12", "0.5000")
