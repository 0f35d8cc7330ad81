"""One input judged, and many of them in processes of their own.

A *finding* is an exception that is no ``SlimcodecError``, a picture of another size than its stream
says, more than ``MOST_SECONDS`` or ``MOST_BYTES`` for one input, or a process that died. What asks
for more memory than a process may have and is told so in a clear error took none, and is refused
like anything else. Input i of a seed is a function of the two, so whoever has a finding's numbers
has its input again.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from slimcodec.errors import SlimcodecError

__all__ = ["MOST_BYTES", "MOST_SECONDS", "Outcome", "Report", "input_of", "judge", "judge_many"]

MOST_SECONDS, MOST_BYTES = 10.0, 2 << 30
_PATIENCE = 6
"""Times ``MOST_SECONDS`` by the clock, until a process that does not come back hangs."""
_KEPT_OF_A_KIND = 3
"""Findings of one kind whose files are kept; the others are counted."""
_TOO_LARGE = "more than its memory"
_EDITS = (1, 1, 1, 2, 2, 3, 5)
_FORGED = 0.9
"""Share of inputs whose checks are put right."""


@dataclass(frozen=True)
class Outcome:
    """Of one input.

    Attributes:
        kind: ``taken``, ``refused``, or what a finding is called.
        seconds: that its use took.
        rss_bytes: most memory of the process up to then.
        words: of a finding, what there is to say.
    """

    kind: str
    seconds: float
    rss_bytes: int
    words: str = ""

    @property
    def is_finding(self) -> bool:
        return self.kind not in ("taken", "refused")


@dataclass
class Report:
    """Of a run; findings by kind."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    most_bytes: int = 0

    def add(self, outcome: Outcome) -> None:
        self.counts["finding" if outcome.is_finding else outcome.kind] += 1
        self.slowest_s = max(self.slowest_s, outcome.seconds)
        self.most_bytes = max(self.most_bytes, outcome.rss_bytes)
        if outcome.is_finding:
            self.findings[outcome.kind] += 1

    @property
    def inputs(self) -> int:
        return self.counts.total()


def input_of(parser: Any, seeds: Sequence[bytes], seed: int, index: int) -> bytes:
    """Input ``index`` of a seed: a sound one, edited a few times."""
    rng = random.Random(f"{seed}/{index}")
    data = rng.choice(seeds)
    for _ in range(rng.choice(_EDITS)):
        data = parser.edited(data, rng)
    forged: bytes = parser.forged(data) if rng.random() < _FORGED else data
    return forged


def judge(use: Callable[[bytes], None], data: bytes) -> Outcome:
    """Use an input, and say how that went."""
    from fuzzing.parsers import WrongPicture

    started, worked, words = time.monotonic(), time.process_time(), ""
    had, before = _resident(), _most_resident()
    try:
        use(data)
        kind = "taken"
    except SlimcodecError:
        kind = "refused"
    except MemoryError:
        kind, words = _TOO_LARGE, traceback.format_exc()
    except WrongPicture:
        kind, words = "a picture of another size", traceback.format_exc()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of a library in Rust is no Exception
        kind, words = _called(error), traceback.format_exc()
    # A machine that does other work, too, is no fault of an input's.
    seconds = min(time.monotonic() - started, time.process_time() - worked)
    if kind in ("taken", "refused") and seconds > MOST_SECONDS:
        kind, words = f"{kind} after more than {MOST_SECONDS:.0f} s", f"{seconds:.1f} s"
    most = _most_resident()
    # What a process has from before, other tests' libraries say, is no fault of an input's either.
    if kind in ("taken", "refused") and most > max(before, had + MOST_BYTES):
        kind, words = _TOO_LARGE, f"{(most - had) / 1e6:.0f} MB"
    return Outcome(kind, seconds, most, words)


def _called(error: BaseException) -> str:
    """The exception and the last line of ours that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "slimcodec" in Path(frame.filename).parts]
    frame = (ours or frames)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"


def _most_resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _resident() -> int:
    return _pages(1)


def _pages(place: int) -> int:
    """Bytes of the pages that are counted there."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[place])
    return pages * os.sysconf("SC_PAGE_SIZE")


def limit_memory() -> None:
    """This process gets no more than ``MOST_BYTES`` beside what it has."""
    most = _pages(0) + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def prepared(name: str, folder: Path, work: Path) -> Any:
    """A parser in a process that does nothing else; its cache is below ``work``."""
    work.mkdir(parents=True, exist_ok=True)
    os.environ["SLIMCODEC_CACHE"] = str(work / "cache")
    warnings.simplefilter("ignore")
    from fuzzing.parsers import PARSERS

    return PARSERS[name](folder, work)


@dataclass
class _Worker:
    """A process and the input that it is at."""

    process: Any
    results: Connection
    index: int
    since: float


def judge_many(
    name: str,
    folder: Path,
    findings: Path,
    *,
    count: int,
    seed: int,
    workers: int,
    on_progress: Callable[[Report], None],
) -> Report:
    """Judge ``count`` inputs of a parser, in processes that may hang or die.

    Args:
        name: of the parser.
        folder: with sound inputs, and to work in.
        findings: a folder for the inputs that are findings, with what happened beside each.
        count: of inputs.
        seed: of all of them.
        workers: processes.
        on_progress: called now and then.
    """
    report, context = Report(), multiprocessing.get_context("spawn")
    parser = prepared(name, folder, folder / "work-parent")
    sound = parser.seeds()

    def started(first: int) -> _Worker:
        ours, theirs = context.Pipe(duplex=False)
        place = folder / f"work-{first % workers}"
        given = (name, folder, place, theirs, seed, range(first, count, workers))
        process = context.Process(target=_work, args=given, daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours, -1, time.monotonic())

    def found(index: int, outcome: Outcome) -> None:
        report.add(outcome)
        if outcome.is_finding and report.findings[outcome.kind] <= _KEPT_OF_A_KIND:
            _keep(findings, f"{name}-{seed}-{index}", input_of(parser, sound, seed, index), outcome)

    running = [started(first) for first in range(min(workers, count))]
    while running:
        on_progress(report)
        for place, worker in enumerate(list(running)):
            ended = _listen(worker, found)
            if ended is None:
                continue
            worker.process.kill()
            worker.process.join()
            running.remove(worker)
            if ended:  # it hung or died in an input; the next process goes on behind it
                found(worker.index, Outcome(ended, time.monotonic() - worker.since, 0, ended))
                if worker.index + workers < count:
                    running.insert(place, started(worker.index + workers))
            break
    return report


def _listen(worker: _Worker, found: Callable[[int, Outcome], None]) -> str | None:
    """Take what a worker has to say; in the end why it ended, empty when it was done."""
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:
        try:
            if not worker.results.poll(0.05):
                # Starting up takes a while and is no input's fault.
                if worker.index >= 0 and time.monotonic() - worker.since > _PATIENCE * MOST_SECONDS:
                    return f"still running after {_PATIENCE} times its time"
                continue
            said = worker.results.recv()
        except EOFError:
            worker.process.join()
            if worker.process.exitcode == 0:
                return ""
            if worker.index < 0:
                raise SlimcodecError("a worker died before its first input") from None
            return f"the process ended with status {worker.process.exitcode}"
        if isinstance(said, int):
            worker.index, worker.since = said, time.monotonic()
        else:
            found(worker.index, said)
    return None


def _keep(findings: Path, name: str, data: bytes, outcome: Outcome) -> None:
    findings.mkdir(parents=True, exist_ok=True)
    (findings / f"{name}.bin").write_bytes(data)
    (findings / f"{name}.txt").write_text(f"{outcome.kind}\n{outcome.words}\n", encoding="utf-8")


def _work(
    name: str, folder: Path, work: Path, results: Connection, seed: int, indices: range
) -> None:
    """In a process of its own: say which input comes, judge it, say how it went."""
    # What runtimes print of broken graphs is theirs.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    parser = prepared(name, folder, work)
    sound = parser.seeds()
    judge(parser.use, sound[0])  # what is imported late is imported before memory counts
    limit_memory()
    for index in indices:
        results.send(index)
        results.send(judge(parser.use, input_of(parser, sound, seed, index)))
