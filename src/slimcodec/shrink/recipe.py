"""A recipe: an ordered list of passes, resolved and checked before a weight is touched.

In TOML a recipe is a list of tables, each naming its pass, with the pass's own settings beside it:

    name = "hific-s-paper"

    [[pass]]
    pass = "prune"
    generator = 0.3
    probability = 0.3

In Python it is the same list: ``Recipe([Prune({"generator": 0.3, "probability": 0.3})])``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from slimcodec import registry
from slimcodec.errors import ConfigError, SlimcodecError, UsageError
from slimcodec.images import check_images, find_images
from slimcodec.settings import read_toml, refuse_unknown
from slimcodec.showing import html_table, line

if TYPE_CHECKING:
    from torch import nn

    from slimcodec.codecs.family import Family

__all__ = ["Context", "Pass", "Recipe", "Record"]


@dataclass(frozen=True)
class Record:
    """What one pass did, plain values: it becomes part of the model's history.

    Attributes:
        name: of the pass.
        settings: as given.
        layers: per layer, what changed.
        seconds: how long it took.
    """

    name: str
    settings: Mapping[str, Any]
    layers: Sequence[Mapping[str, Any]]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a manifest. Seconds stay out: they would change a model's digest."""
        return {
            "pass": self.name,
            "settings": dict(self.settings),
            "layers": [dict(layer) for layer in self.layers],
        }


@dataclass(frozen=True)
class Context:
    """What passes may use besides the network.

    Attributes:
        photographs: a folder to calibrate on.
        on_progress: called with (done, total, what) during work that takes a while.
        reference: the network before the recipe, which passes only look at. ``Recipe.apply`` says
            so where nobody has: whoever goes on with a network that was shrunk before may name the
            one from before that.
        state: a folder in which passes that learn keep how far they are, to go on from there when
            they are applied again; nothing is kept without one.
    """

    photographs: Path | None = None
    on_progress: Callable[[int, int, str], None] = lambda done, total, what: None
    reference: nn.Module | None = None
    state: Path | None = None

    def folder(self, what: str) -> Path:
        """The photographs.

        Raises:
            UsageError: when there are none, saying for what they are needed.
        """
        if self.photographs is None:
            raise UsageError(
                f"{what} measures on photographs; name a folder of them with --calibration DIR "
                "(not the images that it will be judged by)"
            )
        return self.photographs

    def stage(self, what: str) -> Callable[[int, int], None]:
        """``on_progress`` for one piece of work."""
        return lambda done, total: self.on_progress(done, total, what)


@runtime_checkable
class Pass(Protocol):
    """One technique with its settings, as a frozen dataclass."""

    name: ClassVar[str]

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Pass:
        """From a recipe's table, less the ``pass`` key; ``UsageError`` names what is wrong."""

    def settings(self) -> dict[str, Any]:
        """The inverse of ``from_settings``."""

    def check(self, family: Family, config: Any) -> Any:
        """The config that ``apply`` leaves of a network of that one; nothing but shapes is looked
        at.

        Raises:
            UsageError, ConfigError: when it cannot be applied to such a network.
        """

    def plan(self, network: nn.Module, family: Family) -> list[str]:
        """What ``apply`` would do, a line each."""

    def touches(self, family: Family) -> frozenset[str]:
        """Parts whose weights change."""

    def needs_photographs(self) -> bool:
        """Whether ``apply`` measures on photographs."""

    def apply(
        self, network: nn.Module, family: Family, context: Context | None = None
    ) -> tuple[nn.Module, list[dict[str, Any]]]:
        """A changed copy of the network, and a record per layer."""


class Recipe:
    """An ordered list of passes.

    Args:
        passes: first to last.
        name: for the model that comes out of it.
    """

    def __init__(self, passes: Sequence[Pass], name: str = "recipe") -> None:
        self.passes, self.name = tuple(passes), name

    def __repr__(self) -> str:
        return line(self, self.name, " → ".join(step.name for step in self.passes) or "no passes")

    def _repr_html_(self) -> str:
        """For notebooks: each pass and its settings, in order."""
        rows = [(step.name, step.settings()) for step in self.passes]
        return html_table(self.name, rows, ("pass", "settings"))

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Parse a TOML file.

        Raises:
            ConfigError: naming the file and the line or key.
        """
        return cls.from_dict({"name": path.stem, **read_toml(path)}, str(path))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "recipe") -> Recipe:
        """From TOML's values; ``where`` names the source in errors."""
        refuse_unknown(values, ("name", "pass"), where)
        tables = values.get("pass", [])
        if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
            raise ConfigError(where, "passes are written as [[pass]] tables")
        passes = []
        for number, table in enumerate(tables, 1):
            settings = dict(table)
            place = f"{where}, pass {number}"
            if not isinstance(settings.get("pass"), str):
                raise ConfigError(place, 'says no pass = "NAME"')
            try:
                kind = registry.passes.get(settings.pop("pass"))
                passes.append(kind.from_settings(settings))
            except SlimcodecError as error:
                raise ConfigError(place, str(error)) from error
        return cls(passes, str(values.get("name", "recipe")))

    def to_dict(self) -> dict[str, Any]:
        """The inverse of ``from_dict``."""
        return {
            "name": self.name,
            "pass": [{"pass": p.name, **p.settings()} for p in self.passes],
        }

    def check(self, family: Family, config: Any) -> Any:
        """Whether every pass can be applied to a network of that config, by shapes alone; the
        config that they leave.

        Raises:
            UsageError: naming the pass that cannot, and why.
        """
        for number, step in enumerate(self.passes, 1):
            try:
                config = step.check(family, config)
            except (UsageError, ConfigError) as error:
                raise UsageError(f"pass {number}, {step.name}: {error}") from error
        return config

    def plan(self, network: nn.Module, family: Family) -> list[str]:
        """What ``apply`` would do, a line each."""
        return [line for step in self.passes for line in step.plan(network, family)]

    def touches(self, family: Family) -> frozenset[str]:
        """Parts whose weights change."""
        return frozenset().union(*(step.touches(family) for step in self.passes))

    def learns(self) -> bool:
        """Whether any pass trains."""
        from slimcodec.shrink.learning import Learning

        return any(isinstance(step, Learning) for step in self.passes)

    def check_photographs(self, photographs: Path | None) -> None:
        """Raise before anything is loaded when a pass needs photographs and has none.

        Raises:
            UsageError: naming the pass, or a photograph that judges where one learns.
            ImageError: when there is no such folder, no image in it, or one that cannot be read.
        """
        from slimcodec.shrink.learning import Learning

        for step in self.passes:
            if isinstance(step, Learning):
                step.photographs(Context(photographs))
            elif step.needs_photographs():
                check_images(find_images(Context(photographs).folder(step.name)))

    def apply(
        self, network: nn.Module, family: Family, context: Context | None = None
    ) -> tuple[nn.Module, list[Record]]:
        """Apply every pass to a copy; the given network stays as it is."""
        self.check(family, network.config)
        context = context or Context()
        if context.reference is None:
            context = replace(context, reference=network)
        records = []
        for number, step in enumerate(self.passes, 1):
            started = time.perf_counter()
            own = context.state and context.state / f"{number}-{step.name}"
            network, layers = step.apply(network, family, replace(context, state=own))
            seconds = time.perf_counter() - started
            records.append(Record(step.name, step.settings(), layers, seconds))
        return network, records
