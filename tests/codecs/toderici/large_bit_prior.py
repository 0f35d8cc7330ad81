"""Tables of a bit prior large enough for BLAS to share its work among threads.

Run as a program it prints their digest; it imports no torch, so that takes little time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from slimcodec.codecs.toderici.config import toderici_s
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
    """The table that codes each bit of codes [t, n, h, w]; -1 where none was asked for."""
    found = []
    known = prior.start(*codes.shape[2:])
    for number, code in enumerate(codes.transpose(0, 2, 3, 1)):
        chosen = np.full(code.shape, -1, np.int16)

        def give(
            numbers: np.ndarray,
            place: Place,
            code: np.ndarray = code,
            chosen: np.ndarray = chosen,
        ) -> np.ndarray:
            assert (chosen[place] == -1).all()
            chosen[place] = numbers
            return code[place].astype(np.int32)

        read, known = prior.iterate(number, known, give)
        assert np.array_equal(read, code)
        assert np.array_equal(chosen >= 0, code != 0)  # what is written, and that alone
        found.append(chosen)
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
    weights = random_weights(
        iterations=3, bits=32, memory=48, context=64, hidden=32, slices=4, seed=1
    )
    sent_if = np.array(toderici_s().sent_if)
    return tables_of(BitPrior(weights, sent_if), random_codes(3, 32, 40, 56, sent_if=sent_if))


def digest() -> str:
    return hashlib.sha256(tables().astype("<i2").tobytes()).hexdigest()


if __name__ == "__main__":
    print(digest())
