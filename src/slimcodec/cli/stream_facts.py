"""What a stream says of itself, for ``slimcodec inspect``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slimcodec.stream import Stream

__all__ = ["stream_facts"]


def stream_facts(path: Path) -> dict[str, Any]:
    from slimcodec import readers
    from slimcodec.cli.options import naming, read_stream
    from slimcodec.model_file import FAITHFUL, read_manifest
    from slimcodec.stream import salvage, unpack

    data, lost = read_stream(path)
    with naming(path):
        if lost is None:
            # Of a progressive stream the reader has done this; tiles stand alone, too.
            data, lost = salvage(data)
        stream = unpack(data, partial=True)
    stream_id = stream.stream_id.hex()
    looks = readers.looks_of(stream_id)
    manifests = {look: read_manifest(own) for look, own in looks.items()}
    names = {look: str(manifest["name"]) for look, manifest in manifests.items()}
    model = names.get(FAITHFUL) or next(iter(names.values()), "not a built-in one")
    facts = {
        "stream": str(path),
        "bytes": path.stat().st_size,
        "stream_id": stream_id,
        "model": model,
        **({"looks": list(names)} if len(names) > 1 else {}),
        "width": stream.width,
        "height": stream.height,
    }
    with naming(path):
        facts |= _quality_facts(stream, next(iter(manifests.values()), None))
    facts |= _beside_facts(stream) | _tile_facts(stream)
    if stream.progressive:
        facts |= {"progressive": True, "sections": _section_facts(data), "whole": lost is None}
    elif stream.tiles == 1:
        facts |= {"section_bytes": [len(section) for section in stream.sections]}
    return facts if lost is None else facts | {"damage": lost}


def _quality_facts(stream: Stream, manifest: Mapping[str, Any] | None) -> dict[str, Any]:
    """How good the picture is, as far as the stream and what reads it know: what another codec
    wrote inside, or the step of quality where there are several.

    Args:
        stream: whose.
        manifest: of a built-in model that reads it.
    """
    from slimcodec import registry
    from slimcodec.codecs.around import Enveloping

    if stream.progressive:
        return {}  # a step is a section
    if manifest is not None:
        family = registry.families.get(manifest["family"])
        if isinstance(family, Enveloping):
            found = family.contents(stream)
            return {
                "inside": found.codec,
                "inside_quality": found.quality,
                "inside_bytes": found.file_bytes,
            }
        if len(family.config(manifest["config"]).qualities) == 1:
            return {}
    return {"quality_step": stream.quality}


def _beside_facts(stream: Stream) -> dict[str, Any]:
    """What travels with the picture, and what it takes."""
    beside = {name: len(data) for name, data in stream.beside.items()}
    return {"beside_bytes": beside} if beside else {}


def _tile_facts(stream: Stream) -> dict[str, Any]:
    """Bytes of each tile, over all steps, and which of them, from 1 on, are not whole."""
    if stream.tiles == 1:
        return {}
    damaged = sorted({number % stream.tiles + 1 for number in stream.missing})
    return {
        "tile_positions": stream.tile,
        "tiles": stream.tiles,
        "tile_bytes": [
            sum(len(section) for section in stream.sections[tile :: stream.tiles])
            for tile in range(stream.tiles)
        ],
        **({"damaged_tiles": damaged} if damaged else {}),
    }


def _section_facts(data: bytes) -> list[dict[str, Any]]:
    """What each step costs, of all tiles, and the stream that ends with it; how long that is cannot
    be told of one with holes."""
    from slimcodec.metrics import bits_per_pixel
    from slimcodec.stream import step_ends, unpack

    stream = unpack(data, partial=True)
    ends = () if stream.missing else step_ends(data)
    facts = []
    for step in range(stream.steps):
        sections = stream.sections[step * stream.tiles : (step + 1) * stream.tiles]
        fact: dict[str, Any] = {"section": step + 1, "section_bytes": sum(map(len, sections))}
        if ends:
            bpp = bits_per_pixel(ends[step], stream.height, stream.width)
            fact |= {"bytes_so_far": ends[step], "bpp_so_far": round(bpp, 4)}
        facts.append(fact)
    return facts
