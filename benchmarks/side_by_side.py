"""The README's picture: one crop, the original and what codecs make of it at the same size.

    python benchmarks/side_by_side.py --image src/slimcodec/demo/osprey.png --crop 240,80,300,300 \\
        --quality 2.125 --out docs/side_by_side.png

The learned codec's stream at that quality says the size; of each format it is the file of nearest
size. Below each crop stand the bytes of the whole file, and its PSNR and MS-SSIM.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import PIL.Image
from PIL import ImageDraw, ImageFont

from slimcodec import library
from slimcodec.images import read_image
from slimcodec.metrics import MsSsim, Psnr
from slimcodec.target_size import encode_to_size
from slimcodec.types import Codec, Image

LABEL_HEIGHT, GAP = 48, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--crop", default="0,0,240,240", help="left, top, width, height")
    parser.add_argument("--codec", default="hific-s")
    parser.add_argument("--quality", type=float, default=2)
    parser.add_argument("--peers", default="webp,jpeg,avif")
    parser.add_argument("--out", type=Path, required=True)
    words = parser.parse_args()
    image = read_image(words.image).pixels
    stream = library.load_codec(words.codec).encode(image, words.quality)
    target = len(stream)
    shown = [("original", f"{image.shape[1]} x {image.shape[0]}, {image.nbytes:,} B", "", image)]
    for name in (words.codec, *words.peers.split(",")):
        codec = library.load_codec(name)
        if name != words.codec:
            stream = _nearest(codec, image, target)
        decoded = codec.decode(stream)
        psnr, ms_ssim = Psnr()(image, decoded), MsSsim()(image, decoded)
        shown.append((name, f"{len(stream):,} B", f"{psnr:.1f} dB, {ms_ssim:.3f}", decoded))
    left, top, width, height = map(int, words.crop.split(","))
    size = (len(shown) * (width + GAP) - GAP, height + LABEL_HEIGHT)
    sheet = PIL.Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for number, (name, length, quality, pixels) in enumerate(shown):
        across = number * (width + GAP)
        crop = PIL.Image.fromarray(pixels[top : top + height, left : left + width])
        sheet.paste(crop, (across, 0))
        draw.text((across + 2, height + 4), f"{name}  {length if quality else ''}", "black", font)
        draw.text((across + 2, height + 25), quality or length, "#555555", font)
    sheet.save(words.out, optimize=True)


def _nearest(codec: Codec, image: Image, target: int) -> bytes:
    """The file whose size is nearest, of those of whole qualities."""
    fitted = encode_to_size(codec, image, target)
    larger = codec.encode(image, fitted.quality + 1)
    return min(fitted.stream, larger, key=lambda stream: abs(len(stream) - target))


if __name__ == "__main__":
    main()
