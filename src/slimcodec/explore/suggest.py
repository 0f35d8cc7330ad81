"""What to try next: a tree-structured Parzen estimator (Bergstra et al. 2011; for several
objectives, Ozaki et al. 2020), by optuna.

It learns from the rows alone and is seeded by their number, so a search that was killed goes on as
it would have, and two searches with the same rows try the same next.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from slimcodec.errors import MissingExtraError
from slimcodec.explore.budget import Budget, Row, factor_of
from slimcodec.explore.space import Knob, Space

__all__ = ["check_installed", "next_choice"]

_RANDOM_FIRST = 8
"""Trials by chance before any is by what others came to."""
_TRIES = 20
"""Suggestions that were tried already, until chance decides."""


def check_installed() -> None:
    """Raises ``MissingExtraError`` when optuna is not there, before anything is measured."""
    _optuna()


def next_choice(
    space: Space, rows: Sequence[Row], wanted: Sequence[str], budgets: Sequence[Budget], seed: int
) -> dict[str, float | str] | None:
    """A choice that no row has and that changes something; None when there is none left.

    Args:
        space: what may be chosen.
        rows: trials so far.
        wanted: quantities that are to be small.
        budgets: what else is asked of a trial.
        seed: of everything that chance decides.
    """
    tried = [space.nothing(), *(row["settings"] for row in rows)]
    if len(tried) >= space.size():
        return None
    for anchor in space.anchors():
        if anchor not in tried:
            return anchor
    study = _study(space, rows, wanted, budgets, seed)
    for _ in range(_TRIES):
        asked = study.ask(_distributions(space)).params
        choice = {knob.name: _value(knob, asked[knob.name]) for knob in space.knobs}
        if choice not in tried:
            return choice
    chance = random.Random(f"{seed} {len(rows)}")
    while True:
        choice = {knob.name: chance.choice(knob.values) for knob in space.knobs}
        if choice not in tried:
            return choice


def _study(
    space: Space, rows: Sequence[Row], wanted: Sequence[str], budgets: Sequence[Budget], seed: int
) -> Any:
    optuna = _optuna()
    sampler = optuna.samplers.TPESampler(
        n_startup_trials=_RANDOM_FIRST, seed=seed + 7919 * len(rows)
    )
    study = optuna.create_study(sampler=sampler, directions=["minimize"] * len(wanted))
    factors = [[factor_of(row, name) for name in wanted] for row in rows]
    worst = max((f for own in factors for f in own if f is not None), default=1.0)
    for row, own in zip(rows, factors, strict=True):
        constraints = {budget.quantity: budget.excess(row) for budget in budgets}
        # Where there is no BD-rate, pictures are worse than the worst that has one.
        constraints["comparable"] = 1.0 if row["bd_rate_percent"]["psnr"] is None else 0.0
        study.add_trial(
            optuna.trial.create_trial(
                params={knob.name: _asked(knob, row["settings"]) for knob in space.knobs},
                distributions=_distributions(space),
                values=[worst if factor is None else factor for factor in own],
                constraints=constraints,
            )
        )
    return study


def _distributions(space: Space) -> dict[str, Any]:
    """Places of numbers among their knob's values; words as they are."""
    kinds = _optuna().distributions
    return {
        knob.name: kinds.IntDistribution(0, len(knob.values) - 1)
        if knob.ordered
        else kinds.CategoricalDistribution(knob.values)
        for knob in space.knobs
    }


def _asked(knob: Knob, settings: Mapping[str, Any]) -> Any:
    value = settings[knob.name]
    return knob.values.index(value) if knob.ordered else value


def _value(knob: Knob, asked: Any) -> float | str:
    return knob.values[asked] if knob.ordered else str(asked)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("the search", "search") from error
    # It says on stderr that a study was made in memory, which is nobody's concern.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
