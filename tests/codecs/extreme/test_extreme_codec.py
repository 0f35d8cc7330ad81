"""Streams of a few levels: their longest length, what is in a section, one quality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec import registry
from slimcodec.codecs.extreme.codec import ExtremeCodec
from slimcodec.codecs.extreme.config import TAPS, ExtremeConfig, extreme, extreme_s
from slimcodec.codecs.extreme.contexts import Contexts
from slimcodec.codecs.extreme.packing import pack_levels, packed_bytes, unpack_levels
from slimcodec.codecs.extreme.tile import most_section_bytes, read_section, write_section
from slimcodec.errors import ModelFileError, StreamError, UsageError
from slimcodec.model_file import Model, thaw_network
from slimcodec.runtime import open_codec
from slimcodec.stream import pack, unpack
from slimcodec.types import Image

Picture = Callable[..., Image]
LEVELS = 5


@pytest.fixture(scope="module")
def codec(tiny_models: dict[str, Model]) -> ExtremeCodec:
    made = open_codec(tiny_models["extreme"])
    assert isinstance(made, ExtremeCodec)
    return made


@pytest.fixture(scope="module")
def contexts(codec: ExtremeCodec) -> Contexts:
    return codec.coding


# Symbols as if all were alike


@given(st.integers(2, 31), st.lists(st.integers(0, 30), max_size=200))
def test_packed_symbols_come_back(levels: int, numbers: list[int]) -> None:
    symbols = np.array(numbers, np.int32) % levels
    data = pack_levels(symbols, levels)
    assert len(data) == packed_bytes(len(symbols), levels)
    np.testing.assert_array_equal(unpack_levels(data, len(symbols), levels), symbols)


def test_packing_wastes_next_to_nothing() -> None:
    assert packed_bytes(31, 5) == 9
    assert packed_bytes(12_288, 5) == 9 * 397
    for levels in range(3, 32, 2):
        assert 8 * packed_bytes(100_000, levels) < 100_000 * np.log2(levels) * 1.01


@pytest.mark.parametrize("data", [b"", bytes(8), bytes(10), b"\xff" * 9])
def test_what_packing_did_not_write(data: bytes) -> None:
    with pytest.raises(StreamError):
        unpack_levels(data, 31, 5)
    with pytest.raises(StreamError, match="more symbols than there are"):
        unpack_levels(pack_levels(np.ones(31, np.int32), 5), 30, 5)


# Sections


def symbols(seed: int, spread: float, *shape: int) -> np.ndarray:
    """Around 0; a small spread is what networks make, a large one noise."""
    rng = np.random.default_rng(seed)
    return np.rint(rng.normal(0, spread, shape)).clip(-2, 2).astype(np.int32)


@settings(max_examples=25)
@given(
    st.integers(0, 99), st.sampled_from([0.0, 0.3, 1.0, 9.0]), st.integers(1, 9), st.integers(1, 9)
)
def test_sections_come_back_and_have_a_longest(
    codec: ExtremeCodec, seed: int, spread: float, height: int, width: int
) -> None:
    given = symbols(seed, spread, codec.config.latent_channels, height, width)
    section = write_section(given, codec.coding)
    assert len(section) <= most_section_bytes(codec.config, (height, width))
    back = read_section(section, (height, width), codec.coding)
    assert back.dtype == np.int32
    np.testing.assert_array_equal(back, given)


def test_what_is_likely_is_modelled_and_noise_is_not(contexts: Contexts) -> None:
    calm, noise = symbols(0, 0.0, 4, 30, 30), symbols(0, 9.0, 4, 30, 30)
    assert write_section(calm, contexts)[0] == 0
    assert write_section(noise, contexts)[0] == 1
    assert len(write_section(calm, contexts)) < len(write_section(noise, contexts)) / 2


@pytest.mark.parametrize("kind", [b"\2", b"\xff"])
def test_a_section_of_no_known_kind(contexts: Contexts, kind: bytes) -> None:
    with pytest.raises(StreamError, match="no known kind"):
        read_section(kind + bytes(8), (2, 2), contexts)


def test_a_walk_asks_for_every_symbol_once_and_only_of_what_is_known(contexts: Contexts) -> None:
    size = (5, 7)
    asked = np.zeros((4, *size), int)
    walk, number = contexts.walk(size), 0
    known = next(walk)
    while True:
        number += 1
        assert (asked[known.channel, known.rows, known.columns] == 0).all()
        asked[known.channel, known.rows, known.columns] = number
        try:
            known = walk.send(np.zeros(len(known.rows), np.int32))
        except StopIteration as end:
            assert end.value.shape == (4, *size)
            break
    assert asked.all()
    padded = np.pad(asked, ((0, 0), (2, 2), (2, 2)))
    for down, across in TAPS[:-1]:
        before = padded[:, 2 + down : 7 + down, 2 + across : 9 + across].max(axis=0)
        assert (before < asked.min(axis=0)).all()


# Streams


@pytest.mark.parametrize("shape", [(1, 1), (16, 250), (96, 80), (1500, 1500)])
def test_no_picture_takes_more_than_the_longest(
    codec: ExtremeCodec, shape: tuple[int, ...]
) -> None:
    height, width = shape
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    checks = np.indices(shape).sum(axis=0)[..., None] // 16 % 2 * np.full(3, 255)
    most = codec.most_bytes(height, width)
    for image in (noise, checks.astype(np.uint8), rng.permutation(checks.astype(np.uint8))):
        assert len(codec.encode(image)) <= most
    positions = max(-(-height // 16), 2) * max(-(-width // 16), 2)
    bits = positions * codec.config.latent_channels * np.log2(LEVELS)
    tiles = len(unpack(codec.encode(noise)).sections)
    assert 8 * most < bits * 1.0005 + 8 * (26 + 32 * tiles)


def test_the_bound_is_the_published_one() -> None:
    for channels, bpp in ((8, 0.0726), (4, 0.0363), (2, 0.0181)):
        assert extreme_s(channels).bits_per_pixel == pytest.approx(bpp, abs=5e-5)
        assert extreme(channels).bits_per_pixel == extreme_s(channels).bits_per_pixel


def test_there_is_one_quality(codec: ExtremeCodec, picture: Picture) -> None:
    for quality in (0.5, 2):
        with pytest.raises(UsageError, match="tiny-extreme has one quality, 1, got"):
            codec.encode(picture(32, 32), quality)
    stream = codec.encode(picture(32, 32), 1)
    with pytest.raises(StreamError, match="quality step 3"):
        codec.decode(pack(replace(unpack(stream), quality=3)))


def test_runtimes_agree_on_every_symbol(
    tiny_models: dict[str, Model], picture: Picture, codec: ExtremeCodec
) -> None:
    image = picture(70, 90)
    for runtime in ("torch", "openvino"):
        other: Any = open_codec(tiny_models["extreme"], runtime)
        stream = other.encode(image)
        (own,), (theirs,) = codec.read(stream)[1], other.read(stream)[1]
        np.testing.assert_array_equal(own, theirs)
        near = codec.decode(stream).astype(int) - other.decode(stream)
        assert np.abs(near).max() <= 1


# Networks


def test_what_training_sees_is_what_streams_take(
    tiny_models: dict[str, Model], codec: ExtremeCodec, picture: Picture
) -> None:
    """Training goes from table to table where coding takes the nearest."""
    image = picture(256, 320)
    network = thaw_network(tiny_models["extreme"])
    with torch.no_grad():
        out = network(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)
    np.testing.assert_array_equal(out.features[0].numpy(), codec.levels(image))
    section = write_section(codec.levels(image), codec.coding)
    assert float(out.likelihoods.bits()) == pytest.approx(8 * len(section), rel=0.1)


def test_everything_learns(make_network_of: Callable[..., Any]) -> None:
    network = make_network_of("extreme", 1).train()
    image = torch.rand(1, 3, 64, 64)
    family = registry.families.get("extreme")
    (cost,) = family.costs(network, image)
    cost.backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # A new network's blocks add nothing yet, so nothing inside them moves.
    assert all(name.startswith("generator.trunk.") for name in still)


def test_tables_that_are_none(tiny_models: dict[str, Model]) -> None:
    model = tiny_models["extreme"]
    config = ExtremeConfig.from_dict(model.config)
    for name in model.frozen:
        damaged = dict(model.frozen)
        damaged[name] = damaged[name][:-1]
        with pytest.raises(ModelFileError, match="tables are damaged"):
            Contexts.of(config, damaged)
    with pytest.raises(LookupError):
        Contexts.of(config, {})


@pytest.mark.parametrize(
    ("field", "value"), [("levels", 4), ("levels", 1), ("latent_channels", 0), ("trade_off", 0.0)]
)
def test_shapes_that_are_none(field: str, value: Any) -> None:
    with pytest.raises(UsageError, match=field):
        replace(extreme_s(), **{field: value})
