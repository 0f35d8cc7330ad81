"""A folder of pictures to streams and back in one call, against a call for each picture.

    python benchmarks/folder_coding.py --images KODAK

All inside one process, in three ways that take turns, so a machine that slows down slows all of
them down: a call of the verb for each picture; one open codec that codes one picture after another,
on all cores; one call of the verb for all. Medians of rounds behind a first one that is not
counted. Files are read and written in each way, and must be the same to the byte. Processor time is
printed beside: on a busy machine it tells more.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slimcodec import library
from slimcodec.atomic import write_atomically
from slimcodec.cli.app import app
from slimcodec.images import find_images, read_image, write_image
from slimcodec.machine import available_cores

SINGLE, LOOP, FOLDER = "a call each", "one codec, one by one", "one call"


@dataclass(frozen=True)
class Way:
    """How a folder is coded: from the pictures to streams, from streams to pictures."""

    encode: Callable[[list[Path], Path], None]
    decode: Callable[[list[Path], Path], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--model", default="hific-s")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=24, help="the first so many")
    arguments = parser.parse_args()
    photos = find_images(arguments.images)[: arguments.pictures]
    print(f"{len(photos)} pictures, {available_cores()} cores, load {_load()}")
    with tempfile.TemporaryDirectory() as folder:
        spent = measured(photos, ways(arguments.model), arguments.rounds, Path(folder))
    for (verb, name), times in spent.items():
        wall, processor = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{verb} {name:22} {wall:7.2f} s  {processor:7.2f} s of processor time")
    for verb in ("encode", "decode"):
        for other in (SINGLE, LOOP):
            pairs = zip(spent[verb, FOLDER], spent[verb, other], strict=True)
            ratios = [own[0] / one[0] for own, one in pairs]
            print(
                f"{verb}: {FOLDER} / {other}: {statistics.median(ratios):.2f} "
                f"({min(ratios):.2f} to {max(ratios):.2f})"
            )
    print(f"load at the end {_load()}")


def ways(model: str) -> dict[str, Way]:
    """The three of them."""
    codec = library.load_codec(model)

    def single(verb: str, files: list[Path], out: Path) -> None:
        for file in files:
            _verb(verb, [file], model, out)

    def encode(files: list[Path], out: Path) -> None:
        for file in files:
            write_atomically(out / f"{file.stem}.slc", codec.encode(read_image(file).pixels))

    def decode(files: list[Path], out: Path) -> None:
        for file in files:
            write_image(out / f"{file.stem}.decoded.png", codec.decode(file.read_bytes()))

    return {
        SINGLE: Way(lambda f, o: single("encode", f, o), lambda f, o: single("decode", f, o)),
        LOOP: Way(encode, decode),
        FOLDER: Way(
            lambda f, o: _verb("encode", f, model, o), lambda f, o: _verb("decode", f, model, o)
        ),
    }


def measured(
    photos: list[Path], ways: dict[str, Way], rounds: int, folder: Path
) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Seconds, and seconds of processor time, of each round, verb and way."""
    spent: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(rounds + 1):
        for verb, ending in (("encode", "*.slc"), ("decode", "*.decoded.png")):
            made = []
            for name, way in ways.items():
                out = folder / name
                out.mkdir(exist_ok=True)
                files = photos if verb == "encode" else sorted(out.glob("*.slc"))
                took = _timed(getattr(way, verb), files, out)
                made.append({path.name: path.read_bytes() for path in out.glob(ending)})
                if number:
                    spent.setdefault((verb, name), []).append(took)
            assert made[0] == made[1] == made[2] and len(made[0]) == len(photos)
    return spent


def _verb(verb: str, files: list[Path], model: str, out: Path) -> None:
    words = [verb, *map(str, files), "--codec", model, "-o", str(out), "--force", "--quiet"]
    app(words)


def _timed(
    work: Callable[[list[Path], Path], None], files: list[Path], out: Path
) -> tuple[float, float]:
    begun, used = time.perf_counter(), time.process_time()
    work(files, out)
    return time.perf_counter() - begun, time.process_time() - used


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
