"""The one training loop.

Lightning Fabric places the network and sets the precision; the loop itself is plain: draw crops,
loss, step, moving average. What it needs to go on lies in one file, ``state.ckpt``, written aside
and renamed, so a run can be killed at any moment. Sample order and qualities are functions of
(seed, step), not of a generator's history.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slimcodec import registry
from slimcodec.errors import TrainingError, UnknownNameError
from slimcodec.machine import available_cores, tune_allocator
from slimcodec.training.config import TrainingConfig
from slimcodec.training.data import Crops, batches, sample_blocks
from slimcodec.training.objectives import make_objective
from slimcodec.training.place import hardware, place
from slimcodec.training.state import load_into, load_weights, read_state, write_state
from slimcodec.training.step import Recorded, Step, average_weights
from slimcodec.training.validation import Validation
from slimcodec.training.watch import Progress, Watch, open_scalars, tell

__all__ = ["Trained", "train"]

STATE_FILE = "state.ckpt"
PCA_BLOCKS = 60_000
MOST_WORKERS = 12
"""Processes that cut crops for a GPU."""


@dataclass(frozen=True)
class Trained:
    """The outcome: averaged weights, ready to be frozen into a model file."""

    network: nn.Module
    step: int
    train_seconds: float
    validation: Sequence[tuple[float, float]]
    objective: str
    """What was minimised, in words."""
    history: tuple[Mapping[str, Any], ...]
    """Of the model that the run started from."""
    hardware: str
    """What it was trained on."""
    leads: bool = True
    """Of processes that train together, the one that writes what comes out."""


def train(
    config: TrainingConfig,
    photos: Sequence[Path],
    out: Path,
    *,
    init: Mapping[str, Tensor] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    resume: bool = False,
    minutes: float | None = None,
    anneal_by: float | None = None,
    teacher: nn.Module | None = None,
    devices: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_saved: Callable[[Trained], None] | None = None,
) -> Trained:
    """Train, or go on training, and return the averaged network.

    Args:
        config: the run.
        photos: every photograph at hand; held-out ones are left out by name.
        out: folder of the run's state and scalars; made when missing.
        init: weights to start from instead of nothing.
        history: of those weights; it is kept with the run.
        resume: go on from the state in ``out``.
        minutes: stop, with the state saved, after so long; 0 only loads.
        anneal_by: ``time.monotonic()`` by which the run ends, annealed, however long it took to
            begin; ``anneal_minutes`` is then what is left at the first step.
        teacher: whom a distillation learns from.
        devices: processes that train together, each with ``batch`` crops of its own; every GPU
            there is, or one CPU process, when not given.
        on_progress: called every few seconds.
        on_saved: called whenever the state was written, with averaged weights that are its own.

    Raises:
        TrainingError: on a state that does not fit, an objective that the family does not know, or
            a loss or weight that is no longer finite or a loss that diverges (the last good state
            stays).
        UnknownNameError: on a part that the family does not have.
        MissingExtraError: when something that training needs is not installed.
    """
    tune_allocator()
    run = _Run(config, photos, out, init, tuple(history), resume, devices, teacher)
    run.on_saved, run.anneal_by = on_saved, anneal_by
    return run.go(minutes, on_progress)


class _Run:
    def __init__(
        self,
        config: TrainingConfig,
        photos: Sequence[Path],
        out: Path,
        init: Mapping[str, Tensor] | None,
        history: tuple[Mapping[str, Any], ...],
        resume: bool,
        devices: int | None,
        teacher: nn.Module | None,
    ) -> None:
        self.config, self.out = config, out
        self.on_saved: Callable[[Trained], None] | None = None
        self.anneal_by: float | None = None
        # Everything that can be wrong is found before other processes are started.
        held_out = [path for path in photos if path.name in config.holdout]
        kept = [path for path in photos if path.name not in config.holdout]
        self.crops = Crops(kept, config.crop, config.seed, config.largest_scale)
        self.validation = Validation(held_out)
        self.family = registry.families.get(config.family)
        self.shape = shape = config.network_config(self.family)
        torch.manual_seed(config.seed)
        self.objective = make_objective(self.family.objectives, shape, config, teacher)
        network = self.family.build(shape)
        self.state_path = out / STATE_FILE
        state = read_state(self.state_path) if resume else None
        if state is not None:
            load_weights(network, state["network"], str(self.state_path))
        elif init is not None:
            load_weights(network, init, "the initial weights")
        else:
            count = PCA_BLOCKS * shape.stride**2 // shape.block_size**2  # as many pixels
            blocks = sample_blocks(self.crops, count, shape.block_size)
            self.family.initialise(network, blocks)
        network = network.to(memory_format=torch.channels_last)
        _leave_alone(network, self.family.parts, config.parts)
        self.plain = network
        # Networks that are trained already must not be left out of the first steps.
        self.linear_steps = config.linear_steps if init is None else 0
        self.step, self.stretch_s, self.history = config.first_step, 0.0, history
        self.spent_s: dict[str, float] = {}
        probe = self.objective.draw(config.batch, torch.Generator())
        self.fabric, self.mixed = place(
            config, devices, always_all=not probe.control and not config.linear_steps
        )
        self.hardware = hardware(self.fabric)
        self.watch = Watch(self._advice)
        self._set_up(state)
        self.average = {k: v.detach().clone() for k, v in self.plain.state_dict().items()}
        if state is not None:
            self._go_on_from(state)

    def _go_on_from(self, state: Mapping[str, Any]) -> None:
        self.linear_steps = int(state.get("linear_steps", self.config.linear_steps))
        for name, tensor in state["average"].items():
            if name in self.average:
                self.average[name].copy_(tensor)
        self.step = int(state["step"])
        # A stretch that began elsewhere has its own clock.
        if state.get("first_step") == self.config.first_step:
            self.stretch_s = float(state.get("stretch_s", 0.0))
        before = {"a machine not recorded": float(state["seconds"])}
        self.spent_s = {k: float(v) for k, v in state.get("spent_s", before).items()}
        self.history = tuple(state.get("history", ()))
        if "watch" in state:
            self.watch.go_on_from(state["watch"])

    def _set_up(self, state: Mapping[str, Any] | None) -> None:
        """Network, adversary and their optimizers to where they run, with what a state holds."""
        config, fabric = self.config, self.fabric
        on_gpu = fabric.device.type == "cuda"
        made: dict[str, torch.optim.Optimizer] = {
            "optimizer": torch.optim.Adam(
                self.plain.parameter_groups(config.learning_rate), fused=True, capturable=on_gpu
            )
        }
        self.network, optimizer = fabric.setup(self.plain, made["optimizer"])
        if hasattr(self.plain, "picture"):
            self.network.mark_forward_method("picture")
        adversary, adversary_optimizer = self.objective.adversary, None
        if adversary is not None:
            if state is not None and "adversary" in state:
                load_into(adversary, state["adversary"], str(self.state_path))
            made["adversary_optimizer"] = torch.optim.Adam(
                adversary.parameters(), config.learning_rate, fused=True, capturable=on_gpu
            )
            self.objective.adversary, adversary_optimizer = fabric.setup(
                adversary, made["adversary_optimizer"]
            )
        self.adversary, self.optimizers = adversary, made
        self.objective.to(fabric.device)
        self.base_rates = {
            name: [group["lr"] for group in each.param_groups] for name, each in made.items()
        }
        for name, each in made.items():
            if state is not None and name in state:
                load_into(each, state[name], str(self.state_path))
            for group in each.param_groups:
                group["capturable"] = on_gpu
                # A recorded step reads its rate from where the device keeps it.
                group["lr"] = torch.zeros((), device=fabric.device) if on_gpu else 0.0
        step = Step(
            self.network, self.objective, optimizer, adversary_optimizer,
            fabric=fabric, mixed=self.mixed, clip_norm=config.clip_norm,
        )  # fmt: skip
        alone = on_gpu and fabric.world_size == 1 and config.record_steps
        self.one_step: Step | Recorded = Recorded(step) if alone else step

    def go(self, minutes: float | None, on_progress: Callable[[Progress], None]) -> Trained:
        config = self.config
        last_step = config.first_step + config.steps
        leads = not self.fabric.global_rank
        writer = open_scalars(self.out / "tensorboard") if leads else None
        self._tell = partial(tell, writer, on_progress if leads else lambda progress: None)
        self.plain.train()
        started = shown = saved = validated = ticked = 0.0
        for pixels in self._batches(last_step) if minutes != 0 else ():
            if not started:  # photographs were decoded, loaders have begun
                self.watch.start()
                started = shown = saved = validated = ticked = time.monotonic()
                if self.anneal_by is not None:
                    left = max(self.anneal_by - started, 1e-3)  # 0 would be no clock at all
                    left = self.fabric.broadcast(left + self.stretch_s)  # one rate for all
                    self.config = config = replace(config, anneal_minutes=left / 60)
            over = minutes is not None and ticked - started >= 60 * minutes
            if self._agreed(over or config.done(self.step, self.stretch_s) >= 1):
                break
            self.watch.add(self.step, self._one_step(pixels))
            self.step += 1
            now = time.monotonic()
            self._spend(now - ticked)
            ticked = now
            if now - saved >= 60 * config.checkpoint_minutes:
                self._write_state()
                saved = time.monotonic()
            if now - validated >= 60 * config.validate_minutes:
                self._tell(self._report(last_step, self._points()))
                shown = validated = time.monotonic()
            elif now - shown >= 5:
                self._tell(self._report(last_step))
                shown = now
        validation: Sequence[tuple[float, float]] = ()
        if minutes is None or minutes > 0:
            self._write_state(last=True)
            self._agreed(True)
            validation = self._points()
            self._tell(self._report(last_step, validation))
        self.plain.load_state_dict(self.average)
        return self._trained(self.plain.cpu(), validation)

    def _trained(self, network: nn.Module, points: Sequence[tuple[float, float]] = ()) -> Trained:
        return Trained(
            network.eval(),
            self.step,
            sum(self.spent_s.values()),
            points,
            self.objective.describe(),
            self.history,
            self._hardware(),
            not self.fabric.global_rank,
        )

    def _spend(self, seconds: float) -> None:
        self.stretch_s += seconds
        self.spent_s[self.hardware] = self.spent_s.get(self.hardware, 0.0) + seconds

    def _hardware(self) -> str:
        """All that the run took place on, with the hours on each where there were several."""
        spent = self.spent_s or {self.hardware: 0.0}
        if len(spent) == 1:
            return next(iter(spent))
        return ", ".join(f"{name} ({s / 3600:.2f} h)" for name, s in spent.items())

    def _agreed(self, over: bool) -> bool:
        """Whether to stop, as the first process sees it: clocks differ, and whoever went on alone
        would wait for the others for ever. What it says of the losses counts for all as well.

        Raises:
            TrainingError: in every process at the same step.
        """
        problem = self.watch.problem
        if self.fabric.world_size > 1:
            over, self.stretch_s, problem = self.fabric.broadcast((over, self.stretch_s, problem))
        if problem:
            raise TrainingError(problem)
        return over

    def _batches(self, last_step: int) -> Iterator[Tensor]:
        """From the next step on; process i of n takes every n-th batch."""
        count, world = self.config.batch, self.fabric.world_size
        first, last = (
            (step * world + self.fabric.global_rank) * count for step in (self.step, last_step)
        )
        on_gpu = self.fabric.device.type == "cuda"
        workers = min(MOST_WORKERS, available_cores() - 1) if on_gpu else 0
        return batches(self.crops, range(first, last, world * count), count, workers)

    def _report(self, last_step: int, validation: Sequence[tuple[float, float]] = ()) -> Progress:
        progress = self.watch.report(self.step, last_step, validation)
        if not self.config.anneal_minutes:
            return progress
        by_clock = max(0.0, 60 * self.config.anneal_minutes - self.stretch_s)
        return replace(progress, seconds_left=min(by_clock, progress.seconds_left))

    def _advice(self) -> str:
        if not self.state_path.exists():
            return "start again with a lower learning_rate"
        return (
            f"the last good state is kept in {self.state_path}: resume from it with a lower "
            "learning_rate"
        )

    def _one_step(self, pixels: Tensor) -> Tensor:
        """Loss, bits per pixel and dB, [3]."""
        config, fabric = self.config, self.fabric
        image = fabric.to_device(pixels).float() / 255
        image = image.to(memory_format=torch.channels_last)
        rng = torch.Generator().manual_seed(
            (config.seed * 1_000_003 + self.step) * 4_099 + fabric.global_rank
        )
        drawn = self.objective.draw(len(image), rng)
        draw = replace(drawn, data={k: fabric.to_device(v) for k, v in drawn.data.items()})
        if isinstance(self.one_step, Step):
            # Rounding noise comes from torch's own generator. A recorded step goes on with it.
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        factor = config.learning_rate_factor(self.step, self.stretch_s)
        for name, optimizer in self.optimizers.items():
            for group, rate in zip(optimizer.param_groups, self.base_rates[name], strict=True):
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate * factor)
                else:
                    group["lr"] = rate * factor
        found = self.one_step(image, draw, self.step >= self.linear_steps)
        average_weights(self.average, self.plain, self._decay())
        # Every process sees the same loss, so all stop where one would.
        if fabric.world_size > 1:
            found = torch.as_tensor(fabric.all_reduce(found, reduce_op="mean"))
        return found

    def _decay(self) -> float:
        age = self.step - self.config.first_step  # a young average follows fast
        return min(self.config.ema_decay, (1 + age) / (10 + age))

    def _points(self) -> list[tuple[float, float]]:
        """(estimated bpp, dB) of the averaged weights at each quality."""
        kept = {k: v.detach().clone() for k, v in self.plain.state_dict().items()}
        self.plain.load_state_dict(self.average)
        found = self.validation.points(
            self.plain, self.objective, self.step > self.linear_steps, self.fabric.device
        )
        self.plain.load_state_dict(kept)
        return found

    def _write_state(self, last: bool = False) -> None:
        """Unless something is wrong: a state that is there already is a better one then."""
        self.watch.look()
        learning = [p for p in self.plain.parameters() if p.requires_grad]
        if not torch.stack(torch._foreach_norm(learning)).isfinite().all():
            self.watch.stop(f"the weights are not finite after step {self.step - 1}")
        if self.fabric.global_rank or self.watch.problem or (self.watch.worse and not last):
            return
        adversary = {} if self.adversary is None else {"adversary": self.adversary.state_dict()}
        state = {
            "network": self.plain.state_dict(),
            "average": self.average,
            **{name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            **adversary,
            "step": self.step,
            "first_step": self.config.first_step,
            "linear_steps": self.linear_steps,
            "seconds": sum(self.spent_s.values()),
            "stretch_s": self.stretch_s,
            "spent_s": dict(self.spent_s),
            "watch": self.watch.state(),
            "history": [dict(entry) for entry in self.history],
        }
        write_state(self.state_path, state)
        if self.on_saved is not None:
            self.on_saved(self._trained(self._averaged()))

    def _averaged(self) -> nn.Module:
        """A network apart from the one that goes on learning."""
        with torch.random.fork_rng(devices=()):  # a new network draws its first weights
            network: nn.Module = self.family.build(self.shape)
        network.load_state_dict(self.average)
        return network


def _leave_alone(network: nn.Module, parts: Sequence[str], chosen: Sequence[str]) -> None:
    """Only the chosen parts learn; all when none is chosen."""
    for name in chosen:
        if name not in parts:
            raise UnknownNameError("part", name, parts)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not chosen or name.split(".")[0] in chosen)
