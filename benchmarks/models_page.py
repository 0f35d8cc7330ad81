"""docs/models.md: the pictures and the cards of all built-in models on one page.

    python benchmarks/models_page.py -o docs/models.md

The cards lie beside the models and are made by `model_card.py`, the pictures by `model_plots.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from slimcodec import library

HEAD = """# The built-in models

`hific-s` is one stream with three looks, chosen when it is decoded: `faithful` keeps to the
original as far as the bits go, `natural` draws what a photograph would have there, `fast` is
faithful by a narrower network. `toderici-s` is progressive: one stream, cut where one likes.
`extreme-s`, `vq-s`, `compact-s` and `restore-s` are other systems; [the codecs, side by
side](codecs.md) has them all on one plot.

![Quality over bits per pixel on Kodak: PSNR, MS-SSIM, LPIPS](models/rate.png)

Kodak, means over 24 pictures, real streams; dashed curves are published figures of larger codecs.
Peers are as [the README](../README.md#what-you-can-rely-on) says.

![Crops of four Kodak pictures: original; JPEG, WebP and AVIF at the size of hific-s; hific-s; the
same stream, natural](models/crops.png)

Quality 2, and the peers at the same number of bytes.

![The same crops: original; JPEG at the size of three iterations; toderici-s after one, two, three
and eight iterations](models/iterations.png)

One stream of `toderici-s`, cut after one, two, three and eight iterations. All three pictures are
made by `benchmarks/model_plots.py`; its head has the commands.

**What the natural look adds is invented.** It is for looking at, not for reading from: no
lettering, no faces of a few pixels, no evidence.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    cards = [path.with_suffix(".md") for path in library.built_in_models().values()]
    texts = [card.read_text(encoding="utf-8") for card in cards]
    lower = ["\n".join(_demoted(line) for line in text.splitlines()) for text in texts]
    arguments.output.write_text("\n".join([HEAD, "\n\n".join(lower)]) + "\n", encoding="utf-8")


def _demoted(line: str) -> str:
    return f"#{line}" if line.startswith("#") else line


if __name__ == "__main__":
    main()
