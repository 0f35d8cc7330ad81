"""What a second worker brings: the same bench by one worker of one thread and by two, in turn.

    python benchmarks/workers.py hific-s --images DIR

Printed: rows a second of each run, from the first row on, so that starting processes does not
count, and the median of the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from slimcodec.bench import Processes
from slimcodec.images import find_images
from slimcodec.workflows.bench import run_bench


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codecs", nargs="+")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--count", type=int, default=8, help="of images")
    parser.add_argument("--quality", nargs="*", type=float, default=[2, 4])
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for path in find_images(arguments.images)[: arguments.count]:
            (photos / path.name).symlink_to(path.absolute())
        for turn in range(arguments.turns):
            speeds = [
                _rows_a_second(arguments, photos, Path(folder) / f"{turn}-{workers}", workers)
                for workers in (1, 2)
            ]
            ratios.append(speeds[1] / speeds[0])
            print(f"one {speeds[0]:.2f} rows/s, two {speeds[1]:.2f} rows/s: {ratios[-1]:.2f}")
    print(f"median ratio {statistics.median(ratios):.2f}")


def _rows_a_second(arguments: argparse.Namespace, photos: Path, out: Path, workers: int) -> float:
    rows: dict[int, float] = {}

    def progress(done: int, total: int, what: str) -> None:
        rows.setdefault(done, time.perf_counter())

    run_bench(
        arguments.codecs, photos, out,
        qualities=arguments.quality, metrics=["psnr"], pictures=0,
        executor=Processes(workers, threads=1), on_progress=progress,
    )  # fmt: skip
    return (max(rows) - workers) / (rows[max(rows)] - rows[workers])


if __name__ == "__main__":
    main()
