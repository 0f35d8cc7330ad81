"""From an image to a stream and back: the very same integers, and an error for anything else."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec.codecs.latents import QUALITY_STEPS, Latents, MeanScaleCodec
from slimcodec.codecs.latents.hyperprior import gain_of
from slimcodec.errors import StreamError, UsageError, WrongModelError
from slimcodec.model_file import Model, freeze_network, thaw_network
from slimcodec.quantization.simulation import plain_state
from slimcodec.runtime import open_codec
from slimcodec.stream import pack, unpack
from slimcodec.types import Image

Picture = Callable[..., Image]

SHAPES = [(1, 1), (1, 50), (50, 1), (2, 3), (15, 16), (17, 33), (64, 200), (129, 127), (128, 192)]


@pytest.fixture(scope="module")
def plain_model(tiny_model: Model) -> Model:
    """The tiny model when it rounds to the nearest, as the published codec does."""
    return replace(tiny_model, config={**tiny_model.config, "rate_weight": 0.0})


@pytest.fixture(scope="module")
def plain_codec(plain_model: Model) -> MeanScaleCodec:
    codec = open_codec(plain_model)
    assert isinstance(codec, MeanScaleCodec)
    return codec


def step_of(quality: float) -> int:
    return round((quality - 1) * QUALITY_STEPS)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_decoder_reads_the_symbols_of_the_encoder(
    tiny_codec: MeanScaleCodec, picture: Picture, shape: tuple[int, int]
) -> None:
    image = picture(*shape)
    for quality in (1, 2.5, 5):
        stream = tiny_codec.encode(image, quality)
        (wrote,) = tiny_codec.analyse(image, step_of(quality))
        header, (read,) = tiny_codec.read(stream)
        assert (header.height, header.width) == shape
        assert header.quality == step_of(quality)
        np.testing.assert_array_equal(read.symbols, wrote.symbols)
        np.testing.assert_array_equal(read.hyper_latents, wrote.hyper_latents)
        decoded = tiny_codec.decode(stream)
        assert decoded.shape == image.shape
        assert decoded.dtype == np.uint8


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 80), st.integers(1, 80), st.integers(0, 4 * QUALITY_STEPS), st.integers(0, 99)
)
def test_any_shape_and_quality(
    tiny_codec: MeanScaleCodec, picture: Picture, height: int, width: int, step: int, seed: int
) -> None:
    image = picture(height, width, seed)
    stream = tiny_codec.encode(image, 1 + step / QUALITY_STEPS)
    np.testing.assert_array_equal(
        tiny_codec.read(stream)[1][0].symbols, tiny_codec.analyse(image, step)[0].symbols
    )


@pytest.mark.parametrize("value", ["black", "white", "noise"])
def test_pictures_unlike_any_photograph(tiny_codec: MeanScaleCodec, value: str) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (70, 70, 3), dtype=np.uint8) * 255
    image = {"black": noise * 0, "white": noise * 0 + 255, "noise": noise}[value]
    stream = tiny_codec.encode(image, 5)
    np.testing.assert_array_equal(
        tiny_codec.read(stream)[1][0].symbols, tiny_codec.analyse(image, step_of(5))[0].symbols
    )


def test_it_is_a_working_codec(tiny_codec: MeanScaleCodec, picture: Picture) -> None:
    """The tiny network is a linear transform codec: higher quality costs more and looks better."""
    image = picture(128, 192)
    streams = [tiny_codec.encode(image, quality) for quality in tiny_codec.qualities]
    errors = [np.square(tiny_codec.decode(s).astype(float) - image).mean() for s in streams]
    assert [len(s) for s in streams] == sorted(len(s) for s in streams)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * image.astype(float).var()


def test_qualities_in_between_lie_in_between(tiny_codec: MeanScaleCodec, picture: Picture) -> None:
    image = picture(128, 192)
    sizes = [len(tiny_codec.encode(image, quality)) for quality in (2, 2.5, 3)]
    assert sizes[0] < sizes[1] < sizes[2]
    # A decoder knows steps of an eighth; in between an encoder rounds with fewer bits.
    streams = [tiny_codec.encode(image, quality) for quality in (2.5, 2.45, 2.4)]
    assert {unpack(stream).quality for stream in streams} == {step_of(2.5)}
    assert len(streams[0]) >= len(streams[1]) >= len(streams[2])


@pytest.mark.parametrize("quality", [0.4, 5.1, 0, -1, 100, math.nan, math.inf])
def test_quality_out_of_range(tiny_codec: MeanScaleCodec, picture: Picture, quality: float) -> None:
    with pytest.raises(UsageError, match=r"quality of tiny must be 0\.5 to 5, got"):
        tiny_codec.encode(picture(8, 8), quality)


def test_an_image_too_large(tiny_codec: MeanScaleCodec) -> None:
    image = np.broadcast_to(np.zeros(3, np.uint8), (2**14 + 1, 2**14, 3))
    with pytest.raises(UsageError, match="16384x16385 is more than"):
        tiny_codec.encode(image)


@pytest.mark.parametrize("shape", [(128, 192), (512, 768)])
@pytest.mark.parametrize("quality", [1, 3, 4.5])
def test_real_bytes_are_the_ideal_of_the_likelihoods(
    plain_model: Model,
    plain_codec: MeanScaleCodec,
    picture: Picture,
    shape: tuple[int, int],
    quality: float,
) -> None:
    """Half a percent and a header is all that tables, the integer prior and coding cost.

    A model that has not been trained is often surprised, and what eight flags cost ends at 24 bits:
    so the bytes may be fewer.
    """
    image = picture(*shape)
    network: Any = thaw_network(plain_model)
    with torch.no_grad():
        x = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255
        decoded, likelihoods, _ = network(x, torch.tensor([quality - 1.0]))
    stream = plain_codec.encode(image, quality)
    ideal_bytes = float(likelihoods.bits()) / 8
    assert ideal_bytes * 0.96 - 8 < len(stream) <= 1.005 * ideal_bytes + 40
    pixels = decoded[0].clamp(0, 1).mul(255).round().byte().numpy().transpose(1, 2, 0)
    assert np.abs(plain_codec.decode(stream).astype(int) - pixels).max() <= 2


# Rounding towards zero where that saves bits


def test_rounding_minimises_distortion_and_rate(
    tiny_codec: MeanScaleCodec, plain_codec: MeanScaleCodec, picture: Picture
) -> None:
    """Each symbol is the nearest integer or its neighbour towards zero, whichever costs less."""
    weight = tiny_codec.config.rate_weight
    image, step = picture(128, 192), step_of(4)
    (nearest,), (chosen,) = plain_codec.analyse(image, step), tiny_codec.analyse(image, step)
    # A context that has learned nothing: what was rounded before changes no table.
    numbers = tables_of(tiny_codec, chosen, step)
    np.testing.assert_array_equal(numbers, tables_of(plain_codec, nearest, step))
    np.testing.assert_array_equal(chosen.hyper_latents, nearest.hyper_latents)
    moved = np.abs(nearest.symbols) - np.abs(chosen.symbols)
    assert set(np.unique(moved)) == {0, 1}
    assert (np.sign(chosen.symbols) * np.sign(nearest.symbols) >= 0).all()
    value = values_before_rounding(plain_codec, image, step)
    tables = plain_codec.coding.latent_tables
    checked = 0
    for place, number in np.ndenumerate(numbers):
        symbol = int(nearest.symbols[place])
        reach = int(tables.reaches[number])
        if symbol == 0 or abs(symbol) > min(reach, 64):
            continue
        nearer = symbol - int(np.sign(symbol))
        bits = -np.log2(tables[int(number)] / 2.0**24)
        costs = [
            (value[place] - candidate) ** 2 + weight * bits[candidate + reach]
            for candidate in (symbol, nearer)
        ]
        if abs(costs[0] - costs[1]) > 1e-3:
            assert chosen.symbols[place] == (symbol if costs[0] < costs[1] else nearer)
            checked += 1
    assert checked > 200


def tables_of(codec: MeanScaleCodec, latents: Latents, step: int) -> np.ndarray:
    """The table of every latent, [m, h, w]."""
    channels, *size = latents.symbols.shape
    found = np.zeros((size[0] * size[1], channels), np.int16)
    walk = codec.coding.prior.walk(latents.hyper_latents, tuple(size), step, QUALITY_STEPS)
    guess = next(walk)
    for coded, tables in latents.coded:
        np.testing.assert_array_equal(guess.tables, tables)
        found[guess.positions, guess.channels] = tables
        with contextlib.suppress(StopIteration):
            guess = walk.send(coded)
    return found.T.reshape(latents.symbols.shape)


def values_before_rounding(codec: MeanScaleCodec, image: Image, step: int) -> np.ndarray:
    """Gained latents less their means, of an image whose sides need no padding."""
    x = image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    y = codec.graphs["encoder"](x)
    z_hat = np.rint(codec.graphs["hyper_analysis"](y))
    means = codec.graphs["hyper_mean"](z_hat)
    low, rest = divmod(step, QUALITY_STEPS)
    assert rest == 0
    return ((y - means) * np.exp(codec.coding.log_gain[low])[:, None, None])[0]


def test_it_saves_bytes_and_every_decoder_reads_it(
    tiny_codec: MeanScaleCodec, plain_codec: MeanScaleCodec, picture: Picture
) -> None:
    image = picture(128, 192)
    assert tiny_codec.stream_id == plain_codec.stream_id
    sizes = []
    for quality in tiny_codec.qualities:
        shorter, longer = tiny_codec.encode(image, quality), plain_codec.encode(image, quality)
        sizes.append((len(shorter), len(longer)))
        np.testing.assert_array_equal(plain_codec.decode(shorter), tiny_codec.decode(shorter))
    assert sum(shorter for shorter, _ in sizes) < sum(longer for _, longer in sizes)


# Streams that are not ours


@pytest.fixture(scope="module")
def stream(tiny_codec: MeanScaleCodec, picture: Picture) -> bytes:
    return tiny_codec.encode(picture(40, 56), 3)


@pytest.fixture(scope="module")
def other_codec(make_network: Callable[[int], Any]) -> MeanScaleCodec:
    codec = open_codec(freeze_network(make_network(1), name="other", family="hific"))
    assert isinstance(codec, MeanScaleCodec)
    return codec


def test_another_models_stream(
    tiny_codec: MeanScaleCodec, other_codec: MeanScaleCodec, stream: bytes
) -> None:
    with pytest.raises(WrongModelError, match=r"another model .* decode it with the model"):
        other_codec.decode(stream)
    assert tiny_codec.decode(stream).shape == (40, 56, 3)


def test_every_truncation(tiny_codec: MeanScaleCodec, stream: bytes) -> None:
    for length in range(len(stream)):
        with pytest.raises(StreamError):
            tiny_codec.decode(stream[:length])


def test_every_flipped_bit(tiny_codec: MeanScaleCodec, stream: bytes) -> None:
    for bit in range(8 * len(stream)):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StreamError):
            tiny_codec.decode(bytes(flipped))


def test_a_quality_the_model_does_not_have(tiny_codec: MeanScaleCodec, stream: bytes) -> None:
    header = unpack(stream)
    with pytest.raises(StreamError, match="quality step 33"):
        tiny_codec.decode(pack(replace(header, quality=33)))


@pytest.mark.parametrize(("count", "words"), [(0, "no sections"), (2, "has 1 tile .*, this has 2")])
def test_another_number_of_sections(
    tiny_codec: MeanScaleCodec, stream: bytes, count: int, words: str
) -> None:
    header = unpack(stream)
    with pytest.raises(StreamError, match=words):
        tiny_codec.decode(pack(replace(header, sections=header.sections * count)))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 100),
    st.integers(1, 100),
    st.binary(max_size=200) | st.integers(0, 2**32 - 1),
)
def test_forged_payloads(
    tiny_codec: MeanScaleCodec, stream: bytes, height: int, width: int, damage: bytes | int
) -> None:
    """With a right checksum around them: an error or a picture of the size, and nothing else."""
    header = unpack(stream)
    payload = bytearray(header.sections[0])
    if isinstance(damage, int):
        place = damage % len(payload)
        payload[place] ^= 1 + (damage >> 8) % 255
    else:
        payload = bytearray(damage)
    forged = replace(header, height=height, width=width, sections=(bytes(payload),))
    try:
        decoded = tiny_codec.decode(pack(forged))
    except StreamError as error:
        assert "\n" not in str(error)
    else:
        assert decoded.shape == (height, width, 3)


# What a stream's identity covers


@pytest.mark.parametrize(
    "name",
    [
        "probability.mean.layers.0.weight",
        "probability.mean.layers.2.bias",
        "probability.scale.layers.1.weight",
        "probability.scale.layers.2.bias",
        "probability.density.biases.0",
        "log_gain",
        "log_degain",
    ],
)
def test_whatever_gives_symbols_their_meaning_is_in_the_identity(
    tiny_model: Model, name: str
) -> None:
    network = thaw_network(tiny_model)
    with torch.no_grad():
        plain_state(network)[name].view(-1)[:3].mul_(1.1).add_(0.01)
    model = freeze_network(network, name="tiny", family="hific")
    assert model.stream_id != tiny_model.stream_id


@pytest.mark.parametrize("name", ["probability.latent_scale", "probability.mean.layers.2.bias"])
def test_means_are_in_the_identity_to_the_last_digit(tiny_model: Model, name: str) -> None:
    """A step of half precision in one of them moves pixels, however little."""
    weights = dict(tiny_model.weights)
    stepped = weights[name].astype(np.float16)
    stepped.flat[0] = np.nextafter(stepped.flat[0], np.float16(np.inf))
    weights[name] = stepped.astype(np.float32)
    assert not np.array_equal(weights[name], tiny_model.weights[name])
    stream_id = replace(tiny_model, weights=weights).coding.stream_id.hex()
    assert stream_id != tiny_model.stream_id


@pytest.mark.parametrize(
    "name", ["encoder.head.weight", "generator.head.weight", "probability.analysis.layers.0.weight"]
)
def test_the_rest_is_not(tiny_model: Model, name: str) -> None:
    """Of a network that is settled: what it is given before decides on its grids."""
    network = thaw_network(tiny_model)
    with torch.no_grad():
        plain_state(network)[name].mul_(1.5)
    model = freeze_network(network, name="tiny", family="hific")
    assert model.stream_id == tiny_model.stream_id
    assert model.digest != tiny_model.digest


def test_training_rounds_as_the_encoder_does(
    tiny_model: Model, tiny_codec: MeanScaleCodec, picture: Picture
) -> None:
    """One rule in two places: in torch from densities, in numpy from their integer tables."""
    image = picture(128, 192)
    network: Any = thaw_network(tiny_model)
    x = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255
    with torch.no_grad():
        y = network.encoder(x)
        z_hat = network.probability.hyper_latents(y).round()
        gain = gain_of(network.log_gain, torch.tensor([2.0]))
        centred = (y - network.probability.latent_means(z_hat)) * gain
        scale = network.probability.latent_scales(z_hat) * gain
        trained = network.probability.symbols(centred, scale)[0].numpy()
    coded = tiny_codec.analyse(image, step_of(3))[0].symbols
    assert (trained != np.rint(centred[0].numpy())).any()
    # Neighbouring tables may tip a value that lies on the edge between two symbols.
    assert (trained == coded).mean() > 0.995


def test_settled_once_stays_settled(tiny_model: Model, picture: Picture) -> None:
    """A model that is thawed and frozen is the same, and writes the same bytes."""
    again = freeze_network(
        thaw_network(tiny_model), name=tiny_model.name, family="hific", history=tiny_model.history
    )
    assert again.stream_id == tiny_model.stream_id
    assert again.digest == tiny_model.digest
    image = picture(40, 56)
    assert open_codec(again).encode(image) == open_codec(tiny_model).encode(image)
