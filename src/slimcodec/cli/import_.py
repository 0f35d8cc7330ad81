"""slimcodec import: a published checkpoint to a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_(
    family: Annotated[str, typer.Argument(help="The checkpoint's architecture: hific.")],
    checkpoint: Annotated[Path, typer.Argument(help="The file as published (.pt).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The new model file (.slim).")],
) -> None:
    """Turn a published checkpoint into a model file, without running anything that is in it.

    Unknown and missing weights are an error that lists them; the file's own settings decide the
    shape.

    Example: slimcodec import hific hific_med.pt -o hific-med.slim
    """
    from slimcodec import registry
    from slimcodec.cli.console import note, readable_bytes
    from slimcodec.model_file import freeze_network, save

    network = registry.families.get(family).read_checkpoint(checkpoint)
    note("freezing: rounding to half precision, making integer tables")
    history = ({"import": family, "file": checkpoint.name},)
    model = freeze_network(network, name=output.stem, family=family, history=history)
    save(model, output)
    total = sum(count for count, _ in model.parameters().values())
    print(
        f"{output}: {total:,} parameters, {readable_bytes(output.stat().st_size)}, "
        f"stream id {model.stream_id}"
    )
