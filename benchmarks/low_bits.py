"""A generator with weights of few bits, and nothing else quantized: what even levels lose and what
placed ones do, before anything learns and after some steps of distillation with grids that stay or
learn.

python benchmarks/low_bits.py hific-s --train PHOTOS --images HELD_OUT

dB are PSNR less that of the model as it is, at one quality, means over the first photographs held
out, from latents rounded as a decoder sees them. Bytes are what the generator takes in the file.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch

from slimcodec import library, registry
from slimcodec.images import find_images
from slimcodec.model_file import Model, freeze_network, save, storage_of, thaw_network
from slimcodec.shrink import Context, Distil, Quantize
from slimcodec.training.objectives import RateDistortionSettings
from slimcodec.training.validation import Validation

PART = "generator"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--train", type=Path, required=True, help="photographs to learn from")
    parser.add_argument("--images", type=Path, required=True, help="photographs held out")
    parser.add_argument("--count", type=int, default=4, help="of those that are looked at")
    parser.add_argument("--quality", type=int, default=3)
    parser.add_argument("--bits", default="4,3")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--calibration-images", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = library.load_model(arguments.model)
    family, network = registry.families.get(model.family), thaw_network(model)
    held_out = Validation(find_images(arguments.images)[: arguments.count])
    objective = RateDistortionSettings().build(network.config)

    def psnr_db(network: Any) -> float:
        points = held_out.points(network, objective, torch.device("cpu"))
        network.eval()
        return float(points[arguments.quality - 1][1])

    whole = psnr_db(network)
    print(f"{model.name}: {whole:.3f} dB, {part_bytes(model):,} bytes", flush=True)
    context = Context(arguments.train, reference=network)
    for bits in map(int, arguments.bits.split(",")):
        for levels in ("even", "placed"):
            rounds = Quantize(
                bits, None, only=(PART,), levels=levels, images=arguments.calibration_images
            )
            rounded, _ = rounds.apply(network, family, context)

            def tell(what: str, made: Any, bits: int = bits, levels: str = levels) -> None:
                frozen = freeze_network(made, name="made", family=model.family)
                print(
                    f"{bits} bits, {levels:6} levels, {what:24} "
                    f"{psnr_db(made) - whole:+.3f} dB  {part_bytes(frozen):,} bytes",
                    flush=True,
                )

            tell("no training", rounded)
            for grid_bits in (0, bits) if arguments.steps else ():
                step = Distil(steps=arguments.steps, batch=arguments.batch, grid_bits=grid_bits)
                learned, _ = step.apply(rounded, family, context)
                tell("grids learned" if grid_bits else "grids stayed", learned)


def part_bytes(model: Model) -> int:
    """Of the part, in a model file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.slim"
        save(model, path)
        return sum(row.stored_bytes for row in storage_of(path) if row.part == PART)


if __name__ == "__main__":
    main()
