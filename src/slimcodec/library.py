"""Models and codecs by name: peers, built-in models, model files by path; and shrunk ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slimcodec import registry
from slimcodec.atomic import write_atomically
from slimcodec.codecs.family import Around
from slimcodec.errors import ModelFileError, UnknownNameError, UsageError, WrongModelError
from slimcodec.model_file import (
    FAITHFUL,
    Model,
    freeze_network,
    load,
    read_manifest,
    thaw_network,
)
from slimcodec.runtime import (
    DEFAULT,
    Bundle,
    bundle_manifest,
    is_bundle,
    known_file,
    open_bundle,
    open_codec,
    open_file,
)
from slimcodec.stream import unpack
from slimcodec.types import Codec

if TYPE_CHECKING:
    # Nobody who decodes waits for the passes.
    from slimcodec.shrink import Context, Recipe

__all__ = [
    "built_in_looks",
    "built_in_models",
    "check_quality",
    "codec_names",
    "codec_of_id",
    "codec_of_stream",
    "export_model",
    "load_codec",
    "load_model",
    "looks_of",
    "model_path",
    "runtime_of",
    "shrink_model",
    "stream_change",
    "stream_suffix",
]

SUFFIX = ".slim"
_AROUND = {"jpeg+restore": "restore-s"}
"""What a built-in model makes of an image format, by what it does: another name of the model."""
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
    text = _AROUND.get(text, text)
    built_in = built_in_models()
    if text in built_in:
        return built_in[text]
    path = Path(name_or_path)
    if path.is_file():
        return path
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder, and no bundle: it has no bundle.json")
    if path.suffix or "/" in text:
        # No name of ours has a suffix: this is one of a file.
        raise ModelFileError(f"there is no model file {path}")
    if text in registry.codecs:
        models = ", ".join(built_in)
        raise UsageError(f"{text} is an image format, not a model; name one of {models}")
    raise UnknownNameError("codec", text, codec_names())


def codec_names() -> list[str]:
    """Every name that a codec has without being a file of one's own."""
    return [*built_in_models(), *_AROUND, *registry.codecs]


def load_model(name_or_path: str | Path) -> Model:
    """A model, with its digest checked."""
    return load(model_path(name_or_path))


def load_codec(
    name_or_path: str | Path, runtime: str | None = None, *, threads: int | None = None
) -> Codec:
    """Any codec: a peer or a built-in model by name, a model file or a bundle by path.

    Args:
        name_or_path: for example ``"hific-s"``, ``"jpeg"``, ``"small.slim"`` or ``"bundle/"``.
        runtime: what executes a learned codec's graphs: a bundle's own, or the default, when not
            given; peers bring their own.
        threads: of each graph; all cores when not given.
    """
    if _is_peer(name_or_path):
        codec: Codec = registry.codecs.get(str(name_or_path))()
        return codec
    if is_bundle(name_or_path):
        return open_codec(open_bundle(Path(name_or_path)), runtime, threads=threads)
    return open_file(model_path(name_or_path), runtime, threads)


def stream_suffix(name_or_path: str | Path, runtime: str | None = None) -> str:
    """What names of a codec's streams end in: ``.slc``, or the codec's own for an image format. A
    model is not opened for that.

    Raises:
        SlimcodecError: as ``load_codec``, when there is no such codec or runtime.
    """
    if runtime is not None:
        registry.runtimes.target(runtime)
    if _is_peer(name_or_path):
        peer = load_codec(name_or_path)
        return ".slc" if peer.model_bytes else str(getattr(peer, "suffix", f".{peer.name}"))
    family = registry.families.get(_facts_of(name_or_path)["family"])
    return stream_suffix(family.inner) if isinstance(family, Around) else ".slc"


_PROBE = 16
"""Side in pixels of a picture that is coded to ask a question."""


def check_quality(name_or_path: str | Path, quality: float) -> None:
    """A quality that a codec has, asked before it is opened.

    Args:
        name_or_path: see ``load_codec``.
        quality: in the codec's own scale.

    Raises:
        UsageError: when it does not have it.
    """
    if _is_peer(name_or_path):
        # Which qualities there are, a codec says by what it refuses; these open at once.
        load_codec(name_or_path).encode(np.zeros((_PROBE, _PROBE, 3), np.uint8), quality)
        return
    facts = _facts_of(name_or_path)
    family = registry.families.get(facts["family"])
    if isinstance(family, Around):
        check_quality(family.inner, quality)
        return
    family.config(facts["config"]).check_quality(quality, facts["name"])


def _facts_of(name_or_path: str | Path) -> Mapping[str, Any]:
    """What a model file or a bundle says of its model, unchecked."""
    if is_bundle(name_or_path):
        return bundle_manifest(Path(name_or_path)).model
    return read_manifest(model_path(name_or_path))


def _is_peer(name_or_path: str | Path) -> bool:
    """Whether a name is a peer's; third parties' are looked up only where it is no model's."""
    text = str(name_or_path)
    return text not in built_in_models() and text in registry.codecs


def shrink_model(model: Model, recipe: Recipe, context: Context | None = None) -> Model:
    """Apply a recipe to a model and freeze the outcome; the given model stays as it is.

    Args:
        model: what to shrink.
        recipe: the passes.
        context: photographs to calibrate on, where a pass needs them.

    The result's history holds what every pass did. It keeps the ``stream_id`` when nothing that
    streams depend on was touched, and gets a new one when it was (``stream_change`` says so). Of a
    recipe without passes it is the model itself.

    Raises:
        UsageError: when the model is quantized already: passes work on floats.
    """
    family = registry.families.get(model.family)
    recipe.check(family)
    if not recipe.passes:
        return model  # thawed and frozen, integers would come back as floats
    if model.quantized:
        raise UsageError(f"{model.name} is quantized already; shrink the float model it came from")
    if context is None:
        from slimcodec.shrink import Context

        context = Context()
    recipe.check_photographs(context.photographs)
    if context.state is not None:
        _claim(context.state, model, recipe, context.photographs)
    network, records = recipe.apply(thaw_network(model), family, context)
    history = (*model.history, *(record.to_dict() for record in records))
    name = f"{model.name}+{recipe.name}"
    return freeze_network(network, name=name, family=model.family, history=history, look=model.look)


_CLAIM = "recipe.json"


def _claim(state: Path, model: Model, recipe: Recipe, photographs: Path | None) -> None:
    """A folder is for one recipe on one model and the same photographs: what it holds of others
    would come out as theirs.

    Raises:
        UsageError: when it is another's.
    """
    from slimcodec.images import find_images

    names = [] if photographs is None else [path.name for path in find_images(photographs)]
    own = {"model": model.digest, "recipe": recipe.to_dict(), "photographs": names}
    text, path = json.dumps(own, sort_keys=True), state / _CLAIM
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise UsageError(
            f"{state} holds a run of another recipe, model or folder of photographs; take it away, "
            "or write to another file"
        )
    state.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())


def export_model(
    model: Model,
    folder: Path,
    runtime: str,
    on_progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> Bundle:
    """Write a model as a bundle, and open it, every check made.

    Args:
        model: float or quantized.
        folder: where it is to be; a bundle that is there is replaced.
        runtime: what shall run it.
        on_progress: called with (graphs done, graphs, name of the next).

    Raises:
        UnknownNameError: when there is no such runtime.
        UsageError: when it runs no bundles, or something else is in that place.
    """
    from slimcodec.runtime.bundled import BundleRuntime
    from slimcodec.runtime.graphs.bundling import export

    kind = registry.runtimes.get(runtime)
    if not issubclass(kind, BundleRuntime):
        raise UsageError(f"the runtime {runtime} runs model files as they are, and no bundles")
    export(model, kind, folder, on_progress)
    return open_bundle(folder)


def runtime_of(name_or_path: str | Path, runtime: str | None) -> str:
    """What ``load_codec`` runs a codec on; empty for a peer, which brings its own."""
    if _is_peer(name_or_path):
        return ""
    if runtime is None and is_bundle(name_or_path):
        return open_bundle(Path(name_or_path)).runtime
    return runtime or DEFAULT


def stream_change(before: Model, after: Model, recipe: Recipe) -> str:
    """What a recipe means for streams that exist already, in words."""
    family = registry.families.get(before.family)
    if isinstance(family, Around):
        return f"streams are {family.inner} files as before: every model of the family reads them"
    if before.stream_id != after.stream_id:
        return (
            f"new stream id {after.stream_id}: the probability model changed, so streams written "
            f"by {before.name} need {before.name} to decode, and this model's streams need this "
            "model"
        )
    touched = recipe.touches(family)
    encoding = family.encoding_parts
    if touched and touched <= encoding:
        return (
            f"stream id stays {after.stream_id}: only the {' and the '.join(sorted(touched))} "
            f"changed, so every decoder of {before.name} reads the new streams as well"
        )
    words = (
        f"stream id stays {after.stream_id}: streams written by {before.name} decode with this "
        "model, and the other way round"
    )
    if touched & family.shared_parts:
        words += (
            "; but an encoder corrects what its own decoder made of the iterations before, so "
            "each model's pictures are best from its own streams"
        )
    return words


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
