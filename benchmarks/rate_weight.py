"""BD-rate of rate-aware rounding against plain rounding, by weight.

Tune it on photographs held out of training, never on an evaluation set.
python benchmarks/rate_weight.py hific-s --images HELD_OUT --weights 0 0.03 0.06 0.1
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from slimcodec import library
from slimcodec.images import find_images, read_image
from slimcodec.metrics import MsSsim, Psnr, bd_rate, to_db
from slimcodec.runtime import open_codec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 0.03, 0.06, 0.1])
    arguments = parser.parse_args()
    model = library.load_model(arguments.model)
    images = [read_image(path).pixels for path in find_images(arguments.images)]
    curves = {}
    for weight in arguments.weights:
        changed = dataclasses.replace(model, config={**model.config, "rate_weight": weight})
        curves[weight] = _curve(open_codec(changed), images)
    base = curves[arguments.weights[0]]
    print(f"BD-rate against weight {arguments.weights[0]:g}, {len(images)} images")
    for weight, curve in curves.items():
        figures = [
            bd_rate([(p[0], p[i]) for p in base], [(p[0], p[i]) for p in curve]) for i in (1, 2)
        ]
        print(f"{weight:5g}: PSNR {figures[0]:+.2f} %, MS-SSIM {figures[1]:+.2f} %")


def _curve(codec: Any, images: list[np.ndarray]) -> list[tuple[float, float, float]]:
    psnr, ms_ssim = Psnr(), MsSsim()
    points = []
    for quality in codec.qualities:
        rows = []
        for image in images:
            stream = codec.encode(image, quality)
            decoded = codec.decode(stream)
            bpp = 8 * len(stream) / image[..., 0].size
            rows.append((bpp, psnr(image, decoded), ms_ssim(image, decoded)))
        bpp, decibels, similarity = np.mean(rows, axis=0)
        points.append((float(bpp), float(decibels), to_db(float(similarity))))
    return points


if __name__ == "__main__":
    main()
