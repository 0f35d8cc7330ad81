"""slimcodec import: a published checkpoint to a model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

from slimcodec.cli.options import Force

if TYPE_CHECKING:
    from slimcodec.workflows.importing import ImportedModel, Rounding

__all__ = ["COMMAND", "import_"]

_ANSWERS = "slimcodec.import.answers"
"""Under which a command line's answers to what checkpoints leave open are kept."""


def import_(
    context: typer.Context,
    family: Annotated[
        str,
        typer.Argument(help="The checkpoint's architecture: one of those below."),
    ],
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            metavar="CHECKPOINT",
            help="Its files, in the order that the architecture has below (.pt, .pth, .ckpt, "
            ".safetensors). Of an architecture that is one file, several are a ladder: one codec "
            "with a model for each rate, worst first.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="The new model file (.slim), or the ladder's folder."),
    ],
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="half|single",
            help="What weights are kept in: half a file's size, or exactly as they are.",
        ),
    ] = "half",
    check: Annotated[
        Path | None,
        typer.Option(
            "--check",
            metavar="PICTURE",
            help="Count on a picture how many symbols rounding to half precision changes.",
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Turn a published checkpoint into a model file, without running anything that is in it.

    Keys and shapes of the tensors decide what network it is; what the file says of itself must
    agree. What no tensor tells is asked for, never assumed in silence. The model file encodes and
    decodes, can be shrunk, exported and measured like any other, and needs no torch to code.
    """
    from slimcodec.cli.console import note, readable_bytes
    from slimcodec.cli.outputs import check_ladder, check_new
    from slimcodec.cli.suffixes import MODEL, check_suffix_fits
    from slimcodec.errors import UnknownNameError, check_extra
    from slimcodec.model_file import PRECISIONS, save
    from slimcodec.workflows.importing import import_checkpoint, import_ladder, makes_ladder

    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    how: dict[str, Any] = {
        "answers": context.meta.get(_ANSWERS, {}),
        "precision": precision,
        "check": check,
        "on_step": note,
    }
    if makes_ladder(family, checkpoints):
        check_ladder(output, force, *checkpoints)
        check_extra("reading a checkpoint", "torch")
        told: list[str] = []

        def on_rung(path: Path, made: ImportedModel) -> None:
            note(f"{path.name}: {'; '.join(made.notes)}")
            number = len(told) + 1
            told.append(
                f"{number}  {path.name}: {_counted(made)}; {_told(made.rounding, precision)}"
            )

        import_ladder(family, checkpoints, output, on_rung=on_rung, **how)
        print(f"{output}: a ladder of {len(told)} models, qualities 1 to {len(told)}")
        print("\n".join(told))
        return
    check_suffix_fits(output, MODEL, "import")
    check_new(output, force, *checkpoints)
    check_extra("reading a checkpoint", "torch")
    made = import_checkpoint(family, checkpoints, name=output.stem, **how)
    save(made.model, output)
    for sentence in made.notes:
        note(sentence)
    print(f"{output}: {_counted(made)}, {readable_bytes(output.stat().st_size)}")
    print(_told(made.rounding, precision))


def _counted(made: ImportedModel) -> str:
    total = sum(count for count, _ in made.model.parameters().values())
    return f"{total:,} parameters, stream id {made.model.stream_id}"


def _told(rounding: Rounding, precision: str) -> str:
    """What rounding changed, in a line."""
    if not rounding.change:
        return f"{precision} precision: no weight changed"
    text = (
        f"{precision} precision: weights changed by at most {100 * rounding.change:.2g} % "
        f"({rounding.tensor}, root mean square); {rounding.zeroed:,} of {rounding.weights:,} "
        "became zero"
    )
    if rounding.symbols is not None:
        text += f"; {rounding.changed:,} of {rounding.symbols:,} symbols of the picture are others"
    return f"{text} (--precision single keeps them)"


class _ImportCommand(TyperCommand):
    """A verb whose options and help the families bring: what their checkpoints leave open, and what
    those are. They are asked when the verb is, not when all verbs are listed."""

    _all: list[Any]
    _complete = False

    @property
    def params(self) -> list[Any]:
        if not self._complete:
            self._complete = True
            self._all.extend(_asked())
        return self._all

    @params.setter
    def params(self, own: list[Any]) -> None:
        self._all = own

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Each family's own words about its checkpoints."""
        for family in _published().values():
            for paragraph in family.checkpoint_help.split("\n\n"):
                formatter.write_paragraph()
                formatter.write_text(" ".join(paragraph.split()))


COMMAND = _ImportCommand


def _published() -> dict[str, Any]:
    from slimcodec.codecs.published import published_families

    return published_families()


def _asked() -> list[TyperOption]:
    """An option for each question of each family; families may share one."""
    helps: dict[str, list[str]] = {}
    choices: dict[str, list[str]] = {}
    for name, family in _published().items():
        for question in family.checkpoint_questions:
            helps.setdefault(question.name, []).append(f"{name}: {question.help}")
            own = choices.setdefault(question.name, [])
            own.extend(choice for choice in question.choices if choice not in own)
    return [
        TyperOption(
            param_decls=[f"--{name}"],
            metavar="|".join(choices[name]) or name.upper(),
            help=" ".join(words),
            default=None,
            expose_value=False,
            callback=_keep_answer,
        )
        for name, words in helps.items()
    ]


def _keep_answer(ctx: Any, parameter: Any, value: str | None) -> None:
    if value is not None:
        ctx.meta.setdefault(_ANSWERS, {})[parameter.opts[0].removeprefix("--")] = value
