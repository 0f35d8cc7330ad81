"""slimcodec search: which widths, blocks and bits, under a budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slimcodec.cli.options import Json, Out
from slimcodec.errors import naming_extra


@naming_extra("the search", "search")
def search(
    codec: Annotated[str, typer.Argument(help="A built-in model by name, or a model file.")],
    calibration: Annotated[
        Path,
        typer.Option(
            "--calibration",
            metavar="DIR",
            help="Photographs: half are measured on and learned from, half judge the trials.",
        ),
    ],
    out: Out,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            help="Such as decode<=30ms, bytes<=2MB or bd-rate<=2%; may be given several times. "
            "Without one, bits and time are weighed against each other."
        ),
    ] = None,
    parts: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated parts that may change; those that a decoder runs and streams do "
            "not depend on, if not given."
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option(min=0, help="Of learning behind every narrowing; 0 for none.")
    ] = 30,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="So many in all; as many as take some ten minutes if not given."),
    ] = None,
    pictures: Annotated[
        int, typer.Option(min=1, help="Photographs of the judging half that are coded, at most.")
    ] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of what chance decides.")] = 0,
    runtime: Annotated[
        str | None,
        typer.Option(help="What executes the codecs; the fastest that is installed if not given."),
    ] = None,
    json: Json = False,
) -> None:
    """Try recipes that narrow a codec and round its weights; write the front and the winner.

    Every trial is measured on real streams. Writes search.json, winner.toml and
    report/index.html. Killed at any moment, the same command goes on where it was.

    Example: slimcodec search hific-s --calibration photos --budget "bd-rate<=5%" -o found
    """
    from slimcodec import library
    from slimcodec.cli.console import note, print_json, print_table, progress_bar
    from slimcodec.cli.interrupting import kept_if_interrupted
    from slimcodec.cli.outputs import SEARCH, check_results
    from slimcodec.errors import MissingExtraError, SlimcodecError
    from slimcodec.explore.budget import parse_budgets
    from slimcodec.explore.search import WINNER, Asked
    from slimcodec.explore.search import search as find
    from slimcodec.images import find_images
    from slimcodec.report import build_search_page, front_table

    asked = Asked(
        tuple(part.strip() for part in parts.split(",")) if parts is not None else (),
        parse_budgets(budget or ()),
        steps, trials, pictures, runtime, seed,
    )  # fmt: skip
    find_images(calibration)
    check_results(out, SEARCH)
    model = library.load_model(codec)
    kept = f"the trials that were made are kept in {out}; the same command goes on"
    with kept_if_interrupted(kept), progress_bar("searching") as progress:
        found = find(model, calibration, out, asked, progress, note)
    try:
        page = str(build_search_page(out))
    except MissingExtraError as error:
        page = f"not written; {error}"
    if json:
        fields = {"front": found.front, "winner": found.winner, "trials": found.rows}
        print_json(fields)
    else:
        print_table(front_table(out))
        print(f"report: {page}")
    if found.winner is None:
        raise SlimcodecError(found.nearest)
    if not json:
        print(f"winner: trial {found.winner}, {out / WINNER}")
