"""A short run of ``benchmarks/fuzz.py``, and that it would notice."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module", autouse=True)
def benchmarks() -> Iterator[None]:
    """Their folder is where Python looks for modules, as it is for whoever runs one."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield
    sys.path.remove(str(ROOT / "benchmarks"))


def parser_of(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from fuzzing.parsers import PARSERS
    from fuzzing.seeds import make_seeds

    make_seeds(folder, name)
    work = folder / "work"
    work.mkdir()
    monkeypatch.setenv("SLIMCODEC_CACHE", str(work / "cache"))
    return PARSERS[name](folder, work)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("streams", 100),
        ("studies", 150),
        ("trainings", 150),
        ("rows", 40),
        pytest.param("recipes", 40, marks=pytest.mark.slow),
        pytest.param("checkpoints", 100, marks=pytest.mark.slow),
        pytest.param("models", 60, marks=pytest.mark.slow),
        pytest.param("bundles", 60, marks=pytest.mark.slow),
    ],
)
def test_hostile_input_is_refused_or_taken(
    name: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fuzzing.judging import Report, input_of, judge

    parser = parser_of(name, tmp_path, monkeypatch)
    seeds, report = parser.seeds(), Report()
    for data in seeds:
        report.add(judge(parser.use, data))
    assert report.counts["taken"]  # some are for one family, or name layers of larger networks
    for index in range(count):
        outcome = judge(parser.use, input_of(parser, seeds, 1, index))
        assert not outcome.is_finding, f"input {index}: {outcome.kind}\n{outcome.words}"
        report.add(outcome)
    assert report.counts["refused"]


def test_what_a_finding_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from fuzzing import judging
    from fuzzing.judging import judge
    from fuzzing.parsers import WrongPicture

    from slimcodec.errors import LackOfMemoryError, StreamError

    def raising(error: BaseException) -> Any:
        def use(data: bytes) -> None:
            raise error

        return judge(use, b"")

    assert judge(len, b"").kind == "taken"  # type: ignore[arg-type]
    assert raising(StreamError("x")).kind == "refused"
    assert raising(TypeError("x")).kind.startswith("TypeError at test_fuzzing.py")
    assert raising(WrongPicture("x")).is_finding
    assert raising(GeneratorExit()).is_finding  # as panics of Rust are: no Exception
    assert raising(MemoryError("x")).kind == "more than its memory"
    assert raising(LackOfMemoryError("x")).kind == "refused"
    # What a process had before is no fault of an input's.
    for had, kind in ((0, "more than its memory"), (2, "refused")):
        resident = iter((10, judging.MOST_BYTES + 1))
        monkeypatch.setattr(judging, "_resident", lambda had=had: had)
        monkeypatch.setattr(judging, "_most_resident", lambda own=resident: next(own))
        assert raising(LackOfMemoryError("x")).kind == kind


def test_streams_put_together_again_are_those_that_were_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fuzzing.frames import Frame

    from slimcodec.stream import unpack

    parser = parser_of("streams", tmp_path, monkeypatch)
    for data in parser.seeds():
        frame = Frame.of(data)
        assert frame is not None and frame.to_bytes() == data
        frame.numbers[0] += 1
        forged = unpack(frame.to_bytes())  # whose checks are right
        assert forged == replace(unpack(data), height=unpack(data).height + 1)
    assert {data[3] for data in parser.seeds()} == {1, 2, 3}
    assert {unpack(data).tiles for data in parser.seeds()} == {1, 2, 4}


def test_a_chunk_claims_what_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fuzzing.frames import Frame

    from slimcodec.errors import StreamError
    from slimcodec.stream import salvage, unpack

    parser = parser_of("streams", tmp_path, monkeypatch)
    tiled = next(data for data in parser.seeds() if unpack(data).tiles == 4)
    frame = Frame.of(tiled)
    assert frame is not None
    frame.pieces[1].length = 10**9
    kept, lost = salvage(frame.to_bytes())
    assert lost is not None and "cut short inside a chunk" in lost
    assert unpack(kept, partial=True).missing == {1, 2, 3}
    del frame.pieces[1]
    with pytest.raises(StreamError, match="tile 2 of 4 is damaged or missing"):
        unpack(frame.to_bytes())


def test_an_input_is_a_function_of_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fuzzing.judging import input_of

    parser = parser_of("studies", tmp_path, monkeypatch)
    seeds = parser.seeds()
    some = [input_of(parser, seeds, 3, index) for index in range(20)]
    assert some == [input_of(parser, seeds, 3, index) for index in range(20)]
    assert len(set(some)) > 15 and some[0] != input_of(parser, seeds, 4, 0)


def test_values_are_edited_in_one_place() -> None:
    from fuzzing.edits import edited_values, edited_wire

    values = {"a": [1, 2.5, {"b": "x"}], "c": None}
    text = json.dumps(values)
    edits = {repr(edited_values(values, random.Random(seed))) for seed in range(50)}
    assert json.dumps(values) == text and len(edits) > 25
    # Field 1, a message that holds field 2, a number: whatever is edited, lengths fit.
    wire = b"\x0a\x02\x10\x05"
    assert {edited_wire(wire, random.Random(seed)) for seed in range(50)} - {wire}


@pytest.mark.slow
def test_a_process_that_dies_or_hangs_is_found_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fuzzing import judging
    from fuzzing.seeds import make_seeds

    make_seeds(tmp_path, "studies")
    monkeypatch.setattr(judging, "_work", deadly)
    monkeypatch.setattr(judging, "MOST_SECONDS", 1.0)
    report = judging.judge_many(
        "studies", tmp_path, tmp_path / "findings", count=6, seed=0, workers=1,
        on_progress=lambda report: None,
    )  # fmt: skip
    assert report.inputs == 6
    assert report.counts == {"taken": 4, "finding": 2}
    assert sorted(report.findings) == [
        "still running after 6 times its time",
        "the process ended with status 9",
    ]
    assert len(list((tmp_path / "findings").glob("studies-0-*.bin"))) == 2


def deadly(name: str, folder: Path, work: Path, results: Any, seed: int, indices: range) -> None:
    """Input 1 ends the process, input 3 never ends."""
    import os
    import time

    from fuzzing.judging import Outcome

    for index in indices:
        results.send(index)
        if index == 1:
            os._exit(9)
        if index == 3:
            time.sleep(1000)
        results.send(Outcome("taken", 0.0, 0))
