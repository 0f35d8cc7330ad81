"""``time``: tables of codecs in turn, whether the machine was quiet, and what it refuses."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slimcodec.bench import alternating
from slimcodec.bench.alternating import Alternation, Competitor
from slimcodec.bench.surroundings import Counter
from slimcodec.cli.time import _quiet_line
from slimcodec.images import write_image
from slimcodec.metrics import Interval
from slimcodec.types import Image
from slimcodec.workflows import timing


@pytest.fixture
def ask(
    outcome_of: Callable[..., Any],
    picture: Callable[..., Image],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    planes: object,
) -> Callable[..., Any]:
    """``ask("jpeg", "webp")``: what the verb says of one small picture; memory takes processes."""
    write_image(tmp_path / "photo.png", picture(32, 48))
    monkeypatch.setattr(timing, "_peak", lambda job: 123.4)
    words = ("--images", tmp_path / "photo.png", "--rounds", 1)
    return lambda *more: outcome_of("time", *more, *words)


def test_a_table_each_way_and_a_line_on_the_machine(ask: Callable[..., Any]) -> None:
    found = ask("jpeg", "webp", "--quality", "50,80")
    assert found.status == 0, found.err
    tables = found.out.split("# ")[1:]
    assert [table.splitlines()[0] for table in tables] == [
        "Encode, 1 picture of 0.0 megapixels",
        "Decode, 1 picture of 0.0 megapixels",
    ]
    heading, jpeg, webp, control, *_ = tables[0].splitlines()[1:]
    assert heading.split("\t")[:3] == ["Codec", "Quality", "Time (ms)"]
    cells = [row.split("\t") for row in (jpeg, webp, control)]
    assert [row[0] for row in cells] == ["jpeg", "webp", "jpeg, again"]
    assert [row[1] for row in cells] == ["50", "80", "50"]
    assert cells[0][4] == "1"
    assert [row[7] for row in cells] == ["123", "123", "–"]
    advice = "too few rounds to tell; allow 6 or more (--seconds, --rounds)"
    assert [row[-1] for row in cells] == ["", advice, advice]
    last = found.out.splitlines()[-2:]
    assert [line.split(": ")[0] for line in last] == ["encode", "decode"]
    assert all("1 round, then no more were asked for; " in line for line in last)


def test_parts_have_tables_of_their_own(ask: Callable[..., Any]) -> None:
    found = ask("planes", "--parts")
    assert "# Decode, ms per part\nCodec\tentropy\tdecoder\nplanes\t" in found.out


def test_json_has_everything(ask: Callable[..., Any]) -> None:
    facts = json.loads(ask("jpeg", "planes", "--json").out)
    assert [codec["name"] for codec in facts["codecs"]] == ["jpeg", "planes"]
    assert facts["codecs"][1]["quality"] == 5
    assert facts["decode"]["control"]["name"] == "jpeg, again"
    assert facts["encode"]["competitors"][1]["wall_ratio"]["value"] > 0
    assert {"others", "resolution", "rounds", "quiet", "counted"} <= facts["encode"].keys()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("jpge",), 2, "unknown codec 'jpge'; did you mean jpeg"),
        (("jpeg", "--runtime", "onyx"), 2, "did you mean onnx"),
        (("jpeg", "--quality", "50,x"), 2, "--quality takes numbers"),
        (("jpeg", "--quality", "1,2"), 2, "one quality for all codecs or one each"),
        (("planes", "--quality", "9"), 2, "must be 1 to 8, got 9"),
        (("jpeg", "--seconds", "nan"), 2, "seconds must be a finite number"),
    ],
)
def test_bad_input_is_one_line(
    ask: Callable[..., Any], words: tuple[str, ...], status: int, said: str
) -> None:
    found = ask(*words)
    assert found.status == status
    assert said in found.err and found.err.count("\n") == 1
    assert found.out == ""


def test_no_rounds_and_no_pictures_are_refused(
    outcome_of: Callable[..., Any], tmp_path: Path
) -> None:
    found = outcome_of("time", "jpeg", "--images", tmp_path, "--rounds", 0)
    assert found.status == 2 and "rounds" in found.err
    found = outcome_of("time", "jpeg", "--images", tmp_path)
    assert found.status == 1 and "no image in this folder" in found.err


@pytest.mark.parametrize(
    ("others", "quiet", "counted", "said"),
    [
        (0.1, 20, 20, "the machine was quiet: other processes kept 0.1 of 4 cores busy"),
        (1.3, 8, 8, "was not quiet: other processes kept 1.3 of 4 cores busy; "
         "8 of 20 rounds were quiet, only those count"),
        (1.3, 2, 20, "2 of 20 rounds were quiet, so all of them count"),
        (None, 20, 20, "this system does not tell what else had the cores"),
    ],
)  # fmt: skip
def test_the_machine_in_words(others: float | None, quiet: int, counted: int, said: str) -> None:
    one = Competitor("a", 1.0, 1.0, (1.0, 1.0), {}, None, Interval(1.0), Interval(1.0), "")
    outcome = Alternation([one], one, None, 20, counted, quiet, others, "seconds")
    line = _quiet_line("encode", outcome, 4)
    assert line.startswith("encode: 20 rounds, then the time was up; ")
    assert line.endswith(said)


def test_energy_has_a_column_where_it_is_known(
    ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Energy" not in ask("jpeg").out
    spent = itertools.count(step=5_000_000)
    monkeypatch.setattr(
        alternating, "energy_counters", lambda: {"package-0": Counter(next(spent), 10**12)}
    )
    monkeypatch.setattr(alternating, "_TURN_MS", 1e-9)
    heading, jpeg, *_ = ask("jpeg").out.splitlines()[1:]
    assert dict(zip(heading.split("\t"), jpeg.split("\t"), strict=True))["Energy (J)"] == "5.00"
