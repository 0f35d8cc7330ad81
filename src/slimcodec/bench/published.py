"""Curves that others published, from CSV, to stand beside measured ones and be told from them.

    # source: CompressAI, results/image/kodak (means over the 24 Kodak pictures)
    codec,bpp,psnr,ms-ssim
    VTM,0.048245,26.184,0.8613
    VTM,0.112495,28.711,0.9178

Columns but the first two are metrics by their names in the registry, in the metric's own unit:
MS-SSIM between 0 and 1, not in dB. A cell may be empty. ``# source:`` says where the lines below it
come from, up to the next one, and there must be one; ``# images:`` names the pictures that they
are means over, without suffix, and where it does, nothing else is compared with them. Other lines
that begin with ``#`` are comments.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slimcodec import registry
from slimcodec.atomic import write_atomically
from slimcodec.bench.bd_rates import rate_of_means
from slimcodec.bench.summary import Point
from slimcodec.errors import ConfigError, why_unreadable
from slimcodec.metrics import curve_quality
from slimcodec.showing import line

__all__ = [
    "KEPT_AS",
    "PublishedCurve",
    "PublishedPoint",
    "PublishedRate",
    "published_rates",
    "read_published",
    "write_published",
]

KEPT_AS = "published.csv"
"""What a bench calls the file in which it keeps the curves that it was given, beside its rows."""

_SOURCE, _IMAGES = "source:", "images:"
_FIRST = ["codec", "bpp"]


@dataclass(frozen=True)
class PublishedPoint:
    """Means over the images of whoever published it; ``metrics`` by registry name."""

    bpp: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class PublishedCurve:
    """One codec's points, in the order of the file.

    Attributes:
        codec: its name there.
        source: who says so.
        points: at least one.
        images: names, without suffix, of the pictures that they are means over; empty where the
            file does not say.
    """

    codec: str
    source: str
    points: Sequence[PublishedPoint]
    images: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return line(self, self.codec, f"{len(self.points)} points", self.source)

    def is_of(self, images: Iterable[str]) -> bool:
        """Whether it may be compared with means over these pictures, named without suffix."""
        return not self.images or self.images == frozenset(images)


@dataclass(frozen=True)
class PublishedRate:
    """A BD-rate of a measured variant against a published curve: of means, so without interval.

    Attributes:
        variant: what was measured.
        codec, source: of the curve.
        metric: whose quality is equal.
        percent: of bytes that the variant needs more.
    """

    variant: str
    codec: str
    source: str
    metric: str
    percent: float


def read_published(path: Path) -> list[PublishedCurve]:
    """The curves of a CSV file, in the order in which they first come.

    Raises:
        ConfigError: naming the file and the line, when it does not say what the head of this module
            says.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), f"cannot be read: {why_unreadable(error)}") from error
    curves: dict[tuple[str, str, frozenset[str]], list[PublishedPoint]] = {}
    source, images, metrics = "", frozenset[str](), None
    for number, written in enumerate(text.splitlines(), 1):
        where = f"{path}, line {number}"
        if written.startswith("#"):
            said = written.removeprefix("#").strip()
            if said.lower().startswith(_SOURCE):
                source = said[len(_SOURCE) :].strip()
            elif said.lower().startswith(_IMAGES):
                images = frozenset(said[len(_IMAGES) :].replace(",", " ").split())
        elif written.strip():
            cells = [cell.strip() for cell in next(csv.reader([written]))]
            if metrics is None:
                metrics = _metrics(cells, where)
                continue
            if not source:
                raise ConfigError(where, "no '# source: ...' line before it says where it is from")
            curve = curves.setdefault((cells[0], source, images), [])
            curve.append(_point(cells, metrics, where))
    if not curves:
        raise ConfigError(str(path), "holds no points; the first line is codec,bpp,METRIC,...")
    return [
        PublishedCurve(codec, source, points, images)
        for (codec, source, images), points in curves.items()
    ]


def write_published(curves: Iterable[PublishedCurve], path: Path) -> None:
    """The inverse of `read_published`, so that a bench keeps what it was given beside its rows."""
    curves = list(curves)
    metrics = sorted({name for curve in curves for point in curve.points for name in point.metrics})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_FIRST, *metrics])
    source, images = "", frozenset[str]()
    for curve in curves:
        if curve.images != images:
            images = curve.images
            out.write(f"# {_IMAGES} {' '.join(sorted(images))}\n")
        if curve.source != source:
            source = curve.source
            out.write(f"# {_SOURCE} {source}\n")
        for point in curve.points:
            values = [point.metrics.get(name, "") for name in metrics]
            writer.writerow([curve.codec, point.bpp, *values])
    write_atomically(path, out.getvalue().encode())


def published_rates(
    points: Sequence[Point], curves: Sequence[PublishedCurve]
) -> list[PublishedRate]:
    """BD-rates of every variant against every published curve, for every metric that both have.

    Args:
        points: of a summary, on the pictures that the curves are of.
        curves: from `read_published`.

    Returns:
        Curve by curve; pairs of fewer than four points each, or that do not meet, are absent.
    """
    variants: dict[str, list[Point]] = {}
    for point in points:
        variants.setdefault(point.variant, []).append(point)
    rates = []
    for curve in curves:
        metrics = dict.fromkeys(name for point in curve.points for name in point.metrics)
        for variant, ours in variants.items():
            for metric in metrics:
                percent = rate_of_means(curve.points, ours, metric)
                if percent is not None:
                    found = PublishedRate(variant, curve.codec, curve.source, metric, percent)
                    rates.append(found)
    return rates


def _metrics(cells: Sequence[str], where: str) -> list[str]:
    """Names of the metrics, from the line of headings."""
    names = list(cells[2:])
    if list(cells[:2]) != _FIRST or not names:
        raise ConfigError(where, f"must be codec,bpp,METRIC,..., got {','.join(cells)!r:.60}")
    for name in names:
        if name not in registry.metrics:
            known = ", ".join(registry.metrics)
            raise ConfigError(where, f"{name!r} is no metric; known: {known}")
    if len(set(names)) != len(names):
        raise ConfigError(where, "names a metric twice")
    return names


def _point(cells: Sequence[str], metrics: Sequence[str], where: str) -> PublishedPoint:
    if len(cells) != 2 + len(metrics) or not cells[0]:
        raise ConfigError(where, f"must have {2 + len(metrics)} cells, a codec's name first")
    bpp, *values = (_number(cell, where) for cell in cells[1:])
    found = {name: value for name, value in zip(metrics, values, strict=True) if value is not None}
    if bpp is None or bpp <= 0 or not found:
        raise ConfigError(where, "must have bits per pixel above 0, and at least one metric")
    for name, value in found.items():
        if not math.isfinite(float(curve_quality(name, value))):
            raise ConfigError(where, f"{name} is {value:g}, of which no curve can be made")
    return PublishedPoint(bpp, found)


def _number(cell: str, where: str) -> float | None:
    """None for an empty cell."""
    try:
        value = float(cell) if cell else None
    except ValueError as error:
        raise ConfigError(where, f"{cell!r:.40} is no number") from error
    if value is not None and not math.isfinite(value):
        raise ConfigError(where, f"{cell!r:.40} is no finite number")
    return value
