"""Streams of CompressAI's own command line, read to the symbols that it wrote, and as ours."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec import registry
from slimcodec.codecs.compressai.theirs import ending
from slimcodec.codecs.compressai.theirs.ending import read_doubtful, read_sure
from slimcodec.codecs.compressai.theirs.rans import TOTAL, Decoder, Tables
from slimcodec.codecs.compressai.theirs.synthesis import Synthesis, doubtful, picked
from slimcodec.codecs.compressai.theirs.tables import (
    density_tables,
    scale_steps,
    scale_tables,
    stored_tables,
)
from slimcodec.errors import CheckpointError, StreamError, UsageError
from slimcodec.model_file import freeze_network
from slimcodec.runtime import open_codec
from slimcodec.types import Image, Region
from tests.compressai_oracle import ARCHITECTURES, imported, save, trained
from tests.compressai_streams import MODELS, coded, encoded, packed, padding

FAMILY: Any = registry.families.get("compressai")
HYPERPRIORS = [name for name in ARCHITECTURES if "factorized" not in name]
SIZES = [(128, 192), (70, 100), (63, 127), (1, 1)]

Picture = Callable[..., Image]


class Theirs(NamedTuple):
    network: Any
    path: Path
    codec: Any


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Theirs]:
    """Trained for a moment by their classes, saved by their code, and imported as they are."""
    folder, made = tmp_path_factory.mktemp("theirs"), {}
    for number, architecture in enumerate(ARCHITECTURES):
        network, path, ours = imported(architecture, folder, number)
        model = freeze_network(ours, name="own", family="compressai", precision="single")
        made[architecture] = Theirs(network, path, open_codec(model, "torch"))
    return made


def read(data: bytes, path: Path, **how: Any) -> Any:
    return FAMILY.read_foreign(FAMILY.foreign_header(data), [path], **how)


def their_symbols(network: Any, image: Image) -> tuple[torch.Tensor, torch.Tensor]:
    """ŷ as its generator is given it, and what of y was coded."""
    found: dict[str, torch.Tensor] = {}
    hook = network.g_s.register_forward_pre_hook(lambda module, given: found.update(y=given[0]))
    height, width, _ = image.shape
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        made = network.compress(torch.nn.functional.pad(x, padding(height, width)))
        network.decompress(made["strings"], made["shape"])
    hook.remove()
    return found["y"][0], x


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_their_streams_are_read_to_what_they_decode(
    models: dict[str, Theirs], picture: Picture, architecture: str, size: tuple[int, int]
) -> None:
    network, path, _ = models[architecture]
    image = picture(*size, 3)
    data, decoded = coded(network, image, architecture)
    found = read(data, path)
    assert found.pixels.shape == image.shape
    assert np.abs(found.pixels - decoded).max() <= 0.51
    y_hat, _ = their_symbols(network, image)
    np.testing.assert_allclose(found.latents.y_hat, y_hat.numpy(), rtol=0, atol=1e-5)
    left, _, top, _ = padding(*size)
    assert found.header.region == Region(left, top, size[1], size[0])
    assert found.notes == () or "its tables are those of scales" in found.notes[0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_ours_holds_the_same_symbols(
    models: dict[str, Theirs], picture: Picture, architecture: str, size: tuple[int, int]
) -> None:
    network, path, codec = models[architecture]
    data, decoded = coded(network, picture(*size, 4), architecture)
    found = read(data, path)
    region = found.header.region
    begins = not (region.left or region.top)
    assert begins == (size in ((128, 192), (63, 127)))
    if not begins:
        with pytest.raises(UsageError, match="keep the padding"):
            FAMILY.foreign_stream(codec, found, False)
    stream = FAMILY.foreign_stream(codec, found, not begins)
    header, (tile,) = codec.read(stream)
    np.testing.assert_array_equal(tile.symbols, found.latents.symbols)
    np.testing.assert_array_equal(tile.hyper_latents, found.latents.hyper_latents)
    y_hat = codec._tile.dequantize(tile, 0)
    np.testing.assert_allclose(y_hat, found.latents.y_hat, rtol=0, atol=1e-5)
    wanted = size if begins else (found.header.height, found.header.width)
    assert (header.height, header.width) == wanted
    own = codec.decode(stream, region=region)
    assert np.abs(own - decoded).max() <= 0.51


def test_large_pictures_stay_one_tile(models: dict[str, Theirs], picture: Picture) -> None:
    """In tiles of ours means would know nothing of what is beyond a tile's edge."""
    network, path, codec = models["mbt2018-mean"]
    image = np.tile(picture(128, 192, 4), (12, 8, 1))
    assert image.shape[0] * image.shape[1] > 1 << 21
    data, decoded = coded(network, image, "mbt2018-mean")
    stream = FAMILY.foreign_stream(codec, read(data, path), False)
    assert len(codec.read(stream)[1]) == 1
    assert np.abs(codec.decode(stream) - decoded).max() <= 0.51


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_streams_of_old_versions(
    models: dict[str, Theirs], picture: Picture, architecture: str
) -> None:
    """They have no field for bits of a sample, and a shorter list of models."""
    network, path, _ = models[architecture]
    data, _ = coded(network, picture(64, 64, 5), architecture)
    old = bytes([max(MODELS[architecture] - 1, 0)]) + data[1:10] + data[11:]
    np.testing.assert_array_equal(read(old, path).pixels, read(data, path).pixels)


def untabled(path: Path, folder: Path) -> Path:
    """The checkpoint as it was before ``update()``."""
    content = torch.load(path, weights_only=True)
    for name, own in content["state_dict"].items():
        if name.endswith(("_offset", "_quantized_cdf", "_cdf_length", "scale_table")):
            content["state_dict"][name] = own[:0]
    torch.save(content, folder / "bare.pth")
    return folder / "bare.pth"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_checkpoints_without_tables(
    models: dict[str, Theirs], picture: Picture, architecture: str, tmp_path: Path
) -> None:
    network, path, _ = models[architecture]
    data, _ = coded(network, picture(64, 128, 6), architecture)
    found = read(data, untabled(path, tmp_path))
    np.testing.assert_array_equal(found.latents.symbols, read(data, path).latents.symbols)
    parts = ["entropy_bottleneck", "gaussian_conditional"][: 1 + (architecture in HYPERPRIORS)]
    for part, note in zip(parts, found.notes, strict=False):
        assert f"no tables of {part}; they were made as its update() makes them" in note


def state_of(network: Any) -> dict[str, np.ndarray]:
    return {name: own.numpy().astype(np.float32) for name, own in network.state_dict().items()}


def test_tables_made_anew_are_theirs(models: dict[str, Theirs]) -> None:
    state = state_of(models["mbt2018-mean"].network)
    made = density_tables(state), scale_tables(scale_steps({}))
    for part, own in zip(("entropy_bottleneck", "gaussian_conditional"), made, strict=True):
        stored = stored_tables(state, part, len(own.edges))
        assert stored is not None
        # An edge may move by one where another machine rounds a probability otherwise.
        assert [len(edges) for edges in stored.edges] == [len(edges) for edges in own.edges]
        assert list(stored.offsets) == list(own.offsets)
        for one, other in zip(stored.edges, own.edges, strict=True):
            assert max(abs(np.subtract(one, other))) <= 2


# Floats that come out otherwise


def elsewhere(network: Any, moved: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """The model on a machine where scales come out otherwise."""
    made = copy.deepcopy(network)
    conditional = made.gaussian_conditional
    original = type(conditional).build_indexes
    conditional.build_indexes = lambda scales: original(conditional, moved(scales))
    return made


@pytest.mark.parametrize("architecture", HYPERPRIORS)
def test_the_end_tells_a_wrong_decode(
    models: dict[str, Theirs], picture: Picture, architecture: str, monkeypatch: Any
) -> None:
    """A writer whose scales differ by more than rounding does: no way leads to the end."""
    monkeypatch.setattr(ending, "_MOST_SYMBOLS", 1 << 20)
    network, path, _ = models[architecture]
    data, _ = coded(elsewhere(network, lambda s: 1.02 * s), picture(64, 128, 7), architecture)
    with pytest.raises(StreamError, match="its latents end nowhere an encoder began"):
        read(data, path)


@pytest.mark.parametrize("architecture", HYPERPRIORS)
def test_a_way_whose_floats_are_the_writers_is_found(
    models: dict[str, Theirs], picture: Picture, architecture: str, monkeypatch: Any
) -> None:
    network, path, _ = models[architecture]
    image = picture(64, 128, 8)
    data, _ = coded(network, image, architecture)
    ways = Synthesis.ways

    def others_first(self: Synthesis, z_hat: np.ndarray) -> Any:
        for way in ways(self, z_hat):
            usual = way.name.startswith("with oneDNN")
            yield replace(way, scales=1.02 * way.scales) if usual else way

    monkeypatch.setattr(Synthesis, "ways", others_first)
    found = read(data, path)
    np.testing.assert_allclose(found.latents.y_hat, their_symbols(network, image)[0], atol=1e-5)
    (note,) = found.notes
    assert note.startswith("its tables are those of scales computed without oneDNN")


@pytest.mark.parametrize("architecture", HYPERPRIORS)
@pytest.mark.parametrize("count", [1, 2])
def test_scales_beside_a_step_are_tried_on_both_sides(
    models: dict[str, Theirs], picture: Picture, architecture: str, count: int, tmp_path: Path
) -> None:
    """A writer for which so many scales, beside steps, lie on the other side than everywhere
    here."""
    network, _, _ = models[architecture]
    image, seen = picture(64, 128, 9), list[torch.Tensor]()

    def noted(scales: torch.Tensor) -> torch.Tensor:
        seen.append(scales)
        return scales

    coded(elsewhere(network, noted), image, architecture)
    # Steps are laid on scales that occur, so that these lie beside one.
    wide = seen[0].flatten().sort().values
    table = network.gaussian_conditional.scale_table.clone()
    edges = [wide[-1 - len(wide) // 9 * (number + 1)] for number in range(count)]
    for edge in edges:
        table[int((table < edge).sum())] = edge
    changed = copy.deepcopy(network)
    changed.gaussian_conditional.scale_table = table.sort().values
    path = save(changed, tmp_path / "steps.pth.tar")

    def further(scales: torch.Tensor) -> torch.Tensor:
        for edge in edges:
            scales = torch.where(scales == edge, torch.nextafter(edge, edge * 2), scales)
        return scales

    data, _ = coded(elsewhere(changed, further), image, architecture)
    found = read(data, path)
    y_hat, _ = their_symbols(network, image)
    np.testing.assert_allclose(found.latents.y_hat, y_hat.numpy(), rtol=0, atol=1e-5)
    (note,) = found.notes
    assert " on the other side of a step" in note


def test_what_is_picked_is_what_they_pick(models: dict[str, Theirs]) -> None:
    conditional = models["mbt2018-mean"].network.gaussian_conditional
    steps = conditional.scale_table
    near = torch.cat([steps, torch.nextafter(steps, steps * 2), torch.nextafter(steps, steps / 2)])
    scales = torch.cat([near, torch.tensor([-1.0, 0.0, 0.11, 1e4]), torch.rand(1000) * 9])
    wanted = conditional.build_indexes(scales).numpy()
    np.testing.assert_array_equal(picked(scales.double().numpy(), steps.numpy(), 0.11), wanted)
    doubts = doubtful(near.double().numpy(), steps.numpy(), 0.11)
    assert len(doubts) == 16
    own = conditional.build_indexes(near).numpy()
    assert all(abs(int(own[place]) - other) == 1 for place, other in doubts)


# The entropy coder alone


@st.composite
def tables(draw: Any) -> Tables:
    edges, offsets = [], []
    for _ in range(draw(st.integers(1, 3))):
        inner = draw(st.sets(st.integers(1, TOTAL - 1), min_size=0, max_size=9))
        edges.append([0, *sorted(inner), TOTAL])
        offsets.append(draw(st.integers(-20, 20)))
    return Tables(edges, offsets)


@settings(max_examples=60)
@given(tables=tables(), data=st.data())
def test_what_was_written_is_read(tables: Tables, data: Any) -> None:
    far = st.one_of(st.integers(-30, 30), st.integers(-(1 << 29), 1 << 29))
    symbols = np.array(data.draw(st.lists(far, min_size=1, max_size=60)))
    picks = np.array(
        data.draw(
            st.lists(
                st.integers(0, len(tables.edges) - 1),
                min_size=len(symbols),
                max_size=len(symbols),
            )
        )
    )
    string = encoded(symbols, picks, tables)
    found = read_sure(Decoder(string, tables), picks, lambda count: None)
    assert found is not None
    np.testing.assert_array_equal(found, symbols)
    for wrong in (string[:-4], string[:-1], string + b"\0\0\0\0", b""):
        assert read_sure(Decoder(wrong, tables), picks, lambda count: None) is None


def test_theirs_reads_what_the_tests_encoder_writes(models: dict[str, Theirs]) -> None:
    """And so what ours reads of it says something."""
    import importlib

    ans = importlib.import_module("compressai.ans")
    rng = np.random.default_rng(0)
    own = Tables([[0, 9, 1000, 60000, TOTAL], [0, 30000, TOTAL]], [-1, 0])
    symbols, picks = rng.integers(-40, 40, 500), rng.integers(0, 2, 500)
    symbols[:4] = 1 << 20, -(1 << 20), 15, -16
    rows = [[*edges, 0, 0][:5] for edges in own.edges]
    told = picks.tolist(), rows, [5, 3], own.offsets
    string = encoded(symbols, picks, own)
    assert ans.RansEncoder().encode_with_indexes(symbols.tolist(), *told) == string
    assert ans.RansDecoder().decode_with_indexes(string, *told) == symbols.tolist()


def test_doubts_are_tried_few_at_a_time() -> None:
    rng = np.random.default_rng(1)
    own = Tables([[0, 3000, 60000, TOTAL], [0, 9000, 50000, TOTAL]], [-1, -1])
    picks, symbols = rng.integers(0, 2, 400), rng.integers(-1, 2, 400)
    string = encoded(symbols, picks, own)
    places = [7, 100, 101, 250, 399]
    doubts = [(place, int(1 - picks[place])) for place in places]
    for changed in ([100], [7, 250], [100, 101, 399], places):
        wrong = picks.copy()
        wrong[changed] = 1 - wrong[changed]
        assert read_sure(Decoder(string, own), wrong, lambda count: None) is None
        told = [(place, int(1 - wrong[place])) for place in places]
        found = read_doubtful(Decoder(string, own), wrong, told, lambda count: None)
        assert found is not None and found[1] == len(changed)
        np.testing.assert_array_equal(found[0], symbols)
    wrong = picks.copy()
    wrong[50] = 1 - wrong[50]
    assert read_doubtful(Decoder(string, own), wrong, doubts, lambda count: None) is None


# What is refused


@pytest.fixture(scope="module")
def sound(models: dict[str, Theirs], picture: Picture) -> bytes:
    return coded(models["mbt2018-mean"].network, picture(64, 128, 10), "mbt2018-mean")[0]


HEADERS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda data: b"", "0 bytes are less than a header"),
    "a picture": (lambda data: b"\x89PNG\r\n\x1a\n" + data, "its first bytes are no header"),
    "one of ours": (lambda data: b"SLC\x01" + data, "not a stream of CompressAI's"),
    "cut in the header": (lambda data: data[:22], "are less than a header"),
    "cut": (lambda data: data[:-5], "cut short: 5 bytes of string 2 are missing"),
    "cut in a length": (lambda data: data[:24], "cut short"),
    "more": (lambda data: data + b"abc", "3 bytes after its end"),
    "no width": (lambda data: data[:6] + bytes(4) + data[10:], "first bytes are no header"),
    "huge": (lambda data: data[:2] + b"\x7f\xff" + data[4:], "more than [0-9]+ are refused"),
    "another size": (lambda data: data[:5] + b"\x41" + data[6:], "latents of 2x1 are none of"),
    "another shape": (lambda data: data[:14] + b"\x02" + data[15:], "latents of 2x2 are none"),
    "ten bits": (lambda data: data[:10] + b"\x0a" + data[11:], "samples of 10 bits"),
    "no strings": (lambda data: data[:22] + b"\x00" + data[23:], "it has 0 strings"),
    "many strings": (lambda data: data[:19] + b"\xff" * 4 + data[23:], "4,294,967,295 strings"),
    "a long string": (lambda data: data[:23] + b"\xff" * 4 + data[27:], "bytes of string 1"),
    "cheng2020": (lambda data: b"\x06" + data[1:], "cheng2020-attn wrote it; streams of"),
    "a video": (lambda data: b"\x0d" + data[1:], "model 13 wrote it; streams of"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_are_refused(sound: bytes, name: str) -> None:
    change, words = HEADERS[name]
    with pytest.raises(StreamError, match=words) as caught:
        FAMILY.foreign_header(change(sound))
    assert "\n" not in str(caught.value)


def test_every_flipped_bit_is_noticed(
    models: dict[str, Theirs], sound: bytes, monkeypatch: Any
) -> None:
    monkeypatch.setattr(ending, "_MOST_SYMBOLS", 1 << 14)
    rng = np.random.default_rng(0)
    for bit in rng.choice(np.arange(8 * 27, 8 * len(sound)), 40, replace=False):
        data = bytearray(sound)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StreamError):
            read(bytes(data), models["mbt2018-mean"].path)


def test_pictures_that_strings_cannot_hold(models: dict[str, Theirs], sound: bytes) -> None:
    header = sound[:2] + (8192).to_bytes(4, "big") * 2 + sound[10:11]
    header += (128).to_bytes(4, "big") * 2 + sound[19:]
    with pytest.raises(StreamError, match="cannot hold the 8192x8192 pixels"):
        read(header, models["mbt2018-mean"].path)
    with pytest.raises(UsageError, match="GB may be had here"):
        read(header, models["mbt2018-mean"].path, memory=1 << 20)


def test_checkpoints_that_did_not_write_it(
    models: dict[str, Theirs], sound: bytes, picture: Picture, tmp_path: Path
) -> None:
    for architecture in ("bmshj2018-factorized", "bmshj2018-hyperprior"):
        with pytest.raises(StreamError, match=f"wrote it, and the checkpoint is {architecture}"):
            read(sound, models[architecture].path)
    factorized, _ = coded(
        models["bmshj2018-factorized"].network, picture(64, 128, 1), "bmshj2018-factorized"
    )
    with pytest.raises(StreamError, match="it has 1 strings, which a stream of bmshj2018-hyper"):
        read(b"\x02" + factorized[1:], models["bmshj2018-hyperprior"].path)
    for n, m, seed in ((8, 12, 9), (6, 12, 9), (8, 10, 9)):
        other = save(trained("mbt2018-mean", n, m, steps=2, seed=seed), tmp_path / "other.pth")
        with pytest.raises(StreamError, match=r"its (hyper-)?latents (do not )?end"):
            read(sound, other)


BROKEN: dict[str, tuple[str, Callable[[torch.Tensor], torch.Tensor], str]] = {
    "not ascending": ("_quantized_cdf", lambda t: t.flip(1), "does not rise from 0 to 65536"),
    "zeros": ("_quantized_cdf", torch.zeros_like, "does not rise from 0"),
    "too few": ("_quantized_cdf", lambda t: t[1:], "8 are needed, one a row"),
    "too long": ("_cdf_length", lambda t: t + 9999, "table 0 has a length of"),
    "of nothing": ("_cdf_length", torch.zeros_like, "table 0 has a length of 0"),
    "none": ("_offset", lambda t: t[:0], "belong together"),
    "fractions": ("_offset", lambda t: t + 0.5, "what are no whole numbers"),
    "no numbers": ("_offset", lambda t: t * torch.nan, "what are no whole numbers"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_tables_of_a_checkpoint_that_are_none(
    models: dict[str, Theirs], sound: bytes, name: str, tmp_path: Path
) -> None:
    tensor, change, words = BROKEN[name]
    content = torch.load(models["mbt2018-mean"].path, weights_only=True)
    state = content["state_dict"]
    state[f"entropy_bottleneck.{tensor}"] = change(state[f"entropy_bottleneck.{tensor}"])
    torch.save(content, tmp_path / "broken.pth")
    with pytest.raises(CheckpointError, match=words) as caught:
        read(sound, tmp_path / "broken.pth")
    assert str(caught.value).startswith(f"{tmp_path / 'broken.pth'}: ")


def test_steps_of_scales_that_do_not_ascend() -> None:
    name = "gaussian_conditional.scale_table"
    for steps in ([1.0, 1.0], [-1.0, 2.0], [1.0, np.inf], [1.0, np.nan]):
        with pytest.raises(CheckpointError, match="does not ascend"):
            scale_steps({name: np.array(steps, np.float32)})


def test_symbols_beyond_ours(models: dict[str, Theirs], sound: bytes) -> None:
    state = state_of(models["bmshj2018-factorized"].network)
    own = stored_tables(state, "entropy_bottleneck", 12)
    assert own is not None
    symbols = np.zeros(12 * 16, int)
    symbols[5] = 1 << 22
    string = encoded(symbols, np.repeat(np.arange(12), 16), own)
    with pytest.raises(StreamError, match="a symbol of it is 4,194,304"):
        read(packed([string], (4, 4), (64, 64), 0), models["bmshj2018-factorized"].path)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_codecs_that_are_of_another_network(
    models: dict[str, Theirs], picture: Picture, architecture: str
) -> None:
    network, path, _ = models[architecture]
    found = read(coded(network, picture(64, 64, 2), architecture)[0], path)
    for other in ARCHITECTURES:
        if other != architecture:
            with pytest.raises(UsageError, match=f"is no {architecture} with 12 latents"):
                FAMILY.foreign_stream(models[other].codec, found, False)
    with pytest.raises(UsageError, match="is no"):
        FAMILY.foreign_stream(registry.codecs.get("jpeg")(), found, False)
