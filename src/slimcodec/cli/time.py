"""slimcodec time: which codec is faster, and by how much, measured in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from slimcodec.cli.options import Images, Json, RuntimeName, parse_qualities

if TYPE_CHECKING:
    from slimcodec.bench.alternating import Alternation, Competitor
    from slimcodec.metrics import Interval
    from slimcodec.report import Table
    from slimcodec.workflows.timing import CodecTimes


def time(
    codecs: Annotated[
        list[str],
        typer.Argument(
            help="Codecs by name; model files, bundles and ladders by path; all are compared "
            "with the first.",
            metavar="CODEC...",
        ),
    ],
    images: Images,
    quality: Annotated[
        str | None,
        typer.Option(
            help="One for all codecs, or one each, such as 3,85; the middle of each one's own if "
            "not given."
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, help="The most rounds, of encode and of decode.")
    ] = 200,
    seconds: Annotated[
        float,
        typer.Option(
            min=1,
            help="The most seconds of rounds, encode and decode together; opening codecs and "
            "warming up are not counted.",
        ),
    ] = 60,
    runtime: RuntimeName = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of each graph; all cores if not given.")
    ] = None,
    parts: Annotated[
        bool,
        typer.Option(
            "--parts",
            help="Times per part too; nothing is done side by side then, so all take longer.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Time codecs in turn (A B B A ...), so that a busy machine is unfair to none: milliseconds,
    and the ratio to the first codec with a 95 % interval.

    A round codes all pictures with every codec, there and back. Rounds go on until the ends of
    every interval are within 1 % of the ratio. The first codec also runs against itself: no smaller
    difference than it has from itself is believed. Rounds in which other processes had the cores do
    not count once there are six quiet ones; where there are not, processor time must agree.

    Example: slimcodec time hific-s hific-s-fast --images photo.png

    Is a pruned model faster? slimcodec time hific-s pruned.slim --images photo.png --threads 1
    """
    from slimcodec.bench.alternating import Limits
    from slimcodec.cli.console import note_skipped, print_json, progress_bar
    from slimcodec.images import find_images
    from slimcodec.workflows.timing import time_codecs

    limits = Limits(rounds, seconds)
    found = find_images(images)
    note_skipped(images)
    with progress_bar("timing") as progress:
        times = time_codecs(
            codecs, found,
            qualities=parse_qualities(quality) or (), runtime=runtime, threads=threads,
            limits=limits, parts=parts, on_progress=progress,
        )  # fmt: skip
    if json:
        print_json(times.to_dict())
    else:
        _show(times, parts)


def _show(times: CodecTimes, parts: bool) -> None:
    from slimcodec.cli.console import print_table
    from slimcodec.report.text import plural

    for way, outcome in (("Encode", times.encode), ("Decode", times.decode)):
        pictures = plural(times.pictures, "picture")
        title = f"{way}, {pictures} of {times.pixels / 1e6:.1f} megapixels"
        print_table(_table(title, times, outcome, way == "Encode"))
        if parts:
            print_table(_parts_table(f"{way}, ms per part", outcome))
    for way, outcome in (("encode", times.encode), ("decode", times.decode)):
        print(_quiet_line(way, outcome, times.cores))


def _table(title: str, times: CodecTimes, outcome: Alternation, encodes: bool) -> Table:
    from slimcodec.report.columns import Field, fill, number_field, text_field
    from slimcodec.report.text import number

    peaks = {c.name: c.encode_peak_mb if encodes else c.decode_peak_mb for c in times.codecs}
    qualities = {c.name: c.quality for c in times.codecs}
    first = outcome.competitors[0]
    fields: list[Field[Competitor]] = [
        text_field("Codec", lambda one: one.name),
        number_field(
            "Quality", lambda one: f"{qualities.get(one.name, times.codecs[0].quality):g}"
        ),
        number_field("Time (ms)", lambda one: _ms(one.wall_ms)),
        number_field("Quartiles (ms)", lambda one: _between(one.quartiles_ms)),
        number_field(
            "Times the first", lambda one: "1" if one is first else _ratio(one.wall_ratio)
        ),
        number_field("Processor (ms)", lambda one: _ms(one.cpu_ms)),
        number_field(
            "Processor, times the first", lambda one: "1" if one is first else _ratio(one.cpu_ratio)
        ),
        number_field("Memory (MB)", lambda one: number(peaks.get(one.name))),
    ]
    if first.energy_j is not None:
        fields.append(number_field("Energy (J)", lambda one: number(one.energy_j, 2)))
    fields.append(text_field("Verdict", lambda one: one.verdict))
    return fill(title, fields, [*outcome.competitors, outcome.control])


def _parts_table(title: str, outcome: Alternation) -> Table:
    from slimcodec.report.columns import Field, fill, number_field, text_field

    parts = list(dict.fromkeys(part for one in outcome.competitors for part in one.parts_ms))

    def of(part: str) -> Field[Competitor]:
        return number_field(part, lambda one: _ms(one.parts_ms.get(part)))

    name: Field[Competitor] = text_field("Codec", lambda one: one.name)
    return fill(title, [name, *map(of, parts)], outcome.competitors)


def _ratio(ratio: Interval) -> str:
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3f}"
    return f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"


def _between(ends: tuple[float, float]) -> str:
    return f"{_ms(ends[0])} to {_ms(ends[1])}"


def _ms(value: float | None) -> str:
    """With as many digits as mean something."""
    from slimcodec.report.text import number

    return number(value, 3 if value is not None and value < 10 else 1)


def _quiet_line(way: str, outcome: Alternation, cores: int) -> str:
    """Whether the machine was quiet, and which rounds count."""
    from slimcodec.report.text import plural

    ended = {
        "narrow": "every interval is within 1 %",
        "rounds": "no more were asked for",
        "seconds": "the time was up",
    }[outcome.ended]
    said = f"{way}: {plural(outcome.rounds, 'round')}, then {ended}; "
    if outcome.others is None:
        return f"{said}this system does not tell what else had the cores"
    had = f"other processes kept {outcome.others:.1f} of {cores} cores busy"
    if outcome.quiet == outcome.rounds:
        return f"{said}the machine was quiet: {had}"
    counted = "only those count" if outcome.counted == outcome.quiet else "so all of them count"
    quiet = f"{outcome.quiet} of {outcome.rounds} rounds were quiet, {counted}"
    return f"{said}the machine was not quiet: {had}; {quiet}"
