"""The full-size recurrent codec, encode and decode, beside the way its published scripts run it.

    python benchmarks/recurrent_loop.py --image kodim05.png

The baseline is written from the description of those scripts: weights as loaded, gradients on, so
that the graph of all iterations is kept; every iteration of the encoder runs the decoder too, also
the last, whose output nobody looks at; hidden convolutions of the all-zero first state are
computed; malloc as the system has it. Ours is the torch runtime under ``coding.TodericiCodec``.
Both run the same weights in turn, each run in a process of its own, since peak memory is the
process's. ``--allocator tuned`` gives the baseline our malloc setting,
which tells how much of the ratio is that.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from slimcodec import library, registry
from slimcodec.images import read_image
from slimcodec.machine import tune_allocator
from slimcodec.model_file import load, thaw_network

SEEDS = {"encoder": (1000, 3), "binarizer": (1100, 3), "decoder": (1200, 2)}


def formula_weights(network: Any) -> None:
    """Fill the published parts with the golden vectors' formula (seed and gain per file)."""
    import torch

    from slimcodec.codecs.toderici.checkpoint import published_names

    state = network.state_dict()
    for role, (seed, gain) in SEEDS.items():
        names = published_names(role)
        for number, theirs in enumerate(sorted(names)):
            tensor = state[names[theirs]]
            u = np.random.RandomState(seed + number).uniform(-1, 1, tensor.numel())
            scale = gain * np.sqrt(3 / np.prod(tensor.shape[1:]))
            values = (u.astype(np.float32) * scale).astype(np.float32)
            tensor.copy_(torch.from_numpy(values).view(tensor.shape))


def as_published(network: Any, image: Any, iterations: int) -> tuple[float, float, Any]:
    """Seconds to encode and to decode, and the codes."""
    import torch

    def zeros(cells: Any, height: int, width: int, scales: tuple[int, ...]) -> list[Any]:
        return [
            torch.zeros(1, cell.width, height // scale, width // scale)
            for cell, scale in zip(cells, scales, strict=True)
            for _ in ("hidden", "cell")
        ]

    height, width = image.shape[2:]
    encoder_state = zeros(network.encoder.cells, height, width, (4, 8, 16))
    decoder_zeros = zeros(network.decoder.cells, height, width, (16, 8, 4, 2))
    started = time.perf_counter()
    residual, state, codes = image - 0.5, decoder_zeros, []
    for number in range(iterations):
        features, *encoder_state = network.encoder(residual, *encoder_state)
        code = network.binarizer(features, torch.tensor(number))
        output, *state = network.decoder(code, torch.tensor(number), *state)
        residual = residual - output
        codes.append(code.detach().numpy().astype(np.int8))
    encoded = time.perf_counter()
    picture, state = torch.full_like(image, 0.5), decoder_zeros
    for number, code in enumerate(codes):
        bits = torch.from_numpy(code.astype(np.float32))
        output, *state = network.decoder(bits, torch.tensor(number), *state)
        picture = picture + output.detach()
    return encoded - started, time.perf_counter() - encoded, np.stack(codes)


def make_model(path: Path) -> None:
    """Save the full-size model; half precision rounds its weights, for both ways alike."""
    import torch

    from slimcodec.codecs.toderici.initial import initialise_probability
    from slimcodec.model_file import freeze_network, save

    family = registry.families.get("toderici")
    torch.manual_seed(0)
    with torch.no_grad():
        network = family.build(family.preset("toderici"))
        formula_weights(network)
    initialise_probability(network)
    save(freeze_network(network, name="toderici-formula", family="toderici"), path)


def one_run(way: str, model: Path, path: Path, iterations: int, threads: int) -> dict[str, Any]:
    """Time one way in this process, after a warm-up on a corner of the image."""
    import torch

    torch.set_num_threads(threads)
    pixels = read_image(path).pixels
    height, width = (side // 16 * 16 for side in pixels.shape[:2])
    pixels = np.ascontiguousarray(pixels[:height, :width])
    if way == "published":
        network = thaw_network(load(model))
        image = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].float() / 255
        as_published(network, image[:, :, :64, :64], 1)
        encode_s, decode_s, codes = as_published(network, image, iterations)
        codes = codes[:, 0].transpose(0, 2, 3, 1)
    else:
        codec: Any = library.load_codec(model)
        codec.decode(codec.encode(np.ascontiguousarray(pixels[:64, :64]), 1))
        started = time.perf_counter()
        stream = codec.encode(pixels, iterations)
        encoded = time.perf_counter()
        codec.decode(stream)
        encode_s, decode_s = encoded - started, time.perf_counter() - encoded
        codes = codec.read(stream)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    packed = np.packbits(codes > 0)
    return {
        "encode_s": encode_s,
        "decode_s": decode_s,
        "peak_gib": peak,
        "codes": packed.tobytes().hex(),
    }


def differing(one: str, other: str) -> int:
    """Bits that differ between two packed codes."""
    pair = (np.frombuffer(bytes.fromhex(text), np.uint8) for text in (one, other))
    return int(np.unpackbits(np.bitwise_xor(*pair)).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--allocator", choices=("system", "tuned"), default="system")
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--one", choices=("make", "published", "ours"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one == "make":
        make_model(arguments.model)
        return
    if arguments.one:
        if arguments.one == "published" and arguments.allocator == "tuned":
            tune_allocator()
        run = one_run(
            arguments.one,
            arguments.model,
            arguments.image,
            arguments.iterations,
            arguments.threads,
        )
        print(json.dumps(run))
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments, [*sys.argv[1:], "--model", str(Path(folder) / "full.slim")])


def compare(arguments: argparse.Namespace, words: list[str]) -> None:
    """Run both ways in turn, in processes of their own, and print what came of it."""

    def child(what: str) -> str:
        command = [sys.executable, __file__, *words, "--one", what]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    child("make")
    runs: dict[str, list[dict[str, Any]]] = {"published": [], "ours": []}
    for _ in range(arguments.repeats):
        for way, found in runs.items():
            found.append(run := json.loads(child(way)))
            print(
                f"{way:10} encode {run['encode_s']:.2f} s  decode {run['decode_s']:.2f} s  "
                f"peak memory {run['peak_gib']:.2f} GiB",
                flush=True,
            )
    ratios = [
        (theirs["encode_s"] + theirs["decode_s"]) / (ours["encode_s"] + ours["decode_s"])
        for theirs, ours in zip(runs["published"], runs["ours"], strict=True)
    ]
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"published / ours: median {statistics.median(ratios):.2f} ({each})")
    different = differing(runs["published"][0]["codes"], runs["ours"][0]["codes"])
    print(f"bits of the codes that differ: {different}")


if __name__ == "__main__":
    main()
