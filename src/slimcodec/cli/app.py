"""The application: its verbs, and how errors leave it."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

import slimcodec
from slimcodec.cli import (
    bench,
    cut,
    decode,
    demo,
    doctor,
    encode,
    export,
    import_,
    inspect,
    list_,
    report,
    shrink,
    study,
    train,
)
from slimcodec.errors import SlimcodecError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Make learned image codecs small and fast, and prove on real streams what that cost.",
    epilog="Start with `slimcodec demo`. Exit status: 0 done, 1 failed, 2 wrong usage.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help: the decorated one costs 120 ms of imports, more than everything else together.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"slimcodec {slimcodec.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


for name, verb, line in (
    ("demo", demo.demo, "The main job on what ships inside."),
    ("encode", encode.encode, "A picture to a stream."),
    ("decode", decode.decode, "A stream to a picture."),
    ("cut", cut.cut, "A progressive stream to a coarser one."),
    ("shrink", shrink.shrink, "A model and a recipe to a smaller model."),
    ("export", export.export, "A model to a bundle for one runtime."),
    ("bench", bench.bench, "Measure codecs on a folder of images."),
    ("study", study.study, "Measure codecs shrunk in many ways."),
    ("report", report.report, "Write the HTML page again from its rows."),
    ("train", train.train, "Photographs to a model file."),
    ("import", import_.import_, "A published checkpoint to a model file."),
    ("inspect", inspect.inspect, "What a model file, a bundle or a stream says."),
    ("list", list_.list_, "Codecs, passes, metrics, runtimes by name."),
    ("doctor", doctor.doctor, "What this machine has."),
):
    app.command(name, short_help=line)(verb)


def main() -> None:
    """Entry point: runs a verb; every foreseen failure becomes one line and an exit status."""
    try:
        app()
    except SlimcodecError as error:
        _fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        _fail("interrupted; finished work is kept", 130)
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


def _fail(message: str, status: int) -> None:
    print(f"slimcodec: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(status)
