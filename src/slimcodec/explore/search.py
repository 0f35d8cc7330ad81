"""Which widths, blocks and bits: trials of recipes under budgets, each measured on real streams.

Half of the photographs are what passes measure on and learn from, the other half judge the trials:
sorted by name, every second one. The first half is copied to ``OUT/learn``, so that whoever applies
a recipe of the search has the photographs that it was tried with, and gets that very model.

Everything is in ``OUT/search.json``, written whole after every trial: what was asked, the unshrunk
codec, and a row for each trial. A search that was killed has lost the trial it was in; the same
command goes on. Budgets may change from one command to the next, as rows do not depend on them.

    front      trials within all budgets that no other such trial equals or beats in everything
    winner     the least product of what was to be small, each by that of the unshrunk codec: one
               percent less time is worth one percent more bits
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimcodec import library, registry
from slimcodec.atomic import write_atomically
from slimcodec.errors import SlimcodecError, UsageError
from slimcodec.explore.budget import Budget, Row, factor_of, objectives, value_of
from slimcodec.explore.evaluate import Judge, fastest_runtime, judged
from slimcodec.explore.priced import coded_family
from slimcodec.explore.space import Space, searchable_parts
from slimcodec.explore.suggest import check_installed, next_choice
from slimcodec.images import find_images, spread
from slimcodec.model_file import Model, thaw_network
from slimcodec.settings import to_toml
from slimcodec.shrink import Context, Recipe
from slimcodec.shrink.judges import digest_of_file, refuse_judges

if TYPE_CHECKING:
    from slimcodec.codecs.family import Family

__all__ = ["FILE", "LEARN", "WINNER", "Asked", "Found", "search"]

FILE, LEARN, WINNER = "search.json", "learn", "winner.toml"
_USUAL_SECONDS = 600.0
_FEWEST, _MOST = 8, 200
"""Trials, when nobody says how many."""

Progressed = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Asked:
    """What a search is asked for.

    Attributes:
        parts: that may change; when empty, those that a decoder runs and streams do not depend on.
        budgets: upper limits.
        steps: of learning behind every narrowing; 0 for none.
        trials: so many in all; as many as take some ten minutes when not said.
        pictures: how many photographs of the judging half are coded, at most.
        runtime: what executes the codecs; the fastest installed when not said.
        seed: of what chance decides.
    """

    parts: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()
    steps: int = 30
    trials: int | None = None
    pictures: int = 4
    runtime: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for key, least in (("trials", 1), ("pictures", 1), ("seed", 0)):
            value = getattr(self, key)
            if value is not None and value < least:
                raise UsageError(f"{key} must be a whole number from {least}, got {value}")
        if self.runtime is not None:
            registry.runtimes.target(self.runtime)


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        rows: all trials, in their order.
        front: numbers of those on the front, fastest first.
        winner: number of the trial whose recipe is in ``OUT/winner.toml``; None when none is within
            the budgets.
        nearest: in words, what came nearest, where there is no winner.
    """

    rows: Sequence[Row]
    front: Sequence[int]
    winner: int | None
    nearest: str = ""


@dataclass(frozen=True)
class _Run:
    """One search, checked and with its folder made out."""

    model: Model
    family: Family
    space: Space
    asked: Asked
    out: Path
    judges: Sequence[Path]
    progress: Progressed
    say: Callable[[str], None]

    @property
    def wanted(self) -> tuple[str, ...]:
        return objectives(self.asked.budgets)


def search(
    model: Model,
    photographs: Path,
    out: Path,
    asked: Asked,
    on_progress: Progressed = lambda done, total, what: None,
    say: Callable[[str], None] = lambda line: None,
) -> Found:
    """Try recipes, and write what was found.

    Args:
        model: float, as it is.
        photographs: a folder of two or more, none of which judges codecs.
        out: folder for ``search.json``, ``winner.toml`` and ``learn``; made when missing.
        asked: see there.
        on_progress: called with (trials done, trials, what is done next).
        say: called with a line when something is decided.

    Raises:
        MissingExtraError: when optuna is not installed.
        UsageError: when a photograph judges, a part is unknown, or the folder holds another search.
    """
    check_installed()
    if model.quantized:
        raise UsageError(f"{model.name} is quantized already; search from the float model")
    paths = find_images(photographs)
    if len(paths) < 2:
        raise UsageError(
            f"{photographs} holds one photograph; a search needs two or more, some to measure on "
            "and others to judge by"
        )
    on_progress(0, 1, "looking at the photographs")
    refuse_judges(paths)
    family = coded_family(model)
    parts = asked.parts or searchable_parts(family)
    space = Space.of(thaw_network(model), family, parts, asked.steps)
    learn, judges = paths[::2], spread(paths[1::2], asked.pictures)
    run = _Run(model, family, space, asked, out, judges, on_progress, say)
    claim = _claim(model, space, paths, judges, asked.seed)
    state = _state(run, claim)
    _copy(learn, out / LEARN)
    say(
        f"{len(learn)} photographs are measured on and learned from ({out / LEARN}), "
        f"{len(judges)} judge; {space.size():,} choices about {' and '.join(space.parts)}"
    )
    _try(run, state)
    return _finish(run, state)


def _claim(
    model: Model, space: Space, paths: Sequence[Path], judges: Sequence[Path], seed: int
) -> dict[str, Any]:
    """What rows depend on; whoever asks for something else needs another folder."""
    return {
        "codec": model.digest,
        "space": {**space.describe(), "seed": seed},
        "photographs": {path.name: digest_of_file(path) for path in paths},
        "judges": [path.name for path in judges],
    }


def _state(run: _Run, claim: dict[str, Any]) -> dict[str, Any]:
    """What the folder holds, or the beginning of it.

    Raises:
        UsageError: when it holds another search.
        SlimcodecError: when what it holds cannot be read.
    """
    path = run.out / FILE
    # As it will be read: numbers and lists, no tuples.
    claim = json.loads(json.dumps(claim))
    if path.is_file():
        try:
            state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            held = state["claim"]
            differs = [key for key in claim if held[key] != claim[key]]
            runtime = state["runtime"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise SlimcodecError(
                f"{path} cannot be read as a search; take it away or name another folder ({error})"
            ) from error
        if run.asked.runtime not in (None, runtime):
            differs.append("runtime")
        if differs:
            raise UsageError(
                f"{run.out} holds a search of another {' and '.join(differs)}; name another folder"
            )
        return state
    run.out.mkdir(parents=True, exist_ok=True)
    picture = judged(run.judges[0])
    runtime = run.asked.runtime or fastest_runtime(run.model, picture, run.progress)
    state = {
        "name": run.model.name,
        "claim": claim,
        "runtime": runtime,
        "planned": None,
        "unshrunk": None,
        "trials": [],
    }
    _write(run, state)
    return state


def _try(run: _Run, state: dict[str, Any]) -> None:
    """Make the trials that are lacking, each written down when it is done."""
    rows = state["trials"]
    state["planned"] = run.asked.trials or state["planned"]
    if state["planned"] is not None and len(rows) >= state["planned"]:
        return
    with ExitStack() as stack:
        judge: Judge | None = None
        while state["planned"] is None or len(rows) < state["planned"]:
            choice = next_choice(run.space, rows, run.wanted, run.asked.budgets, run.asked.seed)
            if choice is None:
                run.say("there is no choice left that was not tried")
                return
            if judge is None:
                pictures = [judged(path) for path in run.judges]
                made = Judge.of(run.model, pictures, state["runtime"], _as_first(run.progress))
                judge = stack.enter_context(made)
                _note_unshrunk(run, state, judge)
            rows.append(_trial(run, judge, choice, len(rows) + 1, state["planned"] or _FEWEST))
            if state["planned"] is None:
                state["planned"] = min(_MOST, max(_FEWEST, _fitting(rows)))
            _write(run, state)
            if len(rows) == 1:
                minutes = rows[0]["seconds"] * (state["planned"] - 1) / 60
                run.say(
                    f"the first trial took {rows[0]['seconds']:.0f} s; all {state['planned']} will "
                    f"be done in about {max(1, round(minutes))} minutes; killed, the same command "
                    "goes on"
                )


def _fitting(rows: Sequence[Row]) -> int:
    """So many trials as those that there are fit into the usual time."""
    seconds: float = sum(row["seconds"] for row in rows) / len(rows)
    return round(_USUAL_SECONDS / seconds)


def _note_unshrunk(run: _Run, state: dict[str, Any], judge: Judge) -> None:
    height, width = judge.timed_size
    if state["unshrunk"] is None:
        state["unshrunk"] = {**judge.unshrunk.to_dict(), "bytes_ratio": 1.0}
        state["timed"] = {"height": height, "width": width, "quality": judge.quality}
        _write(run, state)
    run.say(
        f"on {state['runtime']}, {run.model.name}'s transforms decode {width} x {height} pixels in "
        f"{judge.unshrunk.decode_ms:.1f} ms; its file has {judge.unshrunk.bytes:,} bytes"
    )


def _trial(
    run: _Run, judge: Judge, choice: Mapping[str, float | str], number: int, trials: int
) -> dict[str, Any]:
    """One row."""

    def progress(done: int, total: int, what: str) -> None:
        run.progress(number - 1, trials, f"{what} {done}/{total}")

    started = time.perf_counter()
    recipe = run.space.recipe(choice, f"search-{number}")
    context = Context(run.out / LEARN, progress)
    model = library.shrink_model(run.model, recipe, context)
    family = run.family
    # An encoder that has changed, or that runs what has changed, writes other streams.
    writes = family.encoding_parts | family.shared_parts | family.changes_streams
    measured = judge.measure(model, not recipe.touches(family) & writes, progress)
    return {
        "number": number,
        "settings": dict(choice),
        **measured.to_dict(),
        "bytes_ratio": measured.bytes / judge.unshrunk.bytes,
        "digest": model.digest,
        "recipe": recipe.to_dict(),
        "seconds": round(time.perf_counter() - started, 1),
    }


def _finish(run: _Run, state: dict[str, Any]) -> Found:
    """Weigh the rows, and write the winner's recipe."""
    _write(run, state)
    rows = state["trials"]
    path = run.out / WINNER
    if state["winner"] is None:
        path.unlink(missing_ok=True)
        return Found(rows, state["front"], None, _nearest(rows, run.asked.budgets))
    row = rows[state["winner"] - 1]
    recipe = Recipe.from_dict(row["recipe"])
    text = (
        f"# Trial {row['number']} of a search from {run.model.name}; digest {row['digest'][:16]}.\n"
        f"#   slimcodec shrink {run.model.name} --recipe {WINNER} --calibration {LEARN} "
        f"-o {recipe.name}.slim\n"
        f"# with the photographs in {LEARN} beside this file gives the model that was tried.\n"
    )
    write_atomically(path, (text + to_toml(recipe.to_dict())).encode())
    return Found(rows, state["front"], state["winner"])


def _write(run: _Run, state: dict[str, Any]) -> None:
    """The state, with what follows from its rows under the budgets of now."""
    rows = state["trials"]
    front = _front(rows, run.asked.budgets, run.wanted)
    state |= {
        "budgets": [budget.text for budget in run.asked.budgets],
        "objectives": list(run.wanted),
        "front": [row["number"] for row in front],
        "winner": _winner(front, run.wanted),
    }
    write_atomically(run.out / FILE, (json.dumps(state, indent=1) + "\n").encode())


def _front(rows: Sequence[Row], budgets: Sequence[Budget], wanted: Sequence[str]) -> list[Row]:
    """Trials that are within all budgets, and that no other of these equals or beats in all that is
    weighed: bits and time always, bytes where they are to be small; fastest first."""
    weighed = tuple(dict.fromkeys([*wanted, "bd-rate", "decode"]))
    kept = []
    for row in rows:
        factors = [factor_of(row, name) for name in weighed]
        if all(budget.kept(row) for budget in budgets) and None not in factors:
            kept.append((row, [factor for factor in factors if factor is not None]))
    front = [row for row, own in kept if not any(_beats(other, own) for _, other in kept)]
    return sorted(front, key=lambda row: (row["decode_ratio"], row["number"]))


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and list(one) != list(other)


def _winner(front: Sequence[Row], wanted: Sequence[str]) -> int | None:
    def product(row: Row) -> float:
        factors = [factor_of(row, name) for name in wanted]
        return math.prod(factor for factor in factors if factor is not None)

    return int(min(front, key=product)["number"]) if front else None


def _nearest(rows: Sequence[Row], budgets: Sequence[Budget]) -> str:
    """The trial that is least beyond the budgets, in words."""
    row = min(rows, key=lambda row: sum(max(0.0, budget.excess(row)) for budget in budgets))
    unmet = [budget for budget in budgets if not budget.kept(row)]
    if not unmet:
        return "no trial shares a range of quality with the unshrunk codec"
    values = {budget: value_of(row, budget.quantity) for budget in unmet}
    words = ", ".join(
        f"{budget.quantity} {'undefined' if value is None else format(value, ',.4g')} "
        f"where {budget.text} was asked"
        for budget, value in values.items()
    )
    return f"no trial is within the budgets; the nearest is trial {row['number']}: {words}"


def _copy(paths: Sequence[Path], folder: Path) -> None:
    """What is not there yet."""
    folder.mkdir(exist_ok=True)
    for path in paths:
        place = folder / path.name
        if not place.is_file():
            write_atomically(place, path.read_bytes())


def _as_first(progress: Progressed) -> Progressed:
    """Progress of what comes before the trials."""
    return lambda done, total, what: progress(0, 1, f"the codec as it is: {what} {done}/{total}")
