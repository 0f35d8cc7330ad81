"""One codec in the hands of many threads: each gets what it would have got alone."""

from __future__ import annotations

import functools
import locale
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from slimcodec import registry
from slimcodec.integers import engines
from slimcodec.model_file import Model, save
from slimcodec.runtime import open_codec, open_file
from slimcodec.types import Image

T = TypeVar("T")
Picture = Callable[..., Image]
THREADS = 8
SIZES = [(16 + 16 * (n % 3), 24 + 16 * (n % 4)) for n in range(2 * THREADS)]
"""Of neighbouring jobs all differ, so that one's arrays never pass for another's."""


def at_once(jobs: list[Callable[[], T]]) -> list[T]:
    """What each job gives, eight at a time, all started together."""
    together = threading.Barrier(THREADS)

    def run(number: int) -> T:
        if number < THREADS:
            together.wait()
        return jobs[number]()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(len(jobs))))


@pytest.mark.parametrize(
    "family", ["compact", "compressai", "extreme", "hific", "restore", "toderici", "vq"]
)
@pytest.mark.parametrize("runtime", registry.runtimes)
def test_threads_share_a_codec(
    tiny_models: dict[str, Model], picture: Picture, runtime: str, family: str
) -> None:
    model = tiny_models[family]
    pictures = [picture(*size, seed) for seed, size in enumerate(SIZES)]
    alone = open_codec(model, runtime)
    streams = [alone.encode(own) for own in pictures]
    decoded = [alone.decode(stream) for stream in streams]
    # Nothing of it is loaded yet, so all threads come for that too.
    shared = open_codec(model, runtime)
    assert at_once([functools.partial(shared.encode, own) for own in pictures]) == streams
    for found, expected in zip(
        at_once([functools.partial(shared.decode, own) for own in streams]), decoded, strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("runtime", registry.runtimes)
def test_threads_open_the_same_file(
    tiny_models: dict[str, Model],
    picture: Picture,
    runtime: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is kept yet: all make the bundle, or wait for whoever does."""
    image = picture(40, 56)
    expected = open_codec(tiny_models["hific"], runtime).encode(image)
    path = tmp_path / "tiny.slim"
    save(tiny_models["hific"], path)
    monkeypatch.setenv("SLIMCODEC_CACHE", str(tmp_path / "cache"))
    found = at_once([lambda: open_file(path, runtime).encode(image)] * THREADS)
    assert set(found) == {expected}


@pytest.mark.parametrize("runtime", registry.runtimes)
def test_the_locale_stays(
    tiny_models: dict[str, Model],
    picture: Picture,
    runtime: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Graphs are compiled for a cache that has none, by all at once, several times over."""
    image, path = picture(40, 56), tmp_path / "tiny.slim"
    save(tiny_models["compact"], path)
    before = locale.setlocale(locale.LC_ALL)
    try:
        for round_ in range(8):
            monkeypatch.setenv("SLIMCODEC_CACHE", str(tmp_path / str(round_)))
            codecs = [open_file(path, runtime) for _ in range(THREADS)]
            at_once([functools.partial(codec.encode, image) for codec in codecs])
            assert locale.setlocale(locale.LC_ALL) == before
    finally:
        locale.setlocale(locale.LC_ALL, before)


@pytest.mark.parametrize("name", engines.ENGINES)
def test_threads_share_an_engine(name: str) -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(-63, 64, (96, 48)).astype(np.int8)
    rows = [rng.integers(0, 256, (n, 96), dtype=np.uint8) for n in range(20, 20 + 8 * THREADS)]
    product = engines.engine(name).product(weights)
    found = at_once([functools.partial(product, x) for x in rows])
    for x, sums in zip(rows, found, strict=True):
        np.testing.assert_array_equal(sums, x.astype(np.int64) @ weights.astype(np.int64))
