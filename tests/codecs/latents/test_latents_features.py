"""Features of the hyperprior that the context sees beside scales: bytes as the torch twin has them,
and everything that is done to a network with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from slimcodec import registry
from slimcodec.codecs import tiles as room
from slimcodec.codecs.latents import QUALITY_STEPS, MeanScaleCodec
from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.hyperprior import Hyperprior
from slimcodec.codecs.latents.nets import Net, NetLayer, Structure
from slimcodec.codecs.latents.prior import LatentPrior, integer_sums
from slimcodec.codecs.latents.scale_net import FEATURES, SEEN_FEATURES
from slimcodec.codecs.latents.scales import OUTPUT_FRACTION, ScaleGrid, Units
from slimcodec.codecs.settled import settle_as
from slimcodec.errors import ModelFileError, StreamError
from slimcodec.integers import engines
from slimcodec.model_file import Model, freeze_network, thaw_network
from slimcodec.quantization import ActivationGrid
from slimcodec.quantization.settling import settle
from slimcodec.quantization.simulation import plain_state, plain_weights, quantization_of
from slimcodec.runtime import open_codec
from slimcodec.training.state import load_weights
from slimcodec.types import Codec, Image
from tests.codecs.latents.large_prior import random_settled
from tests.conftest import let_talk

Picture = Callable[..., Image]

HIFIC = {"context_slices": (4, 8), "context_channels": 12, "context_features": 6}
_UP, _FLAT = NetLayer("transposed", 5, 2), NetLayer("conv", 3)
STRUCTURES = {
    "hific": Structure(),
    "mbt2018-mean": Structure(
        scale=Net((_UP, _UP, _FLAT), 0.01), mean=None, medians=True, latent_units=False
    ),
    "strided at the end": Structure(scale=Net((NetLayer("transposed", 3), _UP, _UP))),
}


@dataclass(frozen=True)
class Config(LatentsConfig):
    own: str = "hific"

    @property
    def structure(self) -> Structure:
        return STRUCTURES[self.own]

    @property
    def stride(self) -> int:
        return 16


class Whole(nn.Module):
    """A network of nothing else."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.probability = Hyperprior(config)


@pytest.fixture(params=STRUCTURES)
def twins(request: pytest.FixtureRequest) -> tuple[Hyperprior, LatentPrior]:
    """Settled on random latents."""
    config = Config(
        latent_channels=12,
        hyper_channels=8,
        context_slices=(4, 8),
        context_channels=10,
        context_features=7,
        own=request.param,
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        network = Whole(config).eval()
        assert network.probability.context is not None
        network.probability.context.reset()
        for name, tensor in network.state_dict().items():
            if name.endswith("weight") and ".scale." in name:
                tensor.mul_(4)
            elif name.endswith("median"):
                tensor.normal_(0, 0.4)

        def run() -> None:
            for _ in range(3):
                network.probability(20 * torch.randn(1, 12, 16, 16), torch.ones(1, 12, 1, 1))

        settle(network, integer_sums(config), run)
    frozen = {
        **ScaleGrid.build(False, np.zeros((1, 12))).to_arrays(),
        **Units.build().to_arrays(),
    }
    prior = LatentPrior(config, plain_weights(network), quantization_of(network), frozen)
    return network.probability, prior


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 3)])
def test_features_are_those_of_the_torch_twin(
    twins: tuple[Hyperprior, LatentPrior], shape: tuple[int, int]
) -> None:
    """Also at the edges, around medians, behind leaky rectifiers, and when they come in phases."""
    probability, prior = twins
    z_hat = np.random.default_rng(1).integers(-6, 7, (8, *shape), dtype=np.int32)
    outputs, features = prior.outputs(z_hat)
    with torch.no_grad():
        scales, wanted = probability.scales_and_features(torch.from_numpy(z_hat)[None].float())
    assert features is not None and wanted is not None and probability.context is not None
    assert features.dtype == np.uint8
    slot: Any = probability.context.features
    step = slot.input_grid.grid.step
    theirs = (wanted[0].permute(1, 2, 0) / step).round().clamp(0, 255).numpy()
    assert features.shape == theirs.shape == (4 * shape[0], 4 * shape[1], 7)
    # Where a hidden sum lies between two levels a float may fall on the other side.
    off = features - theirs
    assert (np.abs(off) <= 1).mean() > 0.98 and abs(off.mean()) < 0.2
    assert len(np.unique(features)) > 10
    low, high = (limit / 2**OUTPUT_FRACTION for limit in prior.grid.limits)
    away = outputs / 2**OUTPUT_FRACTION - np.clip(scales[0].permute(1, 2, 0).numpy(), low, high)
    assert (np.abs(away) < 0.03).mean() > 0.95 and abs(away.mean()) < 0.01


def test_engines_agree(twins: tuple[Hyperprior, LatentPrior]) -> None:
    _, prior = twins
    z_hat = np.random.default_rng(1).integers(-6, 7, (8, 3, 4), dtype=np.int32)
    ours = [prior._scale.outputs(prior.net.on(engines.engine(n)), z_hat) for n in engines.ENGINES]
    assert len(ours) > 1
    for outcome in ours[1:]:
        for one, other in zip(ours[0], outcome, strict=True):
            assert one is not None and other is not None
            np.testing.assert_array_equal(one, other)


def test_the_corner_that_is_wanted() -> None:
    """Scales and features of a position lie in the same row."""
    prior = random_settled(3, 6, 2, (2, 4), features=4).prior()
    z_hat = np.random.default_rng(0).integers(-9, 10, (3, 2, 3), dtype=np.int32)
    whole, features = prior.places_and_features(z_hat, (8, 12), 3, 8)
    part, own = prior.places_and_features(z_hat, (5, 7), 3, 8)
    assert features is not None and own is not None and features.any()
    for all_rows, rows in ((whole, part), (features, own)):
        corner = all_rows.reshape(8, 12, -1)[:5, :7]
        np.testing.assert_array_equal(rows.reshape(5, 7, -1), corner)


def test_they_must_be_made_of_the_bytes_that_scales_are_made_of() -> None:
    one = random_settled(3, 6, 1, (2, 4), features=4)
    grids = {**one.quantization.activations, FEATURES: ActivationGrid(2.0**-7, 8, 0)}
    forged = replace(one, quantization=replace(one.quantization, activations=grids))
    with pytest.raises(ModelFileError, match="not made of the same bytes"):
        forged.prior()


# A whole codec


@pytest.fixture(scope="module")
def model(make_network_of: Callable[..., Any]) -> Model:
    """Whose context has something to say."""
    network = make_network_of("hific", 0, **HIFIC)
    let_talk(network.probability.context)
    return freeze_network(network, name="features", family="hific")


@pytest.fixture(scope="module")
def codec(model: Model) -> MeanScaleCodec:
    found = open_codec(model)
    assert isinstance(found, MeanScaleCodec)
    return found


def tables_of(codec: Codec, image: Image) -> np.ndarray:
    """In the order of coding."""
    assert isinstance(codec, MeanScaleCodec)
    groups = codec.analyse(image, QUALITY_STEPS)[0].coded
    return np.concatenate([tables.ravel() for _, tables in groups])


@pytest.mark.parametrize(
    ("name", "factor"),
    [(f"{SEEN_FEATURES}.weight", 0.5), (f"{FEATURES}.weight", 0.5), (f"{FEATURES}.bias", 0.0)],
)
def test_they_matter_and_are_in_the_identity(
    model: Model, codec: MeanScaleCodec, picture: Picture, name: str, factor: float
) -> None:
    network = thaw_network(model)
    with torch.no_grad():
        tensor = plain_state(network)[name]
        tensor.mul_(factor).add_(0.1 if name.endswith("bias") else 0.0)
    other = freeze_network(network, name="features", family="hific")
    assert other.stream_id != model.stream_id
    image = picture(128, 192)
    ours, theirs = (tables_of(each, image) for each in (codec, open_codec(other)))
    assert (ours != theirs).mean() > 0.01


def test_settled_once_stays_settled(model: Model) -> None:
    network = thaw_network(model)
    again = freeze_network(network, name=model.name, family="hific", history=model.history)
    assert (again.stream_id, again.digest) == (model.stream_id, model.digest)
    assert model.config["context_features"] == 6
    grids = quantization_of(network).activations
    assert grids[FEATURES] == grids["probability.scale.layers.2"]


def test_one_sum_makes_the_base(model: Model) -> None:
    """So steps of weights times steps of what they see are those of the scales'."""
    found = quantization_of(thaw_network(model))
    one, other = (
        found.weights[f"{name}.weight"].steps.astype(np.float64) * found.activations[name].step
        for name in ("probability.context.hyper", SEEN_FEATURES)
    )
    np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("shape", [(17, 129), (330, 490)])
def test_tiles_and_odd_sides(
    codec: MeanScaleCodec, picture: Picture, monkeypatch: pytest.MonkeyPatch, shape: Any
) -> None:
    monkeypatch.setattr(room, "TILE", 8)
    monkeypatch.setattr(room, "WHOLE", 40_000)
    image = picture(*shape)
    wrote = codec.analyse(image, 2 * QUALITY_STEPS)
    stream = codec.encode(image, 3)
    _, read = codec.read(stream)
    assert len(wrote) == len(read) == (1 if shape[0] < 100 else 12)
    for one, other in zip(wrote, read, strict=True):
        np.testing.assert_array_equal(one.symbols, other.symbols)
    assert codec.decode(stream).shape == image.shape
    with pytest.raises(StreamError):
        codec.decode(stream[:-9])


def test_nets_learn_through_them(make_network_of: Callable[..., Any]) -> None:
    """What the scale net's activations are worth to the context reaches them; scales' own way into
    the context stays closed."""
    network = make_network_of("hific", 0, **HIFIC)
    let_talk(network.probability.context)
    probability = network.probability
    z_hat = torch.randint(-4, 5, (1, 8, 2, 3), generator=torch.Generator().manual_seed(0)).float()
    scale, features = probability.scales_and_features(z_hat)
    symbols = torch.randint(-3, 4, scale.shape, generator=torch.Generator().manual_seed(1)).float()
    shift, _ = probability.context(symbols, scale, features)
    shift.square().sum().backward()
    for name in ("features", "scale.layers.0", "scale.layers.1", "context.features"):
        assert probability.get_submodule(name).weight.grad.any(), name
    assert probability.scale.layers[2].weight.grad is None


def test_a_new_one_says_nothing_yet(make_network_of: Callable[..., Any]) -> None:
    """Beginning as other layers do, though nothing that they make reaches a symbol at first."""
    probability = make_network_of("hific", 0, **HIFIC).probability
    spread = probability.scale.layers[2].weight.std().item()
    for own in (probability.features, probability.context.features):
        assert own.weight.std() > 0.05
    assert probability.features.weight.shape == (8, 6, 3, 3)
    assert not probability.features.bias.any() and probability.context.features.bias is None
    assert probability.features.weight.std().item() == pytest.approx(spread, rel=0.3)
    z_hat = torch.ones(1, 8, 2, 2)
    scale, features = probability.scales_and_features(z_hat)
    assert features.min() == 0 < features.max()
    shift, same = probability.context(torch.ones_like(scale), scale, features)
    assert not shift.any()
    torch.testing.assert_close(same, scale)


def test_a_network_that_has_learned_gets_them(make_network_of: Callable[..., Any]) -> None:
    """And says what it said, until it learns more. Grids that it has stay."""
    shape = {"context_slices": (4, 8), "context_channels": 12}
    before = make_network_of("hific", 0, **shape)
    let_talk(before.probability.context)
    before = thaw_network(freeze_network(before, name="before", family="hific"))
    after = make_network_of("hific", 1, **shape, context_features=6)
    load_weights(after, plain_state(before), "the test")
    settle_as(after, registry.families.get("hific"), quantization_of(before))
    assert not after.probability.context.features.weight.any()
    assert after.probability.features.weight.std() > 0.05
    x = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for one, other in zip(before(x).likelihoods, after(x).likelihoods, strict=True):
            torch.testing.assert_close(one, other)
    made = freeze_network(after, name="after", family="hific")
    grids, theirs = made.quantization.activations, quantization_of(before).activations
    assert {name: grids[name] for name in theirs} == theirs
    assert grids[FEATURES] == theirs["probability.scale.layers.2"]
    after(x).likelihoods.bits().sum().backward()
    assert after.probability.context.features.weight.grad.any()
