"""Table indexes of a prior large enough for BLAS to share its work among threads.

Run as a program it prints their digest; it imports no torch, so that takes little time.
"""

from __future__ import annotations

import hashlib

import numpy as np

from slimcodec.codecs.hific.prior import IntegerPrior, ScaleGrid

Arrays = list[np.ndarray]


def random_net(hyper: int, latents: int, seed: int) -> tuple[Arrays, Arrays]:
    """Weights and biases of a scale net whose activations stay in a natural range."""
    rng = np.random.default_rng(seed)
    shapes = [(hyper, hyper, 5, 5), (hyper, hyper, 5, 5), (hyper, latents, 3, 3)]
    weights = [rng.normal(0, 0.2, shape).astype(np.float32) for shape in shapes]
    biases = [rng.normal(0, 0.3, shape[1]).astype(np.float32) for shape in shapes]
    return weights, biases


def indexes() -> np.ndarray:
    weights, biases = random_net(96, 128, 8)
    plain = IntegerPrior(weights, biases)
    gains = np.linspace(-1, 4, 2 * 128).reshape(2, 128)
    grid = ScaleGrid.build(plain.fraction_bits, True, gains)
    prior = IntegerPrior(weights, biases, grid)
    z_hat = np.random.default_rng(9).integers(-3, 4, (96, 8, 8), dtype=np.int32)
    return prior.table_indexes(z_hat, 31, 30, 3, 8)


def digest() -> str:
    return hashlib.sha256(indexes().tobytes()).hexdigest()


if __name__ == "__main__":
    print(digest())
