"""slimcodec import: a published checkpoint to a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slimcodec.cli.options import Force


def import_(
    family: Annotated[
        str, typer.Argument(help="The checkpoint's architecture: hific or toderici.")
    ],
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            metavar="CHECKPOINT",
            help="As published (.pt, .pth): hific's one file; toderici's encoder, binarizer and "
            "decoder, in this order.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The new model file (.slim).")],
    force: Force = False,
) -> None:
    """Turn a published checkpoint into a model file, without running anything that is in it.

    Unknown and missing weights are an error that lists them; the file's own settings decide the
    shape.

    Example: slimcodec import hific hific_med.pt -o hific-med.slim

    Example: slimcodec import toderici encoder.pth binarizer.pth decoder.pth -o rnn.slim
    """
    from slimcodec import registry
    from slimcodec.cli.console import note, readable_bytes
    from slimcodec.cli.outputs import check_new
    from slimcodec.codecs.family import Published, by_role
    from slimcodec.errors import UsageError
    from slimcodec.model_file import freeze_network, save

    published = registry.families.get(family)
    if not isinstance(published, Published):
        raise UsageError(f"nobody published a {family} checkpoint that could be imported")
    files = by_role(family, published.checkpoint_files, checkpoints)
    check_new(output, force, *checkpoints)
    network = published.read_checkpoint(checkpoints)
    note("freezing: rounding to half precision, making integer tables")
    history = ({"import": family, "files": {role: path.name for role, path in files.items()}},)
    model = freeze_network(network, name=output.stem, family=family, history=history)
    save(model, output)
    total = sum(count for count, _ in model.parameters().values())
    print(
        f"{output}: {total:,} parameters, {readable_bytes(output.stat().st_size)}, "
        f"stream id {model.stream_id}"
    )
