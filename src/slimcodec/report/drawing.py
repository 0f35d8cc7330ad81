"""Figures by themselves, as a notebook shows them: the same SVG as on the page.

from slimcodec.report import figure
figure("results", "rate", "ms-ssim")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimcodec.atomic import write_atomically
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.report import figures
from slimcodec.report.chapter import Chapter, make_chapter
from slimcodec.report.rendering import template
from slimcodec.report.runs import group_runs, read_runs
from slimcodec.report.text import metric_label
from slimcodec.showing import line

__all__ = ["Drawing", "figure"]

_KINDS: dict[str, tuple[str, Callable[[Chapter], Sequence[Any]]]] = {
    "verdict": ("lanes_svg", lambda chapter: chapter.lanes),
    "rate": ("curves_svg", lambda chapter: chapter.charts),
    "pareto": ("pareto_svg", lambda chapter: chapter.pareto),
    "images": ("scatter_svg", lambda chapter: chapter.scatters),
    "layers": ("layers_svg", lambda chapter: chapter.layers),
}
"""Kind to the macro that draws it, and where a chapter has its charts."""

_NEEDS = {
    "verdict": "it needs two codecs at four qualities each, or a study",
    "rate": "it needs a codec at several qualities",
    "pareto": "it needs two codecs at four qualities each",
    "images": "it needs a learned codec and another one at four qualities each",
    "layers": "it needs a variant whose recipe says bits layer by layer",
}


@dataclass(frozen=True)
class Drawing:
    """Charts of one kind.

    Attributes:
        title: what is drawn.
        macro: of the templates, which draws one.
        charts: their geometry; at least one.
        legend: curves that need naming, those measured and those published.
    """

    title: str
    macro: str
    charts: Sequence[Any]
    legend: tuple[Sequence[figures.Curve], Sequence[figures.Curve]] = ((), ())

    def __repr__(self) -> str:
        return line(self, self.title, ", ".join(chart.title for chart in self.charts))

    def _repr_html_(self) -> str:
        return self._rendered("drawing.html.j2")

    def _repr_svg_(self) -> str | None:
        """The only chart; several are no one SVG."""
        return self.svg() if len(self.charts) == 1 else None

    def svg(self) -> str:
        """The chart as a document of its own, for a browser.

        Raises:
            UsageError: when there are several charts.
        """
        if len(self.charts) > 1:
            names = ", ".join(chart.title for chart in self.charts)
            raise UsageError(f"an SVG is one chart, and these are {names}; name a metric")
        return self._rendered("drawing.svg.j2").strip() + "\n"

    def save(self, path: Path) -> None:
        """The chart as an SVG file, written aside and renamed.

        Raises:
            UsageError: when there are several charts.
        """
        write_atomically(Path(path), self.svg().encode())

    def _rendered(self, name: str) -> str:
        return str(
            template(name).render(
                macro=self.macro, charts=self.charts, legend=self.legend, drawing=figures
            )
        )


def figure(
    folders: Path | str | Sequence[Path | str], kind: str = "verdict", metric: str | None = None
) -> Drawing:
    """A figure of the page, by itself.

    Args:
        folders: as for `build_report`; of several, the first part of the page is drawn.
        kind: ``verdict`` (BD-rates, or the changes of a study), ``rate`` (curves), ``pareto``
            (decoding time against bytes) or ``images`` (each by itself).
        metric: by name, for its chart alone; all of them by default.

    Raises:
        UnknownNameError: when there is no such kind, or no chart of that metric.
        UsageError: when these rows have no such figure.
        MissingExtraError: when Jinja2 is not installed.
        SlimcodecError: when there are no rows, or something in a folder is damaged.
    """
    if kind not in _KINDS:
        raise UnknownNameError("figure", kind, _KINDS)
    places = [folders] if isinstance(folders, str | Path) else folders
    chapter = make_chapter(group_runs(read_runs([Path(place) for place in places]))[0])
    macro, charts_of = _KINDS[kind]
    charts = list(charts_of(chapter))
    if not charts:
        raise UsageError(f"these rows have no figure {kind!r}; {_NEEDS[kind]}")
    if metric is not None:
        label = metric_label(metric)
        found = [chart for chart in charts if label == chart.title]
        if not found:
            raise UnknownNameError("chart", metric, [chart.title for chart in charts])
        charts = found
    legend = figures.legend(charts) if kind == "rate" else ((), ())
    return Drawing(f"{kind} of {chapter.title}", macro, charts, legend)
