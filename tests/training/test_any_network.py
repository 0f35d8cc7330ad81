"""The trainer takes a network as it stands: narrowed, masked, rounding, half frozen, taught, or of
no family at all; and what stands between its parameters and its weights is there afterwards."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from slimcodec.codecs.hific.network import Decoded
from slimcodec.codecs.latents.hyperprior import Likelihoods
from slimcodec.errors import TrainingError
from slimcodec.model_file import Model, freeze_network, load, save, thaw_network
from slimcodec.quantization import ActivationGrid
from slimcodec.quantization.rounding import WeightRounding
from slimcodec.quantization.simulation import (
    InputGrid,
    attach_activations,
    attach_weights,
    convolutions,
    hold_zeros,
    masked,
    output_axis,
    plain_state,
    underneath,
)
from slimcodec.runtime import open_codec
from slimcodec.training import Photographs, Schedule, Trained, Trainer
from slimcodec.training.objectives import (
    DistillationSettings,
    ProgressiveSettings,
    RateDistortionSettings,
)
from slimcodec.types import Image

Train = Callable[..., Trained]


@pytest.fixture
def trained_by(photos: list[Path]) -> Train:
    """``trained_by(network, objective, steps, **more)``: trained in place; the last photograph is
    held out."""
    data = Photographs.of(photos, crop=128, seed=1, holdout=[photos[-1].name])

    def go(network: nn.Module, objective: Any, steps: int, **more: Any) -> Trained:
        schedule = Schedule(
            steps=steps, batch=1, warmup_steps=1, anneal_from=1.0, precision="32-true"
        )
        told = {key: more.pop(key) for key in ("on_saved",) if key in more}
        return Trainer(network, objective, data, schedule, **more).run(**told)

    return go


def rate_distortion(network: Any) -> Any:
    return RateDistortionSettings().build(network.config)


class Prepared(NamedTuple):
    network: Any
    objective: Any


@pytest.fixture
def pruned(tiny_models: dict[str, Model]) -> Prepared:
    """Half of the weights of each convolution, the smallest, are zero and held so; but for layers
    that say nothing yet. Its integer layers round, being settled."""
    network = thaw_network(tiny_models["hific"])
    for layer in convolutions(network).values():
        size = underneath(layer).detach().abs()
        masked(layer, (size > size.median()).float())
    hold_zeros(network)
    return Prepared(network, rate_distortion(network))


@pytest.fixture
def rounding(tiny_models: dict[str, Model]) -> Prepared:
    """Generator and encoder in six bits, their inputs in eight."""
    network = thaw_network(tiny_models["hific"])
    for part in (network.generator, network.encoder):
        for layer in convolutions(part).values():
            axis = output_axis(layer)
            others = [d for d in range(4) if d != axis]
            steps = layer.weight.detach().abs().amax(dim=others) / 31 + 1e-6
            attach_weights(layer, steps, 6, axis)
    names = [f"generator.{name}" for name in convolutions(network.generator)]
    attach_activations(network, {name: ActivationGrid(0.05, 8, -128) for name in names})
    return Prepared(network, rate_distortion(network))


def grids_of(network: nn.Module) -> set[str]:
    """Every parametrization and filled slot, by name and kind."""
    return {
        f"{name} {type(module).__name__}"
        for name, module in network.named_modules()
        if "parametrizations" in name or isinstance(module, InputGrid)
    }


def test_a_narrowed_network(
    make_network_of: Callable[..., Any],
    trained_by: Train,
    picture: Callable[..., Image],
    tmp_path: Path,
) -> None:
    """Of no preset. It is trained where it stands, and comes back from a file as narrow."""
    network = make_network_of("hific", 0, trunk_width=7, generator_widths=(6, 5, 8, 3))
    shape, before = network.config, copy.deepcopy(network.state_dict())
    trained = trained_by(network, rate_distortion(network), 3, folder=tmp_path)
    assert trained.network is network
    assert not network.training
    moved = network.state_dict()
    assert all(not torch.equal(moved[name], before[name]) for name, _ in network.named_parameters())
    assert len(trained.validation) == len(shape.lambdas)
    save(freeze_network(network, name="narrow", family="hific"), tmp_path / "narrow.slim")
    model = load(tmp_path / "narrow.slim")
    assert thaw_network(model).config == shape
    codec, image = open_codec(model), picture(70, 50)
    assert codec.decode(codec.encode(image)).shape == image.shape


def test_a_masked_network_keeps_its_zeros(
    pruned: Prepared, trained_by: Train, tmp_path: Path
) -> None:
    network = pruned.network
    before = {
        name: underneath(layer).detach().clone()
        for name, layer in convolutions(network).items()
        if underneath(layer).any()
    }
    zeros = {name: weight == 0 for name, weight in before.items()}
    assert len(zeros) > 15
    assert all(0.4 < float(where.float().mean()) < 0.9 for where in zeros.values())
    trained = trained_by(network, pruned.objective, 3, folder=tmp_path)
    state = torch.load(tmp_path / "state.ckpt", weights_only=True)
    for name, where in zeros.items():
        layer = convolutions(trained.network)[name]
        assert not layer.weight[where].any(), name
        for kept in (state["network"], state["average"], trained.network.state_dict()):
            assert not kept[f"{name}.parametrizations.weight.original"][where].any(), name
    moved = [n for n, w in before.items() if (underneath(convolutions(network)[n]) != w).any()]
    assert len(moved) > 0.9 * len(before)
    model = freeze_network(trained.network, name="masked", family="hific")
    for name, where in zeros.items():
        assert not model.weights[f"{name}.weight"][where.numpy()].any(), name


def test_a_fake_quantized_network_trains(
    rounding: Prepared, trained_by: Train, tmp_path: Path
) -> None:
    """Weights move underneath and stay on their grids above; what is saved on the way has the same
    grids, and a model file the integers."""
    network: Any = rounding.network
    grids = grids_of(network)
    before = copy.deepcopy(plain_state(network))
    saved: list[Trained] = []
    trained = trained_by(network, rounding.objective, 3, folder=tmp_path, on_saved=saved.append)
    assert trained.network is network
    generator = network.get_submodule("generator")
    for each in (trained.network, saved[-1].network):
        assert grids_of(each) == grids
        assert not each.training
    assert saved[-1].network is not network
    moved = plain_state(network)
    for name, layer in convolutions(generator).items():
        key = f"generator.{name}.weight"
        assert not torch.equal(moved[key], before[key])
        rounded = layer.parametrizations.weight[0]
        assert isinstance(rounded, WeightRounding)
        levels = layer.weight / rounded.steps
        torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-3)
    model = freeze_network(trained.network, name="rounded", family="hific")
    assert model.quantized
    assert {f"generator.{name}.weight" for name in convolutions(generator)} <= set(
        model.quantization.weights
    )


@pytest.mark.parametrize("kind", ["pruned", "rounding"])
def test_a_resumed_run_of_a_prepared_network(
    kind: str, trained_by: Train, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Prepared again as it was, it goes on from the state, and ends where a whole run does."""
    prepared: Prepared = request.getfixturevalue(kind)
    first, again = copy.deepcopy(prepared.network), copy.deepcopy(prepared.network)
    whole = trained_by(prepared.network, prepared.objective, 4, folder=tmp_path / "whole")
    trained_by(first, prepared.objective, 2, folder=tmp_path / "parts")
    resumed = trained_by(again, prepared.objective, 4, folder=tmp_path / "parts", resume=True)
    assert resumed.step == 4
    for name, tensor in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], tensor, rtol=1e-5, atol=1e-5)


def test_a_state_of_a_network_that_was_not_prepared(
    pruned: Prepared, make_network: Callable[[int], Any], trained_by: Train, tmp_path: Path
) -> None:
    plain = make_network(0)
    trained_by(plain, rate_distortion(plain), 1, folder=tmp_path)
    with pytest.raises(TrainingError, match=r"state\.ckpt: weights of another network"):
        trained_by(pruned.network, pruned.objective, 2, folder=tmp_path, resume=True)


def test_parts_that_do_not_learn(make_network_of: Callable[..., Any], trained_by: Train) -> None:
    """Whichever they are; nothing is written without a folder."""
    network = make_network_of("toderici", 0)
    network.decoder.filter.requires_grad_(False)
    network.encoder.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    trained = trained_by(network, ProgressiveSettings(window=2).build(network.config), 2)
    moved = {
        name.split(".")[0]
        for name, tensor in trained.network.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert moved == {"binarizer", "decoder", "probability"} & {n.split(".")[0] for n in before}
    still = {n: p for n, p in before.items() if n.startswith(("decoder.filter.", "encoder."))}
    assert all(torch.equal(trained.network.state_dict()[name], p) for name, p in still.items())
    assert still


def test_a_narrow_pupil_of_a_wide_teacher(
    tiny_network: Any, make_network_of: Callable[..., Any], trained_by: Train
) -> None:
    """It comes nearer to the teacher's pictures; the teacher stays as it was."""
    pupil = make_network_of("hific", 0, trunk_width=7)
    pupil.requires_grad_(False).generator.requires_grad_(True)
    teacher = copy.deepcopy(tiny_network)
    settings = DistillationSettings(teacher_weight=1.0)
    before = copy.deepcopy(pupil.state_dict())
    trained = trained_by(pupil, settings.build(pupil.config, teacher), 3)
    assert "teacher's picture" in trained.objective
    assert all(torch.equal(p, q) for p, q in zip(
        teacher.state_dict().values(), tiny_network.state_dict().values(), strict=True
    ))  # fmt: skip
    for name, tensor in pupil.state_dict().items():
        learns = name in dict(pupil.generator.named_parameters(prefix="generator"))
        assert torch.equal(tensor, before[name]) != learns, name


class Stranger(nn.Module):
    """A network of no family, which knows nothing of linear paths and groups of parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, image: Tensor, quality: Tensor) -> Decoded:
        halves = torch.full((len(image), 1, 1, 64), 0.5)
        return Decoded(self.layer(image), Likelihoods(halves, halves), image)


class Shape(NamedTuple):
    lambdas: tuple[float, ...] = (0.01, 0.04)


def test_a_network_of_no_family(trained_by: Train, photos: list[Path]) -> None:
    network, objective = Stranger(), RateDistortionSettings().build(Shape())
    before = network.layer.weight.detach().clone()
    trained = trained_by(network, objective, 3)
    assert not torch.equal(network.layer.weight, before)
    assert len(trained.validation) == 2
    data = Photographs.of(photos, crop=128, seed=1)
    with pytest.raises(TrainingError, match="no linear path alone; set linear_steps = 0"):
        Trainer(network, objective, data, Schedule(linear_steps=1))
    network.requires_grad_(False)
    with pytest.raises(TrainingError, match="nothing of this network learns"):
        Trainer(network, objective, data, Schedule())


def test_a_switch_is_off_in_whatever_comes_out(
    make_network: Callable[[int], Any], photos: list[Path], tmp_path: Path
) -> None:
    """Its first steps train the linear path alone; what is saved in the midst of them codes with
    all of the network."""
    network, seen, switched = make_network(0), [], []
    forward = network.encoder.forward

    def watched(image: Any, learned: bool) -> Any:
        if network.training:
            switched.append(not learned)
        return forward(image, learned)

    network.encoder.forward = watched
    schedule = Schedule(
        steps=3, linear_steps=2, batch=1, precision="32-true", checkpoint_minutes=1e-9
    )
    data = Photographs.of(photos, crop=128, seed=1)
    trainer = Trainer(network, rate_distortion(network), data, schedule, folder=tmp_path)
    trained = trainer.run(on_saved=lambda each: seen.append(each.network.linear_only))
    assert switched == [True, True, False]
    assert seen == [False] * 4
    assert not trained.network.linear_only
