"""slimcodec export: a model to a bundle for one runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slimcodec.cli.options import Force, Json


def export(
    codec: Annotated[str, typer.Argument(help="A built-in model by name, or a model file.")],
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
    in integers where the runtime can (`slimcodec inspect BUNDLE` says which did).

    Example: slimcodec export small.slim -o bundle --runtime openvino

    Example: slimcodec decode photo.slc --codec bundle
    """
    from slimcodec import library, registry
    from slimcodec.cli.console import print_json, progress_bar, readable_bytes
    from slimcodec.cli.outputs import check_bundle

    registry.runtimes.target(runtime)
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
