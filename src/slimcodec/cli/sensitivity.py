"""slimcodec sensitivity: what each layer and group of a codec would cost to shrink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from slimcodec.cli.options import Json, Out
from slimcodec.errors import naming_extra

if TYPE_CHECKING:
    from slimcodec.explore.sensitivity_rows import Cost, Setup

T = TypeVar("T")


@naming_extra("measuring what layers cost", "torch")
def sensitivity(
    codec: Annotated[str, typer.Argument(help="A built-in model by name, or a model file.")],
    calibration: Annotated[
        Path,
        typer.Option(
            "--calibration", metavar="DIR", help="Photographs; not those that judge the result."
        ),
    ],
    out: Out,
    parts: Annotated[
        str | None,
        typer.Option(help="Parts, layers or groups, such as generator,encoder.head; all if not."),
    ] = None,
    bits: Annotated[str, typer.Option(help="Bits of weights, or none.")] = "2,3,4,5,6,8",
    ratios: Annotated[
        str, typer.Option(help="Percent of a layer's weights set to zero, or none.")
    ] = "10,30,50,70",
    channels: Annotated[
        str, typer.Option(help="Percent of a group's channels cut out, or none.")
    ] = "12.5,25,50",
    quality: Annotated[
        str | None,
        typer.Option(help="Qualities, such as 1,3,5, or all; the middle one if not given."),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="How many photographs to look at.")] = 8,
    budget: Annotated[
        float, typer.Option(min=0, help="Percent of the rate that mixed bits may cost.")
    ] = 2.0,
    json: Json = False,
) -> None:
    """Measure what it costs to shrink each layer, each group of channels and each residual block
    by itself: fewer bits, zeros, fewer channels, none.

    Costs are in percent of the rate at equal quality: growth of rate + λ · 255² · squared error,
    both in bits per pixel, over the rate; estimated, without streams, training or correction.
    Writes rows.jsonl, a heat map as index.html, and bits.toml, a recipe of mixed bits. Interrupted
    at any moment, the same command goes on where it was.

    Example: slimcodec sensitivity hific-s --calibration photos -o sensitivity
    """
    from slimcodec import library
    from slimcodec.cli.console import progress_bar
    from slimcodec.cli.interrupting import kept_if_interrupted
    from slimcodec.cli.outputs import SENSITIVITY, check_results
    from slimcodec.explore.priced import coded_family
    from slimcodec.explore.sensitivity import Asked, measure, photographs_of, setup_of
    from slimcodec.explore.sensitivity_rows import RowFile
    from slimcodec.images import find_images
    from slimcodec.model_file import thaw_network

    asked = Asked(
        tuple(filter(None, (parts or "").split(","))),
        _listed(bits, "--bits", int),
        _listed(ratios, "--ratios", _share),
        _listed(channels, "--channels", _share),
    )
    find_images(calibration)
    check_results(out, SENSITIVITY)
    model = library.load_model(codec)
    family = coded_family(model)
    network = thaw_network(model)
    asked.check(network, family)
    places = _places(quality, network.config.qualities)
    photographs = photographs_of(calibration, images)
    setup = setup_of(network, family, (model.name, model.digest), places, photographs)
    out.mkdir(parents=True, exist_ok=True)
    store = RowFile(out / "rows.jsonl", setup)
    crops = list(photographs.values())
    kept = f"what was measured is kept in {out}, with a page of it; the same command goes on"
    with kept_if_interrupted(kept):
        try:
            with progress_bar("measuring") as progress:
                measure(network, family, crops, asked, places, store, setup, progress)
        except KeyboardInterrupt:
            _write(out, budget)
            raise
    setup, costs, page = _write(out, budget)
    _show(setup, costs, out, page, budget, json)


def _write(out: Path, budget: float) -> tuple[Setup, list[Cost], str]:
    """Page and recipe of what was measured so far."""
    from slimcodec.atomic import write_atomically
    from slimcodec.errors import MissingExtraError
    from slimcodec.explore.bargains import mixed_bits
    from slimcodec.explore.sensitivity_rows import costs_of, read_rows
    from slimcodec.report import build_sensitivity_page

    setup, rows = read_rows(out / "rows.jsonl")
    costs = costs_of(rows)
    mixed = mixed_bits(setup.subjects, costs, budget)
    if mixed is not None:
        write_atomically(out / "bits.toml", mixed.as_recipe(setup.model).encode())
    try:
        page = str(build_sensitivity_page(out, budget))
    except MissingExtraError as error:
        page = f"not written; {error}"
    return setup, costs, page


def _show(
    setup: Setup, costs: Sequence[Cost], out: Path, page: str, budget: float, json: bool
) -> None:
    from dataclasses import asdict

    from slimcodec.cli.console import print_json, print_table
    from slimcodec.explore.bargains import mixed_bits
    from slimcodec.report import bargain_tables

    mixed = mixed_bits(setup.subjects, costs, budget)
    if json:
        print_json(
            {
                "rows": str(out / "rows.jsonl"),
                "page": page,
                "costs": [asdict(cost) for cost in costs],
                "mixed_bits": None if mixed is None else asdict(mixed),
            }
        )
        return
    for table in bargain_tables(costs):
        if table.rows:
            print_table(table)
    if mixed is not None:
        print(
            f"mixed bits: {mixed.bits_a_weight:.2f} bits a weight for {mixed.percent:.2f} % of the "
            f"rate by the sum of single costs: {out / 'bits.toml'}"
        )
        if mixed.missed:
            print(f"beside the budget: {mixed.missed}")
    print(f"report: {page}")


def _share(text: str) -> float:
    """Percent to a share."""
    return float(text) / 100


def _listed(text: str, option: str, kind: Callable[[str], T]) -> tuple[T, ...]:
    """Numbers separated by commas; ``none`` for none."""
    from slimcodec.cli.options import parse_numbers

    form = "numbers separated by commas, or none;"
    return () if text == "none" else parse_numbers(text, option, kind, form)


def _places(text: str | None, known: Sequence[float]) -> list[int]:
    """Places in a codec's qualities.

    Raises:
        UsageError: when a quality is not among them.
    """
    from slimcodec.cli.options import parse_qualities
    from slimcodec.errors import UsageError

    if text == "all":
        return list(range(len(known)))
    if (wanted := parse_qualities(text)) is None:
        return [len(known) // 2]
    for value in wanted:
        if value not in known:
            ladder = ", ".join(f"{own:g}" for own in known)
            raise UsageError(f"--quality takes some of {ladder} here, or all; got {value:g}")
    return sorted({known.index(value) for value in wanted})
