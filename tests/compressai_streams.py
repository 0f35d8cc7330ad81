"""Streams as CompressAI's command line writes them: its bytes by a few lines, with or without it.

Where its own models are not wanted, an encoder for its entropy coder of a test's own writes drawn
symbols with the tables of a checkpoint.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from slimcodec.codecs.compressai.checkpoint import read_state
from slimcodec.codecs.compressai.theirs.container import parse
from slimcodec.codecs.compressai.theirs.rans import PRECISION, Tables
from slimcodec.codecs.compressai.theirs.synthesis import Synthesis, picked
from slimcodec.codecs.compressai.theirs.tables import density_tables, scale_steps, scale_tables
from slimcodec.types import Image

__all__ = ["MODELS", "coded", "drawn", "encoded", "packed", "padding", "written"]

MODELS = {"bmshj2018-factorized": 0, "bmshj2018-hyperprior": 2, "mbt2018-mean": 3}
"""Numbers in its list of models today."""


def packed(
    strings: list[bytes],
    shape: tuple[int, int],
    size: tuple[int, int],
    model: int,
    bits: int | None = 8,
    code: int = 3,
) -> bytes:
    """A stream's bytes.

    Args:
        strings: of y, and z.
        shape: of the latents of the last string.
        size: height and width of the picture.
        model: its number.
        bits: of a sample; None for streams of before there was that field.
        code: metric and quality.
    """
    data = struct.pack(">BBII", model, code, *size)
    data += b"" if bits is None else struct.pack(">B", bits)
    data += struct.pack(">III", *shape, len(strings))
    return data + b"".join(struct.pack(">I", len(string)) + string for string in strings)


def padding(height: int, width: int) -> tuple[int, int, int, int]:
    """Left, right, top and bottom, to multiples of 64."""
    across, down = -width % 64, -height % 64
    return across // 2, across - across // 2, down // 2, down - down // 2


@torch.no_grad()
def written(network: Any, image: Image, architecture: str) -> bytes:
    """What its command line writes of an image."""
    height, width, _ = image.shape
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    made = network.compress(F.pad(x, padding(height, width)))
    strings = [each[0] for each in made["strings"]]
    return packed(strings, tuple(made["shape"]), (height, width), MODELS[architecture])


@torch.no_grad()
def coded(network: Any, image: Image, architecture: str) -> tuple[bytes, np.ndarray]:
    """What its command line writes of an image, and the picture that it decodes, unrounded, in
    levels, [h, w, 3]."""
    data = written(network, image, architecture)
    found = parse(data)
    strings = [[string] for string in found.strings]
    decoded = network.decompress(strings, found.shape)["x_hat"]
    sides = padding(*image.shape[:2])
    own = F.pad(decoded, tuple(-side for side in sides))[0].permute(1, 2, 0)
    return data, 255 * own.numpy()


def encoded(symbols: np.ndarray, picks: np.ndarray, tables: Tables) -> bytes:
    """Symbols as its entropy coder writes them.

    Args:
        symbols: in a row.
        picks: the table of each.
        tables: all of them.
    """
    steps: list[tuple[int, int, int]] = []
    for symbol, table in zip(symbols.tolist(), picks.tolist(), strict=True):
        edges, last = tables.edges[table], len(tables.edges[table]) - 2
        number = symbol - tables.offsets[table]
        inside = 0 <= number < last
        own = number if inside else last
        steps.append((edges[own], edges[own + 1] - edges[own], PRECISION))
        if not inside:
            far = -2 * number - 1 if number < 0 else 2 * (number - last)
            pieces = [far >> shift & 15 for shift in range(0, far.bit_length(), 4)]
            steps += [(piece, 1, 4) for piece in (len(pieces), *pieces)]
    state, words = 1 << 31, []
    for start, size, bits in reversed(steps):
        if state >= size << (63 - bits):
            words.append(state & 0xFFFFFFFF)
            state >>= 32
        state = ((state // size) << bits) + state % size + start
    words += [state >> 32, state & 0xFFFFFFFF]
    return np.array(words[::-1], "<u4").tobytes()


def drawn(checkpoint: Path, height: int, width: int, seed: int = 0) -> bytes:
    """A stream of drawn symbols, by the tables that a checkpoint of mbt2018-mean without any would
    get; sides are those of the picture."""
    rng = np.random.default_rng(seed)
    state = read_state(checkpoint)
    shape = (-(-height // 64), -(-width // 64))
    median = state["entropy_bottleneck.quantiles"][:, :, 1:2]
    z = rng.integers(-2, 3, (len(median), *shape))
    strings = [encoded(z.ravel(), np.repeat(np.arange(len(z)), z[0].size), density_tables(state))]
    way = next(Synthesis(state, "mbt2018-mean").ways(z.astype(np.float32) + median))
    y = np.rint(rng.normal(0, np.maximum(way.scales, 0.11)))
    steps = scale_steps(state)
    chosen = picked(way.scales, steps, 0.11)
    strings.insert(0, encoded(y.ravel().astype(int), chosen, scale_tables(steps)))
    return packed(strings, shape, (height, width), MODELS["mbt2018-mean"])
