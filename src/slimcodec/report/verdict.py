"""The result in words, for the top of a page: what the leading codec wins, and what it does not.

One rule stands above brevity: no win is named without every metric in which a rival wins. So the
leading codec is set beside the strongest rival in *each* metric (`slimcodec.report.standing`), and
the sentences say of every one of them whether it wins, loses, or cannot be told apart, the
interval containing zero. With few images there is no interval, and with one there is no mean; then
the sentences say that instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Point, Summary
from slimcodec.metrics import Interval
from slimcodec.metrics.intervals import FEWEST_IMAGES
from slimcodec.report.selection import (
    by_variant,
    changed_points,
    has_several_qualities,
    leader,
    middle_points,
)
from slimcodec.report.sentences import changes, extent
from slimcodec.report.standing import (
    Duels,
    Outcome,
    Standing,
    crossings,
    outcome,
    rivals,
    standings,
)
from slimcodec.report.text import (
    join_words,
    metric_label,
    metrics_of,
    number,
    percent,
    percent_interval,
    plain,
    plural,
)
from slimcodec.showing import readable_bytes

__all__ = ["cost_sentence", "standing_sentences", "verdict"]


def verdict(
    summary: Summary,
    rows: Sequence[Row],
    fought: Duels,
    *,
    is_study: bool,
) -> list[str]:
    """The result in a few sentences, the most telling first.

    Args:
        summary: of the rows.
        rows: of one bench or study.
        fought: what `slimcodec.report.standing.duels` found in them.
        is_study: whether its variants are changes of codecs, and these the result.
    """
    changed = changed_points(summary)
    if is_study and changed:
        return [*changes(changed), cost_sentence(summary, rows), *caveats(rows)]
    known = rivals(summary)
    against = {name: rates for name, rates in fought.items() if name in known}
    compared = standings(summary, against)
    subject = leader(summary).variant
    unsaid = any(not rates for rates in (against.get(name) for name in known))
    found = standing_sentences(
        subject, compared, images_of(rows), rivals=len(known), some_unsaid=unsaid
    )
    if compared:
        others = {name: rates for name, rates in fought.items() if name not in known}
        found += [*_overtaken(summary), *_apart(summary, against), *_relatives(others)]
    else:
        found = [extent(summary), *_no_rates(summary)]
    return [*found, cost_sentence(summary, rows, compared), *caveats(rows)]


def images_of(rows: Sequence[Row]) -> int:
    """How many different images there are."""
    return len({row.image_digest for row in rows})


def standing_sentences(
    subject: str,
    compared: Sequence[Standing],
    images: int,
    *,
    rivals: int,
    some_unsaid: bool = False,
) -> list[str]:
    """What the subject wins, what it loses and where it is level, each against the strongest rival.

    Args:
        subject: the leading codec.
        compared: one for each metric.
        images: how many they rest on.
        rivals: how many there are.
        some_unsaid: whether some of these cannot be compared.
    """
    groups: dict[Outcome, list[Standing]] = {"wins": [], "loses": [], "level": []}
    for each in compared:
        groups[each.outcome].append(each)
    if not compared:
        return []
    names = list(dict.fromkeys(each.rival for each in compared))
    only = names[0] if len(names) == 1 else ""
    clauses = []
    if groups["wins"]:
        clauses.append(f"needs {_amounts(groups['wins'], 'fewer', only)}")
    if groups["loses"]:
        clauses.append(f"needs {_amounts(groups['loses'], 'more', only)}")
    if groups["level"]:
        clauses.append(f"cannot be told apart {_levels(groups['level'])}")
    strongest = "the strongest of those that compare" if some_unsaid else "its strongest rival"
    if rivals == 1:
        against = f"Against {names[0]},"
    elif len(names) > 1:
        against = f"Against {strongest.replace('its', 'the')} in each metric,"
    else:
        every = " in every metric" if len(compared) > 1 else ""
        against = f"Against {names[0]}, {strongest}{every},"
    where = "On the one picture that was measured: " if images == 1 else ""
    against = against[0].lower() + against[1:] if where else against
    said = [f"{where}{against} {subject} {'; it '.join(clauses)}."]
    if images == 1:
        said.append("One picture says nothing about others.")
    elif images < FEWEST_IMAGES:
        said.append(f"{plural(images, 'picture')} are too few for intervals.")
    return said


def cost_sentence(summary: Summary, rows: Sequence[Row], compared: Sequence[Standing] = ()) -> str:
    """The leading codec's model bytes and milliseconds, and those of the rivals that were named."""
    points = {point.variant: point for point in middle_points(summary)}
    lead = leader(summary)
    named = list(dict.fromkeys(each.rival for each in compared))
    others = [_times(points[name]) for name in named if name in points]
    sizes = {(row.width, row.height) for row in rows if row.variant == lead.variant}
    size = f" of {'{} × {}'.format(*next(iter(sizes)))} pixels" if len(sizes) == 1 else ""
    model = (
        f"The model file of {lead.variant} has {readable_bytes(lead.model_bytes)}. It"
        if lead.model_bytes
        else lead.variant
    )
    beside = any(row.beside for row in rows)
    return (
        f"{model} encodes a picture{size} in {number(lead.encode_ms, 1)} ms and decodes it in "
        f"{number(lead.decode_ms, 1)} ms"
        + (f" at quality {plain(lead.quality)}" if has_several_qualities(summary.points) else "")
        + (f"; {join_words(others)}" if others else "")
        + ("; other work ran beside, so these times are no speeds" if beside else "")
        + "."
    )


def caveats(rows: Sequence[Row]) -> list[str]:
    """What everybody who repeats the verdict should repeat with it."""
    pictures: dict[tuple[str, float], set[str]] = {}
    for row in rows:
        pictures.setdefault((row.variant, row.quality), set()).add(row.image_digest)
    every = set.union(*pictures.values())
    short = dict.fromkeys(variant for (variant, _), own in pictures.items() if own != every)
    if not short:
        return []
    return [
        f"Not all {len(every)} pictures are measured with every variant, so means are over "
        f"different ones: {join_words(list(short))} {'lacks' if len(short) == 1 else 'lack'} some."
    ]


def _amounts(compared: Sequence[Standing], word: str, said: str) -> str:
    """``1.0 % fewer bytes than avif at equal PSNR and 2.0 % fewer at equal LPIPS``; a rival is
    named where it is another one than before."""
    texts = []
    for n, each in enumerate(compared):
        than = "" if each.rival == said else f" than {each.rival}"
        said = each.rival
        amount = f"{_amount(each.rate)} {word}{' bytes' if n == 0 else ''}"
        texts.append(f"{amount}{than} at equal {metric_label(each.metric)}")
    return join_words(texts)


def _levels(compared: Sequence[Standing]) -> str:
    """``from avif at equal PSNR (...) and at equal LPIPS (...) and from webp at equal SSIM``."""
    by_rival: dict[str, list[str]] = {}
    for each in compared:
        words = f"at equal {metric_label(each.metric)} ({percent_interval(each.rate)})"
        by_rival.setdefault(each.rival, []).append(words)
    return join_words([f"from {rival} {join_words(words)}" for rival, words in by_rival.items()])


def _amount(rate: Interval) -> str:
    """``12.3 % [9.8, 14.0]``: a size, its ends the smaller first."""
    text = percent(number(abs(rate.value), 1))
    if rate.low is None or rate.high is None:
        return text
    low, high = sorted((abs(rate.low), abs(rate.high)))
    return f"{text} [{number(low, 1)}, {number(high, 1)}]"


def _overtaken(summary: Summary) -> list[str]:
    """From which rate on each rival is the better one, where the leading codec was before."""
    said: dict[str, list[str]] = {}
    for each in crossings(summary):
        place = f"{each.bpp:.2f} bits per pixel on in {metric_label(each.metric)}"
        said.setdefault(each.rival, []).append(f"from {place}")
    return [f"{rival} is ahead {join_words(places)}." for rival, places in said.items()]


def _apart(summary: Summary, fought: Duels) -> list[str]:
    """Rivals and metrics of which nothing is said, and why."""
    metrics = metrics_of(summary.points)
    missing: dict[tuple[str, ...], list[str]] = {}
    for rival in rivals(summary):
        labels = tuple(metric_label(m) for m in metrics if m not in fought.get(rival, {}))
        if labels:
            missing.setdefault(labels, []).append(rival)
    if not missing:
        return []
    clauses = [
        f"{join_words(names)} at equal {join_words(labels)}" for labels, names in missing.items()
    ]
    return [
        f"It cannot be compared with {'; nor with '.join(clauses)}: that takes four qualities of "
        "both, and a range of quality that both reach."
    ]


def _relatives(fought: Duels) -> list[str]:
    """Learned codecs that need fewer bytes than the leading one in some metric."""
    better = {
        name: [metric_label(metric) for metric, rate in rates.items() if outcome(rate) == "loses"]
        for name, rates in fought.items()
    }
    clauses = [f"{name} at equal {join_words(labels)}" for name, labels in better.items() if labels]
    if not clauses:
        return []
    return [f"Of the other learned codecs, fewer bytes are needed by {join_words(clauses)}."]


def _no_rates(summary: Summary) -> list[str]:
    """Why nobody is said to win."""
    if len(by_variant(summary.points)) < 2:
        return []
    return [
        "Who needs fewer bytes cannot be said: that takes at least four qualities of two codecs on "
        "the same pictures, and a range of quality that both reach."
    ]


def _times(point: Point) -> str:
    return (
        f"{point.variant} takes {number(point.encode_ms, 1)} ms and {number(point.decode_ms, 1)} ms"
    )
