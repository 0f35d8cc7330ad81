"""Refined symbols: what rounds believe of bits and slopes is so, they lower the cost that they are
for, and the streams are the codec's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from slimcodec.codecs.latents.tile import Latents, TileCoder
from slimcodec.codecs.tiles import Box
from slimcodec.errors import UsageError
from slimcodec.model_file import Model
from slimcodec.refine import refining
from slimcodec.refine.gradients import Generator
from slimcodec.refine.rounds import _DEARER
from slimcodec.runtime import open_codec
from slimcodec.types import NATURAL, Codec, Image

Picture = Callable[..., Image]


@pytest.fixture(scope="module")
def noisy(picture: Picture) -> Image:
    """A picture with something to gain in every channel."""
    rng = np.random.default_rng(3)
    plain = picture(80, 112, seed=5).astype(np.int32)
    return (plain + rng.integers(-20, 21, plain.shape)).clip(0, 255).astype(np.uint8)


def _coder(codec: Any) -> TileCoder:
    coder = codec._tile
    assert isinstance(coder, TileCoder)
    return coder


def test_bits_of_symbols_are_the_streams(tiny_codec: Any, noisy: Image) -> None:
    coder = _coder(tiny_codec)
    (latents,) = tiny_codec.analyse(noisy, 8)
    bits = coder.bits_around(latents, 8)
    nothing = np.zeros_like(latents.symbols)
    empty = coder.of_symbols(nothing, latents.hyper_latents, 8)
    saved = float(bits.own.sum() - coder.bits_around(empty, 8).own.sum())
    written = len(coder.write(latents)) - len(coder.write(empty))
    assert 8 * written == pytest.approx(saved, abs=0.01 * abs(saved) + 64)


@pytest.mark.parametrize("by", [-1, 1])
def test_bits_of_a_symbol_that_is_another(tiny_codec: Any, noisy: Image, by: int) -> None:
    """Of the last group, whose symbols nobody's tables depend on."""
    coder = _coder(tiny_codec)
    (latents,) = tiny_codec.analyse(noisy, 8)
    before = coder.bits_around(latents, 8)
    rows, columns = np.nonzero(np.indices(latents.symbols.shape[1:]).sum(axis=0) % 2)
    for row, column in list(zip(rows, columns, strict=True))[:6]:
        changed = latents.symbols.copy()
        changed[-1, row, column] += by
        after = coder.bits_around(replace(latents, symbols=changed), 8)
        wanted = (before.more if by > 0 else before.less)[-1, row, column]
        assert after.own[-1, row, column] == wanted
        # All others as they were.
        assert after.own.sum() - wanted == pytest.approx(
            before.own.sum() - before.own[-1, row, column], rel=1e-5
        )


def test_slope_and_curvature_say_what_a_step_does(
    tiny_model: Model, tiny_network: Any, noisy: Image
) -> None:
    codec: Any = open_codec(tiny_model)
    generator = Generator(tiny_network)
    generator._mixed = False
    (latents,) = codec.analyse(noisy, 8)
    seen = _coder(codec).dequantize(latents, 8)
    everywhere = Box(0, 0, *noisy.shape[:2])
    before, slope = generator.distortion(seen, noisy, everywhere)
    curve = generator.curvature(seen)
    rng = np.random.default_rng(0)
    for _ in range(5):
        channel, row, column = (int(rng.integers(side)) for side in seen.shape)
        lost = []
        for way in (-0.1, 0.1):
            moved = seen.copy()
            moved[channel, row, column] += way
            lost.append(generator.distortion(moved, noisy, everywhere)[0])
        assert (lost[1] - lost[0]) / 0.2 == pytest.approx(
            slope[channel, row, column], rel=0.05, abs=1e-3 * float(np.abs(slope).max())
        )
        bend = (lost[1] + lost[0] - 2 * before) / (2 * 0.1**2)
        assert 0.1 * bend < curve[channel] < 10 * bend


def test_only_what_is_inside_counts(tiny_network: Any, tiny_config: Any, noisy: Image) -> None:
    generator = Generator(tiny_network)
    seen = np.zeros((tiny_config.latent_channels, 5, 7), np.float32)
    whole, _ = generator.distortion(seen, noisy, Box(0, 0, 80, 112))
    parts = [generator.distortion(seen, noisy, Box(0, x, 80, x + 56))[0] for x in (0, 56)]
    assert sum(parts) == pytest.approx(whole, rel=1e-6)
    assert min(parts) > 0


@pytest.mark.parametrize("quality", [1.0, 1.4, 3.0, 5.0])
def test_a_refined_stream_costs_less(tiny_model: Model, noisy: Image, quality: float) -> None:
    plain: Any = open_codec(tiny_model)
    refined: Any = refining(plain, lambda: tiny_model, 3)
    logs = np.log(plain.config.lambdas)
    worth = 255**2 / _DEARER * math.exp(float(np.interp(quality - 1, np.arange(len(logs)), logs)))

    def cost(codec: Codec) -> float:
        stream = codec.encode(noisy, quality)
        error = (plain.decode(stream).astype(np.float64) - noisy) / 255
        return 8 * len(stream) + worth * float((error**2).mean(axis=2).sum())

    assert cost(refined) < cost(plain)


def test_streams_are_the_codecs_own(tiny_model: Model, noisy: Image) -> None:
    plain: Any = open_codec(tiny_model)
    refined: Any = refining(plain, lambda: tiny_model, 1)
    assert refined.name == f"{plain.name}+effort=1"
    assert refined.digest[:16] != plain.digest[:16]
    assert len(refined.digest) == len(plain.digest)
    assert int(refined.digest, 16)
    assert (plain.rounds, refined.rounds) == (0, 4)
    stream = refined.encode(noisy, 2)
    assert stream != plain.encode(noisy, 2)
    assert np.array_equal(plain.decode(stream), refined.decode(stream))
    assert refined.prepare(noisy).encode(2) == stream
    assert plain.encode(noisy, 2) == plain.prepare(noisy).encode(2)


def test_tiles_and_windows(tiny_model: Model, picture: Picture, monkeypatch: Any) -> None:
    """A picture of several tiles, differentiated in windows that are not these, beside sides that
    are no multiples of anything."""
    monkeypatch.setattr("slimcodec.codecs.tiles.WHOLE", 1 << 14)
    monkeypatch.setattr("slimcodec.codecs.tiles.TILE", 8)
    monkeypatch.setattr("slimcodec.refine.rounds._WINDOW", 12)
    plain: Any = open_codec(tiny_model)
    refined: Any = refining(plain, lambda: tiny_model, 1)
    image = picture(203, 331, seed=2)
    stages: list[tuple[str, int]] = []

    def clock(stage: str, step: int = 0, /) -> Any:
        import contextlib

        stages.append((stage, step))
        return contextlib.nullcontext()

    stream = refined.encode(image, 2, clock=clock)
    header, tiles = plain.read(stream)
    assert len(tiles) == len(header.sections) > 1
    assert [step for stage, step in stages if stage == "refine"] == [1, 2, 3, 4, 5]
    assert plain.decode(stream).shape == image.shape


@pytest.mark.parametrize("size", [(1, 1), (17, 3)])
def test_small_pictures(tiny_model: Model, picture: Picture, size: tuple[int, int]) -> None:
    plain: Any = open_codec(tiny_model)
    refined = refining(plain, lambda: tiny_model, 1)
    image = picture(*size, seed=1)
    assert plain.decode(refined.encode(image)).shape == image.shape


def test_what_takes_no_effort_says_so(tiny_models: dict[str, Model], tiny_model: Model) -> None:
    other = tiny_models["toderici"]
    with pytest.raises(UsageError, match="tiny-toderici takes no effort"):
        refining(open_codec(other), lambda: other, 1)
    natural = replace(tiny_model, look=NATURAL)
    with pytest.raises(UsageError, match="faithful pictures, and tiny is natural"):
        refining(open_codec(natural), lambda: natural, 1)
    lacking = replace(tiny_model, config={**tiny_model.config, "lambdas": [0.0]})
    codec: Any = open_codec(tiny_model)
    codec.config = replace(codec.config, lambdas=(0.0,))
    with pytest.raises(UsageError, match="what a bit is worth"):
        refining(codec, lambda: lacking, 1)


def test_symbols_move_by_one_a_round(tiny_model: Model, noisy: Image) -> None:
    codec: Any = open_codec(tiny_model)
    refined: Any = refining(codec, lambda: tiny_model, 1)
    (before,) = codec.analyse(noisy, 0)
    (after,) = (_read(codec, refined.encode(noisy, 1)),)
    moved = np.abs(after.symbols - before.symbols)
    assert 0 < moved.max() <= refined.rounds
    assert np.array_equal(after.hyper_latents, before.hyper_latents)


def _read(codec: Any, stream: bytes) -> Latents:
    _, (latents,) = codec.read(stream)
    found: Latents = latents
    return found


def test_memory_that_is_too_little_is_said_first(tiny_model: Model, picture: Picture) -> None:
    plain: Any = open_codec(tiny_model)
    refined: Any = refining(plain, lambda: tiny_model, 1)
    image = picture(512, 512)
    allowed = 150 << 20
    assert plain.memory_needed(512, 512) < allowed < refined.memory_needed(512, 512)
    assert plain.encode(image, memory=allowed)
    with pytest.raises(UsageError, match="memory"):
        refined.encode(image, memory=allowed)
