"""Hostile input for everything that reads a file, and what came of it.

    python benchmarks/fuzz.py streams --count 20000 --seed 0
    python benchmarks/fuzz.py models --count 20000 --guided

Inputs are sound files with edits that know the format, checks and digests put right again. With
``--guided`` they are chosen by coverage: an input that reaches a line of ours that none reached
before is edited on (libFuzzer, by ``pip install atheris``; Linux). Printed: inputs, how many were
refused and taken, the slowest, the most memory, and findings by kind, whose inputs are kept in
``--findings``. What a finding is, ``fuzzing/judging.py`` says.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

# On networks of a dozen channels a second thread only waits.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from fuzzing.guided import judge_guided
from fuzzing.judging import Report, judge_many
from fuzzing.parsers import PARSERS
from fuzzing.seeds import make_seeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parser", choices=PARSERS)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--findings", type=Path, default=Path("findings"))
    parser.add_argument("--guided", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slimcodec-fuzz-") as made:
        folder = Path(made)
        os.environ["SLIMCODEC_CACHE"] = str(folder / "cache")
        make_seeds(folder, arguments.parser)
        started = time.monotonic()
        if arguments.guided:
            report = judge_guided(
                arguments.parser, folder, arguments.findings,
                count=arguments.count, seed=arguments.seed, on_progress=_Shown(started),
            )  # fmt: skip
        else:
            report = judge_many(
                arguments.parser, folder, arguments.findings,
                count=arguments.count, seed=arguments.seed, workers=arguments.workers,
                on_progress=_Shown(started),
            )  # fmt: skip
    _print(report, time.monotonic() - started)
    sys.exit(1 if report.findings else 0)


class _Shown:
    """A line on stderr every ten seconds."""

    def __init__(self, started: float) -> None:
        self.started, self.last = started, started

    def __call__(self, report: Report) -> None:
        now = time.monotonic()
        if now - self.last >= 10:
            self.last = now
            rate = report.inputs / (now - self.started)
            print(f"{report.inputs:,} inputs, {rate:.0f}/s, {report.findings.total()} findings",
                  file=sys.stderr, flush=True)  # fmt: skip


def _print(report: Report, seconds: float) -> None:
    print(f"inputs         {report.inputs:,} in {seconds:.0f} s")
    print(f"refused        {report.counts['refused']:,}")
    print(f"taken          {report.counts['taken']:,}, every picture of the size declared")
    print(f"slowest        {report.slowest_s:.2f} s")
    print(f"most memory    {report.most_bytes / 1e6:.0f} MB of a process")
    print(f"findings       {report.findings.total():,}")
    for kind, count in report.findings.most_common():
        print(f"    {count:>6} {kind}")


if __name__ == "__main__":
    main()
