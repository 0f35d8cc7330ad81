"""Bargains and mixed bits, from costs that are made up."""

from __future__ import annotations

import tomllib

import pytest

from slimcodec.explore.bargains import mixed_bits, per_byte, per_multiplication
from slimcodec.explore.sensitivity_rows import Change, Cost, Kind, Subject
from slimcodec.shrink import Quantize, Recipe


def cost(
    kind: Kind, name: str, setting: float, percent: float, size: float = 0, kmac: float = 0
) -> Cost:
    return Cost(Change(kind, name, setting), percent, 0.0, 0.0, 0.0, 1, size, kmac)


def layer(name: str, parameters: int, bits: float = 16) -> Subject:
    return Subject(name, "layer", name.split(".")[0], parameters, 1.0, bits)


LADDERS = {
    "a.cheap": {8: 0.0, 4: 0.1, 2: 0.2},
    "a.dear": {8: 0.1, 4: 5.0, 2: 50.0},
    "a.lucky": {8: 0.0, 4: -0.3, 2: 1.0},
    "a.coded": {4: 0.0, 2: 0.0},
}
SUBJECTS = [layer("a.cheap", 1000), layer("a.dear", 10), layer("a.lucky", 100)]
SUBJECTS += [layer("a.coded", 9999, bits=7)]
BITS = [
    cost("bits", name, bits, percent)
    for name, ladder in LADDERS.items()
    for bits, percent in ladder.items()
]


@pytest.mark.parametrize(
    ("budget", "cheap", "dear", "lucky"),
    [(0.0, 8, 8, 4), (0.25, 4, 8, 4), (0.4, 2, 8, 4), (1.4, 2, 8, 2), (7, 2, 4, 2), (99, 2, 2, 2)],
)
def test_bits_go_where_they_cost_least(budget: float, cheap: int, dear: int, lucky: int) -> None:
    found = mixed_bits(SUBJECTS, BITS, budget)
    assert found is not None
    assert found.layers == {"a.cheap": cheap, "a.dear": dear, "a.lucky": lucky}
    # What 8 bits cost is there from the start, budget or none.
    assert found.percent <= max(budget, 0.1)
    total = 1000 * cheap + 10 * dear + 100 * lucky
    assert found.bits_a_weight == pytest.approx(total / 1110)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (0.05, "nothing that was measured costs 0.05 % or less; this is the nearest, with 0.10 %"),
        (0.1, ""),
        (7, ""),
        (99, "nothing that was measured costs as much as 99 %; this has the fewest bits"),
    ],
)
def test_a_budget_that_is_not_met_is_said(budget: float, words: str) -> None:
    found = mixed_bits(SUBJECTS, BITS, budget)
    assert found is not None
    assert found.missed.startswith(words) and bool(found.missed) == bool(words)
    assert (words in found.as_recipe("tiny")) and tomllib.loads(found.as_recipe("tiny"))


def test_nothing_measured_is_no_recipe() -> None:
    assert mixed_bits(SUBJECTS, [cost("zeros", "a.cheap", 0.5, 0.0)], 2.0) is None


def test_the_recipe_is_one() -> None:
    found = mixed_bits(SUBJECTS, BITS, 0.4)
    assert found is not None
    recipe = Recipe.from_dict(tomllib.loads(found.as_recipe("tiny")))
    assert recipe.name == "tiny-mixed-bits"
    (made,) = recipe.passes
    assert isinstance(made, Quantize) and made.weights == 8
    assert {name: own["weights"] for name, own in made.layers.items()} == found.layers


def test_the_cheapest_come_first_each_once() -> None:
    costs = [
        cost("bits", "a", 8, 0.0, 800),
        cost("bits", "a", 4, 0.05, 1200),
        cost("bits", "a", 2, 3.0, 1400),
        cost("zeros", "b", 0.5, 1.0, 5000),
        cost("channels", "c", 0.5, 1.0, 900, 2.0),
        cost("channels", "c", 0.25, 0.2, 450, 1.0),
        cost("block", "d", 1, -0.5, 10, 0.1),
    ]
    assert [c.change for c in per_byte(costs, 9)] == [
        Change("bits", "a", 4), Change("zeros", "b", 0.5), Change("channels", "c", 0.25),
        Change("block", "d", 1),
    ]  # fmt: skip
    assert [c.change for c in per_multiplication(costs, 9)] == [
        Change("channels", "c", 0.25), Change("block", "d", 1),
    ]  # fmt: skip
    assert len(per_byte(costs, 1)) == 1
