"""The one training loop.

Lightning Fabric places the network (one CPU, one GPU, or many processes by the same command) and
sets the precision; the loop itself is plain: draw crops, loss, step, moving average. Everything it
needs to go on lies in one file, ``state.ckpt``, written aside and renamed every few minutes, so a
run can be killed at any moment and resumed with at most that much lost. Sample order and qualities
are functions of (seed, step), not of a generator's history.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from slimcodec import registry
from slimcodec.atomic import atomic_path
from slimcodec.errors import MissingExtraError, TrainingError, UnknownNameError
from slimcodec.images import read_image
from slimcodec.machine import cpu_flags, tune_allocator
from slimcodec.training.config import SMALLEST_CROP, TrainingConfig
from slimcodec.training.data import Crops, sample_blocks
from slimcodec.training.losses import make_objective

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Progress", "Trained", "average_weights", "train"]

STATE_FILE = "state.ckpt"
STATE_KEYS = ("network", "average", "optimizer", "step", "seconds")
PCA_BLOCKS = 60_000
VALIDATION_PHOTOS = 8
VALIDATION_SIDE = 512


@dataclass(frozen=True)
class Progress:
    """Where a run stands; averages are over the steps since the last report."""

    step: int
    last_step: int
    loss: float
    bpp: float
    psnr_db: float
    steps_per_s: float
    validation: Sequence[tuple[float, float]] = ()
    """(estimated bpp, dB) per quality on held-out photographs, where this report has them."""


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


class _MeanSince:
    """Sums loss, rate and distortion between two reports."""

    def __init__(self) -> None:
        self.total, self.count, self.started = np.zeros(3), 0, time.perf_counter()

    def add(self, *values: float) -> None:
        self.total += values
        self.count += 1

    def report(self, step: int, last_step: int, validation: Any = ()) -> Progress:
        loss, bpp, psnr_db = (float(v) for v in self.total / max(1, self.count))
        rate = self.count / max(1e-9, time.perf_counter() - self.started)
        self.__init__()  # type: ignore[misc]
        return Progress(step, last_step, loss, bpp, psnr_db, rate, validation)


def average_weights(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    """Move the exponential moving average one step towards the network's weights, in place."""
    pairs = [(average[name], p.detach()) for name, p in network.named_parameters()]
    torch._foreach_lerp_([a for a, _ in pairs], [p for _, p in pairs], 1 - decay)


def train(
    config: TrainingConfig,
    photos: Sequence[Path],
    out: Path,
    *,
    init: Mapping[str, Tensor] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    resume: bool = False,
    minutes: float | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
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
        on_progress: called every few seconds.

    Raises:
        TrainingError: on a state that does not fit, or a loss that is no longer finite (the last
            good state stays).
    """
    tune_allocator()
    run = _Run(config, photos, out, init, tuple(history), resume)
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
    ) -> None:
        self.config, self.out = config, out
        self.fabric, self.mixed = _fabric(config)
        held_out = [path for path in photos if path.name in config.holdout]
        kept = [path for path in photos if path.name not in config.holdout]
        self.crops = Crops(kept, config.crop, config.seed, config.largest_scale)
        self.validation_images = [_centre(path) for path in held_out[:VALIDATION_PHOTOS]]
        self.family = registry.families.get(config.family)
        shape = self.family.preset(config.preset)
        self.objective = make_objective(self.family.objective, shape, config)
        torch.manual_seed(config.seed)
        network = self.family.build(shape)
        self.state_path = out / STATE_FILE
        state = self._read_state() if resume else None
        if state is not None:
            _load(network, state["network"], str(self.state_path))
        elif init is not None:
            _load(network, init, "the initial weights")
        else:
            blocks = sample_blocks(self.crops, PCA_BLOCKS, shape.stride)
            self.family.initialise(network, blocks)
        network = network.to(memory_format=torch.channels_last)
        _leave_alone(network, self.family.parts, config.parts)
        optimizer = torch.optim.Adam(network.parameter_groups(config.learning_rate), fused=True)
        self.base_rates = [group["lr"] for group in optimizer.param_groups]
        self.plain = network
        self.network, self.optimizer = self.fabric.setup(network, optimizer)
        self.average = {k: v.detach().clone() for k, v in self.plain.state_dict().items()}
        self.step, self.seconds, self.history = config.first_step, 0.0, history
        # Networks that are trained already must not be left out of the first steps.
        self.linear_steps = config.linear_steps if init is None else 0
        if state is not None:
            self.linear_steps = int(state.get("linear_steps", config.linear_steps))
            self.optimizer.load_state_dict(state["optimizer"])
            self.average = {k: v.to(self.average[k].device) for k, v in state["average"].items()}
            self.step, self.seconds = int(state["step"]), float(state["seconds"])
            self.history = tuple(state.get("history", ()))

    def go(self, minutes: float | None, on_progress: Callable[[Progress], None]) -> Trained:
        config = self.config
        last_step = config.first_step + config.steps
        started = shown = saved = validated = time.monotonic()
        means, writer = _MeanSince(), _scalars(self.out / "tensorboard")
        before = self.seconds
        self.plain.train()
        with ThreadPoolExecutor(max_workers=1) as ahead:
            upcoming = ahead.submit(self._crops_of, self.step)
            while self.step < last_step:
                now = time.monotonic()
                if minutes is not None and now - started >= 60 * minutes:
                    break
                pixels = upcoming.result()
                upcoming = ahead.submit(self._crops_of, self.step + 1)
                means.add(*self._one_step(pixels))
                self.step += 1
                now = time.monotonic()
                self.seconds = before + now - started
                if now - saved >= 60 * config.checkpoint_minutes:
                    self._write_state()
                    saved = time.monotonic()
                if now - validated >= 60 * config.validate_minutes:
                    _show(writer, on_progress, means.report(self.step, last_step, self._validate()))
                    shown = validated = time.monotonic()
                elif now - shown >= 5:
                    _show(writer, on_progress, means.report(self.step, last_step))
                    shown = now
        trained = minutes is None or minutes > 0
        validation: Sequence[tuple[float, float]] = ()
        if trained:
            self._write_state()
            validation = self._validate()
            _show(writer, on_progress, means.report(self.step, last_step, validation))
        self.plain.load_state_dict(self.average)
        return Trained(
            self.plain.cpu().eval(),
            self.step,
            self.seconds,
            validation,
            self.objective.describe(),
            self.history,
        )

    def _crops_of(self, step: int) -> Any:
        mine = self.config.batch
        start = (step * self.fabric.world_size + self.fabric.global_rank) * mine
        return self.crops.batch(start, mine)

    def _one_step(self, pixels: Any) -> tuple[float, float, float]:
        config, fabric = self.config, self.fabric
        image = fabric.to_device(torch.from_numpy(pixels)).float() / 255
        image = image.to(memory_format=torch.channels_last)
        rng = torch.Generator().manual_seed(
            (config.seed * 1_000_003 + self.step) * 4_099 + fabric.global_rank
        )
        factor = config.learning_rate_factor(self.step)
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor
        learned = self.step >= self.linear_steps
        with self.mixed():
            loss = self.objective.training_loss(self.network, image, rng, learned)
        value = float(loss.total.detach())
        if not np.isfinite(value):
            advice = "start again with a lower learning_rate"
            if self.state_path.exists():
                advice = (
                    f"the last good state is kept in {self.state_path}: resume from it with a "
                    "lower learning_rate"
                )
            raise TrainingError(f"the loss is {value} at step {self.step}; {advice}")
        self.optimizer.zero_grad()
        fabric.backward(loss.total)
        fabric.clip_gradients(
            self.network, self.optimizer, max_norm=config.clip_norm, error_if_nonfinite=False
        )
        self.optimizer.step()
        average_weights(self.average, self.plain, self._decay())
        return value, loss.bpp, loss.psnr_db

    def _decay(self) -> float:
        # A young average follows fast, or it would remember the initial weights for long.
        age = self.step - self.config.first_step
        return min(self.config.ema_decay, (1 + age) / (10 + age))

    @torch.no_grad()
    def _validate(self) -> list[tuple[float, float]]:
        """Estimated bits and dB of the averaged weights on the centres of held-out photographs."""
        if not self.validation_images:
            return []
        learned = self.step > self.linear_steps
        kept = {k: v.detach().clone() for k, v in self.plain.state_dict().items()}
        self.plain.load_state_dict(self.average)
        self.plain.eval()
        found = []
        for centre in self.validation_images:
            image = self.fabric.to_device(centre).to(memory_format=torch.channels_last)
            found.append(self.objective.points(self.plain, image, learned))
        self.plain.load_state_dict(kept)
        self.plain.train()
        return [(float(b), float(d)) for b, d in np.mean(found, axis=0)]

    def _write_state(self) -> None:
        if self.fabric.global_rank:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        state = {
            "network": self.plain.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "linear_steps": self.linear_steps,
            "seconds": self.seconds,
            "history": [dict(entry) for entry in self.history],
        }
        with atomic_path(self.state_path) as path:
            torch.save(state, path)

    def _read_state(self) -> dict[str, Any] | None:
        if not self.state_path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(
                self.state_path, map_location="cpu", weights_only=True
            )
            if not set(STATE_KEYS) <= set(state):
                raise KeyError(", ".join(STATE_KEYS))
        except Exception as error:  # torch raises half a dozen types for a damaged file
            raise TrainingError(
                f"{self.state_path} cannot be resumed from ({type(error).__name__}); "
                "remove it to start again"
            ) from error
        return state


def _fabric(config: TrainingConfig) -> tuple[Fabric, Callable[[], AbstractContextManager[Any]]]:
    """Where the network runs, and the context of its mixed precision.

    Fabric's own mixed precision would round the image to bfloat16 before the network sees it.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    precision = config.precision
    if precision == "auto":
        fast_bf16 = torch.cuda.is_available() or {"amx_bf16", "avx512_bf16"} & set(cpu_flags())
        precision = "bf16-mixed" if fast_bf16 else "32-true"
    fabric = Fabric(accelerator="auto", devices="auto" if torch.cuda.is_available() else 1)
    fabric.launch()
    if precision == "32-true":
        return fabric, nullcontext
    return fabric, partial(torch.autocast, fabric.device.type, dtype=torch.bfloat16)


def _leave_alone(network: nn.Module, parts: Sequence[str], chosen: Sequence[str]) -> None:
    """Only the chosen parts learn; all when none is chosen."""
    for name in chosen:
        if name not in parts:
            raise UnknownNameError("part", name, parts)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not chosen or name.split(".")[0] in chosen)


def _load(network: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Weights into a network. A part of it that they lack altogether, because it was invented after
    them, starts as if it were not there, where it can (``reset``)."""
    whole = dict(state)
    for name, module in network.named_modules():
        own = {f"{name}.{key}": value for key, value in module.state_dict().items()}
        if hasattr(module, "reset") and own and not set(own) & set(whole):
            module.reset()
            whole |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    try:
        network.load_state_dict(whole)
    except RuntimeError as error:
        raise TrainingError(f"{where}: weights of another network ({error})") from error


def _centre(path: Path) -> Tensor:
    pixels = read_image(path).pixels
    side = min(VALIDATION_SIDE, *(s // 64 * 64 for s in pixels.shape[:2]))
    if side < SMALLEST_CROP:
        raise TrainingError(
            f"{path} is {pixels.shape[1]}x{pixels.shape[0]}, too small to validate on; hold out a "
            f"photograph of at least {SMALLEST_CROP} pixels a side"
        )
    top, left = ((s - side) // 2 for s in pixels.shape[:2])
    piece = pixels[top : top + side, left : left + side].transpose(2, 0, 1)
    return torch.from_numpy(piece.copy())[None].float() / 255


def _scalars(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))


def _show(writer: Any, on_progress: Callable[[Progress], None], progress: Progress) -> None:
    on_progress(progress)
    if writer is None:
        return
    for name in ("loss", "bpp", "psnr_db", "steps_per_s"):
        writer.add_scalar(f"train/{name}", getattr(progress, name), progress.step)
    for number, (bpp, psnr_db) in enumerate(progress.validation, 1):
        writer.add_scalar(f"validation/{number}_bpp", bpp, progress.step)
        writer.add_scalar(f"validation/{number}_psnr_db", psnr_db, progress.step)
    writer.flush()
