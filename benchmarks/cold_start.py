"""What one picture takes from the command line: whole processes, as multiples of importing
numpy and Pillow, which nothing that reads a picture can do without.

    python benchmarks/cold_start.py --image kodim05.png
    python benchmarks/cold_start.py --image kodim05.png --where

Programs run in turn, so a machine that slows down slows all of them down; medians. The cache is
warm: each verb ran before, and what Python compiles is kept, as an installation keeps it (also
where ``PYTHONDONTWRITEBYTECODE`` asks for the sources to be compiled each time). ``--where`` prints
instead where the time of one process goes, by what it imports and by stage.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REFERENCE = "import numpy, PIL.Image"
_STAGES = """
import sys, time
begun = time.perf_counter()
spent = {}
def lap(name, since=[begun]):
    now = time.perf_counter()
    spent[name] = 1000 * (now - since[0])
    since[0] = now
import numpy, PIL.Image; lap("import numpy and Pillow")
import slimcodec.cli.app; lap("import the command line")
from slimcodec import library; from slimcodec.images import read_image, write_image
lap("import the library")
import onnxruntime; lap("import onnxruntime")
model, picture, out = sys.argv[1:]
pixels = read_image(picture).pixels; lap("read the picture")
codec = library.load_codec(model); lap("open the codec")
class Clock:
    def __init__(self): self.spent = {}
    def __call__(self, stage, step=0):
        self.stage, self.begun = stage, time.perf_counter(); return self
    def __enter__(self): pass
    def __exit__(self, *_):
        took = 1000 * (time.perf_counter() - self.begun)
        self.spent[self.stage] = self.spent.get(self.stage, 0) + took
for verb in ("encode", "decode"):
    for call in ("first", "second"):
        clock = Clock()
        if verb == "encode": stream = codec.encode(pixels, clock=clock)
        else: image = codec.decode(stream, clock=clock)
        stages = ", ".join(f"{k} {v:.0f}" for k, v in clock.spent.items())
        lap(f"{verb}, {call} call ({stages})")
write_image(out, image); lap("write the picture")
for name, ms in spent.items(): print(f"{ms:7.1f} ms  {name}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--model", default="hific-s")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--where", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "compiled")
        stream, out = Path(folder) / "photo.slc", Path(folder) / "photo.png"
        if arguments.where:
            for _ in range(2):
                text = run("-c", _STAGES, arguments.model, arguments.image, out)
            print(text, end="")
            return
        verb = ("-m", "slimcodec")
        encode = (
            *verb,
            "encode",
            arguments.image,
            "--codec",
            arguments.model,
            "-o",
            stream,
            "--force",
        )
        programs = {
            "import numpy, PIL.Image": ("-c", REFERENCE),
            "--help": (*verb, "--help"),
            "encode": encode,
            "decode": (*verb, "decode", stream, "-o", out, "--force"),
        }
        run(*encode)
        first = cold(encode, Path(folder) / "cache")
        spent: dict[str, list[float]] = {name: [] for name in programs}
        for round_number in range(arguments.rounds + 1):
            for name, program in programs.items():
                begun = time.perf_counter()
                run(*program)
                if round_number:
                    spent[name].append(1000 * (time.perf_counter() - begun))
    reference = statistics.median(spent["import numpy, PIL.Image"])
    for name, times in spent.items():
        own = statistics.median(times)
        print(f"{name:24} {own:7.0f} ms  {own / reference:5.2f}x  (fastest {min(times):.0f})")
    print(f"{'encode, nothing kept':24} {first:7.0f} ms  {first / reference:5.2f}x")


def run(*arguments: object) -> str:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def cold(program: tuple[object, ...], cache: Path) -> float:
    """Milliseconds of a program whose cache is empty."""
    before = os.environ.get("SLIMCODEC_CACHE")
    os.environ["SLIMCODEC_CACHE"] = str(cache)
    begun = time.perf_counter()
    run(*program)
    took = 1000 * (time.perf_counter() - begun)
    if before is None:
        del os.environ["SLIMCODEC_CACHE"]
    else:
        os.environ["SLIMCODEC_CACHE"] = before
    return took


if __name__ == "__main__":
    main()
