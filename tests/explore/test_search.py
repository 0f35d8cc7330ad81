"""Searches: what is measured, where they go on, what wins."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slimcodec import registry
from slimcodec.errors import MissingExtraError, SlimcodecError, UsageError
from slimcodec.explore import evaluate
from slimcodec.explore import search as searching
from slimcodec.explore.budget import objectives, parse_budgets
from slimcodec.explore.evaluate import Judge, judged
from slimcodec.explore.search import FILE, LEARN, WINNER, Asked, Found
from slimcodec.explore.space import Space
from slimcodec.explore.suggest import next_choice
from slimcodec.images import find_images, write_image
from slimcodec.library import shrink_model
from slimcodec.model_file import Model, thaw_network
from slimcodec.shrink import Context, Recipe, judges
from slimcodec.types import Image

Searched = Callable[..., Found]


@pytest.fixture
def out(once: Path, tmp_path: Path) -> Path:
    """A copy of the search of two trials."""
    return Path(shutil.copytree(once, tmp_path / "out"))


def state_of(out: Path) -> dict[str, Any]:
    return json.loads((out / FILE).read_text(encoding="utf-8"))


def test_rows_are_whole(once: Path) -> None:
    state = state_of(once)
    assert state["unshrunk"]["bd_rate_percent"] == {"psnr": 0.0, "ms-ssim": 0.0}
    for number, row in enumerate(state["trials"], 1):
        assert row["number"] == number
        assert row["decode_ms"] > 0
        assert row["bytes"] == pytest.approx(row["bytes_ratio"] * state["unshrunk"]["bytes"])
        # Nothing but the generator changed: the streams are the unshrunk codec's.
        bits = [point["bpp"] for point in row["points"]]
        assert bits == [point["bpp"] for point in state["unshrunk"]["points"]]
        qualities = [point["quality"] for point in row["points"]]
        assert qualities == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert state["trials"][0]["points"] != state["unshrunk"]["points"]


def test_half_of_the_photographs_judge(once: Path) -> None:
    assert [path.name for path in find_images(once / LEARN)] == ["0.png", "2.png"]
    assert state_of(once)["claim"]["judges"] == ["1.png"]


def test_the_winner_is_that_very_model(once: Path, wide_model: Model) -> None:
    state = state_of(once)
    recipe = Recipe.read(once / WINNER)
    made = shrink_model(wide_model, recipe, Context(once / LEARN))
    assert made.digest == state["trials"][state["winner"] - 1]["digest"]


@pytest.mark.slow
def test_a_winner_that_learned_is_that_very_model_too(
    wide_model: Model, picture: Callable[..., Image], tmp_path: Path
) -> None:
    for number in range(2):
        write_image(tmp_path / f"{number}.png", picture(200, 210, number))
    asked, out = Asked(trials=1, steps=2, runtime="onnx"), tmp_path / "out"
    (row,) = searching.search(wide_model, tmp_path, out, asked).rows
    assert [one["pass"] for one in row["recipe"]["pass"]] == [
        "prune-channels",
        "distil",
        "quantize",
    ]
    made = shrink_model(wide_model, Recipe.read(out / WINNER), Context(out / LEARN))
    assert made.digest == row["digest"]


def test_it_goes_on_where_it_was(
    tiny_model: Model, four_photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, measure = tmp_path / "out", Judge.measure
    asked = Asked(trials=2, steps=0, runtime="onnx", pictures=1)

    def stop_at_the_second(self: Judge, model: Model, *more: Any) -> Any:
        if model.name.endswith("-2"):
            raise KeyboardInterrupt
        return measure(self, model, *more)

    monkeypatch.setattr(Judge, "measure", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        searching.search(tiny_model, four_photographs, out, asked)
    (kept,) = state_of(out)["trials"]
    monkeypatch.setattr(Judge, "measure", measure)
    found = searching.search(tiny_model, four_photographs, out, asked)
    assert found.rows[0] == kept
    assert [row["number"] for row in found.rows] == [1, 2]


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No trial is made: the test fails where one would be."""

    def fail(*_: Any) -> None:
        raise AssertionError("a trial was made again")

    monkeypatch.setattr(searching, "_trial", fail)


@pytest.mark.usefixtures("untouched")
def test_what_is_done_is_not_done_again(searched: Searched, out: Path) -> None:
    before = state_of(out)
    found = searched(out)
    assert state_of(out) == before
    assert found.winner == before["winner"]


@pytest.mark.usefixtures("untouched")
def test_a_budget_that_cannot_be_met(searched: Searched, out: Path) -> None:
    assert (out / WINNER).is_file()
    found = searched(out, budgets=parse_budgets(["bytes<=1kB"]))
    assert (found.front, found.winner) == ([], None)
    least = min(found.rows, key=lambda row: row["bytes"])
    assert found.nearest == (
        f"no trial is within the budgets; the nearest is trial {least['number']}: bytes "
        f"{least['bytes']:,.4g} where bytes<=1kB was asked"
    )
    assert not (out / WINNER).exists()


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"steps": 3}, "another space"),
        ({"seed": 3}, "another space"),
        ({"pictures": 2}, "another judges"),
        ({"runtime": "torch"}, "another runtime"),
    ],
)
def test_another_search_is_refused(
    searched: Searched, out: Path, asked: dict[str, Any], words: str
) -> None:
    before = (out / FILE).read_bytes()
    with pytest.raises(UsageError, match=words):
        searched(out, **asked)
    assert (out / FILE).read_bytes() == before


@pytest.mark.usefixtures("untouched")
def test_another_codec_and_other_photographs_are_refused(
    out: Path, tiny_model: Model, four_photographs: Path, tmp_path: Path
) -> None:
    others = Path(shutil.copytree(four_photographs, tmp_path / "others"))
    shutil.copy(others / "0.png", others / "1.png")
    with pytest.raises(UsageError, match="another codec and space and photographs"):
        searching.search(tiny_model, others, out, Asked(trials=2, pictures=1))


def test_a_damaged_file_is_named(searched: Searched, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"claim"')
    with pytest.raises(SlimcodecError, match="cannot be read as a search"):
        searched(tmp_path)


def test_pictures_that_judge_are_refused(
    wide_model: Model, four_photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = judges.digest_of_file(four_photographs / "3.png")
    monkeypatch.setattr(judges, "_judges", lambda: {digest})
    with pytest.raises(UsageError, match=r"3\.png is one of the pictures that codecs are judged"):
        searching.search(wide_model, four_photographs, tmp_path / "out", Asked())
    assert not (tmp_path / "out").exists()


def test_one_photograph_is_too_few(
    wide_model: Model, picture: Callable[..., Image], tmp_path: Path
) -> None:
    write_image(tmp_path / "only.png", picture(64, 64))
    with pytest.raises(UsageError, match="a search needs two or more"):
        searching.search(wide_model, tmp_path, tmp_path / "out", Asked())


def test_without_optuna(searched: Searched, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"the search needs .*slimcodec\[search\]"):
        searched(out)


def test_a_photograph_is_judged_as_large_as_a_kodak_picture(
    picture: Callable[..., Image], tmp_path: Path
) -> None:
    for name, sides, wanted in (
        ("wide", (600, 900), (512, 768)),
        ("high", (900, 600), (768, 512)),
        ("small", (70, 80), (70, 80)),
    ):
        path = tmp_path / f"{name}.png"
        write_image(path, picture(*sides))
        assert judged(path).shape[:2] == wanted
    middle = picture(600, 900)[44:556, 66:834]
    assert (judged(tmp_path / "wide.png") == middle).all()


@pytest.mark.parametrize(
    ("family", "writes_the_same"), [("hific", True), ("toderici", False)], ids=str
)
def test_who_writes_other_streams_encodes_again(
    tiny_models: dict[str, Model],
    picture: Callable[..., Image],
    family: str,
    writes_the_same: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, calls = tiny_models[family], 0
    original = evaluate._encoded

    def counted(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        return original(*given)

    monkeypatch.setattr(evaluate, "_encoded", counted)
    with Judge.of(model, [picture(64, 64)], "onnx", lambda d, t, w: None) as judge:
        assert judge.measure(model, writes_the_same).bd_rate_percent == {"psnr": 0, "ms-ssim": 0}
    assert calls == (1 if writes_the_same else 2)


# What wins, on made-up rows


def row(number: int, ms: float, rate: float | None, size: float = 0.5) -> dict[str, Any]:
    return {
        "number": number,
        "bytes": int(1000 * size),
        "bytes_ratio": size,
        "decode_ms": 100 * ms,
        "decode_ratio": ms,
        "bd_rate_percent": {"psnr": rate, "ms-ssim": rate},
    }


ROWS = [
    row(1, 0.9, 1.0),
    row(2, 0.5, 20.0, size=0.3),
    row(3, 0.6, 30.0),  # beaten by 2
    row(4, 0.3, None),  # not to be compared
    row(5, 0.2, 180.0),
    row(6, 0.6, 2.0),
]


@pytest.mark.parametrize(
    ("texts", "front", "winner"),
    [
        ([], [5, 2, 6, 1], 5),  # 0.2 * 2.8 is the least product
        (["bd-rate<=25%"], [2, 6, 1], 2),
        (["decode<=60ms"], [5, 2, 6], 6),
        (["decode<=60ms", "bd-rate<=25%"], [2, 6], 2),
        (["decode<=10ms"], [], None),
    ],
)
def test_front_and_winner(texts: list[str], front: list[int], winner: int | None) -> None:
    budgets = parse_budgets(texts)
    wanted = objectives(budgets)
    found = searching._front(ROWS, budgets, wanted)
    assert [one["number"] for one in found] == front
    assert searching._winner(found, wanted) == winner


# What is tried next


@pytest.fixture(scope="module")
def space(wide_model: Model) -> Space:
    return Space.of(thaw_network(wide_model), registry.families.get("hific"), ["generator"], 0)


def tried(space: Space, count: int, **more: Any) -> list[dict[str, Any]]:
    """Rows as a search would have made them, the measured values made up of the settings."""
    rows: list[dict[str, Any]] = []
    while len(rows) < count:
        choice = next_choice(space, rows, ("bd-rate", "decode"), (), **{"seed": 1, **more})
        assert choice is not None
        gone = float(choice["generator.share"])
        rate = None if gone > 0.5 else 100 * gone
        rows.append({**row(len(rows) + 1, 1 - gone, rate), "settings": choice})
    return rows


def test_no_choice_comes_twice_and_the_rows_decide(space: Space) -> None:
    rows = tried(space, 14)
    choices = [one["settings"] for one in rows]
    assert choices[:2] == space.anchors()
    assert all(choice not in choices[:i] for i, choice in enumerate(choices))
    assert space.nothing() not in choices
    values = {knob.name: knob.values for knob in space.knobs}
    assert all(own in values[name] for choice in choices for name, own in choice.items())
    assert choices == [one["settings"] for one in tried(space, 14)]
    assert choices != [one["settings"] for one in tried(space, 14, seed=2)]


def test_all_choices_are_tried_in_the_end(space: Space) -> None:
    knobs = tuple(knob for knob in space.knobs if knob.name == "generator.bits")
    small = Space(space.family, space.parts, knobs, space.left, 0)
    rows: list[dict[str, Any]] = []
    while (choice := next_choice(small, rows, ("bytes",), (), 0)) is not None:
        rows.append({**row(len(rows) + 1, 1.0, 0.0), "settings": choice})
    assert {one["settings"]["generator.bits"] for one in rows} == {*knobs[0].values} - {"float"}
