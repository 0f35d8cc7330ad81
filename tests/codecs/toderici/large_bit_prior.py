"""Tables of a bit prior large enough for BLAS to share its work among threads.

Run as a program it prints their digest; it imports no torch, so that takes little time.
"""

from __future__ import annotations

import hashlib

import numpy as np

from slimcodec.codecs.toderici.prior import BitPrior, Place

Weights = dict[str, np.ndarray]


def random_weights(
    *,
    iterations: int,
    bits: int,
    memory: int,
    context: int,
    hidden: int,
    slices: int,
    seed: int,
) -> Weights:
    """A bit model whose activations and logits stay in a natural range, by its part's names."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        fan_in = int(np.prod(shape[1:]))
        return rng.normal(0, 1.4 / np.sqrt(fan_in), shape).astype(np.float32)

    size = bits // slices
    weights = {"memory": rng.normal(0, 0.3, (iterations, memory, bits)).astype(np.float32)}
    for t in range(iterations):
        own = f"iterations.{t}."
        weights[f"{own}context.weight"] = normal(context, memory + bits, 3, 3)
        weights[f"{own}context.bias"] = rng.normal(0, 0.3, context).astype(np.float32)
        for g in range(2 * slices):
            group = f"{own}groups.{g}."
            known = (g // 2 + g % 2) * size
            weights[f"{group}mix.weight"] = normal(hidden, context, 1, 1)
            weights[f"{group}mix.bias"] = rng.normal(0, 0.3, hidden).astype(np.float32)
            if known:
                weights[f"{group}seen.weight"] = normal(hidden, known, 3, 3)
            weights[f"{group}out.weight"] = normal(size, hidden, 1, 1)
            weights[f"{group}out.bias"] = rng.normal(0, 0.3, size).astype(np.float32)
    return weights


def tables_of(prior: BitPrior, codes: np.ndarray) -> np.ndarray:
    """The table that codes each bit of ±1 codes [t, n, h, w]; -1 where none was asked for."""
    tables = np.full(codes.shape, -1, np.int16)
    known = prior.start(*codes.shape[2:])
    for number, code in enumerate(codes):
        chosen = tables[number]

        def give(
            numbers: np.ndarray,
            place: Place,
            code: np.ndarray = code,
            chosen: np.ndarray = chosen,
        ) -> np.ndarray:
            assert (chosen[place.start : place.stop, place.rows, place.columns] == -1).all()
            chosen[place.start : place.stop, place.rows, place.columns] = numbers.T
            return code[place.start : place.stop, place.rows, place.columns].T.astype(np.int32)

        read, known = prior.iterate(number, known, give)
        assert np.array_equal(read.transpose(2, 0, 1), code)
    return tables


def random_codes(*shape: int, seed: int = 0) -> np.ndarray:
    """±1, int8."""
    return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), shape)


def tables() -> np.ndarray:
    weights = random_weights(
        iterations=3, bits=32, memory=48, context=64, hidden=32, slices=4, seed=1
    )
    return tables_of(BitPrior(weights), random_codes(3, 32, 40, 56))


def digest() -> str:
    return hashlib.sha256(tables().astype("<i2").tobytes()).hexdigest()


if __name__ == "__main__":
    print(digest())
