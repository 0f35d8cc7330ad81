"""A recipe that learns, killed (-9) again and again, against the same recipe left alone.

    python benchmarks/killed_recipe.py hific-s --recipe tiny --images PHOTOS

Passes that learn get ``--steps`` steps. A kill falls at a random moment between ``--least`` and
``--most`` seconds behind a start; a state is written once a minute. Printed: what the command
showed last at each kill, and the digests of the two model files, which should be one.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from slimcodec.catalogue import recipes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codec")
    parser.add_argument("--recipe", type=recipes.find, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--least", type=float, default=10)
    parser.add_argument("--most", type=float, default=150)
    arguments = parser.parse_args()
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / arguments.recipe.name
        written = arguments.recipe.read_text(encoding="utf-8")
        recipe.write_text(re.sub(r"(?m)^steps = \d+", f"steps = {arguments.steps}", written))
        alone, killed = Path(folder) / "alone.slim", Path(folder) / "killed.slim"
        given = [arguments.codec, "--recipe", str(recipe), "--calibration", str(arguments.images)]
        started = time.monotonic()
        _run(given, alone).wait()
        print(f"left alone: {time.monotonic() - started:.0f} s", flush=True)
        for number in range(1, arguments.kills + 1):
            run = _run(given, killed)
            try:
                run.wait(rng.uniform(arguments.least, arguments.most))
                print(f"ended by itself before kill {number}")
                break
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
                print(f"kill {number}: {_shown(killed)}", flush=True)
        started = time.monotonic()
        status = _run(given, killed).wait()
        print(f"to the end: status {status}, {time.monotonic() - started:.0f} s")
        one, other = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (alone, killed))
        print(f"left alone {one[:16]}, killed {other[:16]}: {'same' if one == other else 'OTHER'}")


def _run(given: list[str], out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "slimcodec", "shrink", *given, "-o", str(out)]
    with out.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def _shown(out: Path) -> str:
    lines = re.split(r"[\r\n]+", out.with_suffix(".log").read_text(errors="replace").strip())
    return lines[-1]


if __name__ == "__main__":
    main()
