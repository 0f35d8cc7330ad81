"""torch eager with glibc's malloc tuned against untuned: fresh processes, alternating.

python benchmarks/allocator.py hific-s --image kodim05.png
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

CHILD = """
import sys, time
from slimcodec import library
from slimcodec.images import read_image
codec = library.load_codec(sys.argv[1])
image = read_image(sys.argv[2]).pixels
stream = codec.encode(image); codec.decode(stream)
started = time.perf_counter()
for _ in range(5):
    codec.decode(codec.encode(image))
print(1e3 * (time.perf_counter() - started) / 5)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {"tuned": [], "system": []}
    for _ in range(arguments.rounds):
        for setting, spent in times.items():
            environment = {**os.environ, "SLIMCODEC_MALLOC": setting}
            command = [sys.executable, "-c", CHILD, arguments.model, str(arguments.image)]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=True
            )
            spent.append(float(done.stdout))
    tuned, system = (statistics.median(times[name]) for name in ("tuned", "system"))
    print(f"encode + decode: tuned {tuned:.0f} ms, as the system has it {system:.0f} ms")
    print(f"ratio {system / tuned:.2f}")


if __name__ == "__main__":
    main()
