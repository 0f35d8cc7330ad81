"""The application: its verbs, and how errors leave it."""

from __future__ import annotations

import errno
import importlib
import io
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

import slimcodec
from slimcodec.cli.interrupting import interruptible
from slimcodec.errors import SlimcodecError, UnknownNameError, UsageError

__all__ = ["VERBS", "app", "command", "main"]

VERBS = {
    "demo": "The main job on what ships inside.",
    "encode": "Pictures to streams.",
    "decode": "Streams to pictures.",
    "restore": "JPEGs to better pictures.",
    "cut": "A progressive stream to a coarser one.",
    "shrink": "A model and a recipe to a smaller model.",
    "sensitivity": "What each layer would cost to shrink.",
    "search": "Which widths, blocks and bits, under a budget.",
    "export": "A model to a bundle for one runtime.",
    "bench": "Measure codecs on a folder of images.",
    "time": "Which codec is faster, in turn, with an interval.",
    "study": "Measure codecs shrunk in many ways.",
    "report": "Write the HTML page again from its rows.",
    "train": "Photographs to a model file.",
    "import": "A published checkpoint to a model file.",
    "transcode": "Another program's stream to one of ours.",
    "inspect": "What a model file, a bundle or a stream says.",
    "list": "Models, codecs, recipes and more, by name.",
    "doctor": "What this machine has.",
}
"""Each is a file of its name and a function of its name, with ``_`` after what Python uses
itself."""
_TAKEN = ("import", "list")
_COMPLETING = "_SLIMCODEC_COMPLETE"
"""Set in the environment by a shell that wants words completed (``cli/completion.py``)."""
_WrongUsage: Any = typer.BadParameter.__base__
"""Click's error, wherever this typer has its click."""
_NUMBERS = {"float": "number", "int": "whole number", "integer": "whole number"}
"""What a value is not, in click's words and in those of people."""


def _version(wanted: bool) -> None:
    if wanted:
        print(f"slimcodec {slimcodec.__version__}")
        raise typer.Exit


def _show_completion(shell: str | None) -> None:
    if shell is not None:
        from slimcodec.cli.completion import script

        print(script(shell), end="")
        raise typer.Exit


def _install_completion(shell: str | None) -> None:
    if shell is not None:
        from slimcodec.cli.completion import install

        print(install(shell))
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    install_completion: Annotated[
        str | None,
        typer.Option(
            "--install-completion",
            callback=_install_completion,
            is_eager=True,
            metavar="SHELL",
            help="Have bash, zsh or fish complete verbs, options and names.",
        ),
    ] = None,
    show_completion: Annotated[
        str | None,
        typer.Option(
            "--show-completion",
            callback=_show_completion,
            is_eager=True,
            metavar="SHELL",
            help="Print what the shell reads for that.",
        ),
    ] = None,
) -> None:
    pass


def app(words: Sequence[str]) -> int:
    """Run what a command line says.

    Args:
        words: after the program's name.

    Returns:
        the exit status.

    Raises:
        SlimcodecError: what a verb raises, or when there is no such verb or option.
    """
    if words and words[0] not in VERBS and not words[0].startswith("-"):
        raise UnknownNameError("verb", words[0], VERBS)
    # Options of all verbs take 25 ms to make; where a verb comes first, it is the one that is
    # wanted.
    wanted = words[:1] if words and words[0] in VERBS else VERBS
    try:
        return int(_application(wanted)(list(words), standalone_mode=False) or 0)
    except _WrongUsage as error:
        if not words:
            error.show()  # the help
            return int(error.exit_code)
        raise UsageError(_in_one_line(error)) from error


def _in_one_line(error: Any) -> str:
    """What click has to say in four lines: the command's form, its help, and what is wrong."""
    if near := getattr(error, "possibilities", None):
        return f"no such option: {error.option_name}; did you mean {' or '.join(near)}?"
    said = str(error.format_message()).strip().removesuffix(".")
    for theirs, ours in _NUMBERS.items():
        said = re.sub(rf"is not a valid {theirs}\b", f"is no {ours}", said)
    asked = error.ctx.command_path if error.ctx else "slimcodec"
    return f"{said[:1].lower()}{said[1:]}; {asked} --help says what there is"


def command(verb: str) -> Any:
    """A verb as click knows it: its parameters and what they take."""
    group: Any = typer.main.get_command(_application([verb]))
    return group.commands[verb]


def _application(verbs: Iterable[str]) -> typer.Typer:
    application = typer.Typer(
        help="Make learned image codecs small and fast, and prove on real streams what that cost.",
        epilog="Start with `slimcodec demo`. Exit status: 0 done, 1 failed, 2 wrong usage, "
        "130 interrupted.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        # Plain help: the decorated one costs 120 ms of imports, more than everything else together.
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.callback()(_options)
    for verb in verbs:
        name = f"{verb}_" if verb in _TAKEN else verb
        module = importlib.import_module(f"slimcodec.cli.{name}")
        make = application.command(
            verb, short_help=VERBS[verb], cls=getattr(module, "COMMAND", None)
        )
        make(interruptible(getattr(module, name)))
    return application


def main() -> None:
    """Entry point: runs a verb; every foreseen failure becomes one line and an exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot print a character is given its number.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if _COMPLETING in os.environ:
        from slimcodec.cli.completion import answer

        answer(sys.argv[1:])
        return
    try:
        status = app(sys.argv[1:])
    except SlimcodecError as error:
        _fail(str(error), error.exit_status)
    except MemoryError:
        _fail("more memory is needed than this process may have; give it more", 1)
    except KeyboardInterrupt:
        # Before a verb began; from then on it says itself what is kept.
        _fail("interrupted; nothing was done", 130)
    except BrokenPipeError:
        # The reader went away (`| head`): nothing is wrong with us. Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno not in (
            errno.ENOSPC,
            errno.EACCES,
            errno.EROFS,
            errno.EDQUOT,
            errno.EPERM,
            errno.EEXIST,
            errno.ENOTDIR,
            errno.EISDIR,
        ):
            raise
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{(error.strerror or str(error)).lower()}", 1)
    if status:
        sys.exit(status)


def _fail(message: str, status: int) -> None:
    print(f"slimcodec: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(status)
