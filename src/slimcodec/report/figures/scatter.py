"""What single images say: the leading codec against its strongest rival on each of them, the image
that is worst for it first.

A mean of −10 % may be −10 % everywhere, or −30 % on most and +60 % on faces; only this chart tells.
Each dot is a BD-rate of one image's own curves, where both have four qualities; an image whose
curves share no range is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slimcodec.bench.bd_rates import rate_of_means
from slimcodec.bench.rows import Row
from slimcodec.report.figures.axes import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Spot,
    Tick,
    value_axis,
)
from slimcodec.report.figures.labels import Label, place_labels
from slimcodec.report.standing import Standing
from slimcodec.report.text import metric_label, percent, plural, signed

__all__ = ["ImageDot", "ScatterChart", "image_scatters"]

_NAMED = 3
"""The images that are worst are named in the chart."""


@dataclass(frozen=True)
class ImageDot:
    """An image: its place and words, its name for links, and whether the rival wins on it."""

    spot: Spot
    image: str
    lost: bool


@dataclass(frozen=True)
class ScatterChart:
    """Everything a template needs to draw the images of one metric."""

    title: str
    unit: str
    x_title: str
    y_ticks: list[Tick]
    zero: float
    dots: list[ImageDot]
    labels: list[Label]
    left_out: str
    words: str


def image_scatters(
    rows: Sequence[Row], lead: str, compared: Sequence[Standing]
) -> list[ScatterChart]:
    """One chart for each metric, against the strongest rival in it.

    Args:
        rows: of the bench.
        lead: the leading codec's variant.
        compared: its standing in each metric.
    """
    found = (_chart(rows, lead, each) for each in compared)
    return [chart for chart in found if chart is not None]


def _chart(rows: Sequence[Row], lead: str, standing: Standing) -> ScatterChart | None:
    metric, rival = standing.metric, standing.rival
    ours, theirs = (_by_image(rows, name) for name in (lead, rival))
    images = [image for image in ours if image in theirs]
    found = {image: rate_of_means(theirs[image], ours[image], metric) for image in images}
    rates = {ours[image][0].image: rate for image, rate in found.items() if rate is not None}
    if len(rates) < 2:
        return None
    ordered = sorted(rates, key=lambda image: -rates[image])
    # The rival's wins stand at the top left, where one looks first.
    y_axis = value_axis([0.0, *rates.values()], turned=False)
    x_axis = Axis(0.0, len(ordered) + 1.0, LEFT, WIDTH - RIGHT)
    label = metric_label(metric)
    dots = [
        ImageDot(
            Spot(
                x_axis.at(n),
                y_axis.at(rates[image]),
                f"{image}: {percent(signed(rates[image]))} of bytes against {rival} at equal "
                f"{label}",
            ),
            image,
            rates[image] > 0,
        )
        for n, image in enumerate(ordered, 1)
    ]
    named = [
        (dot.spot.x, dot.spot.y, 4.0, dot.image.rpartition(".")[0] or dot.image)
        for dot in dots[:_NAMED]
    ] + [(dot.spot.x, dot.spot.y, 4.0, "") for dot in dots[_NAMED:]]
    lost = sum(dot.lost for dot in dots)
    missing = len(images) - len(rates)
    return ScatterChart(
        title=label,
        unit=f"% of bytes against {rival}, up is worse",
        x_title=f"{plural(len(ordered), 'image')}, worst first; {rival} wins on {lost}",
        y_ticks=y_axis.ticks(),
        zero=y_axis.at(0.0),
        dots=dots,
        labels=place_labels(named, (LEFT + 2, TOP, WIDTH - 2, HEIGHT - BOTTOM - 2), y_axis.at(0.0)),
        left_out=f"{plural(missing, 'image')} without a common range" if missing else "",
        words=f"{lead} against {rival} at equal {label}, image by image: "
        f"from {percent(signed(rates[ordered[0]]))} on {ordered[0]} to "
        f"{percent(signed(rates[ordered[-1]]))} on {ordered[-1]}",
    )


def _by_image(rows: Sequence[Row], variant: str) -> dict[str, list[Row]]:
    """By what the image is, for two runs may have it under two names."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.variant == variant:
            found.setdefault(row.image_digest, []).append(row)
    return found
