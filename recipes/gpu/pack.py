"""Pack a folder of photographs into one file for `job.py`, as large as it may be.

    python recipes/gpu/pack.py --images PHOTOS --megabytes 30

Held-out photographs, those that the queue's recipes name, keep their size and get a higher quality,
since what a model is worth is measured on them. The others are scaled and compressed as far as the
file's size asks for, which a sample decides.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The package is the one of this checkout: where these scripts run, none needs to be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

import PIL.Image
from jobs import read_queue
from photographs import Photograph, entry_of, write_pack
from PIL import features

from slimcodec.cli.console import progress_bar
from slimcodec.errors import SlimcodecError, UsageError
from slimcodec.images import find_images, read_image
from slimcodec.machine import available_cores

FULL = 768
"""Pixels of a short side that a scale of 1 leaves as it is; no side is made larger."""
LADDER = (
    (0.7, 90), (0.7, 88), (0.7, 86), (0.7, 84), (0.65, 84), (0.65, 82), (0.6, 82), (0.6, 80),
    (0.55, 80), (0.5, 80), (0.45, 80), (0.4, 80),
)  # fmt: skip
"""Scales and qualities, the best first. A crop of 256 needs 0.34."""
HELD_OUT_QUALITY = 92
SAMPLE = 24
MARGIN = 0.97
"""Of the size that is asked for, for what a sample does not tell."""

Encoded = tuple[Photograph, bytes]


def pack(
    images: Sequence[Path], held_out: Sequence[str], megabytes: float, out: Path, threads: int = 0
) -> str:
    """Write a pack of at most so many megabytes; what was chosen, in words.

    Raises:
        UsageError: when not even the smallest pictures fit.
    """
    if not features.check("avif"):
        raise UsageError("this Pillow cannot write AVIF; install pillow>=11.3")
    kept = [path for path in images if path.name not in held_out]
    most = int(megabytes * 1e6)
    with ThreadPoolExecutor(threads or available_cores()) as pool, progress_bar("pack") as tell:

        def encode(paths: Sequence[Path], scale: float, quality: int) -> list[Encoded]:
            made = []
            for entry, data in pool.map(lambda path: _encode(path, scale, quality), paths):
                made.append((entry, data))
                tell(len(made), len(paths), f"scale {scale}, quality {quality}")
            return made

        rest = encode([path for path in images if path.name in held_out], 1.0, HELD_OUT_QUALITY)
        for scale, quality in _down_the_ladder(kept, most - _bytes(rest), encode):
            made = rest + encode(kept, scale, quality)
            if _bytes(made) <= most:
                break
        else:
            raise UsageError(
                f"{len(images)} photographs do not fit into {megabytes:g} MB, not at scale "
                f"{LADDER[-1][0]} and quality {LADDER[-1][1]}; give more --megabytes"
            )
    write_pack(out, sorted(made, key=lambda one: one[0].name), scale, quality)
    return (
        f"{out}: {out.stat().st_size / 1e6:.1f} MB, {len(made)} photographs at scale {scale} and "
        f"quality {quality}; {len(rest)} of them are held out, whole at quality {HELD_OUT_QUALITY}"
    )


def _down_the_ladder(
    kept: Sequence[Path], most: int, encode: Callable[[Sequence[Path], float, int], list[Encoded]]
) -> list[tuple[float, int]]:
    """The rungs from the first one on that a sample says will fit."""
    sample = kept[:: max(1, len(kept) // SAMPLE)]
    for number, rung in enumerate(LADDER):
        if _bytes(encode(sample, *rung)) * len(kept) / max(1, len(sample)) <= MARGIN * most:
            return list(LADDER[number:])
    return []


def _encode(path: Path, scale: float, quality: int) -> Encoded:
    picture = PIL.Image.fromarray(read_image(path).pixels)
    factor = min(1.0, scale * FULL / min(picture.size))
    if scale < 1 and factor < 1:
        size = (round(picture.width * factor), round(picture.height * factor))
        picture = picture.resize(size, PIL.Image.Resampling.LANCZOS)
    file = io.BytesIO()
    # Full colour resolution: what a codec learns must not be what another one left.
    picture.save(
        file, "AVIF", quality=quality, subsampling="4:4:4", speed=8, max_threads=1
    )  # fmt: skip
    return entry_of(path.name, file.getvalue(), picture.size), file.getvalue()


def _bytes(made: Sequence[Encoded]) -> int:
    """With what zip and manifest add to each."""
    return sum(len(data) + 400 + 2 * len(entry.name) for entry, data in made)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--megabytes", type=float, default=30.0, help="size of the pack, at most")
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/gpu/photos.pack"))
    parser.add_argument("--threads", type=int, default=0, help="all cores when not given")
    chosen = parser.parse_args(arguments)
    try:
        held_out = {name for job in read_queue().values() for name in job.holdout}
        images = find_images(chosen.images)
        print(pack(images, sorted(held_out), chosen.megabytes, chosen.out, chosen.threads))
    except SlimcodecError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
