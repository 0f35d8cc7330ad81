"""A study's variants made: each codec shrunk, its model file written, all of them to be measured.

A model file of an earlier run is taken as it is where it is the outcome of the same: of the same
model, by the same passes, measured on the same photographs; one of others is refused, for rows are
of it. What it is of is said by a file beside it, ``NAME.json``, with a digest of the model file
that it speaks of; a kill between the two leaves one that speaks of another file, and then the model
is made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimcodec import library
from slimcodec.atomic import write_atomically
from slimcodec.bench import opening
from slimcodec.bench.jobs import Candidate, CodecReference
from slimcodec.bench.study import Study, Variant
from slimcodec.errors import SlimcodecError, UsageError, check_extra
from slimcodec.fitting import check_recipe
from slimcodec.images import find_images
from slimcodec.model_file import Model, save
from slimcodec.shrink import Context, Recipe

__all__ = ["candidates_of"]


def candidates_of(
    study: Study,
    models: Path,
    runtime: str | None = None,
    context: Context | None = None,
    on_checked: Callable[[], None] = lambda: None,
) -> list[Candidate]:
    """Shrink every variant, and say what is to be measured.

    Args:
        study: whose.
        models: folder for the model files; made when missing.
        runtime: what executes those whose variant names no runtime; the default when not given.
        context: photographs to calibrate on; progress is (done, total, variant), and while a model
            is made that of its passes, with the variant's name and place before their words.
        on_checked: called once, when nothing is refused any more and nothing is made yet.

    Raises:
        UsageError: naming the variant, when a codec, a runtime or a quality is none, or a recipe
            cannot be applied; or when a model is there that was made otherwise, or calibrated on
            other photographs; or as ``library.shrink_model``. All before anything is made.
    """
    context = context or Context()
    _check_names(study, runtime)
    outcomes = _outcomes(study, models, context)
    on_checked()
    models.mkdir(parents=True, exist_ok=True)
    made: dict[str, Candidate] = {}
    for number, variant in enumerate(study.variants):
        context.on_progress(number, len(study.variants), variant.name)
        outcome = outcomes.get(variant.name)
        if outcome is not None and not outcome.is_there():
            place = f"{variant.name}, {number + 1} of {len(study.variants)}"
            outcome.make(_within(context, place))
        matched = made.get(variant.same_size_as or "")
        name = (variant.codec or study.codec) if outcome is None else str(outcome.path)
        reference = CodecReference(
            name, variant.runtime or runtime, None if matched is None else matched.codec
        )
        made[variant.name] = Candidate(
            reference,
            variant.quality
            or (matched.qualities if matched else study.quality)
            or (opening.opened(reference).default_quality,),
            variant.name,
            variant.settings,
            "" if outcome is None else outcome.base.digest,
        )
    context.on_progress(len(study.variants), len(study.variants), "ready")
    return list(made.values())


def _within(context: Context, place: str) -> Context:
    """The same photographs, and progress of passes as that of a part."""

    def told(done: int, total: int, what: str) -> None:
        context.on_progress(done, total, f"{place} · {what}")

    return Context(context.photographs, told)


def _check_names(study: Study, runtime: str | None) -> None:
    """Codecs, runtimes and qualities, before minutes are spent on models.

    Raises:
        UsageError: when one of them is none.
    """
    sets_scale: dict[str, str] = {}
    for variant in study.variants:
        name = variant.codec or study.codec
        with _naming(study, variant):
            library.stream_suffix(name, variant.runtime or runtime)
            # Where a size is matched, qualities are those of what it is the size of.
            sets_scale[variant.name] = sets_scale.get(variant.same_size_as or "", name)
            for quality in variant.quality or (() if variant.same_size_as else study.quality):
                library.check_quality(sets_scale[variant.name], quality)


@contextmanager
def _naming(study: Study, variant: Variant) -> Iterator[None]:
    """What a variant asks for and cannot have, said with its name and the study's."""
    try:
        yield
    except SlimcodecError as error:  # of whatever class, which callers may tell apart
        error.args = (f"study {study.name!r}, variant {variant.name!r}: {error}",)
        raise


@dataclass(frozen=True)
class _Outcome:
    """What a recipe makes of a model.

    Attributes:
        base: the model.
        recipe: the passes.
        photographs: digest of those that they measure on; empty where they need none.
        path: of the model file.
    """

    base: Model
    recipe: Recipe
    photographs: str
    path: Path

    @property
    def origin(self) -> dict[str, Any]:
        """What it is made of, plain values."""
        passes = json.loads(json.dumps(self.recipe.to_dict()["pass"]))
        return {"model": self.base.digest, "pass": passes, "photographs": self.photographs}

    @property
    def _said(self) -> Path:
        return self.path.with_suffix(".json")

    def held(self) -> dict[str, Any] | None:
        """What the file that is there was made of; None where nobody knows."""
        try:
            said = json.loads(self._said.read_text(encoding="utf-8"))
            file = _digest([self.path])
            return dict(said["origin"]) if said["file"] == file else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def is_there(self) -> bool:
        return self.held() == self.origin

    def make(self, context: Context) -> None:
        save(library.shrink_model(self.base, self.recipe, context), self.path)
        said = {"origin": self.origin, "file": _digest([self.path])}
        write_atomically(self._said, json.dumps(said, indent=2).encode())


def _outcomes(study: Study, models: Path, context: Context) -> dict[str, _Outcome]:
    """By variant, of those that are shrunk; everything that can be refused is refused here."""
    bases: dict[str, Model] = {}
    shrunk = [variant for variant in study.variants if variant.recipe.passes]
    if shrunk:
        check_extra("changing a model", "torch", "torch")
    for variant in shrunk:
        name = variant.codec or study.codec
        with _naming(study, variant):
            if name not in bases:
                bases[name] = library.load_model(name)
            check_recipe(variant.recipe, bases[name])
            variant.recipe.check_photographs(context.photographs)
    found = {}
    photographs = _photographs(shrunk, context)
    for variant in shrunk:
        outcome = _Outcome(
            bases[variant.codec or study.codec],
            variant.recipe,
            photographs if _measures(variant.recipe) else "",
            models / f"{variant.file_name}.slim",
        )
        held, wanted = outcome.held(), outcome.origin
        if held is not None and held != wanted:
            same = {**held, "photographs": ""} == {**wanted, "photographs": ""}
            raise UsageError(
                f"{outcome.path} was made with other photographs than those of "
                f"{context.photographs}; name another folder with --out, or give those"
                if same
                else f"{outcome.path} was made of another model or by other passes than the study "
                "says; name another folder with --out"
            )
        found[variant.name] = outcome
    return found


def _measures(recipe: Recipe) -> bool:
    """Whether photographs decide what it makes."""
    return recipe.learns() or any(step.needs_photographs() for step in recipe.passes)


def _photographs(variants: list[Variant], context: Context) -> str:
    """Digest of the photographs, where any of the variants looks at them."""
    if context.photographs is None or not any(_measures(v.recipe) for v in variants):
        return ""
    paths = find_images(context.photographs)
    context.on_progress(0, len(variants), f"looking at {len(paths)} photographs")
    return _digest(paths)


def _digest(paths: list[Path]) -> str:
    """Of files, their names and what is in them."""
    found = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            found.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()
