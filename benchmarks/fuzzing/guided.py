"""Inputs by coverage: libFuzzer, through atheris, keeps what reaches new lines of ours.

libFuzzer runs in a process of its own, is given our edits as its mutator, and ends where an input
takes too long or too much memory; then another goes on with what it had found by then. Everything
else that is a finding is written down and passed over.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzzing.judging import (
    MOST_BYTES,
    MOST_SECONDS,
    Outcome,
    Report,
    judge,
    prepared,
)
from slimcodec.errors import MissingExtraError

__all__ = ["judge_guided"]

_BEGINNING = 400 << 20
"""Of a process before its first input, about: libFuzzer counts from nothing."""
_LONGEST = 1 << 20
_EVERY = 50
"""Inputs between two notes of how far it is."""
_ATHERIS = "fuzzing by coverage"


def judge_guided(
    name: str,
    folder: Path,
    findings: Path,
    *,
    count: int,
    seed: int,
    on_progress: Callable[[Report], None],
) -> Report:
    """See ``judging.judge_many``; the inputs that are found to be of use are ``folder/corpus``.

    Raises:
        MissingExtraError: without atheris.
    """
    try:
        import atheris  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(_ATHERIS, "fuzz") from error
    findings.mkdir(parents=True, exist_ok=True)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(prepared(name, folder, folder / "work-parent").seeds()):
        (corpus / str(number)).write_bytes(data)
    report, turn = Report(), 0
    found = (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", ""))
    places = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, found))}
    while report.inputs < count:
        turn += 1
        notes, log = folder / f"notes-{turn}.json", folder / "log"
        command = [
            sys.executable, "-m", "fuzzing.guided", name, str(folder), str(findings), str(notes),
            str(corpus), f"-runs={count - report.inputs}", f"-seed={seed + turn}",
            f"-timeout={int(MOST_SECONDS)}", f"-rss_limit_mb={(MOST_BYTES + _BEGINNING) >> 20}",
            f"-max_len={_LONGEST}", f"-artifact_prefix={findings}/{name}-{seed}-{turn}-",
            "-print_final_stats=1",
        ]  # fmt: skip
        before = report
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, env=places)
            while process.poll() is None:
                time.sleep(0.5)
                on_progress(_with_notes(before, notes))
        report = _with_notes(before, notes)
        if process.returncode:
            said = log.read_text(encoding="utf-8", errors="replace")
            if report.inputs == before.inputs:
                raise SystemExit(f"the guided process died before its first note:\n{said[-4000:]}")
            signs = {"timeout": "too slow", "out-of-memory": "more than its memory"}
            kinds = [words for sign, words in signs.items() if sign in said]
            ended = f"the process ended with status {process.returncode}"
            report.add(Outcome(kinds[0] if kinds else ended, 0.0, 0))
    return report


def _with_notes(before: Report, notes: Path) -> Report:
    """A report with what a running process wrote down added to it."""
    with contextlib.suppress(OSError, ValueError):
        said = json.loads(notes.read_text(encoding="utf-8"))
        return Report(
            before.counts + Counter(said["counts"]),
            before.findings + Counter(said["findings"]),
            max(before.slowest_s, said["slowest_s"]),
            max(before.most_bytes, said["most_bytes"]),
        )
    return before


def _main(name: str, folder: Path, findings: Path, notes: Path, options: list[str]) -> None:
    """The process that libFuzzer runs in; it does not come back."""
    import atheris

    with atheris.instrument_imports(include=["slimcodec"]):
        parser = prepared(name, folder, folder / "work-guided")
        judge(parser.use, parser.seeds()[0])  # what is imported late is imported here
    report = Report()

    def edited(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.2:
            data = atheris.Mutate(data, most)
        for _ in range(rng.choice((1, 1, 2, 3))):
            data = parser.edited(data, rng)
        data = parser.forged(data) if rng.random() < 0.9 else data
        return data[:most]

    def one(data: bytes) -> None:
        outcome = judge(parser.use, data)
        report.add(outcome)
        if outcome.is_finding and report.findings[outcome.kind] <= 3:
            path = findings / f"{name}-guided-{report.inputs}"
            path.with_suffix(".bin").write_bytes(data)
            path.with_suffix(".txt").write_text(f"{outcome.kind}\n{outcome.words}\n")
        if report.inputs % _EVERY == 0 or outcome.is_finding:
            _write(report, notes)

    atheris.Setup([sys.argv[0], *options], one, custom_mutator=edited)
    atheris.Fuzz()


def _write(report: Report, notes: Path) -> None:
    facts: dict[str, Any] = {"counts": report.counts, "findings": report.findings}
    facts |= {"slowest_s": report.slowest_s, "most_bytes": report.most_bytes}
    aside = notes.with_suffix(".new")
    aside.write_text(json.dumps(facts), encoding="utf-8")
    aside.replace(notes)


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5:])
