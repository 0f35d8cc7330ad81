"""A bench of 24 images and 12 configurations, killed at random moments, against one left alone.

    python benchmarks/killed_bench.py --images KODAK
    python benchmarks/killed_bench.py --images KODAK --workers 2
    python benchmarks/killed_bench.py --images KODAK --ray

The bench is killed (-9) three times, each when it has some random number of rows, runs to its end,
and must have the rows of the one left alone, but for times, and those that it had before each kill.
With --ray a head and two nodes of one core run on this machine, and it is Ray's workers that are
killed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from slimcodec.bench import Row, RowStore

CONFIGURATIONS = {"jpeg": "20,40,60,80", "webp": "20,40,60,80", "hific-s": "1,2,3,4"}
"""Codecs and qualities; each codec is a bench into one folder."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--codecs", nargs="*", default=list(CONFIGURATIONS))
    parser.add_argument("--workers", type=int)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slimcodec-killed-") as place:
        if arguments.ray:
            os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
            from ray.cluster_utils import Cluster

            cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
            for _ in range(2):
                cluster.add_node(num_cpus=1)
            try:
                _compare(arguments, Path(place), ["--ray", cluster.address])
            finally:
                cluster.shutdown()
        else:
            who = [] if arguments.workers is None else ["--workers", str(arguments.workers)]
            _compare(arguments, Path(place), who)


def _compare(arguments: argparse.Namespace, place: Path, who: list[str]) -> None:
    rng = random.Random(arguments.seed)
    alone, killed = place / "alone", place / "killed"
    took = _benches(arguments, alone, [])
    whole = _rows(alone, arguments.codecs)
    print(f"left alone: {len(whole)} rows in {took:.0f} s", flush=True)
    kept: dict[str, Row] = {}
    moments = sorted(rng.sample(range(1, len(whole)), arguments.kills))
    while moments:
        fell = _killed(arguments, killed, who, moments)
        now = {row.key: row for row in _rows(killed, arguments.codecs)}
        lost = [key for key, row in kept.items() if now.get(key) != row]
        kept = now
        print(f"killed {fell}: {len(now)} rows, {len(lost)} lost", flush=True)
    _benches(arguments, killed, who)
    found = _rows(killed, arguments.codecs)
    lost = [key for key, row in kept.items() if row not in found]
    same = _without_times(found) == _without_times(whole)
    print(f"to the end: {len(found)} rows, {len(lost)} lost, the same but for times: {same}")


def _commands(arguments: argparse.Namespace, out: Path, who: list[str]) -> list[list[str]]:
    return [
        [sys.executable, "-m", "slimcodec", "bench", codec, "--images", str(arguments.images),
         "--quality", CONFIGURATIONS[codec], "--metrics", "psnr", "--pictures", "1",
         "--out", str(out / codec), "--json", *who]
        for codec in arguments.codecs
    ]  # fmt: skip


def _benches(arguments: argparse.Namespace, out: Path, who: list[str]) -> float:
    started = time.monotonic()
    for command in _commands(arguments, out, who):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def _killed(arguments: argparse.Namespace, out: Path, who: list[str], moments: list[int]) -> str:
    """Run, and when there are so many rows as the next moment says kill the bench, or on a cluster,
    where the bench goes on, what works for it; says what was killed."""
    fell = 0
    for command in _commands(arguments, out, who):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None:
            time.sleep(0.05)
            if moments and len(_rows(out, arguments.codecs)) >= moments[0]:
                if not arguments.ray:
                    process.kill()
                    process.wait()
                    del moments[0]
                    return "the bench"
                if _kill_workers():
                    del moments[0]
                    fell += 1
    moments.clear()
    return f"{fell} workers"


def _kill_workers() -> bool:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::_measured" in (folder / "cmdline").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)
                return True
        except OSError:  # it has just ended
            continue
    return False


def _rows(out: Path, codecs: list[str]) -> list[Row]:
    found: list[Row] = []
    for codec in codecs:
        if (path := out / codec / "rows.sqlite").exists():
            store = RowStore(path)
            found.extend(store)
            store.close()
    return found


def _without_times(rows: list[Row]) -> list[Row]:
    same = [
        replace(row, encode_ms=0.0, decode_ms=0.0, read_ms=0.0, parts_ms={}, steps_ms={},
                spread=None, beside="", machine={}, peak_mb=None, energy_j=None)
        for row in rows
    ]  # fmt: skip
    return sorted(same, key=lambda row: row.key)


if __name__ == "__main__":
    main()
