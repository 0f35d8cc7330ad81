"""Who else had the cores, how much memory and energy: from texts of the system's, and for real."""

from __future__ import annotations

import hashlib
import mmap
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from slimcodec.bench import surroundings
from slimcodec.bench.surroundings import (
    Counter,
    beside,
    busy_ticks,
    energy_counters,
    energy_j,
    peak_bytes,
    usage_seconds,
    watched,
)
from slimcodec.machine import available_cores

STATISTICS = """\
cpu  111 0 11 5000 5 1 1 3 9 0
cpu0 100 20 10 2000 5 1 2 3 9 0
cpu1 7 0 1 3000 0 0 0 0 0 0
cpu10 5000 0 0 0 0 0 0 0 0 0
intr 12345 0 0
"""


def test_busy_is_what_is_neither_idle_nor_waiting() -> None:
    assert busy_ticks(STATISTICS, {0}) == 100 + 20 + 10 + 1 + 2 + 3
    assert busy_ticks(STATISTICS, {0, 1}) == 136 + 8
    assert busy_ticks(STATISTICS, {3}) == 0


def test_control_groups_of_both_versions_say_seconds() -> None:
    version_2 = "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n"
    assert usage_seconds(version_2) == pytest.approx(2.5)
    assert usage_seconds("2500000000\n") == pytest.approx(2.5)
    assert usage_seconds("nr_periods 0\n") is None


def test_a_group_is_asked_where_the_machine_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros, usage = tmp_path / "stat", tmp_path / "usage"
    zeros.write_text("cpu 0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n")
    usage.write_text("7000000000\n")
    monkeypatch.setattr(surroundings, "_STATISTICS", zeros)
    monkeypatch.setattr(surroundings, "_GROUP_USAGE", (tmp_path / "none", usage))
    monkeypatch.setattr(surroundings, "_own_seconds", lambda: 0.0)
    monkeypatch.setattr(surroundings, "SHORTEST", 0.0)
    ticks = iter([10.0, 12.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    with watched() as watch:
        usage.write_text("10000000000\n")
    assert watch.others == pytest.approx(1.5)


def test_peak_memory_is_read_in_bytes() -> None:
    assert peak_bytes("Name:\tpython\nVmPeak:\t 9 kB\nVmHWM:\t    2176 kB\n") == 2176 * 1024
    assert peak_bytes("Name:\tpython\n") is None


def test_a_counter_of_energy_goes_round() -> None:
    before = {"package-0": Counter(900, 1000), "package-1": Counter(10, 1000)}
    after = {"package-0": Counter(100, 1000), "package-1": Counter(40, 1000)}
    assert energy_j(before, after) == pytest.approx((200 + 30) / 1e6)
    assert energy_j({}, {}) is None
    assert energy_j(before, {}) is None


def test_energy_is_that_of_packages_each_once(tmp_path: Path) -> None:
    zones = {
        "intel-rapl:0": ("package-0", 5),
        "intel-rapl:0:0": ("core", 3),
        "intel-rapl:1": ("psys", 70),
        "intel-rapl-mmio:0": ("package-0", 5),
        "intel-rapl:2": ("package-1", 6),
    }
    for zone, (name, spent) in zones.items():
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "name").write_text(f"{name}\n")
        (tmp_path / zone / "energy_uj").write_text(f"{spent}\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("100\n")
    assert energy_counters(tmp_path) == {"package-0": Counter(5, 100), "package-1": Counter(6, 100)}
    (tmp_path / "intel-rapl:2" / "energy_uj").unlink()
    assert list(energy_counters(tmp_path)) == ["package-0"]
    assert energy_counters(tmp_path / "nowhere") == {}


def test_a_quiet_machine_is_not_mentioned() -> None:
    assert beside(None) == beside(0.0) == beside(0.19) == ""
    assert beside(1.26) == f"other processes kept about 1.5 of {available_cores()} cores busy"


def test_a_system_that_says_nothing_gives_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_STATISTICS", "_STATUS", "_RESET", "_POWER"):
        monkeypatch.setattr(surroundings, name, tmp_path / "no" / name)
    monkeypatch.setattr(surroundings, "_GROUP_USAGE", ())
    monkeypatch.setattr(surroundings, "SHORTEST", 0.0)
    with watched() as watch:
        pass
    assert (watch.others, watch.peak_mb) == (None, None)


def test_a_block_shorter_than_ticks_tell_is_unknown() -> None:
    with watched() as watch:
        pass
    assert watch.others is None


# For real

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@linux
def test_a_busy_child_is_another_process() -> None:
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.2)
        before = _child_seconds(child.pid)
        started = time.perf_counter()
        with watched() as watch:
            time.sleep(0.6)
        had = (_child_seconds(child.pid) - before) / (time.perf_counter() - started)
    finally:
        child.kill()
        child.wait()
    assert had > 0
    assert watch.others is not None
    # Ticks are counted by looking who is there, so a short while is known to some of them.
    assert watch.others > had - 0.2


def _child_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@linux
def test_own_threads_are_no_others() -> None:
    """On however many cores others leave: theirs and ours are no more than there are."""
    cores, block, end = available_cores(), bytes(1 << 20), time.perf_counter() + 0.6

    def work() -> None:
        while time.perf_counter() < end:
            hashlib.sha256(block)

    threads = [threading.Thread(target=work) for _ in range(cores)]
    own, started = time.process_time(), time.perf_counter()
    with watched() as watch:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    ours = (time.process_time() - own) / (time.perf_counter() - started)
    assert ours > 0
    assert watch.others is not None
    assert watch.others + ours < cores + 0.2


def take_memory(size: int) -> None:
    """Take so many bytes fresh from the system and give them back, past an allocator that keeps
    what it has."""
    with mmap.mmap(-1, size) as memory:
        for place in range(0, size, mmap.PAGESIZE):
            memory[place] = 1


@linux
def test_peak_memory_is_that_of_the_block() -> None:
    big = 64_000_000
    with watched() as outer:
        take_memory(big)
        with watched() as inner:
            pass
    with watched() as later:
        pass
    if outer.peak_mb is None or inner.peak_mb is None or later.peak_mb is None:
        pytest.skip("this system does not count anew")
    # The outer block's began before the inner one counted anew.
    assert outer.peak_mb > inner.peak_mb + 0.9 * big / 1e6
    assert later.peak_mb < outer.peak_mb
