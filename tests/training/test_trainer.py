"""The loop: a run that was stopped and resumed is the run that was not."""

from __future__ import annotations

import copy
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec import registry
from slimcodec.codecs.family import Coded, Fitted
from slimcodec.codecs.hific.config import HificConfig
from slimcodec.codecs.settled import settle_as
from slimcodec.errors import TrainingError, UnknownNameError, UsageError
from slimcodec.images import read_image, write_image
from slimcodec.library import load_model
from slimcodec.model_file import NATURAL, Model, freeze_network, thaw_network
from slimcodec.quantization.simulation import plain_state
from slimcodec.runtime import open_codec
from slimcodec.training import (
    Progress,
    Schedule,
    Trained,
    Trainer,
    TrainingConfig,
    train,
    trainer,
)
from slimcodec.training import run as run_module
from slimcodec.training.data import Crops
from slimcodec.training.step import average_weights
from slimcodec.types import Image

Run = Callable[..., Trained]


FAMILIES: dict[str, dict[str, Any]] = {
    "hific": {"linear_steps": 2},
    "toderici": {
        "family": "toderici",
        "linear_steps": 0,
        "objective": {"name": "progressive", "window": 2},
    },
    "restore": {"family": "restore", "linear_steps": 0, "objective": {"name": "restoration"}},
    "compact": {
        "family": "compact",
        "linear_steps": 0,
        "objective": {"name": "compaction", "inners": ["jpeg"]},
    },
    "vq": {"family": "vq", "linear_steps": 0},
    "compressai": {"family": "compressai", "linear_steps": 0},
}
"""What a run of each family is told."""
each_family = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name == "toderici" else ()) for name in FAMILIES],
)


@pytest.fixture
def run(
    photos: list[Path], tiny_models: dict[str, Model], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Trained]:
    """``run(out, steps, **settings)`` trains a tiny network, hific's when not told; the last
    photograph is held out."""
    for name, model in tiny_models.items():
        family = registry.families.get(name)
        shape = family.config(model.config)
        monkeypatch.setattr(family, "preset", lambda name, shape=shape: shape)
    monkeypatch.setattr(run_module, "PCA_BLOCKS", 600)
    monkeypatch.setattr(registry.families.get("vq"), "fitted_pixels", 1 << 15)

    def go(out: Path, steps: int, resume: bool = False, **more: Any) -> Trained:
        names = TrainingConfig.__dataclass_fields__
        settings = {name: more.pop(name) for name in list(more) if name in names}
        values: dict[str, Any] = {
            **FAMILIES["hific"],
            "steps": steps,
            "batch": 2,
            "crop": 128,
            "warmup_steps": 2,
            "anneal_from": 1.0,
            "precision": "32-true",
            "holdout": [photos[-1].name],
        }
        config = TrainingConfig.from_dict({**values, **settings}, "test")
        return train(config, photos, out, resume=resume, **more)

    return go


def state_of(trained: Trained) -> dict[str, torch.Tensor]:
    return dict(trained.network.state_dict())


@each_family
def test_a_resumed_run_gives_the_same_weights(run: Run, tmp_path: Path, name: str) -> None:
    settings, parts = FAMILIES[name], registry.families.get(name).parts
    whole = run(tmp_path / "whole", 6, **settings)
    run(tmp_path / "parts", 3, **settings)
    resumed = run(tmp_path / "parts", 6, resume=True, **settings)
    assert whole.step == resumed.step == 6
    one, other = state_of(whole), state_of(resumed)
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=1e-5, atol=1e-5)
    # The raw weights too, which go on from where they were; the average alone could hide a jump.
    states = [
        torch.load(tmp_path / folder / "state.ckpt", weights_only=True)["network"]
        for folder in ("whole", "parts")
    ]
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-5, atol=1e-5)
    # And it is not that nothing moved.
    start = state_of(run(tmp_path / "none", 6, minutes=0, **settings))
    moved = [name for name in one if not torch.allclose(one[name], start[name], atol=1e-6)]
    assert {name.split(".")[0] for name in moved} >= set(parts)


@each_family
def test_a_killed_run_goes_on_from_its_state(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What was done since the state was written is done again, on the same crops."""
    settings = FAMILIES[name]
    drawn: list[int] = []
    batch = Crops.batch

    def watched(self: Any, start: int, count: int) -> Any:
        drawn.append(start)
        return batch(self, start, count)

    def kill(progress: Progress) -> None:
        if progress.step == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Crops, "batch", watched)
    whole = run(tmp_path / "whole", 5, **settings)
    assert drawn[-5:] == [0, 2, 4, 6, 8]
    run(tmp_path / "killed", 2, **settings)
    with pytest.raises(KeyboardInterrupt):
        run(
            tmp_path / "killed",
            5,
            resume=True,
            on_progress=kill,
            validate_minutes=0.0,
            checkpoint_minutes=1e6,
            **settings,
        )
    drawn.clear()
    resumed = run(tmp_path / "killed", 5, resume=True, **settings)
    assert drawn == [4, 6, 8]
    assert resumed.step == 5
    for key, tensor in state_of(whole).items():
        torch.testing.assert_close(state_of(resumed)[key], tensor, rtol=1e-5, atol=1e-5)


@each_family
def test_what_comes_out_is_a_codec(
    run: Run, tmp_path: Path, picture: Callable[..., Image], name: str
) -> None:
    seen: list[Progress] = []
    trained = run(tmp_path, 2, on_progress=seen.append, **FAMILIES[name])
    fitting = [progress for progress in seen if progress.before == "fitting"]
    assert bool(fitting) == isinstance(registry.families.get(name), Fitted)
    seen = seen[len(fitting) :]
    assert [progress.step for progress in seen] == [2]
    assert seen[0].last_step == 2
    assert seen[0].loss > 0
    own = isinstance(registry.families.get(name), Coded)
    assert (0 < seen[0].bpp < 50) if own else seen[0].bpp == 0
    assert all(0 < bpp < 50 and 5 < psnr_db < 60 for bpp, psnr_db in trained.validation)
    assert [bpp for bpp, _ in trained.validation] == sorted(bpp for bpp, _ in trained.validation)
    assert not trained.network.training
    codec = open_codec(freeze_network(trained.network, name="new", family=name))
    assert len(trained.validation) == (len(codec.qualities) if own else 6)
    image = picture(70, 50)
    assert codec.decode(codec.encode(image)).shape == image.shape


def test_no_steps_are_for_what_is_fitted(run: Run, tmp_path: Path) -> None:
    trained = run(tmp_path / "vq", 0, **FAMILIES["vq"])
    assert trained.step == 0 and trained.train_seconds > 0
    assert trained.objective == registry.families.get("vq").fitted_by
    assert trained.validation
    with pytest.raises(UsageError, match="steps must be above 0, got 0: hific is trained by"):
        run(tmp_path / "hific", 0)


def test_whoever_waits_gets_each_saved_average(run: Run, tmp_path: Path) -> None:
    """A network of its own: it stays as it was while the run goes on, and asking changes no run."""
    saved: list[tuple[Trained, dict[str, torch.Tensor]]] = []

    def keep(trained: Trained) -> None:
        saved.append((trained, {k: v.clone() for k, v in state_of(trained).items()}))

    trained = run(tmp_path / "told", 3, on_saved=keep, checkpoint_minutes=1e-9)
    assert [each.step for each, _ in saved] == [1, 2, 3, 3]
    for each, then in saved:
        assert not each.network.training
        assert all(torch.equal(state_of(each)[name], then[name]) for name in then)
    assert any(not torch.equal(saved[0][1][name], saved[1][1][name]) for name in saved[0][1])
    alone = state_of(run(tmp_path / "alone", 3))
    for last in (saved[-1][1], alone):
        assert all(torch.equal(state_of(trained)[name], last[name]) for name in alone)


def test_no_time_only_loads(run: Run, tmp_path: Path) -> None:
    trained = run(tmp_path, 3)
    before = (tmp_path / "state.ckpt").read_bytes()
    loaded = run(tmp_path, 6, resume=True, minutes=0)
    assert loaded.step == 3
    assert (tmp_path / "state.ckpt").read_bytes() == before
    for name, tensor in state_of(trained).items():
        assert torch.equal(state_of(loaded)[name], tensor)


def test_weights_from_before_a_context(run: Run, tiny_network: Any, tmp_path: Path) -> None:
    """They are taken, and the context says nothing yet; half a context is another network's."""
    state = tiny_network.state_dict()
    context = [name for name in state if name.startswith("probability.context.")]
    older = {name: tensor for name, tensor in state.items() if name not in context}
    trained = run(tmp_path, 3, init=older, minutes=0)
    for name, tensor in trained.network.state_dict().items():
        if name not in context:
            assert torch.equal(tensor, state[name]), name
        elif "out." in name:
            assert not tensor.any(), name
    with pytest.raises(TrainingError, match="weights of another network"):
        run(tmp_path, 3, init={**older, context[0]: state[context[0]]}, minutes=0)


def test_initial_weights(run: Run, tiny_network: Any, make_network: Any, tmp_path: Path) -> None:
    given = tiny_network.state_dict()
    trained = run(tmp_path, 3, init=given, minutes=0)
    assert all(torch.equal(given[name], tensor) for name, tensor in state_of(trained).items())
    assert not (tmp_path / "state.ckpt").exists()
    wrong = {name: tensor[:1] for name, tensor in given.items()}
    with pytest.raises(TrainingError, match="the initial weights: weights of another network"):
        run(tmp_path, 3, init=wrong)


def test_a_part_of_another_shape(run: Run, tiny_network: Any, tmp_path: Path) -> None:
    """What fits of the weights is taken, the rest begins as from nothing, and learns."""
    given = tiny_network.state_dict()
    settings: dict[str, Any] = {
        "shape": {"block": "gated", "residual_blocks": 1, "trunk_width": 16},
        "parts": ["generator"],
    }
    with pytest.raises(TrainingError, match="the initial weights: weights of another network"):
        run(tmp_path, 3, init=given, **settings)
    with pytest.raises(UsageError, match="reshaped is of weights that a run starts from"):
        run(tmp_path, 3, reshaped=["generator"], **settings)
    with pytest.raises(UnknownNameError, match="unknown part 'generater'; did you mean generator"):
        run(tmp_path, 3, init=given, **{**settings, "parts": []}, reshaped=["generater"])
    settings["reshaped"] = ["generator"]
    begun = state_of(run(tmp_path, 3, init=given, minutes=0, **settings))
    fits = [
        name for name, value in begun.items() if given.get(name, value[:0]).shape == value.shape
    ]
    assert all(torch.equal(begun[name], given[name]) for name in fits)
    assert {"generator.linear.weight", "generator.latent_scale", "encoder.head.weight"} <= set(fits)
    new = set(begun) - set(fits)
    assert {"generator.head.weight", "generator.trunk.0.gate.weight"} <= new
    assert all(name.startswith("generator.") for name in new)
    assert not begun["generator.trunk.0.mix.weight"].any()
    learned = state_of(run(tmp_path, 2, init=given, **settings))
    resumed = state_of(run(tmp_path, 2, resume=True, **settings))
    assert all(torch.equal(value, resumed[name]) for name, value in learned.items())
    moved = {name for name, value in learned.items() if not torch.equal(value, begun[name])}
    assert "generator.head.weight" in moved
    assert all(name.startswith("generator.") for name in moved)


def test_lessons_that_are_kept(run: Run, tiny_network: Any, tmp_path: Path) -> None:
    """They are made once, before the first step, and a resumed run finds them."""
    seen: list[Progress] = []
    settings: dict[str, Any] = {
        "init": tiny_network.state_dict(), "teacher": copy.deepcopy(tiny_network),
        "parts": ["generator"], "objective": {"name": "distillation"}, "kept_crops": 4,
        "on_progress": seen.append,
    }  # fmt: skip
    whole = run(tmp_path / "whole", 3, **settings)
    (kept,) = (tmp_path / "whole").glob("lessons-*.npy")
    assert len(np.load(kept, mmap_mode="r")) == 4
    asked = [progress for progress in seen if progress.before == "asking the teacher"]
    assert [progress.step for progress in asked] == [0, 4]
    run(tmp_path / "parts", 1, **settings)
    seen.clear()
    resumed = run(tmp_path / "parts", 3, resume=True, **settings)
    assert not any(progress.before for progress in seen)
    run(tmp_path / "none", 3, minutes=0, **settings)
    assert not list((tmp_path / "none").glob("*.npy"))
    with pytest.raises(UsageError, match="kept_crops must be 3 or more, one lesson for each"):
        run(tmp_path / "few", 3, **{**settings, "kept_crops": 2})
    assert all(torch.equal(v, state_of(resumed)[k]) for k, v in state_of(whole).items())


def test_trained_networks_take_part_from_the_first_step(
    run: Run, tiny_network: Any, tmp_path: Path
) -> None:
    """The first steps without networks are for a new codec, resumed or not; not for this one."""
    given = tiny_network.state_dict()
    name = "generator.stages.0.conv.weight"
    first = state_of(run(tmp_path / "new", 1))[name]
    assert torch.equal(first, state_of(run(tmp_path / "new", 2, resume=True))[name])
    first = state_of(run(tmp_path / "trained", 1, init=given))[name]
    assert not torch.equal(first, given[name])
    assert not torch.equal(first, state_of(run(tmp_path / "trained", 2, resume=True))[name])


# A part alone


def test_the_bit_model_alone(
    run: Run, tiny_models: dict[str, Model], photos: list[Path], tmp_path: Path
) -> None:
    """Nothing else moves, so the pictures stay as they are while the bits fall."""
    settled = thaw_network(tiny_models["toderici"])
    network = registry.families.get("toderici").build(settled.config).eval()
    network.load_state_dict(plain_state(settled))
    given = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    settings = {**FAMILIES["toderici"], "parts": ["probability"]}
    settings["objective"] = {"name": "progressive", "window": 2, "iterations": 2}
    trained = run(tmp_path, 25, init=given, learning_rate=3e-3, **settings)
    raw = torch.load(tmp_path / "state.ckpt", weights_only=True)["network"]
    for state in (state_of(trained), raw):
        for name, tensor in given.items():
            if not name.startswith("probability."):
                assert torch.equal(state[name], tensor), name

    pixels = read_image(photos[0]).pixels[:128, :192].transpose(2, 0, 1)
    image = torch.from_numpy(pixels.copy())[None].float() / 255
    written: list[int] = []
    network.binarizer.register_forward_hook(
        lambda module, inputs, code: written.append(int(code.count_nonzero()))
    )
    with torch.no_grad():
        before = network(image, 0, 2)
        network.load_state_dict(raw)
        after = network(image, 0, 2)
    assert torch.equal(after.residuals, before.residuals)
    assert torch.equal(after.errors, before.errors)
    assert written[:2] == written[2:]
    assert all(16 * 8 * 12 < count < 32 * 8 * 12 for count in written)
    tosses = torch.tensor(written[:2], dtype=torch.float32)[:, None]
    torch.testing.assert_close(before.bits, tosses)  # each bit is one before any training
    assert (after.bits < 0.97 * before.bits).all()


def test_a_natural_look(
    run: Run,
    tiny_model: Model,
    lpips_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A generator learns beside an adversary; killed and resumed, both go on from where they were,
    and what comes out reads the streams of what it started from."""
    monkeypatch.setenv("SLIMCODEC_LPIPS_WEIGHTS", str(lpips_weights))
    given = {name: torch.from_numpy(array) for name, array in tiny_model.weights.items()}
    settings: dict[str, Any] = {
        "objective": {"name": "perception", "lpips_weight": 1.0},
        "parts": ["generator"],
        "linear_steps": 0,
        "init": given,
    }
    whole = run(tmp_path / "whole", 4, **settings)
    run(tmp_path / "parts", 2, **settings)
    resumed = run(tmp_path / "parts", 4, resume=True, **settings)
    for name, tensor in state_of(whole).items():
        torch.testing.assert_close(state_of(resumed)[name], tensor, rtol=1e-4, atol=1e-5)
        if not name.startswith("generator."):
            assert torch.equal(tensor, given[name]), name
    assert not torch.equal(state_of(whole)["generator.head.weight"], given["generator.head.weight"])
    states = [
        torch.load(tmp_path / folder / "state.ckpt", weights_only=True)["adversary"]
        for folder in ("whole", "parts")
    ]
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-3, atol=1e-4)
    assert "adversarial" in whole.objective
    settle_as(whole.network, registry.families.get("hific"), tiny_model.quantization)
    made = freeze_network(whole.network, name="natural", family="hific", look=NATURAL)
    assert made.stream_id == tiny_model.stream_id


def test_a_clock_ends_a_stretch(run: Run, tmp_path: Path) -> None:
    """At once here: the first step takes longer than a millionth of a minute. A stretch that
    begins later has a clock of its own; the same one, resumed, has none left."""
    assert run(tmp_path, 1000, anneal_minutes=1e-6).step == 1
    assert run(tmp_path, 1000, anneal_minutes=1e-6, resume=True).step == 1
    later = run(tmp_path, 1000, anneal_minutes=1e-6, first_step=1, resume=True)
    assert later.step == 2
    assert later.train_seconds > 0


def test_a_run_ends_by_a_time_however_late_it_begins(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Annealed: its rate comes down as that time comes near. By a clock that moves when asked."""
    factors: list[float] = []
    factor = TrainingConfig.learning_rate_factor

    def told(self: TrainingConfig, step: int, seconds: float = 0.0) -> float:
        factors.append(factor(self, step, seconds))
        return factors[-1]

    asked = count()
    clock = SimpleNamespace(monotonic=lambda: 0.25 * next(asked))
    monkeypatch.setattr(TrainingConfig, "learning_rate_factor", told)
    monkeypatch.setattr(trainer, "time", clock)
    trained = run(tmp_path / "a", 10**6, anneal_by=5.0, anneal_minutes=60.0, anneal_from=0.0)
    assert 2 < trained.step < 30
    assert 4 <= trained.train_seconds <= 6
    assert factors[-1] < 0.5 < max(factors)
    late = run(tmp_path / "b", 10**6, anneal_by=clock.monotonic() - 1)
    assert late.step == 1


def test_a_state_from_before_clocks(run: Run, tmp_path: Path) -> None:
    """Its hours stay, and it goes on."""
    run(tmp_path, 2)
    state = torch.load(tmp_path / "state.ckpt", weights_only=True)
    for key in ("first_step", "stretch_s", "spent_s", "watch"):
        del state[key]
    torch.save({**state, "seconds": 7200.0}, tmp_path / "state.ckpt")
    trained = run(tmp_path, 3, resume=True)
    assert trained.step == 3
    assert trained.train_seconds > 7200
    assert "not recorded (2.00 h)" in trained.hardware


def test_processes_share_the_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a batch for each, step by step, every sample goes to one of them."""
    seen: list[tuple[int, range]] = []

    def stop(crops: Any, starts: range, count: int, workers: int) -> Any:
        seen.append((count, starts))
        return iter(())

    monkeypatch.setattr(trainer, "batches", stop)
    for rank in range(3):
        share = SimpleNamespace(
            world_size=3, global_rank=rank, device=torch.device("cpu"), broadcast=lambda x: x
        )
        here = SimpleNamespace(
            schedule=Schedule(batch=2), fabric=share, step=5, data=SimpleNamespace(samples=None)
        )
        list(Trainer._batches(here, 9))  # type: ignore[arg-type]
    samples = [i + j for count, starts in seen for i in starts for j in range(count)]
    assert sorted(samples) == list(range(5 * 6, 9 * 6))


def test_a_gradient_that_is_not_finite(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its loss was good, the weights after it are not: they are not saved."""
    run(tmp_path, 2)
    before = (tmp_path / "state.ckpt").read_bytes()
    update = torch.optim.Adam.step

    def poisoned(self: Any, *args: Any, **more: Any) -> Any:
        out = update(self, *args, **more)
        with torch.no_grad():
            self.param_groups[0]["params"][0].fill_(float("nan"))
        return out

    monkeypatch.setattr(torch.optim.Adam, "step", poisoned)
    with pytest.raises(TrainingError, match="the weights are not finite after step 2"):
        run(tmp_path, 3, resume=True)
    assert (tmp_path / "state.ckpt").read_bytes() == before


def test_a_part_that_there_is_not(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"part 'probabilty'.*probability") as error:
        run(tmp_path, 2, parts=["probabilty"], **FAMILIES["toderici"])
    assert "\n" not in str(error.value)
    with pytest.raises(UnknownNameError, match="binarizer"):
        run(tmp_path, 2, parts=["binarizer"])


def test_a_progressive_codec_learns_to_look_well(
    run: Run, lpips_weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By every measure there is, the rate among them; what it went by stands in its history."""
    monkeypatch.setenv("SLIMCODEC_LPIPS_WEIGHTS", str(lpips_weights))
    settings: dict[str, Any] = {
        **FAMILIES["toderici"],
        "objective": {
            "name": "progressive",
            "window": 4,
            "absolute_weight": 0.02,
            "lpips_weight": 0.002,
            "rate_weight": 0.5,
        },
    }
    trained = run(tmp_path, 3, **settings)
    for words in ("mean absolute error", "LPIPS", "the codec sees 0.5", "windows of 4 of 5"):
        assert words in trained.objective
    start = state_of(run(tmp_path / "none", 3, minutes=0, **settings))
    for name in ("decoder.filter.layers.0.weight", "encoder.stem.weight", "decoder.linear.weight"):
        assert not torch.equal(state_of(trained)[name], start[name])


def test_a_linear_stage_of_a_progressive_codec(run: Run, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="set linear_steps = 0"):
        run(tmp_path, 2, **{**FAMILIES["toderici"], "linear_steps": 1})


# What goes wrong


def test_a_loss_that_is_not_finite(run: Run, tmp_path: Path) -> None:
    """A huge learning rate does it in one step; the state of before stays and is good."""
    run(tmp_path, 3)
    state = tmp_path / "state.ckpt"
    before = state.read_bytes()
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step [45]") as error:
        run(tmp_path, 8, resume=True, learning_rate=10.0)
    assert f"the last good state is kept in {state}" in str(error.value)
    assert state.read_bytes() == before
    assert run(tmp_path, 5, resume=True).step == 5


def test_a_loss_that_is_not_finite_before_there_is_a_state(run: Run, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step [12]") as error:
        run(tmp_path, 8, learning_rate=10.0)
    assert not (tmp_path / "state.ckpt").exists()
    assert "state" not in str(error.value)
    assert "lower learning_rate" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not a torch file", b"PK\x03\x04" + bytes(100)])
def test_a_damaged_state(run: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.ckpt").write_bytes(content)
    with pytest.raises(TrainingError, match=r"state\.ckpt cannot be resumed from .* remove it"):
        run(tmp_path, 3, resume=True)


def test_a_state_of_something_else(run: Run, tmp_path: Path) -> None:
    torch.save({"network": {}}, tmp_path / "state.ckpt")
    with pytest.raises(TrainingError, match=r"state\.ckpt cannot be resumed from"):
        run(tmp_path, 3, resume=True)
    torch.save([1, 2], tmp_path / "state.ckpt")
    with pytest.raises(TrainingError, match=r"state\.ckpt cannot be resumed from"):
        run(tmp_path, 3, resume=True)


def test_a_state_of_another_network(
    run: Run, tiny_config: HificConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, 1)
    wider = replace(tiny_config, trunk_width=16)
    monkeypatch.setattr(registry.families.get("hific"), "preset", lambda name: wider)
    with pytest.raises(TrainingError, match="weights of another network"):
        run(tmp_path, 3, resume=True)


def test_photographs_too_small(
    run: Run, photos: list[Path], tmp_path: Path, picture: Callable[..., Image]
) -> None:
    """Known before the first step, not after the first quarter of an hour."""
    write_image(tmp_path / "small.png", picture(120, 300))
    config = TrainingConfig.from_dict({"crop": 128, "steps": 2, "holdout": ["small.png"]}, "test")
    with pytest.raises(TrainingError, match=r"small\.png is 300x120, .* validate") as error:
        train(config, [*photos, tmp_path / "small.png"], tmp_path / "out")
    assert "\n" not in str(error.value)


def test_nothing_to_train_on(run: Run, photos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no photographs to train on"):
        run(tmp_path, 3, holdout=[path.name for path in photos])


def test_an_average_moves_towards_the_weights() -> None:
    network = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, -3.0]]))
    average = {"weight": torch.zeros(1, 2)}
    average_weights(average, network, 0.75)
    assert average["weight"].tolist() == [[0.25, -0.75]]


# Several processes


@pytest.mark.slow
def test_two_processes_train_one_network(photos: list[Path], tmp_path: Path) -> None:
    """By the command, as a user would. The first of them sees the very crop that it would see
    alone, so where its weights move otherwise, the other's gradient was in it."""
    config = tmp_path / "run.toml"
    config.write_text('steps = 1\nbatch = 1\ncrop = 128\nwarmup_steps = 1\nprecision = "32-true"\n')
    given, moved = load_model("hific-s").weights, []
    for devices in ("1", "2"):
        out = tmp_path / devices
        words = ["--images", str(photos[0].parent), "--out", str(out), "--devices", devices]
        command = [sys.executable, "-m", "slimcodec", "train", str(config), *words]
        done = subprocess.run(
            [*command, "--threads", "1", "--init", "hific-s"],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("after 1 steps") == 1  # one of them writes
        state = torch.load(out / "state.ckpt", weights_only=True)
        assert state["step"] == 1
        name = "generator.head.weight"
        moved.append(state["network"][name].numpy() - given[name])
    assert "2 x " in (tmp_path / "2" / "hific-s.md").read_text(encoding="utf-8")
    assert all(0 < np.abs(move).max() < 1e-3 for move in moved)  # Adam's first step: the rate
    other = np.sign(moved[0]) != np.sign(moved[1])
    assert 0.05 < other.mean() < 0.95


def test_a_run_that_was_finished_says_nothing_of_a_loss(run: Run, tmp_path: Path) -> None:
    told: list[Any] = []
    first = run(tmp_path, 2)
    before = (tmp_path / "state.ckpt").read_bytes()
    again = run(tmp_path, 2, resume=True, on_progress=told.append)
    assert told == []
    assert again.step == 2 and again.validation == first.validation
    assert (tmp_path / "state.ckpt").read_bytes() == before


def test_an_interrupted_run_is_saved_behind_its_step(
    run: Run, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Ctrl-C at the beginning of the third step: that one is done, and the run goes on from it."""
    real = Trainer._one_step

    def one_step(self: Trainer, batch: Any) -> Any:
        if self.step == 2:
            signal.raise_signal(signal.SIGINT)
        return real(self, batch)

    # Whoever starts the tests in the background may have it ignored.
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, outside))
    before = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_one_step", one_step)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, 6, linear_steps=0, ema_decay=0.5)
    assert signal.getsignal(signal.SIGINT) is before
    assert torch.load(tmp_path / "state.ckpt", weights_only=True)["step"] == 3
    resumed = run(tmp_path, 6, linear_steps=0, ema_decay=0.5, resume=True)
    alone = run(tmp_path / "alone", 6, linear_steps=0, ema_decay=0.5)
    for name, tensor in state_of(alone).items():
        torch.testing.assert_close(state_of(resumed)[name], tensor)
