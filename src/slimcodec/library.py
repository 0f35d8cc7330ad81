"""Models and codecs by name: peers, built-in models, model files by path; and shrunk ones."""

from __future__ import annotations

from pathlib import Path

from slimcodec import registry
from slimcodec.errors import ModelFileError, UnknownNameError, UsageError, WrongModelError
from slimcodec.model_file import (
    FAITHFUL,
    Model,
    file_bytes,
    freeze_network,
    load,
    read_manifest,
    thaw_network,
)
from slimcodec.runtime import open_codec
from slimcodec.shrink import Recipe
from slimcodec.stream import unpack
from slimcodec.types import Codec

__all__ = [
    "built_in_models",
    "codec_of_stream",
    "load_codec",
    "load_model",
    "looks_of",
    "model_path",
    "shrink_model",
    "stream_change",
]

SUFFIX = ".slim"
_MODELS = Path(__file__).parent / "models"


def built_in_models() -> dict[str, Path]:
    """The models that ship inside the package, by name."""
    return {path.name.removesuffix(SUFFIX): path for path in sorted(_MODELS.glob("*" + SUFFIX))}


def model_path(name_or_path: str | Path) -> Path:
    """The model file that a built-in name or a path means.

    Raises:
        ModelFileError: when it looks like a path and there is no such file.
        UnknownNameError: when it is neither.
        UsageError: when it is an image format.
    """
    text = str(name_or_path)
    built_in = built_in_models()
    if text in built_in:
        return built_in[text]
    path = Path(name_or_path)
    if path.is_file():
        return path
    if text.endswith(SUFFIX) or "/" in text:
        raise ModelFileError(f"there is no model file {path}")
    if text in registry.codecs:
        models = ", ".join(built_in)
        raise UsageError(f"{text} is an image format, not a model; name one of {models}")
    raise UnknownNameError("codec", text, [*built_in, *registry.codecs])


def load_model(name_or_path: str | Path) -> Model:
    """A model, with its digest checked."""
    return load(model_path(name_or_path))


def load_codec(name_or_path: str | Path, runtime: str = "torch") -> Codec:
    """Any codec: a peer or a built-in model by name, a model file by path.

    Args:
        name_or_path: for example ``"hific-s"``, ``"jpeg"`` or ``"small.slim"``.
        runtime: what executes a learned codec's parts; peers bring their own.
    """
    if str(name_or_path) in registry.codecs:
        codec: Codec = registry.codecs.get(str(name_or_path))()
        return codec
    return _open(model_path(name_or_path), runtime)


def shrink_model(model: Model, recipe: Recipe) -> Model:
    """Apply a recipe to a model and freeze the outcome; the given model stays as it is.

    The result's history holds what every pass did. It keeps the ``stream_id`` when nothing that
    streams depend on was touched, and gets a new one when it was (``stream_change`` says so).
    """
    family = registry.families.get(model.family)
    recipe.check(family)
    network, records = recipe.apply(thaw_network(model), family)
    history = (*model.history, *(record.to_dict() for record in records))
    name = f"{model.name}+{recipe.name}"
    return freeze_network(network, name=name, family=model.family, history=history, look=model.look)


def stream_change(before: Model, after: Model, recipe: Recipe) -> str:
    """What a recipe means for streams that exist already, in words."""
    if before.stream_id != after.stream_id:
        return (
            f"new stream id {after.stream_id}: the probability model changed, so streams written "
            f"by {before.name} need {before.name} to decode, and this model's streams need this "
            "model"
        )
    touched = recipe.touches()
    encoding = registry.families.get(before.family).encoding_parts
    if touched and touched <= encoding:
        return (
            f"stream id stays {after.stream_id}: only the {' and the '.join(sorted(touched))} "
            f"changed, so every decoder of {before.name} reads the new streams as well"
        )
    words = (
        f"stream id stays {after.stream_id}: streams written by {before.name} decode with this "
        "model, and the other way round"
    )
    if touched & registry.families.get(before.family).shared_parts:
        words += (
            "; but an encoder corrects what its own decoder made of the iterations before, so "
            "each model's pictures are best from its own streams"
        )
    return words


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


def codec_of_stream(stream: bytes, runtime: str = "torch", look: str = FAITHFUL) -> Codec:
    """The built-in model that a stream names by its id.

    Args:
        stream: as a codec wrote it.
        runtime: what executes the model's parts.
        look: what the picture shall aim at.

    Raises:
        StreamError: when the bytes are no stream of ours.
        WrongModelError: when no built-in model wrote it.
        UnknownNameError: when it was written, but there is no such look of it.
    """
    stream_id = unpack(stream).stream_id.hex()
    looks = looks_of(stream_id)
    if not looks:
        raise WrongModelError(
            f"no built-in model has the stream id {stream_id}; name the model that wrote the "
            "stream with --codec FILE.slim"
        )
    if look not in looks:
        raise UnknownNameError("look of this stream", look, looks)
    return _open(looks[look], runtime)


def _open(path: Path, runtime: str) -> Codec:
    return open_codec(load(path), runtime, model_bytes=file_bytes(path))
