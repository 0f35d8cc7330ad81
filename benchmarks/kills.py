"""Verbs killed (-9) at random moments: what lies there then, and what the next run makes of it.

    python benchmarks/kills.py --kills 200

Each of encode, shrink, export, bench, study and train runs on tiny inputs. A kill falls at a random
moment of what the verb takes left alone. Behind each kill every file that was there before must
still be there, and every file under a final name be whole: a model file loads, a bundle opens, a
stream unpacks, rows read. Behind every few kills the verb runs to its end: its results must be
those of a run left alone, no row may be lost, and nothing called ``.slimcodec-*`` may be left.
Printed: kills, how many fell before the end, and what was wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from fuzzing.seeds import GOLDEN, drawn
from PIL import Image

from slimcodec.bench import RowStore
from slimcodec.errors import SlimcodecError
from slimcodec.model_file import load
from slimcodec.runtime import open_bundle
from slimcodec.stream import unpack

_KILLS_A_RUN = 4
"""Before the verb runs to its end."""
_RUNS_ALONE = 3
"""Of which the shortest says how long it takes: the machine may do other work, too."""


@dataclass(frozen=True)
class Verb:
    """What is run, and what its outcome is known by.

    Attributes:
        name: of the verb.
        words: of its command line in a folder of inputs; results go to ``out*``.
        outcome: what two whole runs have in common.
    """

    name: str
    words: Callable[[Path, Path], list[str]]
    outcome: Callable[[Path], object]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _rows(folder: Path) -> list[tuple[object, ...]]:
    store = RowStore(folder / "rows.sqlite")
    rows = [(row.variant, row.quality, row.image, row.stream_bytes, row.metrics) for row in store]
    store.close()
    return sorted(rows, key=repr)


_FAST = ["--metrics", "psnr", "--repeats", "1"]
VERBS = (
    Verb(
        "encode",
        lambda at, out: ["encode", f"{at}/photo.png", "--codec", f"{at}/tiny.slim", "-o",
                         f"{out}/out.slc", "--force"],
        lambda out: _digest(out / "out.slc"),
    ),
    Verb(
        "shrink",
        lambda at, out: ["shrink", f"{at}/tiny.slim", "--recipe", f"{at}/recipe.toml", "-o",
                         f"{out}/out.slim", "--force"],
        lambda out: load(out / "out.slim").digest,
    ),
    Verb(
        "export",
        lambda at, out: ["export", f"{at}/tiny.slim", "--runtime", "onnx", "-o", f"{out}/out",
                         "--force"],
        lambda out: open_bundle(out / "out").digest,
    ),
    Verb(
        "bench",
        lambda at, out: ["bench", "jpeg", "webp", "--images", f"{at}/photos", "--out",
                         f"{out}/out", *_FAST],
        lambda out: _rows(out / "out"),
    ),
    Verb(
        "study",
        lambda at, out: ["study", f"{at}/study.toml", "--images", f"{at}/photos", "--out",
                         f"{out}/out"],
        lambda out: _rows(out / "out"),
    ),
    Verb(
        "train",
        lambda at, out: ["train", f"{at}/train.toml", "--images", f"{at}/photos", "--out",
                         f"{out}/out", "--init", f"{at}/tiny.slim", "--resume"],
        lambda out: load(out / "out" / "made.slim").history[-1]["steps"],
    ),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", nargs="*", default=[verb.name for verb in VERBS])
    arguments = parser.parse_args()
    rng, faults = random.Random(arguments.seed), 0
    chosen = [verb for verb in VERBS if verb.name in arguments.verbs]
    with tempfile.TemporaryDirectory(prefix="slimcodec-kills-") as made:
        at = Path(made)
        _write_inputs(at)
        for verb in chosen:
            faults += _kill(verb, at, arguments.kills // len(chosen), rng)
    sys.exit(1 if faults else 0)


def _write_inputs(at: Path) -> None:
    (at / "photos").mkdir()
    Image.fromarray(drawn(160, 200)).save(at / "photo.png")
    for number in range(3):
        Image.fromarray(drawn(140 + number, 160)).save(at / "photos" / f"{number}.png")
    (at / "tiny.slim").write_bytes((GOLDEN / "tiny.slim").read_bytes())
    (at / "recipe.toml").write_text('[[pass]]\npass = "prune"\ngenerator = 0.3\n')
    config = load(at / "tiny.slim").config
    shape = "\n".join(
        f"{key} = {value}".replace("True", "true").replace("False", "false")
        for key, value in config.items()
        if isinstance(value, int | list) and not isinstance(value, str)
    )
    (at / "train.toml").write_text(
        'name = "made"\nsteps = 12\nbatch = 1\ncrop = 128\nprecision = "32-true"\n'
        f"checkpoint_minutes = 0.001\n[shape]\n{shape}\n"
    )
    (at / "study.toml").write_text(
        f'codec = "{at}/tiny.slim"\nmetrics = ["psnr"]\nrepeats = 1\n[[variant]]\nname = "whole"\n'
        '[[variant]]\nname = "half"\n[[variant.pass]]\npass = "prune"\ngenerator = 0.5\n'
    )


def _kill(verb: Verb, at: Path, kills: int, rng: random.Random) -> int:
    """Kill a verb so often, and say what came of it; gives the number of faults."""
    out = at / f"{verb.name}-killed"
    out.mkdir()
    seconds = math.inf
    # What is kept between runs is made by the first.
    for turn in range(_RUNS_ALONE):
        alone = at / f"{verb.name}-alone-{turn}"
        alone.mkdir()
        started = time.monotonic()
        if _run(verb, at, alone).wait():
            print(f"{verb.name}: does not even run alone\n{(at / 'log').read_text()}")
            return 1
        seconds = min(seconds, time.monotonic() - started)
    wanted = verb.outcome(alone)
    faults, before_end = list[str](), 0
    for number in range(1, kills + 1):
        before = _finals(out)
        run = _run(verb, at, out)
        try:
            run.wait(rng.uniform(0.05, 1.05) * seconds)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            before_end += 1
        faults += [f"kill {number}: {path.name} is lost" for path in before - _finals(out)]
        faults += [f"kill {number}: {fault}" for fault in _broken(out)]
        if number % _KILLS_A_RUN == 0 or number == kills:
            faults += [f"kill {number}: {fault}" for fault in _ended(verb, at, out, wanted)]
    print(f"{verb.name:7} {kills} kills, {before_end} before its end ({seconds:.1f} s alone), "
          f"{len(faults)} faults", flush=True)  # fmt: skip
    for fault in faults:
        print(f"    {fault}")
    return len(faults)


def _run(verb: Verb, at: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "slimcodec", *verb.words(at, out)]
    places = {**os.environ, "SLIMCODEC_CACHE": str(at / "cache")}
    with (at / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=places)


def _ended(verb: Verb, at: Path, out: Path, wanted: object) -> list[str]:
    """Run to the end, compare, and begin anew."""
    if status := _run(verb, at, out).wait():
        return [f"does not go on: status {status}, {(at / 'log').read_text()[-300:]}"]
    faults = [f"left behind: {path}" for path in out.rglob(".slimcodec-*")]
    if verb.outcome(out) != wanted:
        faults.append("its outcome is another one than that of the run left alone")
    for path in sorted(out.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    return faults


_WHOLE: dict[str, Callable[[Path], object]] = {
    ".slim": load,
    ".slc": lambda path: unpack(path.read_bytes()),
    ".sqlite": lambda path: _rows(path.parent),
    ".json": lambda path: open_bundle(path.parent) if path.name == "bundle.json" else None,
    ".png": lambda path: Image.open(path).load(),
}
"""By suffix, what a whole file can do."""


def _finals(out: Path) -> set[Path]:
    """Files under final names that can be whole."""
    return {
        path
        for path in out.rglob("*")
        if path.suffix in _WHOLE
        and path.is_file()
        and not any(part.startswith(".slimcodec-") for part in path.parts)
    }


def _broken(out: Path) -> list[str]:
    """Files under final names that are not whole."""
    faults = []
    for path in sorted(_finals(out)):
        try:
            _WHOLE[path.suffix](path)
        except (SlimcodecError, OSError, ValueError) as error:
            faults.append(f"{path.name} is broken: {error}")
    return faults


if __name__ == "__main__":
    main()
