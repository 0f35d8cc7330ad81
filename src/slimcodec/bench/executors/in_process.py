"""This process, one job after the other."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from slimcodec.bench.jobs import Job, Measurement
from slimcodec.bench.measure import measure

__all__ = ["InProcess"]


class InProcess:
    """See ``Executor``. Nothing is read ahead: that takes a core from what is timed, and reading a
    picture is little beside coding it."""

    threads: int | None = None
    beside = ""

    def run(self, jobs: Iterator[Job]) -> Generator[Measurement, None, None]:
        for job in jobs:
            yield from measure(job)
