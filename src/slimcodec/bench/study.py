"""Studies: a grid of recipes on one codec, beside peers, as a TOML file.

    title = "Pruning HiFiC by part"
    codec = "hific-s"
    columns = ["encoder", "generator", "probability"]     # settings shown as columns

    [[variant]]
    name = "baseline"

    [[variant]]
    name = "generator 30 %"
    published = { total_time_s = 100, ssim = 0.7145, average_bytes = 18850.333 }
    [[variant.pass]]
    pass = "prune"
    generator = 0.3

    [[variant]]
    name = "JPEG, same size"
    codec = "jpeg"
    same_size_as = "baseline"

The first variant is what changes are counted from. ``published`` holds figures printed elsewhere,
to stand beside ours as shapes of change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slimcodec import library, registry
from slimcodec.bench.measure import Candidate
from slimcodec.bench.same_size import SameSize
from slimcodec.errors import ConfigError, SlimcodecError
from slimcodec.model_file import save
from slimcodec.settings import read_toml, refuse_unknown
from slimcodec.shrink import Recipe
from slimcodec.types import Codec

__all__ = ["Study", "Variant"]

DEFAULT_METRICS = ("ssim", "ms-ssim", "psnr", "lpips", "delta-e")
_KEYS = {
    "name", "title", "codec", "quality", "metrics", "repeats", "columns", "notes", "variant",
    "published_source", "figure",
}  # fmt: skip
_VARIANT_KEYS = {"name", "codec", "pass", "published", "same_size_as"}


@dataclass(frozen=True)
class Variant:
    """One line of a study: the study's codec after a recipe, or another codec.

    Attributes:
        name: its label.
        recipe: passes on the study's codec; empty for the codec as it is.
        codec: another codec instead.
        same_size_as: variant whose stream length that codec is to match, image by image.
        published: figures printed elsewhere for it.
    """

    name: str
    recipe: Recipe
    codec: str | None = None
    same_size_as: str | None = None
    published: Mapping[str, float] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """All settings of its passes together, for table columns."""
        merged: dict[str, Any] = {}
        for step in self.recipe.passes:
            merged |= step.settings()
        return merged


@dataclass(frozen=True)
class Study:
    """A grid, read from TOML."""

    name: str
    title: str
    codec: str
    variants: tuple[Variant, ...]
    quality: tuple[float, ...] = ()
    metrics: tuple[str, ...] = DEFAULT_METRICS
    repeats: int = 3
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    published_source: str = ""
    figure: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Study:
        """Parse a TOML file.

        Raises:
            ConfigError: naming the file and the line or key.
        """
        return cls.from_dict({"name": path.stem, **read_toml(path)}, str(path))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> Study:
        """From TOML's values; ``where`` names the source in errors."""
        refuse_unknown(values, _KEYS, where)
        if not isinstance(values.get("codec"), str):
            raise ConfigError(where, 'says no codec = "NAME"')
        tables = values.get("variant")
        if not isinstance(tables, list) or not tables:
            raise ConfigError(where, "needs at least one [[variant]]")
        variants = tuple(
            _variant(table, f"{where}, variant {n}") for n, table in enumerate(tables, 1)
        )
        names = [variant.name for variant in variants]
        for number, variant in enumerate(variants, 1):
            place = f"{where}, variant {number}"
            if names.index(variant.name) != number - 1:
                raise ConfigError(place, f"there is another variant named {variant.name!r}")
            if variant.same_size_as is not None and variant.same_size_as not in names[: number - 1]:
                raise ConfigError(
                    place, f"same_size_as = {variant.same_size_as!r} names no variant before it"
                )
        _check_types(values, where)
        quality = values.get("quality", ())
        for metric in values.get("metrics", ()):
            try:
                registry.metrics.target(metric)
            except SlimcodecError as error:
                raise ConfigError(f"{where}, metrics", str(error)) from error
        return cls(
            name=str(values.get("name", "study")),
            title=str(values.get("title", values.get("name", "study"))),
            codec=values["codec"],
            variants=variants,
            quality=tuple(quality)
            if isinstance(quality, list)
            else ((quality,) if quality else ()),
            metrics=tuple(values.get("metrics", DEFAULT_METRICS)),
            repeats=int(values.get("repeats", 3)),
            columns=tuple(values.get("columns", ())),
            notes=tuple(values.get("notes", ())),
            published_source=str(values.get("published_source", "")),
            figure=dict(values.get("figure", {})),
        )

    def describe(self) -> dict[str, Any]:
        """What a report needs besides the rows, plain values."""
        return {
            "name": self.name,
            "title": self.title,
            "columns": list(self.columns),
            "notes": list(self.notes),
            "published": {v.name: dict(v.published) for v in self.variants if v.published},
            "published_source": self.published_source,
            "figure": dict(self.figure),
        }

    def candidates(
        self,
        models: Path,
        runtime: str = "torch",
        on_progress: Callable[[int, int, str], None] = lambda done, total, what: None,
    ) -> Sequence[Candidate]:
        """Shrink every variant, save it as a model file, and open it.

        Args:
            models: folder for the model files; made when missing.
            runtime: what executes them.
            on_progress: called with (done, total, variant).
        """
        base = library.load_model(self.codec)
        models.mkdir(parents=True, exist_ok=True)
        opened: dict[str, Codec] = {}
        candidates = []
        for number, variant in enumerate(self.variants):
            on_progress(number, len(self.variants), variant.name)
            if variant.codec is not None:
                codec = library.load_codec(variant.codec, runtime)
                if variant.same_size_as is not None:
                    codec = SameSize(codec, opened[variant.same_size_as])
            elif variant.recipe.passes:
                path = models / f"{_file_name(variant.name)}.slim"
                save(library.shrink_model(base, variant.recipe), path)
                codec = library.load_codec(path, runtime)
            else:
                codec = library.load_codec(self.codec, runtime)
            opened[variant.name] = codec
            learned = codec.model_bytes > 0
            candidates.append(
                Candidate(
                    codec,
                    self.quality or (opened[self.variants[0].name].default_quality,),
                    variant.name,
                    runtime if learned else "",
                    variant.settings,
                )
            )
        on_progress(len(self.variants), len(self.variants), "ready")
        return candidates


def _variant(table: Any, place: str) -> Variant:
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise ConfigError(place, 'says no name = "LABEL"')
    refuse_unknown(table, _VARIANT_KEYS, place)
    passes = {"pass": table["pass"]} if "pass" in table else {}
    recipe = Recipe.from_dict({"name": _file_name(table["name"]), **passes}, place)
    codec = table.get("codec")
    if codec is not None and recipe.passes:
        raise ConfigError(place, "has both a codec and passes; shrink the study's own codec")
    if table.get("same_size_as") is not None and codec is None:
        raise ConfigError(place, "same_size_as goes with a peer: say codec as well")
    return Variant(
        table["name"], recipe, codec, table.get("same_size_as"), table.get("published", {})
    )


def _check_types(values: Mapping[str, Any], where: str) -> None:
    quality, repeats = values.get("quality", 1), values.get("repeats", 1)
    qualities = quality if isinstance(quality, list) else [quality]
    if not all(isinstance(q, int | float) and not isinstance(q, bool) for q in qualities):
        raise ConfigError(where, f"quality must be a number or a list of them, got {quality!r}")
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
        raise ConfigError(where, f"repeats must be a whole number from 1, got {repeats!r}")
    for key in ("metrics", "columns", "notes"):
        listed = values.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise ConfigError(where, f"{key} must be a list of texts, got {listed!r}")


def _file_name(label: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in label.lower()).split()
    return "-".join(words)
