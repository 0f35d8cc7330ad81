"""Real stream bytes against the ideal code length under the float prior.

Everything that a real stream adds is in the difference: integer prior, frozen tables, escapes, the
coder's state, the header.   python benchmarks/ideal_length.py hific-s --images KODAK
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from slimcodec import library
from slimcodec.codecs.latents import QUALITY_STEPS, MeanScaleCodec, gain_at
from slimcodec.images import find_images, read_image
from slimcodec.model_file import thaw_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--images", type=Path, required=True)
    arguments = parser.parse_args()
    codec = library.load_codec(arguments.model)
    assert isinstance(codec, MeanScaleCodec)
    probability = thaw_network(library.load_model(arguments.model)).probability
    print(
        "quality  images  stream bytes  ideal bytes  ratio   worst excess over 1.005 x ideal, bytes"
    )
    for quality in codec.qualities:
        step = round((quality - 1) * QUALITY_STEPS)
        streams, ideals, excess = [], [], []
        for path in find_images(arguments.images):
            image = read_image(path).pixels
            (latents,) = codec.analyse(image, step)
            stream = codec.encode(image, quality)
            ideal = _ideal_bytes(codec, probability, latents, step)
            streams.append(len(stream))
            ideals.append(ideal)
            excess.append(len(stream) - 1.005 * ideal)
        ratio = sum(streams) / sum(ideals)
        print(
            f"{quality:7g}  {len(streams):6}  {np.mean(streams):12,.0f}  {np.mean(ideals):11,.0f}  "
            f"{ratio:.5f}  {max(excess):.1f}"
        )


@torch.inference_mode()
def _ideal_bytes(codec: MeanScaleCodec, probability: Any, latents: Any, step: int) -> float:
    z_hat = torch.from_numpy(latents.hyper_latents[None]).float()
    _, height, width = latents.symbols.shape
    gain = torch.from_numpy(gain_at(codec.coding.log_gain, step))
    scale, features = probability.scales_and_features(z_hat)
    scale = scale[:, :, :height, :width] * gain
    symbols = torch.from_numpy(latents.symbols[None]).float()
    shift = 0.0
    if probability.context is not None:
        seen = None if features is None else features[:, :, :height, :width]
        shift, scale = probability.context(symbols, scale, seen)
    return float(probability.likelihoods(symbols - shift, scale, z_hat).bits()) / 8


if __name__ == "__main__":
    main()
