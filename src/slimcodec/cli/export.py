"""slimcodec export: a model to a bundle for one runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slimcodec.cli.options import Force, Json


def export(
    codec: Annotated[
        str, typer.Argument(help="A built-in model by name, a model file or a ladder.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="BUNDLE", help="The folder to make.")
    ],
    runtime: Annotated[
        str,
        typer.Option("--runtime", help="What shall run it: openvino (fastest on CPUs) or onnx."),
    ] = "openvino",
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a model as a bundle: a folder of graphs that a runtime is fast at.

    Its streams are those of the model. ONNX Runtime comes with slimcodec; OpenVINO is
    `pip install 'slimcodec[openvino]'` on the machine that runs the bundle. Quantized layers run
    in integers where the runtime can (`slimcodec inspect BUNDLE` says which did). Of a ladder
    comes a ladder of bundles.

    Example: slimcodec export small.slim -o bundle --runtime openvino

    Example: slimcodec decode photo.slc --codec bundle
    """
    from slimcodec import library, registry
    from slimcodec.cli.console import print_json, progress_bar, readable_bytes
    from slimcodec.cli.outputs import check_bundle
    from slimcodec.naming import is_ladder

    registry.runtimes.target(runtime)
    if is_ladder(codec):
        _export_ladder(Path(codec), output, runtime, force, json)
        return
    check_bundle(output, force)
    with progress_bar("exporting") as progress:
        bundle = library.export_model(library.load_model(codec), output, runtime, progress)
    graphs = [way.file for ways in bundle.graphs.values() for way in ways]
    if json:
        print_json(
            {
                "bundle": str(output),
                "runtime": bundle.runtime,
                "bytes": bundle.bytes,
                "graphs": graphs,
                "stream_id": bundle.model["stream_id"],
                "digest": bundle.model["digest"],
            }
        )
        return
    print(
        f"{output}: {bundle.model['name']} for {bundle.runtime}, {len(graphs)} graphs, "
        f"{readable_bytes(bundle.bytes)}"
    )


def _export_ladder(ladder: Path, output: Path, runtime: str, force: bool, json: bool) -> None:
    """A bundle for each of its models."""
    from slimcodec import library
    from slimcodec.cli.console import print_json, progress_bar, readable_bytes
    from slimcodec.cli.outputs import check_ladder
    from slimcodec.ladder import read_ladder, written_ladder

    check_ladder(output, force, ladder)
    rungs = read_ladder(ladder)
    names = [str(number) for number in range(1, len(rungs) + 1)]
    with progress_bar("exporting") as progress, written_ladder(output, names) as aside:
        for name, rung in zip(names, rungs, strict=True):
            library.export_model(library.load_model(rung.path), aside / name, runtime, progress)
    made = read_ladder(output)
    size = sum(rung.bytes for rung in made)
    if json:
        stream_ids = [rung.stream_id for rung in made]
        facts = {"ladder": str(output), "runtime": runtime, "bytes": size}
        print_json({**facts, "stream_ids": stream_ids})
        return
    print(
        f"{output}: a ladder of {len(made)} bundles for {runtime}, qualities 1 to {len(made)}, "
        f"{readable_bytes(size)}"
    )
