"""Tables of a bit prior large enough for BLAS to share its work among threads.

Run as a program it prints their digest; it imports no torch, so that takes little time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slimcodec.codecs.toderici.config import TodericiConfig, toderici_s
from slimcodec.codecs.toderici.prior import BitPrior, Place, integer_sums
from slimcodec.quantization import ActivationGrid, Quantization, WeightGrid

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Settled:
    """A bit model as a model file has it."""

    config: TodericiConfig
    weights: Weights
    quantization: Quantization

    def prior(self, sent_if: Sequence[int] | np.ndarray | None = None) -> BitPrior:
        own = None if sent_if is None else np.asarray(sent_if)
        return BitPrior(self.config, self.weights, self.quantization, own)


def config_of(
    *, iterations: int, bits: int, memory: int, context: int, hidden: int, slices: int
) -> TodericiConfig:
    return TodericiConfig(
        iterations=iterations,
        bits=bits,
        memory_channels=memory,
        context_channels=context,
        hidden_channels=hidden,
        slices=slices,
    )


def random_weights(config: TodericiConfig, seed: int) -> Weights:
    """A bit model whose activations and logits stay in a natural range."""
    rng = np.random.default_rng(seed)
    bits, memory = config.bits, config.memory_channels
    context, hidden = config.context_channels, config.hidden_channels

    def normal(*shape: int) -> np.ndarray:
        fan_in = int(np.prod(shape[1:]))
        return rng.normal(0, 1.4 / np.sqrt(fan_in), shape).astype(np.float32)

    size = bits // config.slices
    weights = {"memory": rng.normal(0, 0.3, (config.iterations, memory, bits)).astype(np.float32)}
    for t in range(config.iterations):
        own = f"iterations.{t}."
        weights[f"{own}context.weight"] = normal(context, memory + bits, 3, 3)
        weights[f"{own}context.bias"] = rng.normal(0, 0.3, context).astype(np.float32)
        for g in range(2 * config.slices):
            group = f"{own}groups.{g}."
            known = (g // 2 + g % 2) * size
            weights[f"{group}mix.weight"] = normal(hidden, context, 1, 1)
            weights[f"{group}mix.bias"] = rng.normal(0, 0.3, hidden).astype(np.float32)
            if known:
                weights[f"{group}seen.weight"] = normal(hidden, known, 3, 3)
            weights[f"{group}out.weight"] = normal(size, hidden, 1, 1)
            weights[f"{group}out.bias"] = rng.normal(0, 0.3, size).astype(np.float32)
    return {f"probability.{name}": array for name, array in weights.items()}


def settled(config: TodericiConfig, weights: Weights) -> Settled:
    """Grids of a plausible reach, weights to the nearest of seven bits."""
    found = {"seen": ActivationGrid(2.0**-6, 8, 0), "units": ActivationGrid(1 / 31, 8, -128)}
    grids, activations = {}, {}
    for one in integer_sums(config):
        inputs = [found[given] for given in one.inputs if isinstance(given, str)]
        inputs += [given for given in one.inputs if not isinstance(given, str)]
        rows = [
            weights[f"{name}.weight"].reshape(len(weights[f"{name}.weight"]), -1) * grid.step
            for name, grid in zip(one.layers, inputs, strict=True)
        ]
        steps = np.abs(np.concatenate(rows, axis=1)).max(axis=1) / 63 + 1e-9
        for name, grid, row in zip(one.layers, inputs, rows, strict=True):
            activations[name] = grid
            integers = np.rint(row / steps[:, None]).clip(-63, 63).astype(np.int8)
            shape = weights[f"{name}.weight"].shape
            own = (steps / grid.step).astype(np.float32)
            grids[f"{name}.weight"] = WeightGrid(integers.reshape(shape), own, 0, 7)
    rounded = {name: grid.weights() for name, grid in grids.items()}
    return Settled(config, {**weights, **rounded}, Quantization(grids, activations))


def random_settled(config: TodericiConfig, seed: int) -> Settled:
    return settled(config, random_weights(config, seed))


def tables_of(prior: BitPrior, codes: np.ndarray) -> np.ndarray:
    """The table that codes each bit of codes [t, n, h, w]; -1 where none was asked for."""
    found = []
    height, width = codes.shape[2:]
    known = prior.start(height, width)
    for number, code in enumerate(codes.transpose(0, 2, 3, 1)):
        rows = code.reshape(height * width, -1)
        chosen = np.full(rows.shape, -1, np.int16)

        def give(
            numbers: np.ndarray,
            place: Place,
            rows: np.ndarray = rows,
            chosen: np.ndarray = chosen,
        ) -> np.ndarray:
            assert (chosen[place] == -1).all()
            chosen[place] = numbers
            return rows[place].astype(np.int32)

        read, known = prior.iterate(number, known, give)
        assert np.array_equal(read, code)
        assert np.array_equal(chosen >= 0, rows != 0)  # what is written, and that alone
        found.append(chosen.reshape(code.shape))
    return np.stack(found).transpose(0, 3, 1, 2)


def written(codes: np.ndarray, sent_if: Sequence[int] | np.ndarray) -> np.ndarray:
    """Codes ±1 [t, n, h, w] with zeros where a bit is not written."""
    gates = np.array(sent_if)
    sent = (gates < 0)[:, None, None] | (codes[:, gates] > 0)
    return np.where(sent, codes, 0).astype(np.int8)


def random_codes(
    *shape: int, seed: int = 0, sent_if: Sequence[int] | np.ndarray | None = None
) -> np.ndarray:
    """±1, int8; given what depends on what, [t, n, h, w] and 0 where a bit is not written."""
    codes = np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), shape)
    return codes if sent_if is None else written(codes, sent_if)


def tables() -> np.ndarray:
    config = config_of(iterations=3, bits=32, memory=48, context=64, hidden=32, slices=4)
    sent_if = np.array(toderici_s().sent_if)
    prior = random_settled(config, 1).prior(sent_if)
    return tables_of(prior, random_codes(3, 32, 40, 56, sent_if=sent_if))


def digest() -> str:
    return hashlib.sha256(tables().astype("<i2").tobytes()).hexdigest()


if __name__ == "__main__":
    print(digest())
