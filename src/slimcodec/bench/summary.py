"""Aggregates: always computed from rows, never stored beside them.

A point is the mean over images at one quality of one variant. What is said of whole curves is in
`slimcodec.bench.bd_rates` and `slimcodec.bench.break_even`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from slimcodec.bench.bd_rates import bd_rates
from slimcodec.bench.rows import Row
from slimcodec.metrics import Interval
from slimcodec.showing import html_table, line

__all__ = ["Point", "Summary", "summarise"]


@dataclass(frozen=True)
class Point:
    """Means over the images of one variant at one quality."""

    variant: str
    codec: str
    quality: float
    images: int
    bpp: float
    stream_bytes: float
    metrics: Mapping[str, float]
    encode_ms: float
    decode_ms: float
    total_s: float
    """Encode and decode of all images together, without reading and writing files."""
    parts_ms: Mapping[str, float]
    model_bytes: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps_ms: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Per part, first step first; empty for a codec without steps."""
    base: str = ""
    """Digest of the codec that the variant was made from; empty in rows of old."""

    @property
    def image_ms(self) -> float:
        """Encode and decode of an image: what compares where points are of different numbers of
        images, as after a killed run."""
        return self.encode_ms + self.decode_ms

    def __repr__(self) -> str:
        images = f"{self.images} image{'s' * (self.images != 1)}"
        return line(self, self.variant, f"quality {self.quality:g}", f"{self.bpp:.3f} bpp", images)


@dataclass(frozen=True)
class Summary:
    """Points in the order of the rows, and BD-rates against a reference variant.

    ``bd_rates`` is variant -> metric -> percent of bytes against ``reference`` at equal quality;
    pairs without four points or without overlap are absent.
    """

    points: Sequence[Point]
    reference: str
    bd_rates: Mapping[str, Mapping[str, Interval]]

    def __repr__(self) -> str:
        variants = list(dict.fromkeys(point.variant for point in self.points))
        return line(self, f"{len(self.points)} points", f"variants {', '.join(variants)}")

    def _repr_html_(self) -> str:
        """For notebooks: rate and metrics of every point."""
        metrics = list(dict.fromkeys(name for point in self.points for name in point.metrics))
        rows = []
        for point in self.points:
            measured = [f"{point.metrics[m]:.4g}" if m in point.metrics else "–" for m in metrics]
            rows.append((point.variant, f"{point.quality:g}", f"{point.bpp:.3f}", *measured))
        return html_table("Means over the images", rows, ("variant", "quality", "bpp", *metrics))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "points": [
                {name: getattr(point, name) for name in point.__dataclass_fields__}
                for point in self.points
            ],
            "reference": self.reference,
            "bd_rates": {
                variant: {metric: asdict(rate) for metric, rate in rates.items()}
                for variant, rates in self.bd_rates.items()
            },
        }


def summarise(rows: Sequence[Row], reference: str | None = None) -> Summary:
    """Aggregate rows.

    Args:
        rows: of one bench or study.
        reference: variant that BD-rates are against; by default ``jpeg``, or the first variant.
    """
    groups: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.variant, row.quality), []).append(row)
    points = [_point(group) for group in groups.values()]
    variants = list(dict.fromkeys(point.variant for point in points))
    if reference is None:
        reference = "jpeg" if "jpeg" in variants else (variants[0] if variants else "")
    own = {variant: [row for row in rows if row.variant == variant] for variant in variants}
    rates = {
        variant: bd_rates(own.get(reference, []), own[variant])
        for variant in variants
        if variant != reference
    }
    return Summary(points, reference, {v: r for v, r in rates.items() if r})


def _point(group: Sequence[Row]) -> Point:
    first = group[0]
    # A metric counts only where every image has it, or means of different images would be compared.
    names = [n for n in first.metrics if all(n in row.metrics for row in group)]
    parts = sorted({name for row in group for name in row.parts_ms})
    return Point(
        variant=first.variant,
        codec=first.codec,
        quality=first.quality,
        images=len(group),
        bpp=fmean(row.bpp for row in group),
        stream_bytes=fmean(row.stream_bytes for row in group),
        metrics={n: fmean(row.metrics[n] for row in group) for n in names},
        encode_ms=fmean(row.encode_ms for row in group),
        decode_ms=fmean(row.decode_ms for row in group),
        total_s=sum(row.encode_ms + row.decode_ms for row in group) / 1e3,
        parts_ms={n: fmean(row.parts_ms.get(n, 0.0) for row in group) for n in parts},
        model_bytes=first.model_bytes,
        settings=first.settings,
        steps_ms=_mean_steps(group),
        base=first.base,
    )


def _mean_steps(group: Sequence[Row]) -> dict[str, list[float]]:
    """Of the parts that every image has as many steps for, in the order of the first row."""
    means = {}
    for name in group[0].steps_ms:
        steps = [row.steps_ms[name] for row in group if name in row.steps_ms]
        if len(steps) == len(group) and len(set(map(len, steps))) == 1:
            means[name] = [fmean(each) for each in zip(*steps, strict=True)]
    return means
