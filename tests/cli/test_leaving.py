"""A process whose verb ended well is gone at once, and misses nothing that should come before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import slimcodec

VERSION = f"slimcodec {slimcodec.__version__}\n"
RUN = "import sys; from slimcodec.cli import run; sys.argv = ['slimcodec', '--version']; "


def left(*words: object, stdout: int = subprocess.PIPE) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a fresh interpreter."""
    program = [sys.executable, *map(str, words)]
    # What is printed shall wait to be flushed.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(program, stdout=stdout, stderr=subprocess.PIPE, text=True, env=own)
    return done.returncode, done.stdout, done.stderr


def test_what_was_printed_arrives() -> None:
    assert left("-m", "slimcodec", "--version") == (0, VERSION, "")


def test_a_failure_keeps_its_status() -> None:
    status, out, err = left("-m", "slimcodec", "decode", "none.slc")
    assert (status, out) == (1, "") and err.startswith("slimcodec: none.slc cannot be read")
    assert left("-m", "slimcodec", "decode")[0] == 2


def test_what_is_registered_for_the_end_is_done() -> None:
    code = "import atexit; atexit.register(print, 'at the end'); run()"
    assert left("-c", RUN + code) == (0, VERSION + "at the end\n", "")


def test_temporary_folders_are_removed(tmp_path: Path) -> None:
    code = (
        f"import tempfile; folder = tempfile.TemporaryDirectory(dir={str(tmp_path)!r}); "
        "open(folder.name + '/file', 'w').close(); run()"
    )
    assert left("-c", RUN + code) == (0, VERSION, "")
    assert not list(tmp_path.iterdir())


def test_threads_are_waited_for() -> None:
    code = (
        "import threading, time; "
        "threading.Thread(target=lambda: (time.sleep(0.2), print('a thread'))).start(); run()"
    )
    assert left("-c", RUN + code) == (0, VERSION + "a thread\n", "")


def test_a_profiler_gets_its_word() -> None:
    status, out, _ = left("-m", "cProfile", "-m", "slimcodec", "--version")
    assert status == 0 and "function calls" in out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_what_cannot_be_printed_is_no_success() -> None:
    with open("/dev/full", "w") as full:
        status, _, err = left("-m", "slimcodec", "--version", stdout=full.fileno())
    assert status != 0 and "No space left" in err
