"""What changed since an earlier run: the same variants at the same qualities on the same pictures.

Every figure is paired: a picture's stream now beside its stream then, and intervals are over the
choice of pictures. Rows that have the same length and the same metrics are no change, and said to
be none, not "+0.0 %". Times are compared only where both were taken on the same machine with
nothing beside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from slimcodec.bench.bd_rates import bd_rates
from slimcodec.bench.rows import Row
from slimcodec.errors import UsageError
from slimcodec.metrics import Interval
from slimcodec.report.columns import Field, Table, fill, number_field, text_field
from slimcodec.report.intervals import mean_interval, ratio_interval
from slimcodec.report.text import (
    NOTHING,
    brackets,
    interval_text,
    join_words,
    metric_digits,
    metric_heading,
    metric_label,
    metrics_of,
    percent_interval,
    plural,
)

__all__ = ["Comparison", "compare_rows"]


@dataclass(frozen=True)
class Comparison:
    """What a page says of two runs.

    Attributes:
        title: who is compared with whom.
        sentences: what changed, in words.
        table: one row for each variant that both have.
    """

    title: str
    sentences: list[str]
    table: Table


@dataclass(frozen=True)
class _Change:
    """One variant, its rows in pairs of now and then."""

    variant: str
    pairs: Sequence[tuple[Row, Row]]

    @property
    def is_none(self) -> bool:
        """Whether every stream has the length it had, and every picture the metrics, of those that
        were measured both times."""
        return all(
            now.stream_bytes == then.stream_bytes
            and all(now.metrics[name] == then.metrics[name] for name in _in_both(now, then))
            for now, then in self.pairs
        )

    @property
    def images(self) -> int:
        return len({now.image_digest for now, _ in self.pairs})

    @property
    def qualities(self) -> int:
        return len({now.quality for now, _ in self.pairs})

    def size(self) -> Interval:
        """Percent of bytes."""
        return ratio_interval(
            *self._by_image([(now.stream_bytes, then.stream_bytes) for now, then in self.pairs])
        )

    def metric(self, name: str) -> Interval | None:
        """Its difference; None where not all rows have it, or one has no finite value."""
        values = [
            (now.metrics.get(name, math.nan), then.metrics.get(name, math.nan))
            for now, then in self.pairs
        ]
        if not all(math.isfinite(value) for pair in values for value in pair):
            return None
        after, before = self._by_image(values)
        return mean_interval([a - b for a, b in zip(after, before, strict=True)])

    def time(self) -> Interval | None:
        """Percent of encode and decode together; None where the two do not compare."""
        if self.untimed():
            return None
        return ratio_interval(
            *self._by_image(
                [
                    (now.encode_ms + now.decode_ms, then.encode_ms + then.decode_ms)
                    for now, then in self.pairs
                ]
            )
        )

    def untimed(self) -> str:
        """Why the times do not compare; empty where they do."""
        if any(now.clocked_on != then.clocked_on for now, then in self.pairs):
            return "of another machine or number of threads"
        if any(row.beside for pair in self.pairs for row in pair):
            return "taken beside other work"
        return ""

    def rates(self) -> dict[str, Interval]:
        """BD-rate of now against then, where there are curves."""
        return bd_rates([then for _, then in self.pairs], [now for now, _ in self.pairs])

    def made_otherwise(self) -> list[str]:
        """What of the environment is another than it was, such as a runtime's version."""
        found = []
        for now, then in self.pairs:
            for name in sorted({*now.environment, *then.environment}):
                before, after = (row.environment.get(name, "") for row in (then, now))
                if before != after:
                    found.append(f"{name} {before or 'unknown'} → {after or 'unknown'}")
        if any(now.digest != then.digest for now, then in self.pairs):
            found.append("another model or library")
        return list(dict.fromkeys(found))

    def _by_image(self, values: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
        """Means over the qualities, now and then, one for each image."""
        groups: dict[str, list[tuple[float, float]]] = {}
        for (now, _), pair in zip(self.pairs, values, strict=True):
            groups.setdefault(now.image_digest, []).append(pair)
        means = [
            tuple(sum(side) / len(group) for side in zip(*group, strict=True))
            for group in groups.values()
        ]
        after, before = zip(*means, strict=True)
        return list(after), list(before)


def compare_rows(now: Sequence[Row], then: Sequence[Row], names: tuple[str, str]) -> Comparison:
    """What changed from one run to a later one.

    Args:
        now: rows of the later run.
        then: rows of the earlier one.
        names: of the later and of the earlier run.

    Raises:
        UsageError: when they have no variant at the same quality on the same picture.
    """
    before = {_place(row): row for row in then}
    pairs: dict[str, list[tuple[Row, Row]]] = {}
    for row in now:
        if _place(row) in before:
            pairs.setdefault(row.variant, []).append((row, before[_place(row)]))
    if not pairs:
        raise UsageError(
            f"{names[0]} and {names[1]} have nothing in common: no variant of the same name at the "
            "same quality on the same picture"
        )
    changes = [_Change(variant, each) for variant, each in pairs.items()]
    rates = {change.variant: {} if change.is_none else change.rates() for change in changes}
    return Comparison(
        f"{names[0]} against {names[1]}",
        [*_sentences(changes, rates), *_unpaired(now, then, names, pairs)],
        _table(changes, rates, names),
    )


def _in_both(now: Row, then: Row) -> set[str]:
    return {*now.metrics} & {*then.metrics}


def _place(row: Row) -> tuple[str, float, str]:
    return row.variant, row.quality, row.image_digest


def _table(
    changes: Sequence[_Change],
    rates: dict[str, dict[str, Interval]],
    names: tuple[str, str],
) -> Table:
    metrics = metrics_of([row for change in changes for pair in change.pairs for row in pair])
    rated = [name for name in metrics if any(name in each for each in rates.values())]

    def size(change: _Change) -> str:
        return "no change" if change.is_none else interval_text(change.size())

    def metric(name: str) -> Field[_Change]:
        return number_field(
            metric_heading(name),
            lambda c: NOTHING if c.is_none else interval_text(c.metric(name), metric_digits(name)),
            "Difference",
        )

    def rate(name: str) -> Field[_Change]:
        return number_field(
            f"{metric_label(name)} (%)",
            lambda c: interval_text(rates[c.variant].get(name)),
            "Bytes at equal",
        )

    fields: list[Field[_Change]] = [
        text_field("Variant", lambda c: c.variant),
        number_field("Images", lambda c: str(c.images)),
        number_field("Qualities", lambda c: str(c.qualities)),
        number_field("Bytes (%)", size),
        *map(metric, metrics),
        *map(rate, rated),
        number_field("Time (%)", lambda c: interval_text(c.time())),
    ]
    note = (
        f"{names[0]} less {names[1]}, paired picture by picture. "
        f"{brackets(change.size() for change in changes)}"
        "Bytes and metrics are means over the qualities, time is encoding and decoding together. "
        f"{NOTHING} where there is nothing to compare."
    )
    return fill("What changed", fields, changes, note)


def _sentences(changes: Sequence[_Change], rates: dict[str, dict[str, Interval]]) -> list[str]:
    same = [change for change in changes if change.is_none]
    found = []
    if same:
        streams = sum(len(change.pairs) for change in same)
        found.append(
            f"No change in {join_words([change.variant for change in same])}: "
            f"{plural(streams, 'stream')} of the same length, and pictures of the same metrics."
        )
    for change in changes:
        if change.is_none:
            continue
        clauses = [f"bytes {percent_interval(change.size())}"]
        clauses += [
            f"{percent_interval(rate)} at equal {metric_label(name)}"
            for name, rate in rates[change.variant].items()
        ]
        made = change.made_otherwise()
        why = f" ({'; '.join(made)})" if made else ""
        found.append(f"{change.variant} changed{why}: {', '.join(clauses)}.")
    for reason in dict.fromkeys(filter(None, (change.untimed() for change in changes))):
        who = join_words([change.variant for change in changes if change.untimed() == reason])
        found.append(f"Times of {who} are {reason}, so they are not compared.")
    return found


def _unpaired(
    now: Sequence[Row],
    then: Sequence[Row],
    names: tuple[str, str],
    pairs: dict[str, list[tuple[Row, Row]]],
) -> list[str]:
    found = []
    for rows, name in zip((now, then), names, strict=True):
        alone = [v for v in dict.fromkeys(row.variant for row in rows) if v not in pairs]
        if alone:
            found.append(f"Only in {name}: {join_words(alone)}.")
    return found
