"""The one training loop: any network as it stands, brought to do better by an objective.

Whoever calls brings the network: new, loaded, narrowed, masked (``quantization.simulation.Mask``),
with layers that round (the same module), with parts that do not learn (``requires_grad``). The loop
builds none and knows none: what lies between a parameter and a weight, such as a mask or a grid,
stays in place while it learns, and the moving average is one of the parameters underneath.

Lightning Fabric places the network and sets the precision; the loop itself is plain: draw crops,
loss, step, moving average. What it needs to go on lies in one file, ``state.ckpt``, written aside
and renamed, so a run can be killed at any moment. Sample order and qualities are functions of
(seed, step), not of a generator's history.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slimcodec.errors import TrainingError
from slimcodec.machine import available_cores, tune_allocator
from slimcodec.training.data import Photographs, batches
from slimcodec.training.interrupt import noticing_interrupts
from slimcodec.training.objectives import Objective
from slimcodec.training.place import hardware, place
from slimcodec.training.schedule import Schedule
from slimcodec.training.state import STATE_FILE, load_into, load_weights, read_state, write_state
from slimcodec.training.step import Recorded, Step, average_weights, inputs, parameter_groups
from slimcodec.training.watch import Progress, Watch, open_scalars, tell

__all__ = ["Trained", "Trainer"]

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


class Trainer:
    """Trains a network, in place.

    Args:
        network: as the objective calls it. ``parameter_groups(learning_rate)``, where it has one,
            says how fast its parameters learn; ``linear_only``, where it has one, is set for
            ``schedule.linear_steps``.
        objective: what is minimised (``registry.objectives``); it holds the teacher, if any.
        data: what is trained on, and what is held out.
        schedule: how long, how fast, how often.
        folder: of the run's state and scalars; made when missing. Nothing is kept without one.
        resume: go on from the state in ``folder``, if there is one: the network gets its weights.
        history: of the model that the weights are from; it is kept with the run.
        devices: processes that train together, each with ``batch`` crops of its own; every GPU
            there is, or one CPU process, when not given.

    Raises:
        TrainingError: on a state that does not fit, a network of which nothing learns, or linear
            steps of a network that has no switch for them.
        MissingExtraError: when something that training needs is not installed.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        data: Photographs,
        schedule: Schedule,
        *,
        folder: Path | None = None,
        resume: bool = False,
        history: Sequence[Mapping[str, Any]] = (),
        devices: int | None = None,
    ) -> None:
        tune_allocator()
        torch.manual_seed(schedule.seed)
        # Everything that can be wrong is found before other processes are started.
        self.objective, self.data, self.schedule, self.folder = objective, data, schedule, folder
        if schedule.linear_steps and not hasattr(network, "linear_only"):
            raise TrainingError("this network has no linear path alone; set linear_steps = 0")
        if not any(p.requires_grad for p in network.parameters()):
            raise TrainingError("nothing of this network learns; let a part of it")
        self.state_path = None if folder is None else folder / STATE_FILE
        state = read_state(self.state_path) if resume and self.state_path is not None else None
        if state is not None:
            load_weights(network, state["network"], str(self.state_path))
        # Wherever the other one goes and whoever wraps it, averages come out as this one.
        self._apart = copy.deepcopy(network).cpu()
        self.plain = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.linear_steps = schedule.linear_steps
        self.step, self.stretch_s, self.history = schedule.first_step, 0.0, tuple(history)
        self.spent_s: dict[str, float] = {}
        self.on_saved: Callable[[Trained], None] | None = None
        probe = objective.draw(schedule.batch, torch.Generator())
        self.fabric, self.mixed = place(
            schedule, devices, always_all=not probe.control and not schedule.linear_steps
        )
        self.hardware = hardware(self.fabric)
        self.watch = Watch(self._advice)
        self._set_up(state)
        self.average = {k: v.detach().clone() for k, v in self.plain.state_dict().items()}
        if state is not None:
            self._go_on_from(state)

    def _go_on_from(self, state: Mapping[str, Any]) -> None:
        self.linear_steps = int(state.get("linear_steps", self.schedule.linear_steps))
        for name, tensor in state["average"].items():
            if name in self.average:
                self.average[name].copy_(tensor)
        self.step = int(state["step"])
        # A stretch that began elsewhere has its own clock.
        if state.get("first_step") == self.schedule.first_step:
            self.stretch_s = float(state.get("stretch_s", 0.0))
        before = {"a machine not recorded": float(state["seconds"])}
        self.spent_s = {k: float(v) for k, v in state.get("spent_s", before).items()}
        self.history = tuple(state.get("history", ()))
        if "watch" in state:
            self.watch.go_on_from(state["watch"])

    def _set_up(self, state: Mapping[str, Any] | None) -> None:
        """Network, adversary and their optimizers to where they run, with what a state holds."""
        schedule, fabric = self.schedule, self.fabric
        on_gpu = fabric.device.type == "cuda"
        made: dict[str, torch.optim.Optimizer] = {
            "optimizer": torch.optim.Adam(
                parameter_groups(self.plain, schedule.learning_rate), fused=True, capturable=on_gpu
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
                adversary.parameters(), schedule.learning_rate, fused=True, capturable=on_gpu
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
            fabric=fabric, mixed=self.mixed, clip_norm=schedule.clip_norm,
        )  # fmt: skip
        alone = on_gpu and fabric.world_size == 1 and schedule.record_steps
        self.one_step: Step | Recorded = Recorded(step, self._mode) if alone else step

    def run(
        self,
        *,
        minutes: float | None = None,
        anneal_by: float | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_saved: Callable[[Trained], None] | None = None,
        before_step: Callable[[int], None] = lambda step: None,
    ) -> Trained:
        """Train to the end of the schedule; the given network then has the averaged weights.

        Args:
            minutes: stop, with the state saved, after so long; 0 only loads.
            anneal_by: ``time.monotonic()`` by which the run ends, annealed, however long it took to
                begin; ``anneal_minutes`` is then what is left at the first step.
            on_progress: called every few seconds.
            on_saved: called whenever the state was written, with averaged weights that are its own.
            before_step: called with each step's number; a recorded step sees tensors change alone.

        Raises:
            TrainingError: on a loss or weight that is no longer finite, or a loss that diverges
                (the last good state stays).
            KeyboardInterrupt: on Ctrl-C, behind the step that it falls into, with the state saved.
        """
        schedule, self.on_saved = self.schedule, on_saved
        last_step = schedule.last_step
        leads = not self.fabric.global_rank
        writer = open_scalars(self.folder / "tensorboard") if leads and self.folder else None
        self._tell = partial(tell, writer, on_progress if leads else lambda progress: None)
        self.plain.train()
        started = shown = saved = validated = ticked = 0.0
        with noticing_interrupts() as interrupted:
            for batch in self._batches(last_step) if minutes != 0 else ():
                if not started:  # photographs were decoded, loaders have begun
                    self.watch.start()
                    started = shown = saved = validated = ticked = time.monotonic()
                    if anneal_by is not None:
                        left = max(anneal_by - started, 1e-3)  # 0 would be no clock at all
                        left = self.fabric.broadcast(left + self.stretch_s)  # one rate for all
                        self.schedule = schedule = replace(schedule, anneal_minutes=left / 60)
                over = minutes is not None and ticked - started >= 60 * minutes
                if self._agreed(over or schedule.done(self.step, self.stretch_s) >= 1):
                    break
                if self._agreed(interrupted()):
                    self._write_state()
                    raise KeyboardInterrupt
                before_step(self.step)
                self.watch.add(self.step, self._one_step(batch))
                self.step += 1
                now = time.monotonic()
                self._spend(now - ticked)
                ticked = now
                if now - saved >= 60 * schedule.checkpoint_minutes:
                    self._write_state()
                    saved = time.monotonic()
                if now - validated >= 60 * schedule.validate_minutes:
                    self._tell(self._report(last_step, self._points()))
                    shown = validated = time.monotonic()
                elif now - shown >= 5:
                    self._tell(self._report(last_step))
                    shown = now
        validation: Sequence[tuple[float, float]] = ()
        if minutes is None or minutes > 0:
            if started:
                self._write_state(last=True)
                self._agreed(True)
            validation = self._points()
            if started:  # of a run that was at its end already there is nothing to tell
                self._tell(self._report(last_step, validation))
        self.plain.load_state_dict(self.average)
        self._switch(False)
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

    def _batches(self, last_step: int) -> Iterator[Mapping[str, Tensor]]:
        """From the next step on; process i of n takes every n-th batch."""
        count, world = self.schedule.batch, self.fabric.world_size
        first, last = (
            (step * world + self.fabric.global_rank) * count for step in (self.step, last_step)
        )
        on_gpu = self.fabric.device.type == "cuda"
        workers = min(MOST_WORKERS, available_cores() - 1) if on_gpu else 0
        return batches(self.data.samples, range(first, last, world * count), count, workers)

    def _report(self, last_step: int, validation: Sequence[tuple[float, float]] = ()) -> Progress:
        progress = self.watch.report(self.step, last_step, validation)
        if not self.schedule.anneal_minutes:
            return progress
        by_clock = max(0.0, 60 * self.schedule.anneal_minutes - self.stretch_s)
        return replace(progress, seconds_left=min(by_clock, progress.seconds_left))

    def _advice(self) -> str:
        if self.state_path is None or not self.state_path.exists():
            return "start again with a lower learning_rate"
        return (
            f"the last good state is kept in {self.state_path}: resume from it with a lower "
            "learning_rate"
        )

    def _one_step(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Loss, bits per pixel and dB, [3]; a batch is as ``Samples`` gives it."""
        schedule, fabric = self.schedule, self.fabric
        rng = torch.Generator().manual_seed(
            (schedule.seed * 1_000_003 + self.step) * 4_099 + fabric.global_rank
        )
        drawn = self.objective.draw(len(batch["image"]), rng)
        drawn = replace(drawn, data={k: fabric.to_device(v) for k, v in drawn.data.items()})
        image, draw = inputs({k: fabric.to_device(v) for k, v in batch.items()}, drawn)
        if isinstance(self.one_step, Step):
            # Rounding noise comes from torch's own generator. A recorded step goes on with it.
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        factor = schedule.learning_rate_factor(self.step, self.stretch_s)
        for name, optimizer in self.optimizers.items():
            for group, rate in zip(optimizer.param_groups, self.base_rates[name], strict=True):
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate * factor)
                else:
                    group["lr"] = rate * factor
        self._switch(self.step < self.linear_steps)
        found = self.one_step(image, draw)
        average_weights(self.average, self.plain, self._decay())
        # Every process sees the same loss, so all stop where one would.
        if fabric.world_size > 1:
            found = torch.as_tensor(fabric.all_reduce(found, reduce_op="mean"))
        return found

    def _decay(self) -> float:
        # A young average follows fast, or it would remember the initial weights for long.
        age = self.step - self.schedule.first_step
        return min(self.schedule.ema_decay, (1 + age) / (10 + age))

    def _points(self) -> list[tuple[float, float]]:
        """(estimated bpp, dB) of the averaged weights at each quality."""
        kept = {k: v.detach().clone() for k, v in self.plain.state_dict().items()}
        self.plain.load_state_dict(self.average)
        self._switch(self.step <= self.linear_steps)
        found = self.data.validation.points(self.plain, self.objective, self.fabric.device)
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
            "first_step": self.schedule.first_step,
            "linear_steps": self.linear_steps,
            "seconds": sum(self.spent_s.values()),
            "stretch_s": self.stretch_s,
            "spent_s": dict(self.spent_s),
            "watch": self.watch.state(),
            "history": [dict(entry) for entry in self.history],
        }
        if self.state_path is not None:
            write_state(self.state_path, state)
        if self.on_saved is not None:
            self.on_saved(self._trained(self._averaged()))

    def _averaged(self) -> nn.Module:
        """A network apart from the one that goes on learning."""
        network = copy.deepcopy(self._apart)
        network.load_state_dict(self.average)
        return network

    def _switch(self, linear_only: bool) -> None:
        """Of a network with a linear path that can be trained alone; others know nothing of it."""
        if hasattr(self.plain, "linear_only"):
            self.plain.linear_only = linear_only

    def _mode(self) -> bool:
        """Which computation a step is, as far as the network's switch decides."""
        return bool(getattr(self.plain, "linear_only", False))
