"""What the recurrent codec's linear path is worth before anything is learned, in its several forms.

    python benchmarks/linear_path.py --train PHOTOS --images HELD_OUT

Components and moves are found as training finds its own, on fewer blocks; every network's output is
zero. Rates are
the ideal length of each bit by itself: its entropy over all places of all pictures, an unwritten
sign costing nothing. A bit model, which knows neighbours and earlier iterations, needs less.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from slimcodec.codecs.toderici.config import STRIDE, TodericiConfig, toderici_s
from slimcodec.codecs.toderici.initial import initialise
from slimcodec.codecs.toderici.network import TodericiNetwork
from slimcodec.images import find_images, read_image
from slimcodec.training.data import Crops, sample_blocks

BLOCKS = 12_000
FORMS: dict[str, dict[str, Any]] = {
    "blocks, a sign for every component": {"linear_window": STRIDE, "significance": False},
    "blocks, significance bits": {"linear_window": STRIDE},
    "windows that overlap, significance bits": {},
}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--photographs", type=int, default=100, help="to train on, at most")
    arguments = parser.parse_args()
    crops = Crops(find_images(arguments.train)[: arguments.photographs], 192, seed=1)
    images = [_tensor(path) for path in find_images(arguments.images)]
    for label, changes in FORMS.items():
        config = replace(toderici_s(), filter_width=0, **changes)
        torch.manual_seed(0)
        network = TodericiNetwork(config).eval()
        initialise(network, sample_blocks(crops, BLOCKS, config.block_size))
        for weight in (network.binarizer.conv.weight, network.decoder.out.weight):
            weight.zero_()
        points = _curve(network, config, images)
        print(f"{label:40}", *(f"{bpp:.3f}/{db:.2f}" for bpp, db in points), flush=True)


def _tensor(path: Path) -> torch.Tensor:
    pixels = read_image(path).pixels
    height, width = (side // STRIDE * STRIDE for side in pixels.shape[:2])
    return torch.from_numpy(pixels[:height, :width].transpose(2, 0, 1).copy())[None].float() / 255


def _curve(
    network: TodericiNetwork, config: TodericiConfig, images: list[torch.Tensor]
) -> list[tuple[float, float]]:
    """(bits per pixel, dB) after each iteration, means over pictures."""
    codes: list[list[torch.Tensor]] = [[] for _ in range(config.iterations)]
    decibels = np.zeros(config.iterations)
    for image in images:
        residual = image - 0.5
        encoder: list[torch.Tensor] = []
        decoder: list[torch.Tensor] = []
        for number in range(config.iterations):
            iteration = torch.tensor(number)
            features, *encoder = network.encoder(residual, *encoder)
            code = network.binarizer(features, iteration)
            output, *decoder = network.decoder(code, iteration, *decoder)
            residual = residual - output
            codes[number].append(code[0].flatten(1))
            mse = float(residual.square().mean())
            decibels[number] += -10 * np.log10(mse) / len(images)
    bits = np.cumsum([_length(torch.cat(code, dim=1)) for code in codes])
    return list(zip(bits / STRIDE**2, decibels, strict=True))


def _length(code: torch.Tensor) -> float:
    """Bits a place of codes [n, places], each bit by itself."""
    written = (code != 0).double().mean(dim=1)
    plus = (code > 0).double().mean(dim=1) / written.clamp(min=1e-9)
    share = torch.stack([plus, 1 - plus]).clamp(min=1e-12)
    return float((written * -(share * share.log2()).sum(dim=0)).sum())


if __name__ == "__main__":
    main()
