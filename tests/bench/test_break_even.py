"""Pictures until a model is paid for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from slimcodec.bench import Row, break_even
from slimcodec.bench.break_even import pictures_to_break_even

MakeRow = Callable[..., Row]


def curve(make_row: MakeRow, variant: str, factor: float, model_bytes: int = 0) -> list[Row]:
    return [
        make_row(
            variant=variant,
            quality=float(step),
            stream_bytes=round(10_000 * factor * 2**step),
            model_bytes=model_bytes,
            height=500,
            width=500,
            metrics={"psnr": 30.0 + 2 * step},
        )
        for step in range(5)
    ]


def test_models_against_formats(make_row: MakeRow) -> None:
    rows = (
        curve(make_row, "jpeg", 1)
        + curve(make_row, "ours", 0.5, model_bytes=2_000_000)
        + curve(make_row, "theirs", 0.4)
        + curve(make_row, "large", 0.9, model_bytes=40_000_000)
    )
    found = {(each.variant, each.peer): each for each in break_even(rows)}
    assert list(found) == [
        ("ours", "jpeg"), ("ours", "theirs"), ("large", "jpeg"), ("large", "theirs"),
    ]  # fmt: skip
    ours = found["ours", "jpeg"]
    assert ours.bd_rate == pytest.approx(-50)
    # At the middle quality a JPEG takes 40 kB and ours 20.
    assert ours.saved_bytes == pytest.approx(20_000)
    assert ours.pictures == 100
    assert found["large", "jpeg"].pictures == math.ceil(40e6 / 4000)
    worse = found["ours", "theirs"]
    assert worse.saved_bytes == pytest.approx(-4000)
    assert worse.pictures == math.inf


def test_pairs_without_a_rate_are_absent(make_row: MakeRow) -> None:
    ours = curve(make_row, "ours", 0.5, model_bytes=10)
    assert break_even(curve(make_row, "jpeg", 1)[:3] + ours) == []
    assert [each.metric for each in break_even(ours + curve(make_row, "jpeg", 1))] == ["psnr"]
    assert break_even(ours) == []


def test_of_a_pair_only_the_images_of_both_count(make_row: MakeRow) -> None:
    """As after a killed run: a picture ten times as large, that only the model's codec has."""
    rows = curve(make_row, "jpeg", 1) + curve(make_row, "ours", 0.5, model_bytes=2_000_000)
    more = curve(make_row, "ours", 5, model_bytes=2_000_000)
    alone = [replace(row, image="large", image_digest="large") for row in more]
    assert break_even(rows + alone) == break_even(rows)


def test_the_number_of_pictures() -> None:
    assert pictures_to_break_even(1000, 300) == 4
    assert pictures_to_break_even(1000, 0) == math.inf
    assert pictures_to_break_even(0, 5) == 0
