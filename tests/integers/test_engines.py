"""Engines: all of them give the integers of int64, and one that does not is left aside."""

from __future__ import annotations

import copy
import itertools
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec import registry
from slimcodec.codecs.family import Family, sums_of
from slimcodec.errors import MissingExtraError, SlimcodecError, UnknownNameError
from slimcodec.integers import engines as room
from slimcodec.integers.engines import ENGINES, Engine, Product, engine, engines, fault, trusted
from slimcodec.integers.engines.onnx import OnnxEngine
from slimcodec.model_file import Model, freeze_network, save, thaw_network
from tests.conftest import TINY
from tests.integers.coded_once import coded, digest

Forget = Callable[[], None]
NAMES = sorted(ENGINES)
MULTIPLYING = [
    name for name in registry.families if sums_of(registry.families.get(name), TINY[name])
]
"""Families whose coding multiplies integers by an engine."""
KINDS = ["largest", "smallest", "signs", "halves", "any", "none"]


def operands(
    kind: str, rows: int, inputs: int, outputs: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Bytes and weights; most kinds make sums as large as they get, or cancel pairs of them."""
    rng = np.random.default_rng(seed)
    ends = np.array([-63, 63], np.int8)
    x = np.full((rows, inputs), 255, np.uint8)
    weights = np.full((inputs, outputs), 63, np.int8)
    if kind == "smallest":
        weights = -weights
    elif kind == "signs":
        weights = rng.choice(ends, (inputs, outputs))
    elif kind == "halves":
        weights[inputs // 2 :] = -63
        x = rng.choice(np.array([0, 127, 128, 255], np.uint8), (rows, inputs))
    elif kind == "any":
        x = rng.integers(0, 256, (rows, inputs), np.uint8)
        weights = rng.integers(-63, 64, (inputs, outputs)).astype(np.int8)
    elif kind == "none":
        x, weights = 0 * x, 0 * weights
    return x, weights


def check(own: Engine, x: np.ndarray, weights: np.ndarray) -> None:
    found = own.product(weights)(x)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, x.astype(np.int64) @ weights.astype(np.int64))


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    rows=st.integers(1, 140),
    inputs=st.integers(1, 700),
    outputs=st.integers(1, 140),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("name", NAMES)
def test_any_shape(name: str, kind: str, rows: int, inputs: int, outputs: int, seed: int) -> None:
    check(engine(name), *operands(kind, rows, inputs, outputs, seed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_longest_sums(name: str, kind: str) -> None:
    """Beyond 2^24, where a float32 no longer counts by one; the last is near 2^31."""
    for rows, inputs, outputs in ((2, 1045, 3), (33, 4096, 17), (1, 8192, 1), (2, 130_000, 2)):
        check(engine(name), *operands(kind, rows, inputs, outputs))


@pytest.mark.parametrize("name", NAMES)
def test_inputs_that_lie_otherwise_in_memory(name: str) -> None:
    """Slices, transposed and reversed views, and a product that is used again."""
    x, weights = operands("any", 40, 96, 64)
    for own in (weights[::2, 1::3], weights[:, ::-1], np.asfortranarray(weights)):
        wide = np.zeros((40, 2 * len(own)), np.uint8)
        wide[:, ::2] = x[:, : len(own)]
        for seen in (wide[:, ::2], np.asfortranarray(wide[:, ::2]), wide[::-1, ::2][3:4]):
            check(engine(name), seen, own)
    product = engine(name).product(weights)
    first = product(x)
    kept = first.copy()
    product(255 - x)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_of_torch(threads: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        for kind in KINDS:
            check(engine("torch"), *operands(kind, 513, 864, 96))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_of_onnx_runtime(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slimcodec.integers.engines.onnx.available_cores", lambda: threads)
    own = OnnxEngine()
    for kind in KINDS:
        check(own, *operands(kind, 513, 864, 96))


@pytest.mark.parametrize("name", NAMES)
def test_all_pass_their_self_test_here(name: str, fresh: Forget) -> None:
    assert fault(name) is None
    assert engine(name).name == name


# One stream, whatever multiplies


@pytest.fixture(scope="module")
def talking(tiny_models: dict[str, Model]) -> dict[str, Model]:
    """Models whose integers have something to say, in the order of their names."""
    models = {}
    for name in sorted(MULTIPLYING):
        model = tiny_models[name]
        network = copy.deepcopy(thaw_network(model))
        rng = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for key, parameter in network.probability.named_parameters():
                if key.endswith("out.bias"):
                    parameter.normal_(0, 0.2, generator=rng)
        models[name] = freeze_network(network, name=name, family=name)
    return models


@pytest.fixture(scope="module")
def paths(talking: dict[str, Model], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("models")
    for name, model in talking.items():
        save(model, folder / f"{name}.slim")
    return [str(folder / f"{name}.slim") for name in talking]


@pytest.fixture(scope="module")
def expected(paths: list[str]) -> str:
    return digest(paths)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", MULTIPLYING)
def test_engines_write_the_same_stream(
    name: str,
    family: str,
    talking: dict[str, Model],
    fresh: Forget,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind: Family = registry.families.get(family)
    model, streams = talking[family], []
    for asked in ("numpy", name):
        fresh()
        monkeypatch.setenv("SLIMCODEC_ENGINE", asked)
        again = Model(**{key: getattr(model, key) for key in model.__dataclass_fields__})
        assert trusted().name == asked
        streams.append(coded(again))
    assert streams[0] == streams[1]
    assert kind.name == family


MACHINES = [
    {"OPENBLAS_CORETYPE": "Haswell"},
    {"OPENBLAS_CORETYPE": "Nehalem"},
    {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    {"ONEDNN_MAX_CPU_ISA": "SSE41"},
]
THREADS = ("1", "2")


def in_a_process(paths: list[str], name: str, limits: dict[str, str]) -> list[str]:
    program = Path(__file__).with_name("coded_once.py")
    result = subprocess.run(
        [sys.executable, "-W", "error", program, *paths],
        env={**os.environ, **limits, "SLIMCODEC_ENGINE": name},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.split()


def test_older_machines_write_the_same_stream(paths: list[str], expected: str) -> None:
    """What numpy multiplies with, told that the machine is another."""
    for limits in MACHINES[:2]:
        assert in_a_process(paths, "numpy", limits) == ["numpy", expected]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_engine_on_older_machines(name: str, paths: list[str], expected: str) -> None:
    for machine, threads in itertools.product(MACHINES, THREADS):
        limits = {**machine, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        assert in_a_process(paths, name, limits) == [name, expected]


# Which engine is used


class WrongEngine:
    """Adds one where sums are large."""

    name = "wrong"

    def product(self, weights: np.ndarray) -> Product:
        def call(x: np.ndarray) -> np.ndarray:
            sums = x.astype(np.int32) @ weights.astype(np.int32)
            return sums + (np.abs(sums) > 1 << 20)

        return call


class SaturatingEngine:
    """Adds pairs of products in 16 bits after moving bytes up, as a kernel might."""

    name = "saturating"

    def product(self, weights: np.ndarray) -> Product:
        def call(x: np.ndarray) -> np.ndarray:
            pairs = np.zeros((len(x), 2 * -(-len(weights) // 2)), np.int32)
            pairs[:, : len(weights)] = x
            own = np.zeros((pairs.shape[1], weights.shape[1]), np.int32)
            own[: len(weights)] = 2 * weights.astype(np.int32)
            both = [pairs[:, i : i + 2] @ own[i : i + 2] for i in range(0, pairs.shape[1], 2)]
            return np.clip(both, -(2**15), 2**15 - 1).sum(axis=0).astype(np.int32) // 2

        return call


class BrokenEngine:
    """Cannot even begin."""

    name = "broken"

    def __init__(self) -> None:
        raise OSError("no such\ninstruction")


class AbsentEngine:
    """Is not installed."""

    name = "absent"

    def __init__(self) -> None:
        raise MissingExtraError("the absent engine", "absent")


FAULTS = {
    WrongEngine: "it multiplies 17x64 by 64x33 wrongly|it multiplies 64x96 by 96x96 wrongly",
    SaturatingEngine: "wrongly",
    BrokenEngine: "OSError: no such instruction",
    AbsentEngine: "absent",
}


@pytest.fixture(params=FAULTS, ids=lambda kind: kind.__name__)
def faulty(
    request: pytest.FixtureRequest, fresh: Forget, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The usual engine is one of these; what is wrong with it."""
    kind = request.param
    monkeypatch.setitem(ENGINES, "onnx", f"{__name__}:{kind.__name__}")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[kind.__module__])
    yield FAULTS[kind]


def test_a_faulty_engine_is_left_aside(
    faulty: str, talking: dict[str, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one warning, and streams are those of a sound one."""
    again = [
        Model(**{key: getattr(model, key) for key in model.__dataclass_fields__})
        for model in talking.values()
    ]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        streams = [coded(model) for model in again]
        assert trusted().name == "numpy"
    assert len(said) == 1
    words = str(said[0].message)
    assert words.startswith("the integer engine onnx is left aside: ")
    assert "\n" not in words
    assert fault("onnx") is not None
    assert any(part in words for part in faulty.split("|"))
    assert streams == [coded(model) for model in talking.values()]


def test_a_faulty_engine_that_was_asked_for(faulty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIMCODEC_ENGINE", "onnx")
    with pytest.raises(SlimcodecError, match="SLIMCODEC_ENGINE") as error:
        trusted()
    assert str(error.value).startswith("the engine onnx (SLIMCODEC_ENGINE) cannot be used: ")
    assert any(part in str(error.value) for part in faulty.split("|"))
    assert "\n" not in str(error.value)


def test_an_engine_of_no_known_name(fresh: Forget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIMCODEC_ENGINE", "nunpy")
    with pytest.raises(UnknownNameError, match="unknown engine 'nunpy'; did you mean numpy"):
        trusted()


def test_no_engine_at_all(fresh: Forget, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENGINES:
        monkeypatch.setitem(ENGINES, name, f"{__name__}:BrokenEngine")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[BrokenEngine.__module__])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(SlimcodecError, match="no integer engine works here"):
            trusted()
    assert len(said) == 2


def test_the_first_sound_one_is_used(fresh: Forget, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engines() == ("onnx", "numpy", "torch")
    assert trusted().name == "onnx"
    assert trusted() is trusted() is engine("onnx")
    fresh()
    monkeypatch.setenv("SLIMCODEC_ENGINE", "torch")
    assert trusted().name == "torch"


def test_the_self_test_reaches_what_can_saturate() -> None:
    """As large sums as any model's, in an odd number of rows too."""
    sizes = room._SIZES
    assert max(255 * 63 * inputs for _, inputs, _ in sizes) > 1 << 25
    assert any(rows % 2 and outputs % 2 for rows, _, outputs in sizes)
