"""Processes of this machine that share its cores.

Each worker is bound to cores of its own, as many as it has threads, so that whatever asks how many
cores there are (runtimes, integer engines, tiles) takes no more than those. Times are then those of
so many cores beside other work, and rows say so; bytes, pixels and metrics are the same.

A worker hands over each measurement as soon as it has it. When one is killed, what is missing of
its job is done again by another in its place.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from slimcodec.bench.executors.worker import Answer
from slimcodec.bench.jobs import Job, Measurement
from slimcodec.errors import SlimcodecError, UsageError
from slimcodec.machine import available_cores

__all__ = ["Processes"]

_TRIES = 3
"""How often a job is begun whose workers end without an answer."""


class Processes:
    """See ``Executor``.

    Args:
        workers: how many.
        threads: of each; the cores are shared out when not given.

    Raises:
        UsageError: when there are to be none.
    """

    def __init__(self, workers: int, threads: int | None = None) -> None:
        if workers < 1:
            raise UsageError(f"there must be at least one worker, got {workers}")
        self.workers = workers
        self.threads = threads or max(1, available_cores() // workers)

    @property
    def beside(self) -> str:
        others = self.workers - 1
        if not others:
            return ""
        shared = self.workers * self.threads > available_cores()
        where = "on these cores" if shared else "on other cores of this machine"
        return f"{others} other worker{'s' * (others > 1)} {where}"

    def run(self, jobs: Iterator[Job]) -> Generator[Measurement, None, None]:
        heard: queue.SimpleQueue[tuple[_Worker, Answer | _Ended]] = queue.SimpleQueue()
        again: deque[Job] = deque()
        begun: Counter[str] = Counter()
        crew: dict[int, _Worker] = {}

        def occupy(number: int) -> None:
            """Give a worker its next job, if there is one; start it, if it is not there."""
            job = again.popleft() if again else next(jobs, None)
            if job is not None:
                if number not in crew:
                    crew[number] = _Worker(number, self.threads, heard)
                crew[number].give(job)

        try:
            for number in range(self.workers):
                occupy(number)
            while any(worker.job is not None for worker in crew.values()):
                worker, answer = heard.get()
                if isinstance(answer, Measurement):
                    worker.left.remove(answer.row.quality)
                    yield answer
                elif isinstance(answer, Exception):
                    raise answer
                else:
                    job, worker.job = worker.job, None
                    if answer is not None:
                        crew.pop(worker.number).dismiss()
                        if job is not None:
                            begun[job.what] += 1
                            again.append(_rest(job, worker, begun[job.what]))
                    occupy(worker.number)
        finally:
            for worker in crew.values():
                worker.dismiss()


class _Ended:
    """What is heard last of a worker."""


class _Worker:
    """A process with a job, and a thread that listens to it.

    Args:
        number: tells it from the others, and says which cores it gets.
        threads: how many.
        heard: where answers go.
    """

    def __init__(self, number: int, threads: int, heard: Any) -> None:
        self.number, self.heard = number, heard
        self.job: Job | None = None
        self.left: list[float] = []
        """Qualities of the job that nothing was heard of."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _program(number, threads)],
            env={
                **os.environ,
                "OMP_NUM_THREADS": str(threads),
                # Whatever can be imported here can be there.
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C is for whoever has the rows.
            start_new_session=True,
        )
        self.listening = threading.Thread(target=self._listen, daemon=True)
        self.listening.start()

    def give(self, job: Job) -> None:
        """Have it do a job. That it has ended meanwhile is heard of."""
        self.job, self.left = job, list(job.candidate.qualities)
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            pickle.dump(job, self.process.stdin)
            self.process.stdin.flush()

    def dismiss(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.listening.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        # One that is killed may end in the middle of an answer, which can go wrong in any way; that
        # nobody is listening any more must be heard of in each.
        with suppress(Exception):
            while True:
                self.heard.put((self, pickle.load(self.process.stdout)))
        self.heard.put((self, _Ended()))


def _program(number: int, threads: int) -> str:
    """What a worker runs. It is bound to its cores before anything asks how many there are."""
    lines = ["from slimcodec.bench.executors.worker import serve", "serve()"]
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        own = {cores[(number * threads + n) % len(cores)] for n in range(threads)}
        lines.insert(0, f"import os; os.sched_setaffinity(0, {own})")
    return "\n".join(lines)


def _rest(job: Job, worker: _Worker, times: int) -> Job:
    """What is to be done again of a job whose worker has ended.

    Raises:
        SlimcodecError: when that has happened too often.
    """
    if times >= _TRIES:
        raise SlimcodecError(
            f"{times} workers ended while they measured {job.what}, the last with status "
            f"{worker.process.wait()}; fewer workers take less memory"
        )
    return replace(job, candidate=replace(job.candidate, qualities=tuple(worker.left)))
