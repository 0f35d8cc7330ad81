"""CompressAI's own models against ours: all between an image and its picture, and streams."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from slimcodec import registry
from slimcodec.codecs.latents import MeanScaleCodec
from slimcodec.integers import engines
from slimcodec.model_file import Model, freeze_network, thaw_network
from slimcodec.runtime import open_codec
from slimcodec.types import Image
from tests.compressai_oracle import ARCHITECTURES, imported

FAMILY = registry.families.get("compressai")
HYPERPRIORS = [name for name in ARCHITECTURES if "factorized" not in name]

Picture = Callable[..., Image]


class Pair(NamedTuple):
    theirs: Any
    ours: Any
    model: Model


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """Trained for a moment by their classes, saved by their code, and imported."""
    folder, made = tmp_path_factory.mktemp("compressai"), {}
    for number, architecture in enumerate(ARCHITECTURES):
        theirs, _, ours = imported(architecture, folder, number)
        made[architecture] = Pair(
            theirs, ours, freeze_network(ours, name=architecture, family="compressai")
        )
    return made


@pytest.fixture(scope="module")
def image(picture: Picture) -> Image:
    return picture(128, 192, 77)


def tensor(image: Image) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def near(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4 * float(theirs.abs().max()))
    assert theirs.std() > 0


@torch.no_grad()
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_everything_is_what_they_compute(
    pairs: dict[str, Pair], image: Image, architecture: str
) -> None:
    theirs, ours, _ = pairs[architecture]
    assert ours.config.architecture == architecture
    assert (ours.config.encoder_widths, ours.config.latent_channels) == ((8, 8, 8), 12)
    x = tensor(image)
    out, y = theirs(x), theirs.g_a(x)
    near(ours.encoder(x), y)
    near(ours(x).image, out["x_hat"])
    probability = ours.probability
    assert probability.median.abs().max() > 0.01
    if architecture in HYPERPRIORS:
        z = theirs.h_a(y.abs() if architecture == "bmshj2018-hyperprior" else y)
        z_hat, _ = theirs.entropy_bottleneck(z)
        symbols = probability.hyper_latents(y).round()
        near(symbols + probability.median, z_hat)
        made = theirs.h_s(z_hat)
        scales, means = made.chunk(2, 1) if architecture == "mbt2018-mean" else (made, None)
        near(probability.latent_scales(symbols).clamp(min=0.11), scales.clamp(min=0.11))
        if means is not None:
            near(probability.latent_means(symbols), means)
    for own, other in zip(ours(x).likelihoods, out["likelihoods"].values(), strict=True):
        near(own, other)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_streams_decode_to_what_theirs_do(
    pairs: dict[str, Pair], image: Image, architecture: str
) -> None:
    """But for latents that half precision moves across the middle between two integers."""
    theirs, _, model = pairs[architecture]
    codec: Any = open_codec(model)
    stream = codec.encode(image)
    _, (tile,) = codec.read(stream)
    y_hat = codec._tile.dequantize(tile, 0)
    found: dict[str, torch.Tensor] = {}
    theirs.g_s.register_forward_pre_hook(lambda module, given: found.update(y=given[0]))
    with torch.no_grad():
        coded = theirs.compress(tensor(image))
        decoded = theirs.decompress(coded["strings"], coded["shape"])["x_hat"]
    apart = np.abs(y_hat - found["y"][0].numpy()) > 0.05
    assert apart.mean() < 0.01
    far = np.abs(codec.decode(stream) - 255 * decoded[0].permute(1, 2, 0).numpy())
    assert far.mean() < 1


@pytest.mark.parametrize("architecture", HYPERPRIORS)
def test_scales_in_integers_are_those_in_floats(
    pairs: dict[str, Pair], image: Image, architecture: str
) -> None:
    """Medians, leaky rectifiers and the last, ordinary convolution, also at the edges."""
    model = pairs[architecture].model
    network, prior = thaw_network(model), model.coding.prior
    z_hat = np.random.default_rng(0).integers(-3, 4, (8, 3, 5), dtype=np.int32)
    with torch.no_grad():
        wanted = network.probability.latent_scales(torch.from_numpy(z_hat)[None].float())
    low, high = prior.grid.limits
    floats = np.clip(wanted[0].permute(1, 2, 0).numpy() * 1024, low, high)
    ours, _ = prior.outputs(z_hat)
    assert ours.shape == floats.shape == (12, 20, 12)
    # Sums that lie between two levels of a hidden layer may fall on either side.
    apart = np.abs(ours - floats)
    assert apart.max() < 0.03 * floats.max()
    assert (apart <= 2 + 0.01 * np.abs(floats)).mean() > 0.9
    assert len(np.unique(ours)) > 20


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(128, 192), (50, 70), (1, 1)])
def test_every_runtime_reads_every_stream(
    pairs: dict[str, Pair], picture: Picture, architecture: str, shape: tuple[int, int]
) -> None:
    model, drawn = pairs[architecture].model, picture(*shape, 5)
    codecs: list[Any] = [open_codec(model, name) for name in ("torch", "onnx", "openvino")]
    for writer in codecs:
        stream = writer.encode(drawn)
        read = [codec.read(stream)[1] for codec in codecs]
        for tiles in read[1:]:
            for one, other in zip(read[0], tiles, strict=True):
                np.testing.assert_array_equal(one.symbols, other.symbols)
                np.testing.assert_array_equal(one.hyper_latents, other.hyper_latents)
        pictures = [codec.decode(stream).astype(int) for codec in codecs]
        assert pictures[0].shape == drawn.shape
        assert all(np.abs(other - pictures[0]).max() <= 1 for other in pictures[1:])


@torch.no_grad()
@pytest.mark.parametrize("architecture", HYPERPRIORS)
def test_one_scale_in_its_last_bit_breaks_their_decoder_and_not_ours(
    pairs: dict[str, Pair], image: Image, architecture: str
) -> None:
    """Their tables are picked by floats, which differ from machine to machine; ours by integers."""
    theirs, model = copy.deepcopy(pairs[architecture].theirs), pairs[architecture].model
    x = tensor(image)
    conditional, seen = theirs.gaussian_conditional, []
    original = conditional.build_indexes

    def noted(scales: torch.Tensor) -> Any:
        seen.append(scales)
        return original(scales)

    conditional.build_indexes = noted
    theirs.compress(x)
    wide = seen[0].flatten().sort().values
    table = conditional.scale_table.clone()

    def breaks(edge: torch.Tensor) -> bool:
        """Whether a decoder errs for which one scale is one float further than for the encoder,
        and so in the next table."""
        steps = table.clone()
        steps[int((table < edge).sum())] = edge
        conditional.scale_table = steps
        conditional.build_indexes = original
        coded = theirs.compress(x)

        def decoded() -> torch.Tensor:
            picture: torch.Tensor = theirs.decompress(coded["strings"], coded["shape"])["x_hat"]
            return picture

        sound = decoded()
        assert torch.equal(sound, decoded())
        further = torch.nextafter(edge, edge + 1)
        conditional.build_indexes = lambda scales: original(
            torch.where(scales == edge, further, scales)
        )
        return not torch.equal(sound, decoded())

    # A symbol's neighbours in tables may decode alike by luck; of ten scales not all do.
    assert any(breaks(wide[int(share / 10 * len(wide))]) for share in range(9, -1, -1))

    # No float has a say in what ours reads: symbols come out without any graph being run.
    codec: Any = open_codec(model)
    stream = codec.encode(image)
    before = codec.read(stream)[1]
    codec.graphs.clear()
    for one, other in zip(before, codec.read(stream)[1], strict=True):
        np.testing.assert_array_equal(one.symbols, other.symbols)


def test_engines_agree_on_symbols(
    pairs: dict[str, Pair],
) -> None:
    model = pairs["mbt2018-mean"].model
    codec = open_codec(model)
    assert isinstance(codec, MeanScaleCodec)
    z_hat = np.random.default_rng(1).integers(-9, 10, (8, 4, 6), dtype=np.int32)
    prior = codec.coding.prior
    outcomes = []
    for name in engines.ENGINES:
        run = prior.net.on(engines.engine(name))
        outcomes.append(prior._scale.outputs(run, z_hat)[0])
    assert len(outcomes) > 1
    for other in outcomes[1:]:
        np.testing.assert_array_equal(other, outcomes[0])
