"""What passes that learn have in common: which parts, how long, on what; and where a run that was
killed goes on.

A pass takes the network of the recipe as it stands, narrowed, masked or rounding, and hands it to
the one training loop; nothing is undone on the way. Grids of few bits may learn with their weights.
Where ``Context.state`` names a folder the loop keeps its state there, so whoever applies the same
recipe to the same model again goes on from the last one, to the same weights.

Channels may be cut on the way: those that ``fade`` names count for less and less over the first
steps (``fading``), are cut, and the narrowed network learns on for those that are left.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from slimcodec.errors import MissingExtraError, UnknownNameError, UsageError
from slimcodec.images import find_images
from slimcodec.quantization import WEIGHT_BITS
from slimcodec.settings import is_of
from slimcodec.shrink.judges import refuse_judges
from slimcodec.shrink.prune_channels import PruneChannels
from slimcodec.shrink.recipe import Context
from slimcodec.shrink.roles import absent, parts_of
from slimcodec.shrink.widths import check_share

if TYPE_CHECKING:
    from torch import Tensor, nn

    from slimcodec.codecs.family import Family
    from slimcodec.training import Progress, Samples, Schedule
    from slimcodec.training.objectives import Objective
    from slimcodec.training.objectives.settings import ObjectiveSettings

__all__ = ["Learning", "about", "objective_settings"]

CHECKPOINT_MINUTES = 1.0
_CROPS = range(128, 4097)
"""Pixels a side."""
"""What a kill may cost."""


def about(minutes: float) -> str:
    """A time that is not known better, in words."""
    return f"about {minutes:.0f} minutes" if minutes >= 1.5 else "about a minute"


def objective_settings(table: Mapping[str, Any]) -> ObjectiveSettings:
    """An objective's settings from a table with its name, checked.

    Raises:
        ConfigError: naming what is wrong.
        MissingExtraError: when training is not installed.
    """
    try:
        from slimcodec.training.objectives.settings import objective_of
    except ImportError as error:
        raise MissingExtraError("learning", "train") from error
    return objective_of(table, "objective")


@dataclass(frozen=True)
class Learning:
    """Settings of a pass that learns; a pass adds its name and what is minimised.

    Attributes:
        parts: parts or roles (``roles``) that learn; when empty, all that streams do not depend on.
        steps: updates of the optimizer.
        batch: crops of a step.
        crop: pixels a side.
        learning_rate: before it is annealed, from two fifths of the steps on.
        grid_bits: grids of weights that have so many bits or fewer learn with them, steps (LSQ) and
            placed levels. 0 leaves all where they are: in 200 steps at three bits, grids that
            learned gave 0.005 dB more where levels were even and 0.003 dB less where placed.
        fade: settings of ``prune-channels``: what fades and is then cut. Nothing when empty, for at
            half of ``hific-s``'s generator and 600 steps of ``distil`` it came to +10.2 % of bits
            at equal PSNR and +12.6 at equal MS-SSIM; cut at once, to +10.1 and +12.4.
        fade_share: of the steps, how many the fading takes.
        holdout: file names of photographs that are left out.
        seed: of everything that chance decides.
    """

    name: ClassVar[str]

    parts: tuple[str, ...] = ()
    steps: int = 2000
    batch: int = 8
    crop: int = 192
    learning_rate: float = 5e-4
    grid_bits: int = 0
    fade: Mapping[str, Any] = field(default_factory=dict)
    fade_share: float = 1 / 3
    holdout: tuple[str, ...] = ()
    seed: int = 1

    def __post_init__(self) -> None:
        for key in ("steps", "batch", "crop", "seed"):
            value = getattr(self, key)
            least = 0 if key == "seed" else 1
            if not is_of(value, int) or value < least:
                raise UsageError(f"{key} must be a whole number from {least} on, got {value!r}")
        if type(self.grid_bits) is not int or self.grid_bits not in range(WEIGHT_BITS.stop):
            raise UsageError(
                f"grid_bits must be a whole number from 0 to {WEIGHT_BITS.stop - 1}, got "
                f"{self.grid_bits!r}"
            )
        if self.crop % 64 or self.crop not in _CROPS:
            raise UsageError(
                f"crop must be a multiple of 64 from {_CROPS[0]} to {_CROPS[-1]}, got {self.crop}"
            )
        if not is_of(self.learning_rate, float):
            raise UsageError(f"learning_rate must be a number, got {self.learning_rate!r}")
        if not self.learning_rate > 0:
            raise UsageError(f"learning_rate must be above 0, got {self.learning_rate}")
        for key in ("parts", "holdout"):
            if not is_of(getattr(self, key), tuple[str, ...]):
                raise UsageError(f"{key} takes a list of names, got {getattr(self, key)!r:.80}")
        if not isinstance(self.fade, Mapping):
            raise UsageError(f"fade takes a table of what prune-channels takes, got {self.fade!r}")
        PruneChannels.from_settings(self.fade)
        check_share("fade_share", self.fade_share)
        if self.fade and not 0 < self._fading_steps < self.steps:
            raise UsageError(
                f"fade_share leaves {self._fading_steps} of {self.steps} steps to fade in; there "
                "must be one at least, and one afterwards"
            )

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Learning:
        """From a recipe's table."""
        known = [own.name for own in fields(cls)]
        if unknown := sorted(set(settings) - set(known)):
            raise UnknownNameError(f"setting of {cls.name}", unknown[0], known)
        values = dict(settings)
        for key in ("parts", "holdout"):
            if key in values:
                if not isinstance(values[key], list | tuple):
                    raise UsageError(f"{key} takes a list of names, got {values[key]!r}")
                values[key] = tuple(values[key])
        return cls(**values)

    def settings(self) -> dict[str, Any]:
        """The inverse of ``from_settings``."""
        usual, given = type(self)(), {}
        for own in fields(self):
            value = getattr(self, own.name)
            if value != getattr(usual, own.name):
                given[own.name] = list(value) if isinstance(value, tuple) else value
        return given

    def check(self, family: Family, config: Any) -> Any:
        """Every named part must be one of the family's, the numbers those of a run, and whatever
        fades must learn."""
        learns = self.learns(family)
        self._schedule()
        pruning = PruneChannels.from_settings(self.fade)
        if still := pruning.touches(family) - set(learns):
            raise UsageError(
                f"{min(still)} cannot fade, for {self.name} does not let it learn; cut it with the "
                "pass prune-channels"
            )
        return pruning.check(family, config) if self.fade else config

    def learns(self, family: Family) -> tuple[str, ...]:
        """The parts that change."""
        kept = [part for part in family.parts if part not in family.changes_streams]
        return parts_of(family, self.parts) or tuple(kept)

    def touches(self, family: Family) -> frozenset[str]:
        """Parts that learn."""
        return frozenset(self.learns(family))

    def needs_photographs(self) -> bool:
        """Always."""
        return True

    def plan(self, network: nn.Module, family: Family) -> list[str]:
        """What learns, for how many steps, and about how long that takes here: two steps of the
        network as it was given are tried. What earlier passes narrow takes less."""
        from slimcodec.training.pace import seconds_a_step

        tried = copy.deepcopy(network)
        self._let_learn(tried, family)
        objective = self.objective(tried, family, network)
        batch = self.noise(objective)
        minutes = seconds_a_step(tried, objective, batch) * self.steps / 60
        lines = [f"{self.name}: {line}" for line in absent(family, self.parts)]
        lines += [
            f"{self.name} {' and '.join(self.learns(family))}: {self.steps:,} steps of "
            f"{self.batch} crops of {self.crop}, {about(minutes)} here at the width it has now"
        ]
        if self.fade:
            lines.append(f"{self.name}: what goes fades over the first {self._fading_steps:,}:")
            lines += PruneChannels.from_settings(self.fade).plan(network, family)
        return lines

    def objective(self, network: Any, family: Family, reference: nn.Module) -> Objective:
        """What is minimised."""
        raise NotImplementedError

    def samples(
        self,
        paths: Sequence[Path],
        objective: Any,
        folder: Path,
        on_progress: Callable[[int, int], None],
    ) -> Samples:
        """What is learned from.

        Args:
            paths: the photographs.
            objective: what ``objective`` made.
            folder: for what is kept until the pass has learned.
            on_progress: called with (done, total) while something is made.
        """
        from slimcodec.training.data import Crops
        from slimcodec.training.objectives.contract import samples_for

        return samples_for(objective, Crops(paths, self.crop, self.seed))

    def noise(self, objective: Any) -> Mapping[str, Tensor]:
        """A batch with the shapes of ``samples``, to see how long a step takes."""
        import torch

        from slimcodec.training.objectives.contract import Sampling

        if isinstance(objective, Sampling):
            return objective.noise(self.batch, self.crop)
        return {"image": torch.rand(self.batch, 3, self.crop, self.crop)}

    def apply(
        self, network: nn.Module, family: Family, context: Context | None = None
    ) -> tuple[nn.Module, list[dict[str, Any]]]:
        """A copy that has learned, and what the run came to; then what was cut, if anything."""
        from slimcodec.quantization.simulation import hold_grids, let_go_of_zeros

        self.check(family, network.config)
        context = context or Context()
        paths = self.photographs(context)
        reference = network if context.reference is None else context.reference
        learned, schedule = copy.deepcopy(network), self._schedule()
        cut: list[dict[str, Any]] = []
        with _folder(context.state) as folder:
            run = _Run(family, reference, paths, folder, context)
            if self.fade:
                learned, cut = self._faded(learned, run)
                # The stretch that is left has a warm-up of its own, and the samples that come next.
                schedule = replace(
                    schedule,
                    first_step=self._fading_steps,
                    steps=self.steps - self._fading_steps,
                )
            grids = self._prepare(learned, family)
            trained = self._trainer(learned, run, schedule, folder).run(
                on_progress=self._teller(run)
            )
        for parameter in learned.parameters():
            parameter.requires_grad_(True)
        hold_grids(learned)
        let_go_of_zeros(learned)
        return learned, [
            {
                "steps": trained.step,
                "photographs": len(paths),
                "objective": trained.objective,
                "parts": list(self.learns(family)),
                **({"grids": len(grids)} if grids else {}),
                "hardware": trained.hardware,
            },
            *cut,
        ]

    def _prepare(self, network: nn.Module, family: Family) -> list[str]:
        """Let learn what shall, and nothing else; names of the layers whose grids do."""
        from slimcodec.quantization.simulation import hold_zeros, let_grids_learn

        hold_zeros(network)
        grids = let_grids_learn(network, self.grid_bits, self.learns(family))
        self._let_learn(network, family)
        return grids

    @property
    def _fading_steps(self) -> int:
        return round(self.fade_share * self.steps)

    def _faded(self, network: Any, run: _Run) -> tuple[Any, list[dict[str, Any]]]:
        """Let what goes fade, in place; the narrowed network, and what of it is gone."""
        from slimcodec.shrink.fading import Fading

        pruning, steps = PruneChannels.from_settings(self.fade), self._fading_steps
        plan = pruning.decide(network, run.family, run.context)
        self._prepare(network, run.family)
        fading = Fading(network, run.family, plan, pruning.norms == "full")
        # A recorded step would not see for how many channels norms divide.
        schedule = replace(self._schedule(), steps=steps, anneal_from=1.0, record_steps=False)
        self._trainer(network, run, schedule, run.folder / "fade").run(
            on_progress=self._teller(run),
            before_step=lambda step: fading.at(1 - (step + 1) / steps),
        )
        return fading.cut(), plan.records()

    def _teller(self, run: _Run) -> Callable[[Progress], None]:
        stage = run.context.stage(self.name)
        return lambda progress: stage(progress.step, self.steps)

    def photographs(self, context: Context) -> list[Path]:
        """What it learns from.

        Raises:
            UsageError: when there are none, or one judges.
        """
        found = find_images(context.folder(self.name))
        paths = [path for path in found if path.name not in self.holdout]
        refuse_judges(paths)
        return paths

    def _trainer(self, network: Any, run: _Run, schedule: Schedule, folder: Path) -> Any:
        """The loop, over what is learned from; its state lies in ``folder``."""
        try:
            from slimcodec.training import Photographs, Trainer
            from slimcodec.training.validation import Validation
        except ImportError as error:
            raise MissingExtraError(f"the pass {self.name}", "train") from error
        objective = self.objective(network, run.family, run.reference)
        stage = run.context.stage(f"{self.name}: what is learned from")
        samples = self.samples(run.paths, objective, run.folder, stage)
        resume = run.context.state is not None
        data = Photographs(samples, Validation(()))
        trainer = Trainer(network, objective, data, schedule, folder=folder, resume=resume)
        run.context.stage(self.name)(schedule.first_step, self.steps)
        return trainer

    def _schedule(self) -> Schedule:
        try:
            from slimcodec.training import Schedule
        except ImportError as error:
            raise MissingExtraError(f"the pass {self.name}", "train") from error
        return Schedule(
            steps=self.steps,
            batch=self.batch,
            learning_rate=float(self.learning_rate),
            warmup_steps=min(100, self.steps // 10),
            anneal_from=0.4,
            seed=self.seed,
            checkpoint_minutes=CHECKPOINT_MINUTES,
            validate_minutes=1e9,
        )

    def _let_learn(self, network: nn.Module, family: Family) -> None:
        learning = self.learns(family)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name.split(".")[0] in learning)


@dataclass(frozen=True)
class _Run:
    """What every stretch of a pass has in common.

    Attributes:
        family: of the network.
        reference: the network before the recipe.
        paths: of the photographs.
        folder: for what is kept until the pass has learned.
        context: of the pass.
    """

    family: Family
    reference: nn.Module
    paths: Sequence[Path]
    folder: Path
    context: Context


@contextmanager
def _folder(state: Path | None) -> Iterator[Path]:
    """Where something lies while a pass learns: the state's, or one that is gone afterwards."""
    if state is not None:
        state.mkdir(parents=True, exist_ok=True)
        yield state
    else:
        with tempfile.TemporaryDirectory(prefix="slimcodec-") as name:
            yield Path(name)
