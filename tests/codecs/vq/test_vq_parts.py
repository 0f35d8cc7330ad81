"""What a vector quantizer is made of: means, surfaces, search, clusters, and the network."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec import registry
from slimcodec.codecs.layers import carriers, groups
from slimcodec.codecs.vq.coding import choose, decoder_inputs, one_hot
from slimcodec.codecs.vq.config import VqConfig
from slimcodec.codecs.vq.fit import clustered
from slimcodec.codecs.vq.means import SPREADS
from slimcodec.codecs.vq.means import walk as walk_means
from slimcodec.codecs.vq.planes import neighbourhoods, planes_of, surface_of, vectors_of
from slimcodec.codecs.vq.prior import CONTEXTS, DIRECTIONS, Place, walk
from slimcodec.codecs.vq.search import CARRIED, Rates, search
from slimcodec.codecs.vq.tile import read, show, write
from slimcodec.errors import UsageError
from slimcodec.quantization.simulation import convolutions


@pytest.fixture(scope="module")
def network(make_network_of: Any) -> Any:
    return make_network_of("vq", 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (33, 2), (40, 50)])
def test_means_come_back_and_each_is_coded_once(size: tuple[int, int]) -> None:
    means = np.random.default_rng(0).integers(0, 64, size)
    before, told = means.copy(), []

    def give(spread: Any, far: Any) -> Any:
        assert ((spread >= 0) & (spread < SPREADS)).all()
        told.append(far.copy())
        return far

    walk_means(means, 32, give)
    np.testing.assert_array_equal(means, before)
    assert sum(map(len, told)) == means.size
    coming, made = iter(told), np.zeros(size, np.int64)
    walk_means(made, 32, lambda spread, far: next(coming))
    np.testing.assert_array_equal(made, before)


def test_smooth_means_are_expected() -> None:
    means = np.add.outer(np.arange(40), np.arange(50))
    told: list[Any] = []

    def give(spread: Any, far: Any) -> Any:
        told.append(far)
        return far

    walk_means(means, 32, give)
    # What is left are the first few, and the last rows and columns, which know one side only.
    far = np.abs(np.concatenate(told[1:]))
    assert np.median(far) == 0 and far.mean() < 1


def test_a_surface_is_the_decoders(network: Any) -> None:
    means = np.random.default_rng(1).integers(-60, 60, (2, 5, 7))
    layer = network.decoder.chroma_surface
    kernel = layer.weight.detach().numpy()
    vectors = neighbourhoods(means) @ surface_of(kernel)
    with torch.no_grad():
        made = layer(torch.from_numpy(means.astype(np.float32))[None])[0].numpy()
    # At the edge the decoder sees nothing further, the encoder the nearest; it gives a ring more.
    inner = vectors.reshape(5, 7, -1)[1:-1, 1:-1].reshape(-1, 128)
    wanted = vectors_of(np.ascontiguousarray(made[:, 8:-8, 8:-8]))
    np.testing.assert_allclose(inner, wanted, atol=1e-3)


def test_looking_up_is_multiplying(network: Any) -> None:
    book = network.config.books[0]
    chosen = np.random.default_rng(2).integers(0, book.codes + 1, (book.stages, 4, 6))
    codes = network.coding().books[0].codes
    with_none = np.concatenate([np.zeros_like(codes[:, :1]), codes], axis=1)
    wanted = sum(with_none[stage, chosen[stage].ravel()] for stage in range(book.stages))
    given = torch.from_numpy(one_hot(book, chosen.astype(np.int16)))
    with torch.no_grad():
        made = network.decoder.luma(given)[0].numpy()
    np.testing.assert_allclose(vectors_of(made) * 255, wanted, atol=1e-3)


def flat(height: int, width: int) -> Place:
    return Place.of(np.zeros((1, height, width), np.int64), 1)


def free(stages: int, codes: int) -> Rates:
    """Every bit of every choice alike."""
    return Rates(
        np.ones((stages, CONTEXTS, 2), np.float32),
        np.zeros((stages, DIRECTIONS, codes), np.float32),
    )


def test_search_finds_the_nearest_sum() -> None:
    """With as few codes as sums are carried along, there is nothing that it does not look at."""
    rng = np.random.default_rng(3)
    codes = rng.normal(0, 4, (2, CARRIED - 1, 6)).astype(np.float32)
    vectors = rng.normal(0, 6, (12, 6)).astype(np.float32)
    chosen, left = search(vectors, codes, free(2, CARRIED - 1), flat(3, 4), 0.0)
    with_none = np.concatenate([np.zeros_like(codes[:, :1]), codes], axis=1)
    for number, vector in enumerate(vectors):
        least = min(
            np.square(vector - with_none[0, a] - with_none[1, b]).sum()
            for a, b in product(range(CARRIED), repeat=2)
        )
        first, second = chosen[:, number // 4, number % 4]
        own = vector - with_none[0, first] - with_none[1, second]
        assert np.square(own).sum() == pytest.approx(least, rel=1e-4)
        np.testing.assert_allclose(left[number], own, atol=1e-4)


def test_bits_decide_too() -> None:
    rng = np.random.default_rng(4)
    codes = rng.normal(0, 4, (3, 8, 6)).astype(np.float32)
    vectors = rng.normal(0, 6, (30, 6)).astype(np.float32)
    rates = free(3, 8)
    rates.flags[:, :, 1] = 6
    taken = [
        int((search(vectors, codes, rates, flat(5, 6), worth)[0] > 0).sum())
        for worth in (0.0, 2.0, 10.0, 1e4)
    ]
    assert taken == sorted(taken, reverse=True)
    assert taken[0] > taken[1] and taken[-1] == 0


def test_contexts_are_the_same_for_both_sides() -> None:
    rng = np.random.default_rng(5)
    place = Place.of(rng.integers(0, 40, (1, 7, 9)), 3)
    chosen = rng.integers(0, 3, (4, 7, 9))
    seen: list[Any] = []

    def give(group: Any, contexts: Any, directions: Any) -> Any:
        seen.append((contexts, directions))
        assert contexts.min() >= 0 and contexts.max() < CONTEXTS
        assert directions.min() >= 0 and directions.max() < DIRECTIONS
        return chosen[group.stage, group.blocks]

    np.testing.assert_array_equal(walk(place, 4, give), chosen)
    again = iter(seen)

    def take(group: Any, contexts: Any, directions: Any) -> Any:
        for one, other in zip(next(again), (contexts, directions), strict=True):
            np.testing.assert_array_equal(one, other)
        return chosen[group.stage, group.blocks]

    walk(place, 4, take)
    assert len({int(context) for contexts, _ in seen for context in contexts}) > 20


def test_clusters_are_found_and_dead_codes_begin_anew() -> None:
    rng = np.random.default_rng(6)
    # All as far out: codes begin among the longest vectors, and some clusters get none of them.
    centres = rng.normal(0, 1, (8, 5))
    centres *= 90 / np.sqrt(np.square(centres).sum(axis=1, keepdims=True))
    members = rng.integers(0, 8, 4000)
    vectors = (centres[members] + rng.normal(0, 1, (4000, 5))).astype(np.float32)
    for seed in range(3):
        found = clustered(vectors, 8, 1.0, np.random.default_rng(seed))
        assert found.taken.mean() > 0.8
        sizes = np.bincount(found.numbers, minlength=8)
        assert (sizes > 0).all(), "a code is dead"
        left = vectors[found.taken] - found.codes[found.numbers]
        assert np.square(left).mean() < 0.2 * np.square(vectors).mean()


def test_what_is_not_worth_its_bits_takes_no_code() -> None:
    vectors = np.random.default_rng(7).normal(0, 1, (500, 4)).astype(np.float32)
    vectors[:20] *= 50
    found = clustered(vectors, 4, 100.0, np.random.default_rng(0))
    assert found.taken[:20].any()
    assert not found.taken[20:].any()


def test_a_fit_is_the_same_again(make_network_of: Any) -> None:
    one, other = (make_network_of("vq", 5).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_every_tensor_is_in_the_table(network: Any) -> None:
    table = registry.families.get("vq").layers(network.config)
    lengths = {(c.tensor, c.axis): c.length for c in carriers(table)}
    state = network.state_dict()
    assert {tensor for tensor, _ in lengths} == set(state)
    for (tensor, axis), length in lengths.items():
        assert state[tensor].shape[axis] == length, tensor
    assert set(convolutions(network)) <= {layer.module for layer in table}
    assert not groups(table)


def test_a_tile_comes_back_and_its_bits_are_those_expected(network: Any, picture: Any) -> None:
    config, coding = network.config, network.coding()
    image = picture(96, 128)
    for quality in range(2):
        tile, _ = choose(coding, config, quality, planes_of(image))
        section = write(coding, config, quality, tile)
        for one, other in zip(read(coding, config, quality, (6, 8), section), tile, strict=True):
            np.testing.assert_array_equal(one.means, other.means)
            np.testing.assert_array_equal(one.chosen, other.chosen)
        told: list[Any] = []
        show(config, quality, tile, lambda *coded, told=told: told.append(coded))
        bits = sum(float(network.probability.bits(*coded).detach()) for coded in told)
        assert bits == pytest.approx(8 * len(section), rel=0.05, abs=80)


def test_training_sees_what_is_coded(network: Any, picture: Any) -> None:
    image = picture(64, 96)
    planes = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255
    out = network(planes, torch.tensor([1.0]))
    tile, _ = choose(network.coding(), network.config, 1, planes_of(image))
    inputs = [torch.from_numpy(own) for own in decoder_inputs(network.config, 1, tile)]
    torch.testing.assert_close(out.image, network.decoder(*inputs))
    (out.likelihoods.bits().sum() + (out.image - planes).square().sum()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name
    network.zero_grad()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lambdas": ()}, "lambdas must be 1 to 64 numbers, got 0"),
        ({"lambdas": (0.1,)}, "mean_steps must be 1 numbers, as lambdas are"),
        ({"luma_codes": 1}, "luma takes 1 to 64 stages of 2 to 1024 codes"),
        ({"chroma_stages": 0}, "chroma takes 1 to 64 stages"),
        ({"mean_steps": (0,) * 8}, "mean_steps must be 1 to 128"),
        ({"luma_used": (99,) * 8}, "luma_used must be 0 to 28"),
    ],
)
def test_shapes_that_are_none(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        VqConfig(**changes)
    with pytest.raises(UsageError, match="unknown vq configuration key depth"):
        VqConfig.from_dict({"depth": 3})
