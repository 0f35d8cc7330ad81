"""From an image to a progressive stream and back: the very same bits, a stream in every beginning,
and an error for anything else."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec.codecs.toderici.coding import TodericiCodec
from slimcodec.codecs.toderici.network import TodericiNetwork
from slimcodec.errors import ModelFileError, StreamError, UsageError, WrongModelError
from slimcodec.images import crop
from slimcodec.model_file import Model, freeze_network, load, save
from slimcodec.runtime import open_codec
from slimcodec.stream import SymbolEncoder, pack, salvage, step_ends, unpack
from slimcodec.types import Image
from tests.codecs.toderici.large_bit_prior import tables_of

Picture = Callable[..., Image]

SHAPES = [(1, 1), (1, 50), (50, 1), (2, 3), (15, 16), (17, 33), (64, 200), (129, 127)]
DEEPEST = 5


class Watched:
    """A part that remembers what came in and what went out."""

    def __init__(self, part: Callable[..., Any]) -> None:
        self.part = part
        self.inputs: list[tuple[np.ndarray, ...]] = []
        self.outputs: list[Any] = []

    def __call__(self, *arrays: np.ndarray) -> Any:
        self.inputs.append(tuple(np.array(a) for a in arrays))
        self.outputs.append(self.part(*arrays))
        return self.outputs[-1]


@pytest.fixture
def watched(rnn_codec: TodericiCodec) -> TodericiCodec:
    """The tiny codec, every part of it watched."""
    codec = copy.copy(rnn_codec)
    codec.graphs = {name: Watched(part) for name, part in rnn_codec.graphs.items()}
    return codec


@pytest.fixture(scope="module")
def stream(rnn_codec: TodericiCodec, picture: Picture) -> bytes:
    return rnn_codec.encode(picture(40, 56), DEEPEST)


# There and back


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 3, DEEPEST])
def test_the_decoder_reads_the_bits_of_the_encoder(
    watched: Any, picture: Picture, shape: tuple[int, int], count: int
) -> None:
    image = picture(*shape)
    stream = watched.encode(image, count)
    header = unpack(stream)
    assert (header.height, header.width, header.progressive) == (*shape, True)
    assert len(header.sections) == count
    wrote = np.stack([code[0] for code in watched.graphs["binarizer"].outputs])
    read = watched.read(stream)
    assert read.dtype == np.int8
    assert read.shape == (count, -(-shape[0] // 16), -(-shape[1] // 16), 32)
    np.testing.assert_array_equal(read, wrote.transpose(0, 2, 3, 1))
    sent_if = np.array(watched.config.sent_if)
    np.testing.assert_array_equal(read != 0, (sent_if < 0) | (read[..., sent_if] > 0))
    assert set(np.unique(read)) <= {-1, 0, 1}
    assert (read == 0).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, DEEPEST), st.integers(0, 99))
def test_any_shape_and_number_of_iterations(
    rnn_codec: TodericiCodec, picture: Picture, height: int, width: int, count: int, seed: int
) -> None:
    stream = rnn_codec.encode(picture(height, width, seed), count)
    read = rnn_codec.read(stream)
    decoded = rnn_codec.decode(stream)
    assert decoded.shape == (height, width, 3)
    # An encoder that is given the bits instead of finding them writes the same stream.
    given_bits = copy.copy(rnn_codec)
    given_bits.graphs = {
        **rnn_codec.graphs,
        "binarizer": lambda features, t: read[t].transpose(2, 0, 1)[None].astype(np.float32),
    }
    assert given_bits.encode(picture(height, width, seed), count) == stream


@pytest.mark.parametrize("value", ["black", "white", "noise"])
def test_recurrent_pictures_unlike_any_photograph(watched: Any, value: str) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (70, 70, 3), dtype=np.uint8) * 255
    image = {"black": noise * 0, "white": noise * 0 + 255, "noise": noise}[value]
    stream = watched.encode(image, DEEPEST)
    wrote = np.stack([code[0] for code in watched.graphs["binarizer"].outputs])
    np.testing.assert_array_equal(watched.read(stream), wrote.transpose(0, 2, 3, 1))
    assert watched.decode(stream).shape == image.shape


def test_a_picture_is_the_sum_of_its_iterations(watched: Any, picture: Picture) -> None:
    image = picture(45, 60)
    stream = watched.encode(image, DEEPEST)
    codes = watched.read(stream)
    canvas = np.full((3, 48, 64), 0.5)
    state: list[np.ndarray] = []
    decoder, filtered = watched.graphs["decoder"].part, watched.graphs["filter"].part
    for number, bits in enumerate(codes):
        code = bits.transpose(2, 0, 1)[None].astype(np.float32)
        output, *state = decoder(code, np.array(number, np.int64), *state)
        canvas = canvas + output[0]
        decoded = watched.decode(watched.cut(stream, number + 1))
        shown = filtered(canvas[None].astype(np.float32), state[-2])[0]
        assert np.abs(shown - canvas).max() > 1e-3
        expected = crop(np.clip(shown, 0, 1).transpose(1, 2, 0) * 255, *image.shape[:2])
        assert np.abs(decoded - expected).max() < 0.51  # rounded to a level, and nothing else


def test_it_is_a_working_progressive_codec(rnn_codec: TodericiCodec, picture: Picture) -> None:
    """The tiny network is a linear codec: each iteration costs more and looks better."""
    image = picture(128, 192)
    stream = rnn_codec.encode(image, DEEPEST)
    cuts = [rnn_codec.cut(stream, count) for count in range(1, DEEPEST + 1)]
    errors = [np.square(rnn_codec.decode(cut).astype(float) - image).mean() for cut in cuts]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * image.astype(float).var()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_parts_run_no_more_often_than_needed(watched: Any, picture: Picture, count: int) -> None:
    """What an encoder's last iteration leaves nobody looks at, and what a filter makes of a picture
    a decoder's user alone."""
    stream = watched.encode(picture(40, 56), count)
    calls = {name: len(part.inputs) for name, part in watched.graphs.items()}
    assert calls == {"encoder": count, "binarizer": count, "decoder": count - 1, "filter": 0}
    # The first iteration has no state, the others that of the one before.
    for name, own in (("encoder", 1), ("decoder", 2)):
        part = watched.graphs[name]
        assert [len(inputs) > own for inputs in part.inputs] == [
            number > 0 for number in range(len(part.inputs))
        ]
        for inputs, outputs in zip(part.inputs[1:], part.outputs, strict=False):
            for ours, theirs in zip(inputs[own:], outputs[1:], strict=True):
                np.testing.assert_array_equal(ours, theirs)
    encoding = watched.graphs["decoder"].outputs
    watched.graphs["decoder"] = Watched(watched.graphs["decoder"].part)
    watched.decode(stream)
    decoding = watched.graphs["decoder"].outputs
    assert len(decoding) == count
    for ours, theirs in zip(encoding, decoding, strict=False):
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-5)
    ((picture_so_far, hidden),) = watched.graphs["filter"].inputs
    total = 0.5 + sum(output for output, *_ in decoding)
    np.testing.assert_allclose(picture_so_far, total, atol=1e-5)
    np.testing.assert_array_equal(hidden, decoding[-1][-2])


@pytest.mark.parametrize("shape", [(64, 64), (256, 384)])
@pytest.mark.parametrize("count", [1, DEEPEST])
def test_real_bytes_are_the_ideal_of_the_tables(
    rnn_codec: TodericiCodec, picture: Picture, shape: tuple[int, int], count: int
) -> None:
    stream = rnn_codec.encode(picture(*shape), count)
    codes = rnn_codec.read(stream).transpose(0, 3, 1, 2)
    chosen = tables_of(rnn_codec.prior, codes)
    assert len(np.unique(chosen)) > 5
    frequencies = np.stack([rnn_codec.tables[i] for i in range(len(rnn_codec.tables))])
    costs = 24 - np.log2(frequencies[chosen, codes + 1].astype(float))
    ideal = costs[codes != 0].sum() / 8
    # A model that has not been trained is often surprised, and eight bits cost at most 24.
    assert 0.92 * ideal < len(stream) <= 1.01 * ideal + 64


@pytest.mark.parametrize("count", [1, 4])
def test_coding_is_what_training_saw(
    rnn_codec: TodericiCodec, rnn_network: TodericiNetwork, picture: Picture, count: int
) -> None:
    """The same pictures and, within a percent, the bits that training counts."""
    image = picture(128, 192)
    x = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255
    with torch.no_grad():
        _, errors, bits = rnn_network(x, 0, count)
    stream = rnn_codec.encode(image, count)
    ideal = float(bits.sum()) / 8
    assert 0.99 * ideal < len(stream) <= 1.01 * ideal + 64
    pixels = ((x - errors[-1]).clamp(0, 1) * 255)[0].permute(1, 2, 0).numpy()
    assert np.abs(rnn_codec.decode(stream) - pixels).max() < 1


def test_a_model_file_gives_the_same_codec(
    rnn_codec: TodericiCodec, rnn_model: Model, stream: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "rnn.slim"
    save(rnn_model, path)
    again = open_codec(load(path), model_bytes=path.stat().st_size)
    assert isinstance(again, TodericiCodec)
    assert again.stream_id == rnn_codec.stream_id
    assert again.digest == rnn_codec.digest
    np.testing.assert_array_equal(again.decode(stream), rnn_codec.decode(stream))


def test_other_parts_read_old_streams(
    rnn_network: TodericiNetwork, rnn_codec: TodericiCodec, stream: bytes
) -> None:
    """A changed encoder, decoder or filter is another model of the same streams."""
    network = copy.deepcopy(rnn_network)
    with torch.no_grad():
        network.encoder.stem.weight.mul_(1.5)
        network.decoder.out.weight.mul_(1.5)
        filtered: Any = network.decoder.filter
        filtered.layers[2].weight.mul_(1.5)
    codec = open_codec(freeze_network(network, name="slim", family="toderici"))
    assert isinstance(codec, TodericiCodec)
    assert codec.digest != rnn_codec.digest
    np.testing.assert_array_equal(codec.read(stream), rnn_codec.read(stream))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_codec_without_what_came_later(
    plain_network: TodericiNetwork, picture: Picture, shape: tuple[int, int]
) -> None:
    """Blocks, signs and no filter: every bit is written, and the picture is the plain sum."""
    codec = open_codec(freeze_network(plain_network, name="plain", family="toderici"))
    assert isinstance(codec, TodericiCodec)
    assert sorted(codec.graphs) == ["binarizer", "decoder", "encoder"]
    watched = {name: Watched(part) for name, part in codec.graphs.items()}
    codec.graphs = watched
    image = picture(*shape)
    stream = codec.encode(image, DEEPEST)
    wrote = np.stack([code[0] for code in watched["binarizer"].outputs])
    read = codec.read(stream)
    np.testing.assert_array_equal(read, wrote.transpose(0, 2, 3, 1))
    assert set(np.unique(read)) <= {-1, 1}
    encoding = [output for output, *_ in watched["decoder"].outputs]
    decoded = codec.decode(stream)
    last = watched["decoder"].outputs[-1][0]
    expected = np.clip(0.5 + sum(encoding) + last, 0, 1)[0].transpose(1, 2, 0) * 255
    assert np.abs(decoded - crop(expected, *shape)).max() < 0.51


# What is refused


@pytest.mark.parametrize("quality", [0, 17, DEEPEST + 1, 1.5, -1, math.nan, math.inf])
def test_iterations_out_of_range(
    rnn_codec: TodericiCodec, picture: Picture, stream: bytes, quality: float
) -> None:
    words = r"^the iterations \(the quality\) of tiny-rnn must be a whole number from 1 to 5, got "
    for ask in (
        lambda: rnn_codec.encode(picture(8, 8), quality),
        lambda: rnn_codec.cut(stream, quality),
    ):
        with pytest.raises(UsageError, match=words) as error:
            ask()
        assert str(error.value).endswith(f"{quality:g}")


def test_a_recurrent_image_too_large(rnn_codec: TodericiCodec) -> None:
    image = np.broadcast_to(np.zeros(3, np.uint8), (2**14 + 1, 2**14, 3))
    with pytest.raises(UsageError, match="16384x16385 is more than"):
        rnn_codec.encode(image)


def refusal(codec: TodericiCodec, stream: bytes) -> str:
    """What ``read`` and ``decode`` both say, one line."""
    said = set()
    for method in (codec.read, codec.decode):
        with pytest.raises(StreamError) as error:
            method(stream)
        said.add(str(error.value))
    (words,) = said
    assert "\n" not in words
    return words


def test_every_beginning_is_a_stream_or_an_error(rnn_codec: TodericiCodec, stream: bytes) -> None:
    bits, ends = rnn_codec.read(stream), step_ends(stream)
    for length in range(len(b"SLC"), len(stream)):
        if length in ends:
            count = ends.index(length) + 1
            np.testing.assert_array_equal(rnn_codec.read(stream[:length]), bits[:count])
        else:
            with pytest.raises(StreamError, match="cut short"):
                rnn_codec.read(stream[:length])


def test_every_flipped_bit_of_a_progressive_stream(rnn_codec: TodericiCodec, stream: bytes) -> None:
    for bit in range(8 * len(stream)):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StreamError):
            rnn_codec.read(bytes(flipped))


def test_sections_damaged_repeated_reordered_or_foreign(
    rnn_codec: TodericiCodec, picture: Picture, stream: bytes
) -> None:
    a, b, c, d, _ = step_ends(stream)
    damaged = bytearray(stream)
    damaged[b - 1] ^= 1
    other = rnn_codec.encode(picture(40, 56, seed=1), 3)
    _, e, f = step_ends(other)
    for bad, count in (
        (bytes(damaged), 1),
        (stream[:b] + stream[a:b] + stream[b:], 2),
        (stream[:a] + stream[b:c] + stream[a:b] + stream[c:], 1),
        (stream[:b] + stream[c:], 2),
        (stream[:b] + other[e:f] + stream[c:], 2),
    ):
        words = refusal(rnn_codec, bad)
        assert f"section {count + 1} " in words
        assert "whole; salvage" in words
        kept, lost = salvage(bad)
        assert lost is not None
        assert kept == stream[: (a, b)[count - 1]]
    assert "first 4 sections" in refusal(rnn_codec, stream[:d] + b"\x00")


@pytest.mark.parametrize("count", [1, 3])
def test_a_stream_cut_inside_a_section_is_salvaged(
    rnn_codec: TodericiCodec, picture: Picture, stream: bytes, count: int
) -> None:
    ends = step_ends(stream)
    shorter = rnn_codec.encode(picture(40, 56), count)
    assert shorter == rnn_codec.cut(stream, count) == stream[: ends[count - 1]]
    for length in (ends[count - 1] + 1, ends[count] - 1):
        assert f"cut short inside section {count + 1}" in refusal(rnn_codec, stream[:length])
        kept, lost = salvage(stream[:length])
        assert lost is not None
        assert kept == shorter
        np.testing.assert_array_equal(rnn_codec.decode(kept), rnn_codec.decode(shorter))


def test_another_recurrent_models_stream(
    rnn_codec: TodericiCodec, other_rnn_codec: TodericiCodec, stream: bytes
) -> None:
    for ask in (
        lambda: other_rnn_codec.decode(stream),
        lambda: other_rnn_codec.read(stream),
        lambda: other_rnn_codec.cut(stream, 1),
    ):
        with pytest.raises(WrongModelError, match=r"another model .* decode it with the model"):
            ask()
    assert rnn_codec.decode(stream).shape == (40, 56, 3)


def test_streams_of_our_id_that_we_do_not_write(rnn_codec: TodericiCodec, stream: bytes) -> None:
    header = unpack(stream)
    plain = pack(replace(header, progressive=False))
    assert "it is not progressive, as all of tiny-rnn's are" in refusal(rnn_codec, plain)
    assert "quality 1, where tiny-rnn writes 0" in refusal(
        rnn_codec, pack(replace(header, quality=1))
    )
    more = replace(header, sections=(*header.sections, header.sections[-1]))
    assert "6 iterations, tiny-rnn writes at most 5" in refusal(rnn_codec, pack(more))


@pytest.mark.parametrize(
    ("significant", "sign"), [(0, 0), (1, 0), (-1, 1), (-1, -1), (2, 1), (1, -2), (0, 1), (1, 1000)]
)
def test_a_network_whose_codes_are_no_signs(
    rnn_codec: TodericiCodec, picture: Picture, significant: int, sign: int
) -> None:
    """One sign that is written where nothing says so, or is not where something does, suffices."""
    bit = rnn_codec.config.sent_if.index(0)

    def damaged(*arrays: np.ndarray) -> np.ndarray:
        code = np.array(rnn_codec.graphs["binarizer"](*arrays))
        code[0, [0, bit], -1, 1] = significant, sign
        return code

    codec = copy.copy(rnn_codec)
    codec.graphs = {**rnn_codec.graphs, "binarizer": damaged}
    with pytest.raises(ModelFileError, match="tiny-rnn gives codes that are not -1 or \\+1"):
        codec.encode(picture(40, 56))


@pytest.mark.parametrize("symbol", [0, 2, -2, 1000])
@pytest.mark.parametrize("exchange", ["significance", "sign"])
def test_symbols_that_are_no_bits(
    rnn_codec: TodericiCodec, stream: bytes, symbol: int, exchange: str
) -> None:
    """Nobody writes one, but whoever forges a stream can, with a right check around it."""
    header = unpack(stream)
    asked: list[np.ndarray] = []

    def forge(coder: SymbolEncoder) -> Callable[..., np.ndarray]:
        def give(numbers: np.ndarray, place: Any) -> np.ndarray:
            bits = np.ones(numbers.shape, np.int32)
            if len(asked) == ["significance", "sign"].index(exchange):
                bits[0] = symbol
            asked.append(numbers)
            coder.put(bits, numbers, rnn_codec.tables)
            return bits

        return give

    coder = SymbolEncoder()
    rnn_codec.prior.iterate(0, rnn_codec.prior.start(3, 4), forge(coder))
    forged = replace(header, sections=(coder.finish(), *header.sections[1:]))
    assert "it holds a symbol that is no bit" in refusal(rnn_codec, pack(forged))


def test_bytes_behind_the_bits_of_a_section(rnn_codec: TodericiCodec, stream: bytes) -> None:
    header = unpack(stream)
    for number in range(DEEPEST):
        sections = list(header.sections)
        sections[number] += bytes(range(1, 9))
        refusal(rnn_codec, pack(replace(header, sections=tuple(sections))))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 100),
    st.integers(1, 100),
    st.integers(0, DEEPEST - 1),
    st.binary(max_size=200) | st.integers(0, 2**32 - 1),
)
def test_forged_sections(
    rnn_codec: TodericiCodec,
    stream: bytes,
    height: int,
    width: int,
    number: int,
    damage: bytes | int,
) -> None:
    """With right checks around them: an error or a picture of the size, and nothing else."""
    header = unpack(stream)
    sections = list(header.sections)
    payload = bytearray(sections[number])
    if isinstance(damage, int):
        place = damage % len(payload)
        payload[place] ^= 1 + (damage >> 8) % 255
    else:
        payload = bytearray(damage)
    sections[number] = bytes(payload)
    for shape in ((header.height, header.width), (height, width)):
        forged = replace(header, height=shape[0], width=shape[1], sections=tuple(sections))
        try:
            decoded = rnn_codec.decode(pack(forged))
        except StreamError as error:
            assert "\n" not in str(error)
        else:
            assert decoded.shape == (*shape, 3)
