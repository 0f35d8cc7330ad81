"""The context model: what a group may see, and that its integer twin guesses as it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec.codecs.latents import QUALITY_STEPS, MeanScaleCodec, gain_at
from slimcodec.codecs.latents.prior import Guess
from slimcodec.codecs.latents.scales import SHIFT_STEPS, SHIFT_TABLES, TABLE_COUNT, TABLE_SCALES
from slimcodec.errors import WrongModelError
from slimcodec.model_file import Model, freeze_network, thaw_network
from slimcodec.runtime import open_codec
from slimcodec.types import Codec, Image
from tests.conftest import let_talk

Picture = Callable[..., Image]

QUALITIES = [1.0, 3.0, 4.5]


SHAPES: dict[str, dict[str, Any]] = {
    "scales alone": {},
    "features": {"context_slices": (4, 8), "context_channels": 12, "context_features": 6},
}


@pytest.fixture(scope="module", params=SHAPES)
def talking_model(make_network_of: Callable[..., Any], request: pytest.FixtureRequest) -> Model:
    """The tiny model with a context that has something to say, rounding to the nearest."""
    network = make_network_of("hific", 0, rate_weight=0.0, **SHAPES[request.param])
    let_talk(network.probability.context)
    return freeze_network(network, name="talking", family="hific")


@pytest.fixture(scope="module")
def talking(talking_model: Model) -> MeanScaleCodec:
    codec = open_codec(talking_model)
    assert isinstance(codec, MeanScaleCodec)
    return codec


def hyper_says(
    codec: MeanScaleCodec, network: Any, z_hat: np.ndarray, size: Any, step: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Scales, gained, and features where there are any."""
    z = torch.from_numpy(z_hat[None]).float()
    scale, features = network.probability.scales_and_features(z)
    corner = (..., slice(size[0]), slice(size[1]))
    gained = scale[corner] * torch.from_numpy(gain_at(codec.coding.log_gain, step))
    return gained, None if features is None else features[corner]


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("shape", [(1, 1), (17, 50), (128, 192)])
def test_the_decoder_reads_what_the_encoder_wrote(
    talking: MeanScaleCodec, picture: Picture, shape: tuple[int, int], quality: float
) -> None:
    image = picture(*shape)
    (wrote,) = talking.analyse(image, round((quality - 1) * QUALITY_STEPS))
    _, (read,) = talking.read(talking.encode(image, quality))
    np.testing.assert_array_equal(read.symbols, wrote.symbols)
    for (symbols, tables), (theirs, their_tables) in zip(read.coded, wrote.coded, strict=True):
        np.testing.assert_array_equal(symbols, theirs)
        np.testing.assert_array_equal(tables, their_tables)


@pytest.mark.parametrize("quality", QUALITIES)
def test_integers_guess_as_floats_do(
    talking: MeanScaleCodec, talking_model: Model, picture: Picture, quality: float
) -> None:
    step = round((quality - 1) * QUALITY_STEPS)
    (latents,) = talking.analyse(picture(128, 192), step)
    network: Any = thaw_network(talking_model)
    with torch.no_grad():
        before, features = hyper_says(
            talking, network, latents.hyper_latents, latents.symbols.shape[1:], step
        )
        symbols = torch.from_numpy(latents.symbols[None]).float()
        said = network.probability.context(symbols, before, features)
        shift, scale = (t[0].numpy() for t in said)
    assert np.abs(shift).max() > 1
    unit = before[0].clamp(0.3, 256).numpy()
    shift, scale, unit = (a.reshape(len(a), -1).T for a in (shift, scale, unit))
    size = latents.symbols.shape[1:]
    walk = talking.coding.prior.walk(latents.hyper_latents, size, step, QUALITY_STEPS)
    guess = next(walk)
    shifts, scales = [], []
    for coded, _ in latents.coded:
        own = guess.positions[:, None], np.arange(12)[guess.channels]
        assert guess.signs is not None and guess.whole is not None
        number = guess.tables.astype(int)
        rest = np.where(number < TABLE_COUNT, 0, 1 + (number - TABLE_COUNT) // SHIFT_TABLES)
        number = np.where(rest > 0, (number - TABLE_COUNT) % SHIFT_TABLES, number)
        ours = guess.whole + rest * guess.signs / SHIFT_STEPS
        theirs = shift[own]
        coarse = np.where(number < SHIFT_TABLES, 1 / SHIFT_STEPS, 1.0)
        # Half a step of what can be said, and a fiftieth of a scale, which no rate would show.
        slack = 0.51 * coarse + 0.02 * unit[own]
        shifts.append((np.abs(ours - theirs) - slack).ravel())
        log = np.log(np.clip(scale[own], 0.11, 256))
        scales.append(np.abs(np.log(np.array(TABLE_SCALES))[number] - log).ravel())
        try:
            guess = walk.send(coded)
        except StopIteration:
            break
    beyond, off = np.concatenate(shifts), np.concatenate(scales)
    assert beyond.size == latents.symbols.size
    # Bytes of scales and of symbols are rounded from integers here and from floats there.
    assert (beyond <= 0).mean() > 0.99
    assert (beyond <= 0.1 * unit.max()).all()
    # Half the distance between tables, and a fine step for each rounding on the way.
    assert (off < 0.06).mean() > 0.99
    assert off.max() < 0.3


@pytest.mark.parametrize("quality", QUALITIES)
def test_real_bytes_are_the_ideal_of_the_float_context(
    talking: MeanScaleCodec, talking_model: Model, picture: Picture, quality: float
) -> None:
    image = picture(256, 384)
    network: Any = thaw_network(talking_model)
    with torch.no_grad():
        x = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255
        _, likelihoods, _ = network(x, torch.tensor([quality - 1.0]))
    ideal_bytes = float(likelihoods.bits()) / 8
    assert abs(len(talking.encode(image, quality)) - ideal_bytes) < 0.01 * ideal_bytes + 40


def test_a_group_sees_nothing_that_comes_later(talking_model: Model) -> None:
    context: Any = thaw_network(talking_model).probability.context
    rng = torch.Generator().manual_seed(1)
    features = torch.rand(1, 6, 6, 7, generator=rng) if context.features is not None else None
    symbols = torch.randint(-4, 5, (1, 12, 6, 7), generator=rng).float()
    scale = torch.rand(1, 12, 6, 7, generator=rng) * 3 + 0.2
    start = 0
    first = (torch.arange(6)[:, None] + torch.arange(7)) % 2 == 0
    for size in context.slices:
        for colour in (first, ~first):
            with torch.no_grad():
                before = context(symbols, scale, features)
                changed = symbols.clone()
                changed[:, start : start + size][..., colour] += 3
                changed[:, start + size :] -= 2
                if colour is first:
                    changed[:, start : start + size][..., ~colour] -= 1
                after = context(changed, scale, features)
            for one, two in zip(before, after, strict=True):
                assert torch.equal(one[:, :start], two[:, :start])
                own = (one - two)[:, start : start + size][..., colour]
                assert not own.any()
        start += size


def test_what_is_known_matters(
    talking: MeanScaleCodec, tiny_codec: Codec, picture: Picture
) -> None:
    """Or the tests above would hold for a context that says nothing."""
    groups = talking.analyse(picture(128, 192), 16)[0].coded
    assert sum((tables >= TABLE_COUNT).any() for _, tables in groups) > 1
    with pytest.raises(WrongModelError):
        tiny_codec.decode(talking.encode(picture(32, 32)))


def test_coding_and_uncoding_are_inverse() -> None:
    rng = np.random.default_rng(0)
    symbols = rng.integers(-50, 50, (20, 3)).astype(np.int32)
    before = symbols.copy()
    positions = np.flatnonzero(np.indices((4, 5)).sum(axis=0) % 2)
    whole = rng.integers(-9, 9, (len(positions), 2)).astype(np.int32)
    signs = rng.choice(np.array([-1, 1], np.int16), (len(positions), 2))
    tables = np.zeros((len(positions), 2), np.int16)
    guess = Guess(positions, slice(1, 3), tables, whole, signs)
    coded = guess.coded(symbols.astype(np.float32)).astype(np.int32)
    np.testing.assert_array_equal(coded, (symbols[positions, 1:3] - whole) * signs)
    np.testing.assert_array_equal(guess.symbols(coded), symbols[positions, 1:3])
    assert (coded != symbols[positions, 1:3]).any()
    np.testing.assert_array_equal(symbols, before)
    plain = Guess(positions, slice(1, 3), tables)
    np.testing.assert_array_equal(plain.coded(symbols.astype(np.float32)), symbols[positions, 1:3])
    np.testing.assert_array_equal(plain.symbols(coded), coded)


def test_a_fresh_context_says_what_the_hyperprior_says(
    tiny_codec: Codec, tiny_model: Model, picture: Picture
) -> None:
    assert isinstance(tiny_codec, MeanScaleCodec)
    for _, tables in tiny_codec.analyse(picture(64, 64), 16)[0].coded:
        assert tables.max() < TABLE_COUNT
