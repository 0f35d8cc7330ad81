"""What the machine says of itself, and the allocator's setting."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slimcodec.machine import (
    available_cores,
    cpu_flags,
    cpu_name,
    memory_bytes,
    touch_ahead,
    tune_allocator,
)


def test_cores_are_those_of_this_process() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no CPU affinity on this system")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_memory_is_more_than_this_process_has() -> None:
    there = memory_bytes()
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("no /proc on this system")
    with open("/proc/self/statm", encoding="utf-8") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert there is not None
    assert resident < there


LIMITED = """
import resource
from slimcodec.machine import memory_bytes
before = memory_bytes()
resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
assert memory_bytes() <= 1 << 28, memory_bytes()
assert memory_bytes() < before
"""


def test_memory_is_no_more_than_this_process_may_have() -> None:
    pytest.importorskip("resource")
    subprocess.run([sys.executable, "-c", LIMITED], check=True)


@pytest.mark.parametrize("version", [1, 2])
def test_memory_is_no_more_than_a_group_around_has_left(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of the groups around is the tightest; what files are kept of does not count."""
    mib = 1 << 20
    if version == 1:
        top, names = tmp_path / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        own, files = "5:cpu:/\n4:memory:/outer/inner\n", "total_inactive_file"
    else:
        top, names = tmp_path, ("memory.max", "memory.current")
        own, files = "0::/outer/inner\n", "inactive_file"
    (top / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "own").write_text(own)
    monkeypatch.setattr("slimcodec.machine._GROUPS", tmp_path)
    monkeypatch.setattr("slimcodec.machine._OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr("slimcodec.machine._own_memory", lambda: (0, 0))
    for folder, most, used in (("outer", 9, 5), ("outer/inner", 100, 1)):
        for name, number in zip(names, (most, used), strict=True):
            (top / folder / name).write_text(f"{number * mib}\n")
    (top / "outer" / "memory.stat").write_text(f"anon 7\n{files} {2 * mib}\n")
    assert memory_bytes() == 6 * mib
    (top / "outer" / names[0]).write_text("max\n")
    there = memory_bytes()
    assert there is not None and there > 6 * mib


def test_the_processor_has_a_name() -> None:
    assert cpu_name().strip()
    assert "\n" not in cpu_name()


def test_flags_are_those_that_tell() -> None:
    flags = cpu_flags()
    assert len(flags) == len(set(flags))
    if not os.path.exists("/proc/cpuinfo"):
        assert flags == ()
        return
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        words = set(file.read().split())
    assert set(flags) <= words
    assert ("avx2" in flags) == ("avx2" in words)


PROGRAM = "from slimcodec.machine import tune_allocator as t; print(t(), t())"


@pytest.mark.parametrize("choice", ["", "system"])
def test_the_allocator_is_set_unless_told_otherwise(choice: str) -> None:
    """In a process of its own: the setting is for good."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "SLIMCODEC_MALLOC": choice},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = result.stdout.split()
    assert first == second
    if choice == "system" or not sys.platform.startswith("linux"):
        assert first == "False"
    else:
        assert first in ("True", "False")  # True with glibc, False with musl


def test_asking_again_is_safe() -> None:
    assert tune_allocator() == tune_allocator()


def test_memory_that_was_touched_ahead_is_there() -> None:
    """What a process takes next is not handed out page by page any more."""
    code = (
        "import resource\n"
        "from slimcodec.machine import touch_ahead\n"
        "thread = touch_ahead(1 << 18)\n"
        "if thread is not None:\n"
        "    thread.join()\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    block = bytearray(32 << 20)\n"
        "    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "    assert faults < 1000, faults\n"
    )
    if not sys.platform.startswith("linux"):
        pytest.skip("the allocator is glibc's")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_more_is_touched_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slimcodec.machine.memory_bytes", lambda: 8 << 20)
    if (thread := touch_ahead(1 << 40)) is not None:
        thread.join()
    monkeypatch.setattr("slimcodec.machine.available_cores", lambda: 1)
    assert touch_ahead(1) is None
