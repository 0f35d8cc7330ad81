"""A process that measures for another one: jobs come in pickled, what comes of them goes out.

It is started by ``executors.processes`` and ends when nobody is left to give it jobs.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from slimcodec.bench.jobs import Job, Measurement
from slimcodec.bench.measure import measure
from slimcodec.errors import SlimcodecError

__all__ = ["Answer", "serve"]

Answer = Measurement | Exception | None
"""A measurement; why there are no more; None when the job is done."""


def serve() -> None:
    """Jobs from standard input, answers to standard output, until the input ends.

    Whatever libraries print goes to standard error: among answers it would be no answer.
    """
    # Whoever gave the jobs may be gone, and then there is nowhere to write the last answer.
    gone = suppress(EOFError, BrokenPipeError)
    with gone, os.fdopen(os.dup(0), "rb") as jobs, os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(sys.stderr.fileno(), 1)
        while True:
            for answer in _answers(pickle.load(jobs)):
                _send(answer, answers)


def _answers(job: Job) -> Iterator[Answer]:
    try:
        yield from measure(job)
    except Exception as error:  # it is raised where the job was made
        error.add_note(traceback.format_exc())
        yield _travelling(error)
    yield None


def _travelling(error: Exception) -> Exception:
    """As it is, if another process can make it again; else what it says."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class asks for
        said = SlimcodecError(f"{type(error).__name__}: {error}")
        said.add_note(traceback.format_exc())
        return said
    return error


def _send(answer: Answer, to: BinaryIO) -> None:
    pickle.dump(answer, to, protocol=pickle.HIGHEST_PROTOCOL)
    to.flush()
