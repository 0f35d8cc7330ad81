"""What went on around a piece of work: who else had the cores, how much memory, how much energy.

A time says something about a codec only where the codec had the machine. The system counts how long
each core was busy, whoever kept it so; less what this process took itself, that is what others had:

    others = (busy seconds of the cores - processor seconds of this process) / seconds passed

Children count as this process once they have ended and were waited for; one that still runs is
another process. Cores that this process may not use do not count. The counters go by ticks of
10 ms, so blocks of less than ``SHORTEST`` seconds are too short for them.

Whatever a system does not say is None, which is not zero.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from slimcodec.machine import available_cores

__all__ = [
    "QUIET",
    "SHORTEST",
    "Counter",
    "Watch",
    "beside",
    "busy_ticks",
    "energy_counters",
    "energy_j",
    "peak_bytes",
    "usage_seconds",
    "watched",
]

QUIET = 0.2
"""Cores that others keep busy without being mentioned: a desktop that idles takes about a tenth."""
SHORTEST = 0.1
"""Seconds; in less, one tick of the system's counters is a tenth of a core."""

_STATISTICS = Path("/proc/stat")
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_GROUP_USAGE = (Path("/sys/fs/cgroup/cpu.stat"), Path("/sys/fs/cgroup/cpuacct/cpuacct.usage"))
"""Of both versions of control groups, that of the outermost group that is visible."""
_POWER = Path("/sys/class/powercap")


class Watch:
    """What ``watched`` saw; everything is None until its block has ended.

    Attributes:
        others: cores that other processes kept busy, on average.
        peak_mb: largest resident memory of this process, in 10^6 bytes.
        energy_j: joules that the processors' packages took, for whomever.
    """

    def __init__(self) -> None:
        self.others: float | None = None
        self.peak_mb: float | None = None
        self.energy_j: float | None = None
        self.earlier_peak = 0
        """Bytes: the largest before somebody else, inside the block, began to count anew."""


_watching: list[Watch] = []
_lock = threading.Lock()


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch the machine while the block runs; blocks may be inside each other."""
    watch = Watch()
    resets = _begin_peak(watch)
    energy, started = energy_counters(), time.perf_counter()
    busy, own = _busy_seconds(), _own_seconds()
    try:
        yield watch
    finally:
        passed = time.perf_counter() - started
        busy_after, own_after = _busy_seconds(), _own_seconds()
        watch.energy_j = energy_j(energy, energy_counters())
        if busy is not None and busy_after is not None and passed >= SHORTEST:
            watch.others = max(0.0, ((busy_after - busy) - (own_after - own)) / passed)
        _end_peak(watch, resets)


def beside(others: float | None) -> str:
    """What else had the cores, in words; empty below ``QUIET`` cores, and where it is unknown."""
    if others is None or others < QUIET:
        return ""
    # In halves: rows of one bench should say one thing, and nobody corrects a time by a tenth.
    about = max(0.5, round(2 * others) / 2)
    return f"other processes kept about {about:g} of {available_cores()} cores busy"


# Cores


def _busy_seconds() -> float | None:
    """How long the cores that this process may use were busy, together, since some moment."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    if (text := _text(_STATISTICS)) and (ticks := busy_ticks(text, cores)):
        return ticks / os.sysconf("SC_CLK_TCK")
    for path in _GROUP_USAGE:
        if (text := _text(path)) and (seconds := usage_seconds(text)) is not None:
            return seconds
    return None


def busy_ticks(text: str, cores: Collection[int]) -> int:
    """Ticks in which some cores were not idle, those that went to other virtual machines included.

    Args:
        text: of ``/proc/stat``; some sandboxes have one of zeros.
        cores: their numbers.
    """
    names = {f"cpu{number}" for number in cores}
    total = 0
    for line in text.splitlines():
        name, *columns = line.split()
        if name in names:
            user, nice, system, _idle, _wait, interrupts, soft, stolen, *_ = map(int, columns)
            total += user + nice + system + interrupts + soft + stolen
    return total


def usage_seconds(text: str) -> float | None:
    """Processor seconds of a control group.

    Args:
        text: of ``cpu.stat``, which has names and microseconds, or of ``cpuacct.usage``, which is
            one number of nanoseconds.
    """
    words = text.split()
    if len(words) == 1 and words[0].isdigit():
        return int(words[0]) / 1e9
    values = dict(zip(words[::2], words[1::2], strict=False))
    return int(values["usage_usec"]) / 1e6 if "usage_usec" in values else None


def _own_seconds() -> float:
    """Processor seconds of this process, all threads, and of children that were waited for."""
    try:
        import resource
    except ImportError:  # not a Unix
        return time.process_time()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


# Memory


def _begin_peak(watch: Watch) -> bool:
    """Have the system count the largest resident memory anew; False where it does not do that."""
    with _lock:
        so_far = peak_bytes(_text(_STATUS))
        try:
            _RESET.write_text("5", encoding="ascii")
        except OSError:
            return False
        for outer in _watching:
            outer.earlier_peak = max(outer.earlier_peak, so_far or 0)
        _watching.append(watch)
    return True


def _end_peak(watch: Watch, resets: bool) -> None:
    if not resets:
        return
    with _lock:
        _watching.remove(watch)
        now = peak_bytes(_text(_STATUS))
    if now is not None:
        watch.peak_mb = max(now, watch.earlier_peak) / 1e6


def peak_bytes(text: str) -> int | None:
    """Largest resident memory of a process.

    Args:
        text: of its ``/proc/.../status``.
    """
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) << 10
    return None


# Energy


class Counter(NamedTuple):
    """A counter of energy, in microjoules; behind ``largest`` it begins at zero again."""

    spent: int
    largest: int


def energy_counters(folder: Path = _POWER) -> dict[str, Counter]:
    """The counter of each processor package, by its name; none where they cannot be read.

    Newer systems let only their administrator read them, because they tell what others compute.

    Args:
        folder: where the system has its zones of power. A package's counts all that is in it; some
            machines have one package in two zones.
    """
    found = {}
    for zone in sorted(folder.glob("*")):
        name = _text(zone / "name").strip()
        spent, largest = _text(zone / "energy_uj"), _text(zone / "max_energy_range_uj")
        if name.startswith("package") and name not in found and spent and largest:
            found[name] = Counter(int(spent), int(largest))
    return found


def energy_j(before: Mapping[str, Counter], after: Mapping[str, Counter]) -> float | None:
    """Joules between two readings; None where there was nothing to read.

    A counter goes round about once in an hour of hard work; that it went round twice is not seen.
    """
    if not before or before.keys() != after.keys():
        return None
    spent = 0
    for name, counter in after.items():
        more = counter.spent - before[name].spent
        spent += more if more >= 0 else more + counter.largest
    return spent / 1e6


def _text(path: Path) -> str:
    """Of a file of the system's; empty where there is none for us."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
