"""CompressAI's own networks against ours: transforms, streams, and what breaks its decoder.

    python -m pip install --no-deps compressai==1.2.8
    python benchmarks/compressai_oracle.py picture.png mbt.pth [more.pth ...]
    python benchmarks/compressai_oracle.py picture.png --random

Each file is a state dict of bmshj2018-factorized, bmshj2018-hyperprior or mbt2018-mean; with
``--random`` there are networks with weights drawn for all three, at both published sizes. Printed
are the largest differences of y, ẑ, scales, means and x̂ as shares of the largest value, the bytes
of both, how many symbols of ŷ differ, and of so many of its own decodes with scales moved in the
last bit how many break. Then its stream, as its command line writes it, as one of ours: how far ŷ
and pictures are apart, and how many streams are read whose writer's scales were moved.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from slimcodec import registry
from slimcodec.errors import StreamError
from slimcodec.images import read_image
from slimcodec.model_file import freeze_network
from slimcodec.runtime import open_codec
from tests.compressai_oracle import (
    ARCHITECTURES,
    load_models,
    moved_scales,
    of_file,
    perturbed_decodes,
    save,
)
from tests.compressai_streams import coded as command_line
from tests.compressai_streams import written

SIZES = ((128, 192), (192, 320))
"""N and M as published."""
LEVELS = 20
"""Of 255, that a sound decode is not off by."""


def main() -> None:
    """Compare each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path, help="sides are multiples of 64")
    parser.add_argument("checkpoints", type=Path, nargs="*")
    parser.add_argument("--random", action="store_true", help="networks with weights drawn, too")
    parser.add_argument("--decodes", type=int, default=8, help="of its own, with scales moved")
    arguments = parser.parse_args()
    pixels = read_image(arguments.picture).pixels
    for path in arguments.checkpoints:
        _all(path, of_file(path), pixels, arguments.decodes)
    if arguments.random:
        for architecture in ARCHITECTURES:
            for n, m in SIZES:
                path = Path(f"{architecture}-{n}-{m}.pth")
                network = _drawn(architecture, n, m)
                save(network, path)
                _all(path, network, pixels, arguments.decodes)
                path.unlink()


def _drawn(architecture: str, n: int, m: int) -> Any:
    """Of its class, with weights that let every layer say something."""
    torch.manual_seed(0)
    network = getattr(load_models(), ARCHITECTURES[architecture])(n, m)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("gamma"):
                parameter.add_(0.02 * torch.rand_like(parameter))
            elif name.endswith("quantiles"):
                parameter[:, :, 1] += torch.rand_like(parameter[:, :, 1]) - 0.5
        network.g_a[6].weight *= 40
        if hasattr(network, "h_s"):
            network.h_a[4].weight *= 4
            network.h_s[4].bias += 1
    network.eval().update(force=True)
    return network


def _all(path: Path, theirs: Any, pixels: np.ndarray, decodes: int) -> None:
    _compare(path, theirs, pixels, decodes)
    _transcode(path, theirs, pixels, decodes)


def _transcode(path: Path, theirs: Any, pixels: np.ndarray, decodes: int) -> None:
    family: Any = registry.families.get("compressai")
    network = family.read_checkpoint([path]).network
    data, decoded = command_line(theirs, pixels, network.config.architecture)
    started = time.perf_counter()
    found = family.read_foreign(family.foreign_header(data), [path])
    took = time.perf_counter() - started
    print(f"  its stream: {len(data)} bytes, {found.symbols} symbols read in {took:.1f} s")
    print(f"    its picture by its own weights: {np.abs(found.pixels - decoded).max():.3f} levels")
    for precision in ("half", "single"):
        codec: Any = open_codec(
            freeze_network(network, name="imported", family="compressai", precision=precision)
        )
        stream = family.foreign_stream(codec, found, True)
        _, (tile,) = codec.read(stream)
        same = np.array_equal(tile.symbols, found.latents.symbols)
        y_hat = codec._tile.dequantize(tile, 0)
        far = np.abs(codec.decode(stream, region=found.header.region).astype(int) - found.pixels)
        print(
            f"    as ours, {precision}: {len(stream)} bytes, symbols the same: {same}, ŷ "
            f"{np.abs(y_hat - found.latents.y_hat).max():.1e} apart at most, pictures "
            f"{far.max()} levels at most, {far.mean():.4f} on average"
        )
    if not network.config.structure.hyperprior:
        return
    for places in (1, 4, 16):
        ways: list[str] = []
        for seed in range(decodes):
            with moved_scales(theirs, places, seed):
                stream = written(theirs, pixels, network.config.architecture)
            try:
                again = family.read_foreign(family.foreign_header(stream), [path])
            except StreamError:
                ways.append("refused")
                continue
            sound = np.array_equal(again.latents.symbols, found.latents.symbols)
            ways.append((again.notes[-1] if again.notes else "as usual") if sound else "WRONG")
        counted = {way: ways.count(way) for way in dict.fromkeys(ways)}
        print(f"    written with scales moved by up to {places} in the last place: {counted}")


@torch.no_grad()
def _compare(path: Path, theirs: Any, pixels: np.ndarray, decodes: int) -> None:
    family = registry.families.get("compressai")
    ours = family.read_checkpoint([path]).network
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    print(f"{path.stem}: {ours.config.architecture}, N {ours.config.encoder_widths[0]}, "
          f"M {ours.config.latent_channels}")  # fmt: skip
    y = theirs.g_a(image)
    decoded = _seen_by_generator(theirs, lambda: theirs(image))
    made = {"y": (ours.encoder(image), y)}
    if ours.config.structure.hyperprior:
        z = theirs.h_a(y.abs() if ours.config.structure.magnitudes else y)
        z_hat, _ = theirs.entropy_bottleneck(z)
        symbols = ours.probability.hyper_latents(y).round()
        made["z_hat"] = (symbols + ours.probability.median, z_hat)
        both = theirs.h_s(z_hat)
        scales, means = both.chunk(2, 1) if ours.config.structure.mean else (both, None)
        floor = ours.probability.latent_scales(symbols).clamp(min=0.11)
        made["scales"] = (floor, scales.clamp(min=0.11))
        if means is not None:
            made["means"] = (ours.probability.latent_means(symbols), means)
    # Of the same ŷ: one latent that falls on the other side of a half moves many pixels.
    made["x_hat"] = (ours.generator(decoded), theirs.g_s(decoded))
    for name, (one, other) in made.items():
        print(f"  {name}: {float((one - other).abs().max() / other.abs().max()):.1e}")
    codec: Any = open_codec(freeze_network(ours, name="imported", family="compressai"))
    stream, coded = codec.encode(pixels), theirs.compress(image)
    size = sum(len(strings[0]) for strings in coded["strings"])
    print(f"  bytes: theirs {size}, ours {len(stream)} ({100 * (len(stream) / size - 1):+.2f} %)")
    _, tiles = codec.read(stream)
    latents = np.concatenate([codec._tile.dequantize(tile, 0)[None] for tile in tiles])
    decoded = _seen_by_generator(
        theirs, lambda: theirs.decompress(coded["strings"], coded["shape"])
    )
    apart = np.abs(latents - decoded.numpy()) > 0.01
    print(f"  symbols of ŷ that differ: {int(apart.sum())} of {apart.size}")
    picture = theirs.decompress(coded["strings"], coded["shape"])["x_hat"][0].permute(1, 2, 0)
    far = np.abs(codec.decode(stream).astype(float) - 255 * picture.numpy())
    print(f"  pictures: {far.max():.2f} levels apart at most, {far.mean():.4f} on average")
    if ours.config.structure.hyperprior:
        for places in (1, 16):
            broken, moved = perturbed_decodes(theirs, image, decodes, places)
            print(
                f"  its decodes, scales moved by up to {places} in the last place: {broken} of "
                f"{decodes} break, {moved:.1f} of {apart.size} tables picked otherwise on average"
            )
        with warnings.catch_warnings(), torch.backends.mkldnn.flags(enabled=False):
            warnings.simplefilter("ignore")
            other = theirs.decompress(coded["strings"], coded["shape"])["x_hat"][0]
        far = 255 * float((other.permute(1, 2, 0) - picture).abs().max())
        told = f"{far:.2f} levels from it at most" if far < LEVELS else "another picture, or none"
        print(f"  its decode without oneDNN, of its stream with it: {told}")


def _seen_by_generator(theirs: Any, work: Callable[[], Any]) -> torch.Tensor:
    """The ŷ that its generator is given."""
    found: dict[str, torch.Tensor] = {}
    hook = theirs.g_s.register_forward_pre_hook(lambda module, given: found.update(y=given[0]))
    work()
    hook.remove()
    return found["y"]


if __name__ == "__main__":
    main()
