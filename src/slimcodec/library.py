"""Models and codecs by name: peers, built-in models, model files by path; and shrunk ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slimcodec import registry
from slimcodec.atomic import write_atomically
from slimcodec.codecs.around import Around
from slimcodec.codecs.family import Identified
from slimcodec.errors import UsageError
from slimcodec.ladder import Ladder, check_rung, read_ladder
from slimcodec.model_file import (
    Model,
    freeze_network,
    load,
    read_manifest,
    thaw_network,
)
from slimcodec.naming import (
    built_in_models,
    codec_names,
    effort_of,
    is_ladder,
    is_peer,
    model_path,
    parted,
)
from slimcodec.runtime import (
    DEFAULT,
    Bundle,
    bundle_manifest,
    is_bundle,
    open_bundle,
    open_codec,
    open_file,
)
from slimcodec.types import Codec, Enclosing

if TYPE_CHECKING:
    # Nobody who decodes waits for the passes.
    from slimcodec.shrink import Context, Recipe

__all__ = [
    "built_in_models",
    "check_quality",
    "codec_names",
    "export_model",
    "load_codec",
    "load_model",
    "model_path",
    "parted",
    "runtime_of",
    "shrink_model",
    "stream_change",
    "stream_suffix",
]


def load_model(name_or_path: str | Path) -> Model:
    """A model, with its digest checked."""
    return load(model_path(name_or_path))


def load_codec(
    name_or_path: str | Path, runtime: str | None = None, *, threads: int | None = None
) -> Codec:
    """Any codec: a peer or a built-in model by name; a model file, a bundle or a ladder by path.

    Args:
        name_or_path: for example ``"hific-s"``, ``"jpeg"``, ``"compact:jpeg"``, ``"small.slim"``
            or ``"bundle/"``; ``"hific-s+effort=6"`` encodes longer (``refine``).
        runtime: what executes a learned codec's graphs: a bundle's own, or the default, when not
            given; peers bring their own.
        threads: of each graph; all cores when not given.
    """
    name_or_path, effort = effort_of(name_or_path)
    if effort:
        return _refining(name_or_path, effort, runtime, threads)
    if is_peer(name_or_path):
        peer: Codec = registry.codecs.get(str(name_or_path))()
        return peer
    if is_ladder(name_or_path):
        return Ladder(Path(name_or_path), partial(load_codec, runtime=runtime, threads=threads))
    model, wanted = parted(name_or_path)
    inner = _inner_of(name_or_path) if wanted else ""
    if is_bundle(model):
        codec = open_codec(open_bundle(Path(model)), runtime, threads=threads)
    else:
        codec = open_file(model_path(model), runtime, threads)
    return codec.around(inner) if isinstance(codec, Enclosing) and inner else codec


def _refining(name: str, effort: int, runtime: str | None, threads: int | None) -> Codec:
    """A codec that encodes with an effort.

    Raises:
        UsageError: when it takes none.
    """
    from slimcodec.refine import refining

    if is_ladder(name):
        return Ladder(Path(name), lambda rung: _refining(str(rung), effort, runtime, threads))
    if is_bundle(name):
        raise UsageError(
            f"{name} is a bundle, and effort takes the weights of a model; encode with the model "
            "file that it was made of, the bundle reads its streams"
        )
    codec = load_codec(name, runtime, threads=threads)
    return refining(codec, partial(load_model, name), effort)


def stream_suffix(name_or_path: str | Path, runtime: str | None = None) -> str:
    """What names of a codec's streams end in: ``.slc``, or the codec's own for an image format. A
    model is not opened for that.

    Raises:
        SlimcodecError: as ``load_codec``, when there is no such codec or runtime.
    """
    if runtime is not None:
        registry.runtimes.target(runtime)
    name_or_path, _ = effort_of(name_or_path)
    if is_peer(name_or_path):
        peer = load_codec(name_or_path)
        return ".slc" if peer.model_bytes else str(getattr(peer, "suffix", f".{peer.name}"))
    if is_ladder(name_or_path):
        read_ladder(Path(name_or_path))
        return ".slc"
    inner = _inner_of(name_or_path)
    # Asked of what has streams of its own too: a codec inside that cannot be had is an error.
    own = ".slc" if not inner else stream_suffix(inner)
    family = registry.families.get(_facts_of(name_or_path)["family"])
    return ".slc" if isinstance(family, Identified) else own


def _inner_of(name_or_path: str | Path) -> str:
    """The codec that a model is around; empty where it is around none.

    Raises:
        UsageError: when it is around none, or another one, or is to be around a learned one.
        UnknownNameError: when there is no such codec.
    """
    _, wanted = parted(name_or_path)
    facts = _facts_of(name_or_path)
    family = registry.families.get(facts["family"])
    if not isinstance(family, Around):
        if wanted:
            raise UsageError(f"{facts['name']} is around no other codec, so {wanted} has no place")
        return ""
    if parted(wanted)[0] in built_in_models():
        formats = ", ".join(registry.codecs)
        raise UsageError(f"{wanted} is a learned codec itself; name an image format: {formats}")
    return family.inner(family.config(facts["config"]), wanted)


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
    name_or_path, _ = effort_of(name_or_path)
    if is_peer(name_or_path):
        # Which qualities there are, a codec says by what it refuses; these open at once.
        load_codec(name_or_path).encode(np.zeros((_PROBE, _PROBE, 3), np.uint8), quality)
        return
    if is_ladder(name_or_path):
        check_rung(quality, len(read_ladder(Path(name_or_path))), str(name_or_path))
        return
    if inner := _inner_of(name_or_path):
        check_quality(inner, quality)
        return
    facts = _facts_of(name_or_path)
    family = registry.families.get(facts["family"])
    family.config(facts["config"]).check_quality(quality, facts["name"])


def _facts_of(name_or_path: str | Path) -> Mapping[str, Any]:
    """What a model file or a bundle says of its model, unchecked."""
    model, _ = parted(name_or_path)
    if is_bundle(model):
        return bundle_manifest(Path(model)).model
    return read_manifest(model_path(model))


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
        UsageError: see ``fitting.check_recipe``.
    """
    from slimcodec.fitting import check_recipe

    check_recipe(recipe, model)
    if not recipe.passes:
        return model  # thawed and frozen, integers would come back as floats
    family = registry.families.get(model.family)
    if context is None:
        from slimcodec.shrink import Context

        context = Context()
    recipe.check_photographs(context.photographs)
    if context.state is not None:
        _claim(context.state, model, recipe, context.photographs)
    network, records = recipe.apply(thaw_network(model), family, context)
    history = (*model.history, *(record.to_dict() for record in records))
    name = f"{model.name}+{recipe.name}"
    return freeze_network(
        network,
        name=name,
        family=model.family,
        history=history,
        look=model.look,
        precision=model.precision,
    )


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
    name_or_path, _ = effort_of(name_or_path)
    if is_peer(name_or_path):
        return ""
    if is_ladder(name_or_path):
        return runtime_of(read_ladder(Path(name_or_path))[0].path, runtime)
    model, _ = parted(name_or_path)
    if runtime is None and is_bundle(model):
        return open_bundle(Path(model)).runtime
    return runtime or DEFAULT


def stream_change(before: Model, after: Model, recipe: Recipe) -> str:
    """What a recipe means for streams that exist already, in words."""
    family = registry.families.get(before.family)
    if not isinstance(family, Identified):
        inner = family.inner(family.config(before.config))
        return f"streams are {inner} files as before: every model of the family reads them"
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
            "; but an encoder runs its own decoder to choose what it writes, so each model's "
            "pictures are best from its own streams"
        )
    return words
