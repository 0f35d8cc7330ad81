"""How close a stream comes to a wanted size, for every picture of a folder.

Of each picture the share of the target that is left, how many streams were coded on the way, and
the time for all of them against one encode. A target beyond the codec's largest stream is listed,
and counted apart. Tune on photographs held out of training, never on an
evaluation set.
python benchmarks/target_size.py hific-s --images HELD_OUT --bpp 0.15 0.3 0.6
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from slimcodec import library
from slimcodec.images import find_images, read_image
from slimcodec.metrics import bytes_at
from slimcodec.target_size import encode_to_size
from slimcodec.types import quality_range


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codec")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--bpp", type=float, nargs="+", default=[0.15, 0.3, 0.6])
    arguments = parser.parse_args()
    codec = library.load_codec(arguments.codec)
    print("picture\ttarget\tbytes\tbelow, %\tquality\ttrials\tms\tone encode, ms")
    below, beyond = [], 0
    for path in find_images(arguments.images):
        image = read_image(path).pixels
        height, width, _ = image.shape
        codec.encode(image)  # the first of a shape is slower
        started = time.perf_counter()
        codec.encode(image)
        once = 1000 * (time.perf_counter() - started)
        for bpp in arguments.bpp:
            target = bytes_at(bpp, height, width)
            trials: list[int] = []
            started = time.perf_counter()
            fitted = encode_to_size(codec, image, target, trials.append)
            ms = 1000 * (time.perf_counter() - started)
            left = 100 * (1 - len(fitted.stream) / target)
            if len(fitted.stream) == max(trials) and fitted.quality == quality_range(codec)[1]:
                beyond += 1
            else:
                below.append(left)
            print(
                f"{path.name}\t{target}\t{len(fitted.stream)}\t{left:.2f}\t{fitted.quality:g}"
                f"\t{len(trials)}\t{ms:.0f}\t{once:.0f}",
                flush=True,
            )
    mean = sum(below) / len(below)
    print(f"{len(below)} targets: {mean:.2f} % below on average, {max(below):.2f} % at most")
    print(f"{beyond} targets beyond the codec's largest stream")


if __name__ == "__main__":
    main()
