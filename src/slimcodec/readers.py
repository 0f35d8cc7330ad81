"""Which built-in model reads a stream, and what its pictures aim at."""

from __future__ import annotations

from pathlib import Path

from slimcodec.errors import UnknownNameError, WrongModelError
from slimcodec.model_file import FAITHFUL, read_manifest
from slimcodec.naming import built_in_models
from slimcodec.runtime import known_file, open_file
from slimcodec.stream import unpack
from slimcodec.types import Codec

__all__ = ["built_in_looks", "codec_of_id", "codec_of_stream", "looks_of"]


def built_in_looks() -> set[str]:
    """Every look that a built-in model has."""
    return {str(read_manifest(p).get("look", FAITHFUL)) for p in built_in_models().values()}


def looks_of(stream_id: str) -> dict[str, Path]:
    """The built-in models that read a stream, by the look of their pictures.

    Args:
        stream_id: hex, as a stream or a model says it.
    """
    found = {}
    for path in built_in_models().values():
        manifest = read_manifest(path)
        if manifest["stream_id"] == stream_id:
            found[str(manifest.get("look", FAITHFUL))] = path
    return found


_FORMER = {
    "f0942ec3b8294fb7": "hific-s of slimcodec 0.1.0",
    "bd9d2d80075cbade": "toderici-s of slimcodec 0.1.0",
}
"""Stream ids of built-in models of other versions."""


def _known_reader(stream_id: str, look: str) -> Path | None:
    """The built-in model that reads a stream, where it was run before; opens no model file."""
    for path in built_in_models().values():
        if (known := known_file(path)) and (known.stream_id, known.look) == (stream_id, look):
            return path
    return None


def codec_of_stream(
    stream: bytes,
    runtime: str | None = None,
    look: str | None = None,
    *,
    threads: int | None = None,
) -> Codec:
    """The built-in model that a stream names by its id.

    Args:
        stream: as a codec wrote it.
        runtime: what executes the model's graphs.
        look: what the picture shall aim at; when not given, to be faithful, or else the one thing
            that there is of this stream.
        threads: of each graph; all cores when not given.

    Raises:
        StreamError: when the bytes are no stream of ours.
        WrongModelError: when no built-in model wrote it.
        UnknownNameError: when it was written, but there is no such look of it.
    """
    return codec_of_id(unpack(stream, partial=True).stream_id.hex(), runtime, look, threads=threads)


def codec_of_id(
    stream_id: str,
    runtime: str | None = None,
    look: str | None = None,
    *,
    threads: int | None = None,
) -> Codec:
    """The built-in model whose streams have an id, in hex; see ``codec_of_stream``."""
    if (path := _known_reader(stream_id, look or FAITHFUL)) is not None:
        return open_file(path, runtime, threads)
    looks = looks_of(stream_id)
    if not looks:
        if (former := _FORMER.get(stream_id)) is not None:
            words = f"the stream was written by {former}; decode it with that version of slimcodec"
            raise WrongModelError(words)
        raise WrongModelError(
            f"no built-in model has the stream id {stream_id}; name the model that wrote the "
            "stream with --codec FILE.slim"
        )
    if look is None:
        look = FAITHFUL if FAITHFUL in looks else next(iter(looks))
    if look not in looks:
        raise UnknownNameError("look of this stream", look, looks)
    return open_file(looks[look], runtime, threads)
