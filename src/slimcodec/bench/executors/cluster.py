"""A Ray cluster: as many jobs at once as it has cores.

Jobs name their image and their model file by path, so both must lie where every node reads them
under the same path, and slimcodec must be installed there in the same version, with the same
runtimes; a node that has others is told so by the job, and measures nothing. Rows and pictures come
back to whoever asked, who alone writes.

A worker that is killed, or a node, does not matter: Ray has its job done again elsewhere. Which
jobs share a node's cores nobody knows, so all rows say that others may have.
"""

from __future__ import annotations

import logging
import platform
import socket
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from slimcodec.bench.jobs import CodecReference, Job, Measurement
from slimcodec.bench.measure import measure
from slimcodec.errors import MissingExtraError, SlimcodecError, UsageError

__all__ = ["Cluster"]

_TRIES = 3
"""How often a job is begun again whose worker ends without an answer."""
_SECONDS = 10
"""That a cluster has to answer."""
_AHEAD = 2
"""Jobs that are given for each core that could do one: the next is there when one is done."""


class Cluster:
    """See ``Executor``.

    Args:
        address: of the cluster, such as ``10.0.0.1:6379``; ``auto`` for the one that this machine
            belongs to. A program that is connected already stays so.
        threads: of each job, which are so many of the cluster's cores.

    Raises:
        MissingExtraError: when Ray is not installed.
        UsageError: when nobody answers at the address, as far as that is soon told.
    """

    beside = "other jobs may have shared the cores of a Ray cluster's node"

    def __init__(self, address: str, threads: int = 1) -> None:
        self.address, self.threads = address, threads
        self.ray = _imported()
        try:
            _check_there(address)
        except (OSError, ValueError) as error:
            raise _no_cluster(address, error) from error

    def run(self, jobs: Iterator[Job]) -> Generator[Measurement, None, None]:
        ray = self.ray
        own = self._connect()
        given: dict[Any, Job] = {}
        try:
            do = ray.remote(num_cpus=self.threads, max_retries=_TRIES)(_measured)
            most = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)) // self.threads)
            more = True
            while more or given:
                while more and len(given) < most:
                    job = next(jobs, None)
                    more = job is not None
                    if job is not None:
                        given[do.remote(job)] = job
                if given:
                    (done,), _ = ray.wait(list(given), num_returns=1)
                    yield from self._answer(done, given.pop(done))
        finally:
            for left in given:
                ray.cancel(left, force=True)
            if own:
                ray.shutdown()

    def _connect(self) -> bool:
        """Whether this made the connection, and so ends it.

        Raises:
            UsageError: when there is no cluster.
        """
        if self.ray.is_initialized():
            return False
        try:
            self.ray.init(address=self.address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError) as error:
            raise _no_cluster(self.address, error) from error
        return True

    def _answer(self, done: Any, job: Job) -> list[Measurement]:
        problems = self.ray.exceptions
        try:
            found: list[Measurement] = self.ray.get(done)
        except problems.RayTaskError as error:
            raise error.cause from error
        except problems.RayError as error:
            reason = " ".join(str(error).split())
            raise SlimcodecError(
                f"{1 + _TRIES} workers of the cluster ended while they measured {job.what} "
                f"({reason:.100})"
            ) from error
        return found


def _check_there(address: str) -> None:
    """Whether anybody answers there, where that can be told; Ray waits for minutes.

    Raises:
        OSError: when nobody does.
        ValueError: when it is none that anybody could have.
    """
    if address in ("auto", "local"):
        return
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "//" not in host:
        socket.create_connection((host, int(port)), _SECONDS).close()
    elif "://" not in address:
        raise ValueError("an address is HOST:PORT, or auto")


def _no_cluster(address: str, error: Exception) -> UsageError:
    reason = " ".join(str(error).split())
    return UsageError(
        f"there is no Ray cluster at {address} ({reason:.100}); start one with "
        "`ray start --head`, or name the address that it says"
    )


def _measured(job: Job) -> list[Measurement]:
    """On a node: all measurements of a job.

    Raises:
        SlimcodecError: naming the node, when it does not see the files.
    """
    for path in (job.image, *_files(job.candidate.codec)):
        if not path.exists():
            raise SlimcodecError(
                f"the node {platform.node()} does not see {path}; put images and models where "
                "every node reads them under one path"
            )
    return list(measure(job))


def _files(codec: CodecReference) -> list[Path]:
    """Those that a job names; a codec that ships has none."""
    own = Path(codec.name)
    other = codec.same_size_as
    return [*([own] if own.is_absolute() else []), *([] if other is None else _files(other))]


def _imported() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("a Ray cluster", "ray") from error
    return ray
