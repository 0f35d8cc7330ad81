"""A prior by itself, without a network; and tables of one large enough for BLAS to share its work
among threads.

Run as a program it prints their digest; it imports no torch, so that takes little time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.prior import LatentPrior, integer_sums
from slimcodec.codecs.latents.scales import ScaleGrid, Units
from slimcodec.integers import Group
from slimcodec.quantization import ActivationGrid, Quantization, WeightGrid

Arrays = dict[str, np.ndarray]
SCALE, CONTEXT = "probability.scale.layers.", "probability.context."
FEATURES = "probability.features"


@dataclass(frozen=True)
class Settled:
    """What decides tables, as a model file has it."""

    weights: Arrays
    quantization: Quantization
    frozen: Arrays
    config: LatentsConfig

    def prior(self) -> LatentPrior:
        return LatentPrior(self.config, self.weights, self.quantization, self.frozen)


def random_settled(
    hyper: int,
    latents: int,
    seed: int,
    slices: Sequence[int] = (),
    width: int = 8,
    features: int = 0,
) -> Settled:
    """Scale net and context whose activations stay in a natural range."""
    config = LatentsConfig(
        latent_channels=latents,
        hyper_channels=hyper,
        context_slices=tuple(slices),
        context_channels=width,
        context_features=features,
    )
    rng = np.random.default_rng(seed)
    shapes = {
        f"{SCALE}0": (hyper, hyper, 5, 5),
        f"{SCALE}1": (hyper, hyper, 5, 5),
        f"{SCALE}2": (hyper, latents, 3, 3),
    }
    if slices:
        shapes[f"{CONTEXT}hyper"] = (width, latents, 1, 1)
        for group in Group.of_slices(slices, f"{CONTEXT}groups.", 2):
            outputs = 2 * (group.channels.stop - group.channels.start)
            shapes[group.hidden] = (width, width, 1, 1)
            if group.seen:
                seen = group.hidden.removesuffix("mix") + "seen"
                shapes[seen] = (width, group.seen, 3, 3)
            shapes[group.out] = (outputs, width, 1, 1)
    if features:
        shapes[FEATURES] = (hyper, features, 3, 3)
        shapes[f"{CONTEXT}features"] = (width, features, 1, 1)
    weights, grids, activations = {}, {}, {}
    found = ActivationGrid(2.0**-6, 8, 0)
    for one in integer_sums(config):
        sums = None
        for name, given in zip(one.layers, one.inputs, strict=True):
            grid = found if isinstance(given, str) else given
            activations[name] = grid
            shape = shapes[name]
            axis = 1 if name.startswith((SCALE, FEATURES)) else 0
            fan_in = np.prod(shape) / shape[axis] / (4 if shape[2] == 5 else 1)
            spread = (0.3 if name.endswith("out") else 1.5) / np.sqrt(fan_in) / 25
            if sums is None:  # steps of weights times steps of inputs are those of the first
                sums = spread * grid.step * rng.uniform(0.8, 1.2, shape[axis])
            steps = (sums / grid.step).astype(np.float32)
            integers = np.rint(rng.normal(0, 25, shape)).clip(-63, 63).astype(np.int8)
            grids[f"{name}.weight"] = WeightGrid(integers, steps, axis, 7)
            weights[f"{name}.weight"] = grids[f"{name}.weight"].weights()
            if not name.endswith(("seen", "context.features")):
                weights[f"{name}.bias"] = rng.normal(0, 0.3, shape[axis]).astype(np.float32)
    scales = ScaleGrid.build(True, np.linspace(-1, 4, 2 * latents).reshape(2, latents))
    frozen = {**scales.to_arrays(), **(Units.build().to_arrays() if slices else {})}
    return Settled(weights, Quantization(grids, activations), frozen, config)


def regridded(one: Settled, name: str, **changes: Any) -> Settled:
    """With another grid for one layer's weights."""
    key = f"{name}.weight"
    grids = one.quantization.weights
    grids = {**grids, key: replace(grids[key], **changes)}
    return replace(one, quantization=replace(one.quantization, weights=grids))


def tables() -> np.ndarray:
    """Of every latent, group by group, for symbols that are drawn; without features and with."""
    ways: list[tuple[tuple[int, ...], int]] = [((16, 48, 64), 0), ((48, 80), 32)]
    return np.concatenate([_tables(*way) for way in ways])


def _tables(slices: tuple[int, ...], features: int) -> np.ndarray:
    prior = random_settled(96, 128, 8, slices, 48, features).prior()
    rng = np.random.default_rng(9)
    walk = prior.walk(rng.integers(-3, 4, (96, 8, 8), dtype=np.int32), (31, 30), 3, 8)
    guess, found = next(walk), []
    while True:
        found.append(guess.tables.ravel())
        coded = rng.integers(-3, 4, guess.tables.shape, dtype=np.int32)
        try:
            guess = walk.send(coded)
        except StopIteration:
            return np.concatenate(found)


def digest() -> str:
    return hashlib.sha256(tables().astype("<i2").tobytes()).hexdigest()


if __name__ == "__main__":
    print(digest())
