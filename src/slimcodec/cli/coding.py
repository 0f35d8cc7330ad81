"""Coding one picture or many: what encode and decode have in common.

Many are coded at once, each on a thread of its own that reads, codes and writes, so that files are
read and written while others are coded. A graph that has all cores leaves some idle wherever a step
cannot be split and in the code between graphs; so each call gets one core, or as many as there
are for each, and what comes out is the same. Memory bounds how many are coded: one that
would not fit beside the others waits for them.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from slimcodec.atomic import write_atomically
from slimcodec.cli.console import note, print_json, print_table, progress_bar, readable_bytes
from slimcodec.cli.interrupting import kept_if_interrupted
from slimcodec.cli.outputs import Job
from slimcodec.errors import InterruptionError, SlimcodecError, UsageError
from slimcodec.machine import available_cores, memory_bytes, resident_bytes
from slimcodec.types import Codec, Tiled

if TYPE_CHECKING:
    from concurrent.futures import Future

    from slimcodec.report import Table

__all__ = [
    "Coded",
    "Memory",
    "Shown",
    "code_all",
    "refuse_terminal",
    "threads_for",
    "write_output",
]

_READERS = 1
"""Threads beyond those that keep all cores busy: one more picture that is read or written."""
_LOADING = 80 << 20
"""What a runtime takes for graphs that are loaded when they are first called."""
_PEERS_BYTES_PER_PIXEL = 32.0
"""What image formats take of memory, about: the pixels, a copy, and their library's own."""


@dataclass(frozen=True)
class Coded:
    """One file that was coded.

    Attributes:
        facts: for JSON.
        line: for people.
        notes: sentences about it, for people.
        bytes_in, bytes_out: sizes of its files.
        bpp: of its stream.
        damage: what was lost of it, in words; empty when it is whole.
        accepted: whether whoever asked is content with what is left.
        table: for people, below the line of a single one.
    """

    facts: dict[str, Any]
    line: str
    notes: tuple[str, ...]
    bytes_in: int
    bytes_out: int
    bpp: float
    damage: str = ""
    accepted: bool = False
    table: Table | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it counts as done."""
        return not self.damage or self.accepted


@dataclass(frozen=True)
class Shown:
    """What is printed.

    Attributes:
        verb: such as ``"encoding"``, for the bar.
        source: what an input is called in JSON.
        made: what comes out, in the singular.
        json: whether results are printed as JSON.
        quiet: whether nothing but errors is printed, and JSON where that is asked for.
        single: whether one file was named, so that one result is printed.
        to_stdout: whether the output goes to standard output, and results to stderr.
        force: whether outputs are written over, so that those of before cannot be told from new
            ones.
    """

    verb: str
    source: str
    made: str
    json: bool
    quiet: bool
    single: bool
    to_stdout: bool
    force: bool


class Memory:
    """Memory that coding at the same time has to share.

    Args:
        limit: bytes of this process in all; what it may have now when not given.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.there = memory_bytes() if limit is None else limit
        self._taken = 0.0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, codec: Codec, height: int, width: int) -> Iterator[int | None]:
        """What a picture takes while it is coded, waited for; one that will never fit waits until
        it is alone, and the codec itself says what is to be said of it.

        Yields:
            what coding may take, where the limit says so; None for what is usual.
        """
        if isinstance(codec, Tiled):
            needed = float(codec.memory_needed(height, width))
        else:
            needed = _PEERS_BYTES_PER_PIXEL * height * width
        with self._changed:
            self._changed.wait_for(lambda: self._fits(needed))
            self._taken += needed
        try:
            yield self._allowed(needed)
        finally:
            with self._changed:
                self._taken -= needed
                self._changed.notify_all()

    def _allowed(self, needed: float) -> int | None:
        if self.limit is None:
            return None
        own = resident_bytes() + _LOADING
        left = self.limit - own
        if left <= 0:
            raise UsageError(
                f"--memory {readable_bytes(self.limit)} is less than the {readable_bytes(own)} "
                "that this process takes before it codes anything; allow more"
            )
        return None if left >= needed else left

    def _fits(self, needed: float) -> bool:
        return self._taken == 0 or self.there is None or self._taken + needed <= self.there


def threads_for(jobs: int) -> int | None:
    """Threads of each graph where so many files are coded; None, all cores, for one."""
    cores = available_cores()
    return None if jobs < 2 else cores // min(jobs, cores)


def code_all(jobs: Sequence[Job], work: Callable[[Job], Coded], shown: Shown) -> None:
    """Do every job and print what came out.

    Args:
        jobs: whose outputs may be written.
        work: reads, codes and writes one; called from several threads where there are several.
        shown: what to print.

    Raises:
        typer.Exit: status 1, when one was damaged, or any of several could not be coded.
        SlimcodecError: what ``work`` raises, when it is a single one.
        InterruptionError: saying how many are written.
    """
    if shown.single:
        whole = [_show_single(work(job), shown) for job in jobs]
    else:
        whole = _code_several(jobs, work, shown)
    if not all(whole):
        raise typer.Exit(1)


def refuse_terminal(jobs: Sequence[Job]) -> None:
    """Bytes are not for a terminal.

    Raises:
        UsageError: when a job would write some there.
    """
    if any(job.target is None for job in jobs) and sys.stdout.isatty():
        raise UsageError(
            "bytes are not written to a terminal; name a file with -o, or send them on with > or |"
        )


def write_output(target: Path | None, data: bytes) -> str:
    """Write a file whole or not at all, its folder made when missing; or to standard output.

    Returns:
        What messages call it.
    """
    if target is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return "standard output"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, data)
    return str(target)


# One


def _show_single(coded: Coded, shown: Shown) -> bool:
    """Print it; whether it is whole."""
    if not shown.quiet:
        for sentence in coded.notes:
            note(sentence)
    if shown.json:
        print_json(coded.facts, sys.stderr if shown.to_stdout else sys.stdout)
    elif not shown.quiet:
        print(coded.line, file=sys.stderr if shown.to_stdout else sys.stdout)
        if coded.table is not None:
            print_table(coded.table)
    _say_damage(coded, shown)
    return coded.is_whole


def _say_damage(coded: Coded, shown: Shown) -> None:
    if coded.damage and not (shown.quiet and coded.accepted):
        note(coded.damage)


# Several


def _code_several(jobs: Sequence[Job], work: Callable[[Job], Coded], shown: Shown) -> list[bool]:
    """Code them, print all; which of them are whole."""
    begun = time.monotonic()
    with kept_if_interrupted("what is written stays"), _bar(shown) as progress:
        outcomes = _outcomes(jobs, work, shown, progress)
    coded = [outcome for outcome in outcomes if isinstance(outcome, Coded)]
    whole = [isinstance(outcome, Coded) and outcome.is_whole for outcome in outcomes]
    if shown.json:
        errors = [{"error": one} if isinstance(one, str) else one.facts for one in outcomes]
        print_json([{shown.source: j.source.name, **e} for j, e in zip(jobs, errors, strict=True)])
    elif not shown.quiet:
        _note_grouped(coded)
        print(_summary(coded, shown, whole.count(False), time.monotonic() - begun))
    return whole


@contextmanager
def _bar(shown: Shown) -> Iterator[Callable[[int, int, str], None]]:
    if shown.quiet:
        yield _no_progress
        return
    with progress_bar(shown.verb) as progress:
        yield progress


def _no_progress(done: int, total: int, what: str) -> None:
    """For whoever wants to see none."""


def _outcomes(
    jobs: Sequence[Job],
    work: Callable[[Job], Coded],
    shown: Shown,
    on_progress: Callable[[int, int, str], None],
) -> list[Coded | str]:
    """What came of each job, in order: its result, or why there is none, which is also said at
    once."""
    # Whoever codes one picture does not wait for it.
    from concurrent.futures import ThreadPoolExecutor, as_completed

    workers = max(1, min(len(jobs), available_cores() + _READERS))
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(_tried, work, job): job for job in jobs}
        on_progress(0, len(jobs), "")
        try:
            for done, future in enumerate(as_completed(futures), 1):
                outcome = future.result()
                if isinstance(outcome, str):
                    note(f"slimcodec: {outcome}")
                else:
                    _say_damage(outcome, shown)
                on_progress(done, len(jobs), futures[future].source.name)
        except KeyboardInterrupt:
            # Those that are under way are finished and counted.
            pool.shutdown(cancel_futures=True)
            written = sum(isinstance(_result(future), Coded) for future in futures)
            further = "does all again" if shown.force else "with --skip-existing does the others"
            raise InterruptionError(
                f"interrupted; {written} of {len(jobs)} are written and stay; the same command "
                f"{further}"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


def _tried(work: Callable[[Job], Coded], job: Job) -> Coded | str:
    """What a job gives, or in one line why it gives nothing: that stops no other."""
    try:
        return work(job)
    except SlimcodecError as error:
        line = " ".join(str(error).split())
        return line if line.startswith(job.source.name) else f"{job.source.name}: {line}"
    except MemoryError:
        return f"{job.source.name}: more memory is needed than this process may have"


def _result(future: Future[Coded | str]) -> Coded | str | None:
    """Of a job that was done; None where it was not begun."""
    return None if future.cancelled() else future.result()


def _note_grouped(coded: Sequence[Coded]) -> None:
    """Each sentence once, with the number of files that it is about: hundreds of photographs of
    one telephone have one thing to say."""
    sentences = Counter(sentence for one in coded for sentence in one.facts.get("notes", ()))
    for sentence, count in sentences.items():
        note(f"{count} of {len(coded)}: {sentence}")


def _summary(coded: Sequence[Coded], shown: Shown, failures: int, seconds: float) -> str:
    """One line about all of them."""
    made = f"{len(coded)} {shown.made}{'s' * (len(coded) != 1)}"
    failed = f", {failures} failed" if failures else ""
    if not coded:
        return f"{made}, {seconds:.1f} s{failed}"
    bytes_in = readable_bytes(sum(one.bytes_in for one in coded))
    bytes_out = readable_bytes(sum(one.bytes_out for one in coded))
    bpp = sum(one.bpp for one in coded) / len(coded)
    return (
        f"{made}: {bytes_out} from {bytes_in} of {shown.source}s, {bpp:.3f} bpp mean, "
        f"{seconds:.1f} s{failed}"
    )
