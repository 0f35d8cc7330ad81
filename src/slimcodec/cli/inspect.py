"""slimcodec inspect: what a model, a bundle, a stream, a recipe or a study says about itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slimcodec.cli.options import Json

if TYPE_CHECKING:
    from slimcodec.model_file import Model, Storage
    from slimcodec.runtime import Operator


def inspect(
    path: Annotated[
        str,
        typer.Argument(
            help="A model, a recipe or a study, by name or as a file; a bundle; or a stream."
        ),
    ],
    json: Json = False,
) -> None:
    """Show what a model, a bundle, a stream, a recipe or a study says, after checking it.

    Of a model: bytes of each part, bits a weight, and what entropy coding could reach at best. Of
    a bundle: which operators really ran in integers and which fell back, from the runtime's own
    profile of one picture coded there and back. A progressive stream is listed section by section,
    with what the stream up to there costs; one that is damaged or cut short is listed as far as it
    is whole, and the exit status is 1. Of tiles it says the bytes of each and which are damaged; of
    every stream, what travels beside the picture. Of a recipe or a study: what it does, a line
    each.

    Example: slimcodec inspect hific-s

    Example: slimcodec inspect int8

    Example: slimcodec inspect bundle

    Example: slimcodec inspect photo.slc
    """
    from slimcodec.cli.console import print_json

    facts = _facts(path)
    if json:
        print_json(facts)
    else:
        _print(facts)
    if "damage" in facts:
        raise typer.Exit(1)


def _print(facts: dict[str, Any]) -> None:
    """Each with its name in a column of its own."""
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        lines = value if isinstance(value, list) else [value]
        for number, line in enumerate(lines):
            print(f"{key if number == 0 else '':{width}}  {_line(line)}")


def _facts(name: str) -> dict[str, Any]:
    from slimcodec import catalogue, library
    from slimcodec.cli.stream_facts import stream_facts
    from slimcodec.errors import UnknownNameError
    from slimcodec.naming import is_ladder
    from slimcodec.runtime import is_bundle

    path = Path(name)
    if is_ladder(path):
        return _ladder_facts(path)
    if is_bundle(path):
        return _bundle_facts(path)
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(3)
        if start == b"SLC":
            return stream_facts(path)
    if (toml := _toml_facts(name)) is not None:
        return toml
    try:
        found = library.model_path(name)
    except UnknownNameError as error:
        names = {*library.built_in_models(), *catalogue.recipes.files(), *catalogue.studies.files()}
        raise UnknownNameError("model, recipe or study", name, names) from error
    model = library.load_model(found)
    return {
        "model": model.name,
        "family": model.family,
        "bytes": found.stat().st_size,
        **_base_facts(found),
        "digest": model.digest,
        **({"stream_id": model.stream_id} if model.stream_id else {}),
        "look": model.look,
        "parts": _part_facts(model, found),
        **({"grids": _grid_facts(model.quantization.to_dict())} if model.quantization else {}),
        "config": dict(model.config),
        "history": [dict(entry) for entry in model.history],
    }


def _ladder_facts(folder: Path) -> dict[str, Any]:
    from slimcodec.ladder import read_ladder

    rungs = read_ladder(folder)
    return {
        "ladder": folder.resolve().name,
        "bytes": sum(rung.bytes for rung in rungs),
        "qualities": f"1 to {len(rungs)}",
        "models": [
            {
                "quality": number,
                "file": rung.path.name,
                "model": rung.facts["name"],
                "family": rung.facts["family"],
                "bytes": rung.bytes,
                "stream_id": rung.stream_id,
            }
            for number, rung in enumerate(rungs, 1)
        ],
    }


def _toml_facts(name: str) -> dict[str, Any] | None:
    """Of a recipe or a study, by name or by path; None of anything else."""
    from slimcodec import catalogue, library
    from slimcodec.settings import read_toml

    if name in library.built_in_models():
        return None
    if name in catalogue.studies.files():
        return _study_facts(catalogue.studies.find(name))
    if name in catalogue.recipes.files():
        return _recipe_facts(catalogue.recipes.find(name))
    path = Path(name)
    if path.suffix != ".toml":
        return None
    return _study_facts(path) if "variant" in read_toml(path) else _recipe_facts(path)


def _recipe_facts(path: Path) -> dict[str, Any]:
    from slimcodec import catalogue
    from slimcodec.shrink import Recipe

    recipe = Recipe.read(path)
    return {
        "recipe": recipe.name,
        "file": str(path),
        "about": catalogue.headline(path),
        "needs_photographs": any(step.needs_photographs() for step in recipe.passes),
        "learns": recipe.learns(),
        "passes": recipe.to_dict()["pass"],
    }


def _study_facts(path: Path) -> dict[str, Any]:
    from slimcodec import catalogue
    from slimcodec.bench import Study

    study = Study.read(path)
    return {
        "study": study.name,
        "file": str(path),
        "about": catalogue.headline(path),
        "codec": study.codec,
        "metrics": list(study.metrics),
        "variants": [
            {
                "variant": variant.name,
                "codec": variant.codec or study.codec,
                "passes": variant.recipe.to_dict()["pass"],
            }
            for variant in study.variants
        ],
    }


def _part_facts(model: Model, path: Path) -> list[dict[str, Any]]:
    """Weights of each part, and what they take in the file."""
    from slimcodec.model_file import storage_of

    rows = storage_of(path)
    facts = []
    for part, (total, kept) in model.parameters().items():
        own = [row for row in rows if row.part == part and not row.in_base]
        facts.append({"part": part, "parameters": total, "nonzero": kept, **_stored(own)})
    frozen = [row for row in rows if row.part == "frozen"]
    return [*facts, {"part": "tables", **_stored(frozen)}]


def _stored(rows: Iterable[Storage]) -> dict[str, Any]:
    rows = list(rows)
    stored, elements = sum(r.stored_bytes for r in rows), sum(r.elements for r in rows)
    if not elements:
        return {"bytes": 0}
    return {
        "bytes": stored,
        "bits_per_weight": round(8 * stored / elements, 2),
        "entropy_bound_bytes": round(sum(r.bound_bytes for r in rows)),
    }


def _grid_facts(grids: dict[str, Any]) -> list[dict[str, Any]]:
    """How many layers of each part have which bits, and placed levels."""
    counts: dict[tuple[str, Any, Any, bool], int] = {}
    inputs = grids["activations"]
    for name, grid in grids["weights"].items():
        layer = name.removesuffix(".weight")
        bits = inputs[layer]["bits"] if layer in inputs else "float"
        key = (layer.split(".")[0], grid["bits"], bits, "table" in grid)
        counts[key] = counts.get(key, 0) + 1
    return [
        {
            "part": part,
            "layers": count,
            "weight_bits": weights,
            "input_bits": bits,
            **({"levels": "placed"} if placed else {}),
        }
        for (part, weights, bits, placed), count in counts.items()
    ]


def _bundle_facts(path: Path) -> dict[str, Any]:
    from slimcodec.runtime import open_bundle, profile

    bundle = open_bundle(path)
    operators = profile(bundle)
    return {
        "bundle": str(path),
        "runtime": bundle.runtime,
        "model": bundle.model["name"],
        "family": bundle.model["family"],
        "bytes": bundle.bytes,
        "digest": bundle.model["digest"],
        **({"stream_id": own} if (own := bundle.model["stream_id"]) else {}),
        "look": bundle.model["look"],
        **({"grids": _grid_facts(dict(bundle.grids))} if bundle.grids["weights"] else {}),
        "graphs": [_graph_facts(graph, operators) for graph in bundle.graphs],
        "operators": _operator_facts(operators),
    }


def _graph_facts(graph: str, operators: list[Operator]) -> dict[str, Any]:
    """How much of a graph's work was done in integers."""
    own = [operator for operator in operators if operator.graph == graph]
    layers = {operator.name for operator in own if operator.multiplies}
    integers = {operator.name for operator in own if operator.multiplies and operator.integer}
    # A layer may have a small float helper beside its integers, which takes a constant off.
    floats = sorted(layers - integers)
    total = sum(operator.ms for operator in own)
    return {
        "graph": graph,
        "layers": len(layers),
        "layers_in_integers": len(integers),
        "ms": round(total, 1),
        "ms_in_integers": round(sum(o.ms for o in own if o.integer), 1),
        **({"in_floats": ", ".join(floats)} if floats else {}),
    }


def _operator_facts(operators: list[Operator]) -> list[dict[str, Any]]:
    """Operators of one kind together, the longest first."""
    groups: dict[tuple[str, bool], list[Operator]] = {}
    for operator in operators:
        groups.setdefault((operator.kind, operator.integer), []).append(operator)
    facts = [
        {
            "operator": kind,
            "runs_in": "integers" if integer else "floats",
            "count": len(group),
            "ms": round(sum(operator.ms for operator in group), 1),
        }
        for (kind, integer), group in groups.items()
    ]
    return sorted(facts, key=lambda fact: -fact["ms"])


def _base_facts(path: Path) -> dict[str, Any]:
    from slimcodec.model_file import file_bytes, read_manifest

    base = read_manifest(path).get("base")
    return {"builds_on": base["file"], "bytes_whole": file_bytes(path)} if base else {}


def _line(value: Any) -> str:
    if isinstance(value, dict):
        shown = {
            k: (f"{len(v)} entries" if isinstance(v, list) and len(v) > 8 else v)
            for k, v in value.items()
        }
        return ", ".join(f"{k} {_line(v)}" for k, v in shown.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
