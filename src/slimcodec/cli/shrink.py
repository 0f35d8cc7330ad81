"""slimcodec shrink: a model and a recipe to a smaller model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slimcodec.cli.options import Calibration, Force, Json

if TYPE_CHECKING:
    from slimcodec.model_file import Model
    from slimcodec.shrink import Recipe


def shrink(
    codec: Annotated[
        str, typer.Argument(help="A built-in model by name, a model file or a ladder.")
    ],
    recipe: Annotated[
        str,
        typer.Option("--recipe", help="The passes: a built-in recipe by name, or a TOML file."),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="The new model file (.slim), or the ladder's folder."),
    ],
    calibration: Calibration = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Apply a recipe to a model: print the plan, apply it, save a model file.

    Says in words what it means for streams that exist already. Where a pass learns, it keeps how
    far it is in OUTPUT.state: kill it at any moment, and the same command goes on. Of a ladder each
    model is shrunk by itself.

    Example: slimcodec shrink hific-s --recipe prune-generator -o small.slim

    Example: slimcodec shrink hific-s --recipe int8 --calibration photos -o int8.slim
    """
    from slimcodec import catalogue, library
    from slimcodec.cli.console import note, note_skipped, print_json, readable_bytes
    from slimcodec.cli.interrupting import kept_if_interrupted
    from slimcodec.cli.outputs import check_ladder, check_new
    from slimcodec.cli.suffixes import MODEL, check_suffix_fits
    from slimcodec.fitting import check_recipe
    from slimcodec.ladder import read_ladder, written_ladder
    from slimcodec.naming import is_ladder
    from slimcodec.shrink import Recipe

    found = catalogue.recipes.find(recipe)
    parsed = Recipe.read(found)
    several = is_ladder(codec)
    if not several:
        check_suffix_fits(output, MODEL, "shrink")
    (check_ladder if several else check_new)(output, force, Path(codec), found)
    rungs = read_ladder(Path(codec)) if several else ()
    alone = None if several else library.load_model(codec)
    for model in [library.load_model(rung.path) for rung in rungs] if alone is None else [alone]:
        check_recipe(parsed, model, recipe)
    parsed.check_photographs(calibration)
    if calibration is not None:
        note_skipped(calibration)
    # Hours of learning outlive a kill: the same command goes on from here.
    state = output.with_name(output.name + ".state") if parsed.learns() else None
    if state is not None:
        note(f"how far it is lies in {state}; killed, the same command goes on from there")
    kept = "nothing was written; the same command begins again"
    if state is not None:
        kept = f"how far it is lies in {state}; the same command goes on from there"
    with kept_if_interrupted(kept):
        if alone is not None:
            facts = [_shrunk(alone, parsed, output, calibration, state)]
        else:
            facts, names = [], [f"{number}.slim" for number in range(1, len(rungs) + 1)]
            with written_ladder(output, names) as aside:
                for rung, name in zip(rungs, names, strict=True):
                    model = library.load_model(rung.path)
                    own = None if state is None else state / name
                    done = _shrunk(model, parsed, aside / name, calibration, own)
                    facts.append({**done, "model": str(output / name)})
    if state is not None:
        shutil.rmtree(state)
    if json:
        print_json({"ladder": str(output), "models": facts} if several else facts[0])
        return
    for each in facts:
        for part, count in each["parts"].items():
            print(f"{part:12} {_left(count)}")
        print(each["streams"])
        print(f"{each['model']}: {readable_bytes(each['bytes'])}")
    if several:
        print(f"{output}: a ladder of {len(facts)} models, qualities 1 to {len(facts)}")


def _left(count: Mapping[str, Any]) -> str:
    """What is left of a part's weights, in words."""
    before, left = count["parameters_before"], count["nonzero"]
    if (left, count["parameters"]) == (count["nonzero_before"], before):
        how = "as many as before, with other values" if count["touched"] else "as they were"
        return f"{before:>12,} weights, {how}"
    return f"{left:>12,} of {before:,} weights left ({left / before:.1%})"


def _shrunk(
    before: Model, recipe: Recipe, output: Path, calibration: Path | None, state: Path | None
) -> dict[str, Any]:
    """Shrink one model into a file; what came of it."""
    from slimcodec import library, registry
    from slimcodec.cli.console import note, progress_bar
    from slimcodec.model_file import save, thaw_network
    from slimcodec.shrink import Context

    family = registry.families.get(before.family)
    for line in recipe.plan(thaw_network(before), family):
        note(f"plan: {line}")
    with progress_bar("shrinking") as progress:
        after = library.shrink_model(before, recipe, Context(calibration, progress, state=state))
    save(after, output)
    whole, touched = before.parameters(), recipe.touches(family)
    counts = {
        part: {
            "parameters": total,
            "parameters_before": whole[part][0],
            "nonzero": kept,
            "nonzero_before": whole[part][1],
            "touched": part in touched,
        }
        for part, (total, kept) in after.parameters().items()
    }
    return {
        "model": str(output),
        "bytes": output.stat().st_size,
        "stream_id": after.stream_id,
        "streams": library.stream_change(before, after, recipe),
        "parts": counts,
        "passes": list(after.history[len(before.history) :]),
    }
