"""Studies: a grid of recipes on codecs, beside peers, as a TOML file.

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

    [[variant]]
    name = "eight bits"
    recipe = "int8"                                       # that ships, or a file beside the study

A variant may name another codec, a learned one also with passes or a recipe, and its own
``quality``; ``bench.making`` makes it. Changes are counted from the first variant of the same codec
at the same quality, never across codecs.
``published`` holds figures printed elsewhere, to stand beside ours as shapes of change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slimcodec import catalogue, registry
from slimcodec.errors import ConfigError, SlimcodecError
from slimcodec.settings import is_of, read_toml, refuse_unknown
from slimcodec.showing import line
from slimcodec.shrink import Recipe

__all__ = ["Study", "Variant"]

DEFAULT_METRICS = ("ssim", "ms-ssim", "psnr", "lpips", "delta-e")
_FIGURES = Mapping[str, float]
_KEYS = {
    "name", "title", "codec", "quality", "metrics", "repeats", "columns", "notes", "variant",
    "published_source", "figure",
}  # fmt: skip
_VARIANT_KEYS = {
    "name", "codec", "quality", "runtime", "pass", "recipe", "published", "same_size_as",
}  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """One line of a study: the study's codec or another one, as it is or after a recipe.

    Attributes:
        name: its label.
        recipe: passes on the codec; empty for the codec as it is.
        codec: another codec than the study's.
        same_size_as: variant whose stream length that codec is to match, image by image.
        published: figures printed elsewhere for it.
        quality: where to measure it; empty for where the variant it is matched with is measured,
            else the study's qualities, else the codec's default.
        runtime: what executes it; what the study is run with when not given.
    """

    name: str
    recipe: Recipe
    codec: str | None = None
    same_size_as: str | None = None
    published: Mapping[str, float] = field(default_factory=dict)
    quality: tuple[float, ...] = ()
    runtime: str | None = None

    def __repr__(self) -> str:
        passes = " → ".join(step.name for step in self.recipe.passes) or "no passes"
        return line(self, self.name, self.codec or "", passes)

    @property
    def file_name(self) -> str:
        """Of its model file, without suffix."""
        words = "".join(c if c.isalnum() else " " for c in self.name.lower()).split()
        return "-".join(words)

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

    def __repr__(self) -> str:
        return line(self, self.name, f"codec {self.codec}", f"{len(self.variants)} variants")

    @classmethod
    def read(cls, path: Path) -> Study:
        """Parse a TOML file.

        Raises:
            ConfigError: naming the file and the line or key.
        """
        return cls.from_dict({"name": path.stem, **read_toml(path)}, str(path), path.parent)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str, folder: Path = Path()) -> Study:
        """From TOML's values.

        Args:
            values: of the file.
            where: names the source in errors.
            folder: that recipes which are files are looked for in.
        """
        refuse_unknown(values, _KEYS, where)
        if not isinstance(values.get("codec"), str):
            raise ConfigError(where, 'says no codec = "NAME"')
        tables = values.get("variant")
        if not isinstance(tables, list) or not tables:
            raise ConfigError(where, "needs at least one [[variant]]")
        variants = tuple(
            _variant(table, f"{where}, variant {n}", folder) for n, table in enumerate(tables, 1)
        )
        names = [variant.name for variant in variants]
        files = [variant.file_name for variant in variants if variant.recipe.passes]
        for number, variant in enumerate(variants, 1):
            place = f"{where}, variant {number}"
            if names.index(variant.name) != number - 1:
                raise ConfigError(place, f"there is another variant named {variant.name!r}")
            if files.count(variant.file_name) > 1:
                raise ConfigError(place, f"two models would be called {variant.file_name}.slim")
            if variant.same_size_as is not None and variant.same_size_as not in names[: number - 1]:
                raise ConfigError(
                    place, f"same_size_as = {variant.same_size_as!r} names no variant before it"
                )
        _check_types(values, where)
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
            quality=_qualities(values, where),
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
            "same_size_as": {v.name: v.same_size_as for v in self.variants if v.same_size_as},
            "figure": dict(self.figure),
        }


def _variant(table: Any, place: str, folder: Path) -> Variant:
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise ConfigError(place, 'says no name = "LABEL"')
    refuse_unknown(table, _VARIANT_KEYS, place)
    recipe = _recipe(table, place, folder)
    codec = table.get("codec")
    if not isinstance(codec, str | None):
        raise ConfigError(place, f"codec must be a name or a path, got {codec!r}")
    if codec in registry.codecs and recipe.passes:
        raise ConfigError(place, f"{codec} has no model that passes could shrink")
    runtime = table.get("runtime")
    if runtime is not None:
        try:
            registry.runtimes.target(runtime)
        except SlimcodecError as error:
            raise ConfigError(f"{place}, runtime", str(error)) from error
    if not is_of(table.get("published", {}), _FIGURES):
        raise ConfigError(place, f"published is a table of numbers, got {table['published']!r:.60}")
    if not is_of(table.get("same_size_as"), str | None):
        raise ConfigError(place, f"same_size_as names a variant, got {table['same_size_as']!r:.60}")
    if table.get("same_size_as") is not None and (codec is None or recipe.passes):
        raise ConfigError(place, "same_size_as goes with a peer: say its codec, and no passes")
    return Variant(
        table["name"],
        recipe,
        codec,
        table.get("same_size_as"),
        table.get("published", {}),
        _qualities(table, place),
        runtime,
    )


def _recipe(table: Mapping[str, Any], place: str, folder: Path) -> Recipe:
    """The one that is named, or the passes that are written out; without either, none."""
    name = table.get("recipe")
    if name is None:
        passes = {"pass": table["pass"]} if "pass" in table else {}
        return Recipe.from_dict(
            {"name": Variant(table["name"], Recipe([])).file_name, **passes}, place
        )
    if not isinstance(name, str) or "pass" in table:
        raise ConfigError(place, "recipe is a name or a path, in the place of [[variant.pass]]")
    try:
        found = catalogue.recipes.find(name)
        return Recipe.read(found if found.is_absolute() else folder / found)
    except SlimcodecError as error:
        raise ConfigError(f"{place}, recipe", str(error)) from error
    except (OSError, ValueError) as error:  # a name that no file can have
        raise ConfigError(f"{place}, recipe", f"{name!r:.60} is no path") from error


def _qualities(values: Mapping[str, Any], where: str) -> tuple[float, ...]:
    """``quality = 3`` or ``quality = [1, 2, 3]``; empty where nothing is said."""
    quality = values.get("quality", [])
    qualities = quality if isinstance(quality, list) else [quality]
    if not all(isinstance(q, int | float) and not isinstance(q, bool) for q in qualities):
        raise ConfigError(where, f"quality must be a number or a list of them, got {quality!r}")
    return tuple(qualities)


def _check_types(values: Mapping[str, Any], where: str) -> None:
    repeats = values.get("repeats", 1)
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
        raise ConfigError(where, f"repeats must be a whole number from 1, got {repeats!r}")
    if not is_of(values.get("figure", {}), Mapping[str, Any]):
        raise ConfigError(where, f"figure is a table, got {values['figure']!r:.60}")
    for key in ("metrics", "columns", "notes"):
        listed = values.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise ConfigError(where, f"{key} must be a list of texts, got {listed!r}")
