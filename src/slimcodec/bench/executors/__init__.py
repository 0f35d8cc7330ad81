"""Executors: who measures the jobs of a grid. One file each; the rows are the same but for times.

in_process    this process, one job after the other: the one whose times are worth most
processes     processes on this machine that share its cores
cluster       a Ray cluster
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Protocol

from slimcodec.bench.executors.in_process import InProcess
from slimcodec.bench.executors.processes import Processes
from slimcodec.bench.jobs import Job, Measurement

__all__ = ["Executor", "InProcess", "Processes"]


class Executor(Protocol):
    """Somebody who measures."""

    @property
    def threads(self) -> int | None:
        """Of each graph; all cores when None."""

    @property
    def beside(self) -> str:
        """What runs beside each job, in words, for its rows; empty where nothing does."""

    def run(self, jobs: Iterator[Job]) -> Generator[Measurement, None, None]:
        """Measure all of them.

        Args:
            jobs: asked for the next one when there is somebody to do it, by the thread that asks
                for measurements.

        Yields:
            Each measurement as soon as it is there, in any order. Whoever stops asking and closes
            the iterator stops the work.

        Raises:
            SlimcodecError: as ``measure``.
        """
