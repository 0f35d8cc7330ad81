"""The machine underneath: what it is, and the one setting that slows everything if left alone.

glibc hands every tensor larger than its mmap threshold a fresh mapping and gives it back on free,
so each layer of a network pays page faults for its whole output. Telling malloc to keep what it
has makes eager torch on image-size tensors up to several times faster; ``benchmarks/allocator.py``
prints the figure for the machine at hand.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = [
    "available_cores",
    "cpu_flags",
    "cpu_name",
    "memory_bytes",
    "resident_bytes",
    "touch_ahead",
    "tune_allocator",
]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_TELLING_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimddp",
)


@cache
def tune_allocator() -> bool:
    """Make glibc's malloc keep memory instead of returning it; once per process.

    Returns:
        True when the setting took, False where there is no ``mallopt`` (musl, macOS, Windows) or
        where ``SLIMCODEC_MALLOC=system`` asks for the allocator to be left alone.
    """
    if not sys.platform.startswith("linux") or os.environ.get("SLIMCODEC_MALLOC") == "system":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    took = [
        mallopt(_M_MMAP_MAX, 0),
        mallopt(_M_TRIM_THRESHOLD, -1),
        mallopt(_M_TOP_PAD, 256 << 20),
    ]
    return all(took)


_BYTES_PER_PIXEL, _MOST_AHEAD, _PART_AHEAD = 200, 256 << 20, 8
"""What coding takes of fresh memory, about; no more than the second is had ahead, nor than this
part of a machine's memory."""


def touch_ahead(pixels: int) -> threading.Thread | None:
    """Have the system hand out memory for a picture's coding on another core, while this one loads
    the codec; for a process that codes one picture.

    Memory is handed out page by page when it is first written to, and a network's first run waits
    for tens of thousands of pages.

    Returns:
        The thread that does it; None where there is no other core, or the allocator could not be
        told to keep what it has.
    """
    if available_cores() < 2 or not tune_allocator():
        return None
    there = memory_bytes() or _PART_AHEAD * _MOST_AHEAD
    size = min(pixels * _BYTES_PER_PIXEL, _MOST_AHEAD, there // _PART_AHEAD)
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
    libc.memset.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    libc.free.argtypes = (ctypes.c_void_p,)
    # Here, as another thread would be given memory of its own; C runs without Python's lock.
    block = libc.malloc(size)
    if not block:
        return None

    def touch() -> None:
        libc.memset(block, 0, size)
        libc.free(block)

    thread = threading.Thread(target=touch, daemon=True)
    thread.start()
    return thread


def available_cores() -> int:
    """Cores this process may use (not: cores in the box)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Memory that this process may come to use as things are now: what it has, which it keeps when
    it is done with it (``tune_allocator``), and what it could still be given. None where the system
    does not say."""
    mapped, resident = _own_memory()
    left = [_free_memory(), *_left_in_groups(), *_left_of_limits(mapped)]
    known = [number for number in left if number is not None]
    return resident + max(0, min(known)) if known else None


def resident_bytes() -> int:
    """Memory that this process has now; 0 where the system does not say."""
    return _own_memory()[1]


def _own_memory() -> tuple[int, int]:
    """Of this process, mapped and resident; zeros where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[:2]
        mapped, resident = (int(count) * os.sysconf("SC_PAGE_SIZE") for count in pages)
    except (OSError, ValueError):
        return 0, 0
    return mapped, resident


def _free_memory() -> int | None:
    """What the machine could give without swapping; where it does not say, all that it has."""
    kib = _facts(Path("/proc/meminfo")).get("MemAvailable:")
    if kib is not None:
        return kib << 10
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


_GROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_KINDS = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Of both versions of control groups: the controllers in ``/proc/self/cgroup``, which is also the
folder; files of limit and usage; and of what is used, what is only kept of files."""


def _left_in_groups() -> Iterator[int]:
    """What each control group around this process, up to the outermost, has left."""
    try:
        lines = _OWN_GROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, own = line.split(":", 2)
        for kind, limit, used, files in _KINDS:
            if kind not in controllers.split(","):
                continue
            top = _GROUPS / kind
            inner = top / own.lstrip("/")
            for folder in (inner, *inner.parents):
                if folder.is_relative_to(top):
                    most, taken = _number(folder / limit), _number(folder / used)
                    if most is not None and taken is not None:
                        kept = _facts(folder / "memory.stat").get(files, 0)
                        yield most - taken + kept


def _left_of_limits(mapped: int) -> Iterator[int]:
    """Of the address space that this process was allowed (``ulimit -v``)."""
    try:
        import resource
    except ImportError:  # not a Unix
        return
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        yield most - mapped


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # none, or one without a limit ("max")
        return None


def _facts(path: Path) -> dict[str, int]:
    """Names and numbers of a file of the kernel's, a pair a line."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.split()[:2] for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


@cache
def cpu_name() -> str:
    """The processor's name as the system gives it."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


@cache
def cpu_flags() -> tuple[str, ...]:
    """Those instruction sets of this CPU that decide how fast a codec runs."""
    flags = set((_cpuinfo().get("flags") or _cpuinfo().get("Features") or "").split())
    return tuple(flag for flag in _TELLING_FLAGS if flag in flags)


@cache
def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
