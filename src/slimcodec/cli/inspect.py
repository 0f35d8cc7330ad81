"""slimcodec inspect: what a model file or a stream says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from slimcodec.cli.options import Json


def inspect(
    path: Annotated[
        str, typer.Argument(help="A model file, a built-in model's name, or a stream.")
    ],
    json: Json = False,
) -> None:
    """Show what a model file or a stream says about itself, after checking it.

    A progressive stream is listed section by section, with what the stream up to there costs; one
    that is damaged or cut short is listed as far as it is whole.

    Example: slimcodec inspect hific-s

    Example: slimcodec inspect photo.slc
    """
    from slimcodec.cli.console import print_json

    facts = _facts(path)
    if json:
        print_json(facts)
        return
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        lines = value if isinstance(value, list) else [value]
        for number, line in enumerate(lines):
            print(f"{key if number == 0 else '':{width}}  {_line(line)}")


def _facts(name: str) -> dict[str, Any]:
    from slimcodec import library

    path = Path(name)
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(3)
        if start == b"SLC":
            return _stream_facts(path)
    model = library.load_model(name)
    return {
        "model": model.name,
        "family": model.family,
        "bytes": library.model_path(name).stat().st_size,
        **_base_facts(library.model_path(name)),
        "digest": model.digest,
        "stream_id": model.stream_id,
        "look": model.look,
        "parts": [
            {"part": part, "parameters": total, "nonzero": kept}
            for part, (total, kept) in model.parameters().items()
        ],
        "config": dict(model.config),
        "history": [dict(entry) for entry in model.history],
    }


def _base_facts(path: Path) -> dict[str, Any]:
    from slimcodec.model_file import file_bytes, read_manifest

    base = read_manifest(path).get("base")
    return {"builds_on": base["file"], "bytes_whole": file_bytes(path)} if base else {}


def _stream_facts(path: Path) -> dict[str, Any]:
    from slimcodec import library
    from slimcodec.cli.options import naming, read_stream
    from slimcodec.model_file import FAITHFUL, read_manifest
    from slimcodec.stream import unpack

    data, lost = read_stream(path)
    with naming(path):
        stream = unpack(data)
    stream_id = stream.stream_id.hex()
    looks = library.looks_of(stream_id)
    names = {look: str(read_manifest(path)["name"]) for look, path in looks.items()}
    model = names.get(FAITHFUL) or next(iter(names.values()), "not a built-in one")
    facts = {
        "stream": str(path),
        "bytes": path.stat().st_size,
        "stream_id": stream_id,
        "model": model,
        **({"looks": list(names)} if len(names) > 1 else {}),
        "width": stream.width,
        "height": stream.height,
        "quality_step": stream.quality,
    }
    if not stream.progressive:
        return facts | {"section_bytes": [len(section) for section in stream.sections]}
    facts |= {"progressive": True, "sections": _section_facts(data), "whole": lost is None}
    return facts if lost is None else facts | {"damage": lost}


def _section_facts(data: bytes) -> list[dict[str, Any]]:
    """What each section costs, and the stream that ends with it."""
    from slimcodec.metrics import bits_per_pixel
    from slimcodec.stream import section_ends, unpack

    stream = unpack(data)
    return [
        {
            "section": number,
            "section_bytes": len(section),
            "bytes_so_far": end,
            "bpp_so_far": round(bits_per_pixel(end, stream.height, stream.width), 4),
        }
        for number, (section, end) in enumerate(
            zip(stream.sections, section_ends(data), strict=True), 1
        )
    ]


def _line(value: Any) -> str:
    if isinstance(value, dict):
        shown = {
            k: (f"{len(v)} entries" if isinstance(v, list) and len(v) > 8 else v)
            for k, v in value.items()
        }
        return ", ".join(f"{k} {_line(v)}" for k, v in shown.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
