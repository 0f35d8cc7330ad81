"""Rows of codecs that were measured again, in the place of those that they had.

    slimcodec bench hific-s-natural --images KODAK --out again
    python benchmarks/renew_rows.py results/kodak again

A bench that asks for the same codecs would measure all others too where only its text was kept. All
qualities and images of a codec are replaced, and must be those that it had; of metrics those that
it had are taken.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from slimcodec.atomic import write_atomically
from slimcodec.bench import Row, read_rows, rows_to_tsv, summarise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="folder whose rows.tsv and summary.json change")
    parser.add_argument("again", type=Path, help="folder that `slimcodec bench` wrote to")
    arguments = parser.parse_args()
    if (arguments.results / "rows.sqlite").exists():
        raise SystemExit(f"{arguments.results} has its rows.sqlite: bench into it again")
    rows = renewed(read_rows(arguments.results), read_rows(arguments.again))
    rows_to_tsv(rows, arguments.results / "rows.tsv")
    summary = json.dumps(summarise(rows).to_dict(), indent=2)
    write_atomically(arguments.results / "summary.json", summary.encode())


def renewed(rows: Sequence[Row], again: Sequence[Row]) -> list[Row]:
    """Rows with others in the places of those of the same variant, quality and image."""
    by_place = {_place(row): row for row in again}
    variants = {row.variant for row in again}
    wanted = {_place(row) for row in rows if row.variant in variants}
    if wanted != set(by_place):
        raise SystemExit(
            f"{', '.join(sorted(variants))}: {len(wanted ^ set(by_place))} qualities or images are "
            "on one side only"
        )
    return [_in_place_of(row, by_place.get(_place(row), row)) for row in rows]


def _in_place_of(row: Row, other: Row) -> Row:
    if missing := [name for name in row.metrics if name not in other.metrics]:
        raise SystemExit(f"{other.variant}: {', '.join(missing)} was not measured again")
    return replace(other, metrics={name: other.metrics[name] for name in row.metrics})


def _place(row: Row) -> tuple[str, float, str]:
    return row.variant, row.quality, row.image


if __name__ == "__main__":
    main()
