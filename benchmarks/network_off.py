"""What each learned network is worth: the picture when its output is set to zero.

The linear path stays, and so does the probability model. A network whose absence costs nothing
would make pruning it a study of nothing.   python benchmarks/network_off.py hific-s --images KODAK
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from slimcodec import library
from slimcodec.images import find_images, read_image
from slimcodec.metrics import MsSsim, Psnr
from slimcodec.model_file import Model, thaw_network
from slimcodec.runtime import open_codec

VARIANTS = {
    "hific": {
        "as it is": (),
        "encoder network off": ("encoder.head.weight", "encoder.head.bias"),
        "generator network off": ("generator.out.weight", "generator.out.bias"),
    },
    "toderici": {
        "as it is": (),
        "encoder network off": ("binarizer.conv.weight",),
        "decoder network off": (
            "decoder.out.weight",
            "decoder.out.bias",
            "decoder.correction.weight",
            "decoder.correction.bias",
        ),
        "decoder's own pixels off": ("decoder.out.weight", "decoder.out.bias"),
        "filter off": ("decoder.filter.layers.2.weight", "decoder.filter.layers.2.bias"),
    },
}
"""Family to what is zeroed: the last layers of each network, or one of them."""


def without(model: Model, names: tuple[str, ...]) -> Model:
    """The model with some tensors zero; its frozen integers stay what they were."""
    weights = {k: np.zeros_like(v) if k in names else v for k, v in model.weights.items()}
    return replace(model, weights=weights, history=())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--quality", type=float, default=3.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model = library.load_model(arguments.model)
    thaw_network(model)
    torch.set_grad_enabled(False)
    psnr, ms_ssim = Psnr(), MsSsim()
    results = {}
    for label, names in VARIANTS[model.family].items():
        if not set(names) <= set(model.weights):
            print(f"{label:24} it has none")
            continue
        codec = open_codec(without(model, names))
        rows = []
        for path in find_images(arguments.images):
            image = read_image(path).pixels
            stream = codec.encode(image, arguments.quality)
            decoded = codec.decode(stream)
            bpp = 8 * len(stream) / image[..., 0].size
            rows.append((bpp, psnr(image, decoded), ms_ssim(image, decoded)))
        bpp, decibels, similarity = np.mean(rows, axis=0)
        results[label] = {"bpp": bpp, "psnr_db": decibels, "ms_ssim": similarity}
        print(f"{label:24} {bpp:.4f} bpp  {decibels:.2f} dB  MS-SSIM {similarity:.4f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
