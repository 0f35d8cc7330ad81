"""A codec of extremely few bits against formats at up to twice its rate, picture by picture.

Real streams, headers included. Of each format the three highest whole qualities are tried whose
files are at most twice as long as the codec's stream, and the best LPIPS of those counts. Where
even its lowest quality is longer than that, that one counts, in the format's favour, and a star
says so. The last lines are means, and on how many pictures the codec's LPIPS is below every
format's.

python benchmarks/extreme.py extreme-s --images KODAK
"""

from __future__ import annotations

import argparse
import bisect
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from slimcodec import library
from slimcodec.errors import UsageError
from slimcodec.images import find_images, read_image
from slimcodec.metrics import Lpips, Psnr
from slimcodec.types import Codec, Image

PEERS = ("jpeg", "webp", "avif")
TIMES = 2
QUALITIES = range(96)
TRIED = 3


@dataclass(frozen=True)
class Coded:
    """One picture as one codec leaves it.

    Attributes:
        quality: in the codec's own scale.
        bpp: bits per pixel, headers included.
        lpips, psnr_db: against the original.
        too_long: whether it is longer than allowed.
    """

    quality: float
    bpp: float
    lpips: float
    psnr_db: float
    too_long: bool = False


class Judges(NamedTuple):
    """What is measured, and by whom."""

    lpips: Lpips
    psnr: Psnr

    def measured(
        self, codec: Codec, image: Image, stream: bytes, quality: float, too_long: bool = False
    ) -> Coded:
        decoded = codec.decode(stream)
        bpp = 8 * len(stream) / (image.shape[0] * image.shape[1])
        return Coded(quality, bpp, self.lpips(image, decoded), self.psnr(image, decoded), too_long)


def encoded(peer: Codec, image: Image, quality: int) -> bytes:
    """Empty where there is no such quality: jpeg begins at 1."""
    try:
        return peer.encode(image, quality)
    except UsageError:
        return b""


def best(judges: Judges, peer: Codec, image: Image, most: int) -> Coded:
    """The best of a format in so many bytes, or its smallest."""
    # Sizes rise with quality, but for a few bytes.
    above = bisect.bisect_right(QUALITIES, most, key=lambda q: len(encoded(peer, image, q)))
    fitting = [(q, encoded(peer, image, q)) for q in QUALITIES[max(0, above - TRIED) : above]]
    found = [judges.measured(peer, image, data, q) for q, data in fitting if data]
    if not found:
        lowest = next(q for q in QUALITIES if encoded(peer, image, q))
        found = [judges.measured(peer, image, encoded(peer, image, lowest), lowest, True)]
    return min(found, key=lambda coded: coded.lpips)


def row(name: str, coded: list[Coded]) -> str:
    cells = [f"{c.bpp:.4f} {c.lpips:.4f}{'*' if c.too_long else ' '}" for c in coded]
    return f"{name:12} " + "  ".join(f"{cell:15}" for cell in cells)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("codec")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--runtime")
    parser.add_argument("--json", type=Path, help="every figure, here too")
    chosen = parser.parse_args()
    judges = Judges(Lpips(), Psnr())
    codec = library.load_codec(chosen.codec, chosen.runtime)
    peers = [library.load_codec(name) for name in PEERS]
    print(" " * 13 + "  ".join(f"{name:15}" for name in (codec.name, *PEERS)))
    print(" " * 13 + "  ".join(["bpp    LPIPS   "] * (1 + len(PEERS))))
    rows: dict[str, list[Coded]] = {}
    for path in find_images(chosen.images):
        image = read_image(path).pixels
        stream = codec.encode(image)
        own = judges.measured(codec, image, stream, codec.default_quality)
        rows[path.stem] = [own, *(best(judges, peer, image, TIMES * len(stream)) for peer in peers)]
        print(row(path.stem, rows[path.stem]), flush=True)
    for what in ("bpp", "lpips", "psnr_db"):
        means = [
            statistics.mean(getattr(c, what) for c in each)
            for each in zip(*rows.values(), strict=True)
        ]
        print(f"mean {what:8}" + "  ".join(f"{mean:<15.4f}" for mean in means))
    wins = sum(all(own.lpips < peer.lpips for peer in others) for own, *others in rows.values())
    print(f"below all formats on {wins} of {len(rows)} pictures")
    print(f"most of any picture: {max(own.bpp for own, *_ in rows.values()):.4f} bpp")
    if chosen.json:
        kept = {name: [asdict(c) for c in each] for name, each in rows.items()}
        chosen.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
