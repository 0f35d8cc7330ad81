"""What a bench costs beyond the codec and metric times that it reports.

    python benchmarks/bench_overhead.py hific-s jpeg webp --images DIR

One whole `run_bench` in this process, page included. Printed: seconds of all, of timed encodes and
decodes, of metrics, and of what comes on top of these by what it is: coding once untimed, where a
codec meets a new size of picture; reading; writing kept pictures; the page; the rest, which is
opening codecs above all. With --ahead the next picture is read by a thread while one is coded,
which is what the bench does not do: compare the times of coding.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from slimcodec import images, report
from slimcodec.bench import grid, opening
from slimcodec.images import find_images
from slimcodec.workflows import bench as workflow

MEASURE = sys.modules["slimcodec.bench.measure"]


class Clock:
    """Seconds by what they were spent on."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.spent[what] += time.perf_counter() - started

    def around(self, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            with self(what):
                return function(*args, **named)

        return call


class TimedMetric:
    """A metric whose calls are timed."""

    def __init__(self, metric: Any, clock: Clock) -> None:
        self.metric, self.name, self.clock = metric, metric.name, clock

    def __call__(self, original: Any, decoded: Any) -> float:
        with self.clock("metrics"):
            return float(self.metric(original, decoded))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codecs", nargs="+")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--count", type=int, default=4, help="of images")
    parser.add_argument("--quality", nargs="*", type=float, help="each codec's ladder if not given")
    parser.add_argument("--metrics", default=",".join(workflow.METRICS))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=1)
    parser.add_argument("--ahead", action="store_true")
    arguments = parser.parse_args()
    clock = Clock()
    load, timed, new = opening.metric, MEASURE.timed, opening.is_new_to

    def coded(work: Any, repeats: int) -> Any:
        result, timing = timed(work, repeats)
        clock.spent["coding"] += sum(timing.totals_ms) / 1e3
        return result, timing

    def untimed(codec: Any, shape: Any) -> bool:
        clock.spent["sizes that were new"] += (is_new := new(codec, shape))
        return is_new

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for path in find_images(arguments.images)[: arguments.count]:
            (photos / path.name).symlink_to(path.absolute())
        read = _ahead(pool, find_images(photos)) if arguments.ahead else images.read_image
        started = time.perf_counter()
        with (
            patch.object(opening, "metric", cache(lambda name: TimedMetric(load(name), clock))),
            patch.object(MEASURE, "timed", coded),
            patch.object(opening, "is_new_to", untimed),
            patch.object(opening, "read_image", clock.around("reading", read)),
            patch.object(grid, "write_image", clock.around("pictures", images.write_image)),
            patch.object(workflow, "build_report", clock.around("page", report.build_report)),
        ):
            results = workflow.run_bench(
                arguments.codecs, photos, Path(folder) / "out", qualities=arguments.quality,
                metrics=arguments.metrics.split(","), repeats=arguments.repeats,
                pictures=arguments.pictures, on_note=print,
            )  # fmt: skip
        whole = time.perf_counter() - started
    _say(whole, clock.spent, len(results.rows))


def _ahead(pool: ThreadPoolExecutor, paths: list[Path]) -> Callable[[Path], Any]:
    """Reads the picture after the one that is asked for, too."""
    read = images.read_image
    coming: dict[str, Any] = {}

    def call(path: Path) -> Any:
        names = [each.name for each in paths]
        found = coming.pop(path.name, None)
        following = names.index(path.name) + 1
        image = read(path) if found is None else found.result()
        if following < len(paths):
            coming[names[following]] = pool.submit(read, paths[following])
        return image

    return call


def _say(whole: float, spent: dict[str, float], rows: int) -> None:
    sizes = spent.pop("sizes that were new")
    told = spent["coding"] + spent["metrics"]
    rest = whole - sum(spent.values())
    print(f"{rows} rows in {whole:.2f} s; {sizes:.0f} times a codec met a new size")
    for what, seconds in (*spent.items(), ("untimed runs, opening and the rest", rest)):
        print(f"  {what}: {seconds:.2f} s")
    print(f"on top of coding and metrics: {100 * (whole / told - 1):.1f} %")


if __name__ == "__main__":
    main()
