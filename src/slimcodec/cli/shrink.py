"""slimcodec shrink: a model and a recipe to a smaller model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from slimcodec.cli.options import Calibration, Force, Json


def shrink(
    codec: Annotated[str, typer.Argument(help="A built-in model by name, or a model file.")],
    recipe: Annotated[
        str,
        typer.Option("--recipe", help="The passes: a built-in recipe by name, or a TOML file."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The new model file (.slim).")],
    calibration: Calibration = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Apply a recipe to a model: print the plan, apply it, save a model file.

    Says in words what it means for streams that exist already. Where a pass learns, it keeps how
    far it is in OUTPUT.state: kill it at any moment, and the same command goes on.

    Example: slimcodec shrink hific-s --recipe prune-generator -o small.slim

    Example: slimcodec shrink hific-s --recipe int8 --calibration photos -o int8.slim
    """
    from slimcodec import catalogue, library, registry
    from slimcodec.cli.console import note, note_skipped, print_json, progress_bar, readable_bytes
    from slimcodec.cli.interrupting import kept_if_interrupted
    from slimcodec.cli.outputs import check_new
    from slimcodec.model_file import save, thaw_network
    from slimcodec.shrink import Context, Recipe

    found = catalogue.recipes.find(recipe)
    parsed = Recipe.read(found)
    check_new(output, force, Path(codec), found)
    before = library.load_model(codec)
    family = registry.families.get(before.family)
    parsed.check(family)
    parsed.check_photographs(calibration)
    if calibration is not None:
        note_skipped(calibration)
    for line in parsed.plan(thaw_network(before), family):
        note(f"plan: {line}")
    # Hours of learning outlive a kill: the same command goes on from here.
    state = output.with_name(output.name + ".state") if parsed.learns() else None
    if state is not None:
        note(f"how far it is lies in {state}; killed, the same command goes on from there")
    kept = "nothing was written; the same command begins again"
    if state is not None:
        kept = f"how far it is lies in {state}; the same command goes on from there"
    with kept_if_interrupted(kept), progress_bar("shrinking") as progress:
        context = Context(calibration, progress, state=state)
        after = library.shrink_model(before, parsed, context)
    save(after, output)
    if state is not None:
        shutil.rmtree(state)
    words = library.stream_change(before, after, parsed)
    whole = before.parameters()
    counts = {
        part: {
            "parameters": total,
            "parameters_before": whole[part][0],
            "nonzero": kept,
            "nonzero_before": whole[part][1],
        }
        for part, (total, kept) in after.parameters().items()
    }
    size = output.stat().st_size
    if json:
        print_json(
            {
                "model": str(output),
                "bytes": size,
                "stream_id": after.stream_id,
                "streams": words,
                "parts": counts,
                "passes": list(after.history[len(before.history) :]),
            }
        )
        return
    for part, count in counts.items():
        share = count["nonzero"] / count["parameters_before"]
        print(
            f"{part:12} {count['nonzero']:>12,} of {count['parameters_before']:,} weights left "
            f"({share:.1%})"
        )
    print(words)
    print(f"{output}: {readable_bytes(size)}")
