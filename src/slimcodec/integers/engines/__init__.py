"""Engines: what multiplies bytes by weights and adds 32-bit integers, as fast as a machine can.

An engine is a name and a function ``product``; everything around the product is numpy's and the
same for all. Before an engine is used in a process it must give, for inputs that make every sum as
large as it can be, the integers that int64 arithmetic gives. One that does not is left aside with a
warning, and coding goes on with the next; ``slimcodec doctor`` says which are sound.

    onnx     ONNX Runtime's MatMulInteger, VNNI or AMX where there is any
    torch    ``torch._int_mm``; only when asked for by name
    numpy    float32 products of pieces whose sums stay below 2^24; always there

``SLIMCODEC_ENGINE`` names one to use instead of the first sound one.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable
from functools import cache
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import MissingExtraError, SlimcodecError, UnknownNameError

__all__ = ["ENGINES", "Engine", "Product", "engine", "engines", "fault", "trusted"]

Product: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.int32]]
"""Bytes [n, k] to sums [n, c]."""

ENGINES = {
    "onnx": "slimcodec.integers.engines.onnx:OnnxEngine",
    "torch": "slimcodec.integers.engines.torch:TorchEngine",
    "numpy": "slimcodec.integers.engines.numpy:NumpyEngine",
}
_USUAL = ("onnx", "numpy")
"""Torch takes seconds to import, and is no faster."""
_VARIABLE = "SLIMCODEC_ENGINE"
_SIZES = ((1, 1, 1), (3, 5, 7), (17, 64, 33), (64, 96, 96), (129, 1000, 48), (48, 3552, 24))
"""Rows, inputs and outputs of the self-test: odd ones for the remainders that kernels treat apart,
and the longest sum of a built-in model."""

_DISTINCT = 7
"""Rows of the self-test until they repeat, which no kernel's rows at a time divide: what a process
waits for is the exact product, so it is of these alone."""


class Engine(Protocol):
    """Something that multiplies."""

    name: str
    version: str
    """Of the library that does the work."""

    def product(self, weights: NDArray[np.int8]) -> Product:
        """Bytes [n, k] times these weights [k, c], ready to be called."""


def engines() -> tuple[str, ...]:
    """All names, the usual ones in the order in which they are tried."""
    return (*_USUAL, *(name for name in ENGINES if name not in _USUAL))


@cache
def engine(name: str) -> Engine:
    """An engine by name, untested.

    Raises:
        UnknownNameError: when there is none of that name.
        MissingExtraError: when what it runs on is not installed.
    """
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    module, _, attribute = ENGINES[name].partition(":")
    made: Engine = getattr(importlib.import_module(module), attribute)()
    return made


@cache
def trusted() -> Engine:
    """The first engine that is there and passes its self-test.

    Raises:
        SlimcodecError: when the one that was asked for by ``SLIMCODEC_ENGINE`` does not.
    """
    if wanted := os.environ.get(_VARIABLE):
        if problem := fault(wanted):
            raise SlimcodecError(f"the engine {wanted} ({_VARIABLE}) cannot be used: {problem}")
        return engine(wanted)
    for name in _USUAL:
        problem = fault(name)
        if problem is None:
            return engine(name)
        warnings.warn(f"the integer engine {name} is left aside: {problem}", stacklevel=2)
    raise SlimcodecError(
        "no integer engine works here, not even numpy; `slimcodec doctor` says why"
    )


@cache
def fault(name: str) -> str | None:
    """What is wrong with an engine on this machine; None where it passes its self-test."""
    try:
        own = engine(name)
        for rows, inputs, outputs in _SIZES:
            for x, weights in _extremes(rows, inputs, outputs):
                if not np.array_equal(own.product(weights)(x), _exact(x, weights)):
                    return f"it multiplies {rows}x{inputs} by {inputs}x{outputs} wrongly"
    except MissingExtraError as error:
        return str(error)
    except UnknownNameError:
        raise
    except Exception as error:
        # Whatever a foreign runtime raises: it cannot be used, and coding can go on without.
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return None


def _extremes(
    rows: int, inputs: int, outputs: int
) -> list[tuple[NDArray[np.uint8], NDArray[np.int8]]]:
    """Inputs that saturate what can saturate, and inputs of all kinds; rows that repeat."""
    full = np.full((rows, inputs), 255, np.uint8)
    mixed = np.resize(_noise((_DISTINCT, inputs)).astype(np.uint8), (rows, inputs))
    noise = _noise((inputs, outputs))
    signs = np.where(noise & 1, 63, -63).astype(np.int8)
    every = (noise % 127).astype(np.int8) - np.int8(63)
    return [(full, np.full((inputs, outputs), 63, np.int8)), (full, signs), (mixed, every)]


def _noise(shape: tuple[int, int]) -> NDArray[np.uint32]:
    """Sixteen bits that look like chance, [n, k]: numpy's own chance takes 6 ms to import."""
    noise = np.arange(1, 1 + shape[0] * shape[1], dtype=np.uint32)
    # The finaliser of MurmurHash3, which mixes every bit into every other.
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        noise ^= noise >> np.uint32(shift)
        noise *= np.uint32(factor)
    return (noise >> np.uint32(16)).reshape(shape)


def _exact(x: NDArray[np.uint8], weights: NDArray[np.int8]) -> NDArray[np.int64]:
    """Their product in int64 arithmetic, for rows that repeat."""
    # Numpy's own product of integers goes through memory in strides, and takes three times as long.
    columns = np.ascontiguousarray(weights.T, np.int64)
    exact: NDArray[np.int64] = np.einsum("nk,ck->nc", x[:_DISTINCT].astype(np.int64), columns)
    return np.resize(exact, (len(x), len(columns)))
