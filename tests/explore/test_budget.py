"""Budgets: what is written is what is limited."""

from __future__ import annotations

import pytest

from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.explore.budget import factor_of, objectives, parse_budgets, value_of

ROW = {
    "bytes": 2_000_000,
    "bytes_ratio": 0.5,
    "decode_ms": 30.0,
    "decode_ratio": 0.75,
    "bd_rate_percent": {"psnr": 4.0, "ms-ssim": 5.0},
}
APART = {**ROW, "bd_rate_percent": {"psnr": None, "ms-ssim": None}}


@pytest.mark.parametrize(
    ("text", "quantity", "most"),
    [
        ("decode<=30ms", "decode", 30.0),
        (" decode <= 0.5 s", "decode", 500.0),
        ("bytes<=2MB", "bytes", 2_000_000.0),
        ("bytes<=640kB", "bytes", 640_000.0),
        ("bytes<=17", "bytes", 17.0),
        ("bd-rate<=-2.5%", "bd-rate", -2.5),
    ],
)
def test_what_is_written(text: str, quantity: str, most: float) -> None:
    (budget,) = parse_budgets([text])
    assert budget.quantity == quantity
    assert budget.most == pytest.approx(most)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["decode<30ms"], "a budget is written such as decode<=30ms"),
        (["decode<=fast"], "a budget is written such as"),
        (["decode<=30"], "takes ms, s, got 'no unit'"),
        (["bytes<=2ms"], "takes B, kB, MB, got 'ms'"),
        (["decode<=0ms"], "must be above 0"),
        (["bytes<=2MB", "bytes<=1MB"], "bytes has two budgets: bytes<=2MB and bytes<=1MB"),
    ],
)
def test_what_cannot_be_meant(texts: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_budgets(texts)


def test_a_quantity_that_there_is_not() -> None:
    with pytest.raises(UnknownNameError, match="did you mean decode"):
        parse_budgets(["encode<=30ms"])


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        ([], ("bd-rate", "decode")),
        (["bytes<=2MB"], ("bd-rate", "decode")),
        (["decode<=30ms"], ("bd-rate",)),
        (["bd-rate<=2%"], ("decode",)),
        (["bd-rate<=2%", "decode<=30ms"], ("bytes",)),
        (["bd-rate<=2%", "decode<=30ms", "bytes<=2MB"], ("bd-rate",)),
    ],
)
def test_what_has_no_budget_is_to_be_small(texts: list[str], wanted: tuple[str, ...]) -> None:
    assert objectives(parse_budgets(texts)) == wanted


def test_a_limit_itself_is_kept() -> None:
    kept = parse_budgets(["decode<=30ms", "bytes<=2MB", "bd-rate<=4%"])
    assert all(budget.kept(ROW) and budget.excess(ROW) == 0 for budget in kept)
    beyond = parse_budgets(["decode<=20ms", "bytes<=1MB", "bd-rate<=-6%"])
    assert not any(budget.kept(ROW) for budget in beyond)
    assert [budget.excess(ROW) for budget in beyond] == pytest.approx([0.5, 1.0, 0.1])


def test_where_there_is_no_bd_rate() -> None:
    (budget,) = parse_budgets(["bd-rate<=500%"])
    assert not budget.kept(APART)
    assert budget.excess(APART) > 0
    assert value_of(APART, "bd-rate") is None is factor_of(APART, "bd-rate")


def test_factors_are_by_the_unshrunk_codec() -> None:
    factors = [factor_of(ROW, name) for name in ("bd-rate", "decode", "bytes")]
    assert factors == pytest.approx([1.04, 0.75, 0.5])
