"""slimcodec train: photographs to a model file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slimcodec.cli.console import note_skipped, readable_bytes
from slimcodec.cli.options import Images, Out

if TYPE_CHECKING:
    from slimcodec.training import Progress, TrainingConfig


def train(
    config: Annotated[Path, typer.Argument(help="The run, as a TOML file.", metavar="CONFIG.toml")],
    images: Images,
    out: Out,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the state in --out, if there is one.")
    ] = False,
    init: Annotated[
        str | None,
        typer.Option("--init", help="Start from a model's weights: a name or a model file."),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option("--teacher", help="Whom a distillation learns from: a name or a model file."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0, help="Stop after so long, state saved; 0 writes the model as it stands."
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Cores of each process; all of them if not given."),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that train together, each with a batch of its own: GPUs, or CPU "
            "processes where there is none. All GPUs if not given.",
        ),
    ] = None,
) -> None:
    """Train a learned codec on a folder of photographs; write a model file and its card.

    The state is saved every few minutes: kill the run at any moment and start it again with
    --resume. A loss that is not finite or that diverges stops the run, and the last good state
    stays. What is trained on, one CPU, one GPU or several, is found by itself. Curves go to
    OUT/tensorboard.

    Example: slimcodec train recipes/train-hific-s.toml --images photos --out runs/hific-s
    """
    from slimcodec import library
    from slimcodec.cli.interrupting import kept_if_interrupted
    from slimcodec.cli.outputs import check_results, training_results
    from slimcodec.errors import MissingExtraError
    from slimcodec.images import find_images

    try:
        import torch

        from slimcodec.training import TrainingConfig
        from slimcodec.workflows.training import train_model
    except ImportError as error:
        raise MissingExtraError("training", "train") from error

    run = TrainingConfig.read(config)
    check_results(out, training_results(run.name))
    photos = find_images(images)
    note_skipped(images)
    start, wise = (None if name is None else library.load_model(name) for name in (init, teacher))
    if threads is not None:
        # Of every process: those that are started later take it from the environment.
        os.environ["OMP_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)
    kept = f"{out} keeps the state that was saved last, if there is one; --resume goes on from it"
    with kept_if_interrupted(kept), _shown(run) as on_progress:
        written = train_model(
            run, photos, out,
            start=start, teacher=wise, resume=resume, minutes=minutes, devices=devices,
            on_progress=on_progress,
        )  # fmt: skip
    if written is not None:
        size = readable_bytes(written.path.stat().st_size)
        steps = f"{written.trained.step:,} steps" if written.trained.step else "it was fitted"
        print(f"{written.path}: {size} after {steps}; its card is {written.card.name}")


def _shown(run: TrainingConfig) -> Any:
    """A live line on a terminal, a line every half minute elsewhere."""
    import sys
    import time
    from collections.abc import Iterator
    from contextlib import contextmanager

    def text(p: Progress) -> str:
        if p.before:
            return f"{p.before}, before any step along a gradient"
        line = (
            f"loss {p.loss:.3f}  {p.bpp:.3f} bpp  {p.psnr_db:.2f} dB  "
            f"{p.steps_per_s:.2f} steps/s  {p.seconds_left / 60:.0f} min left"
        )
        if p.validation:
            line += "  held out: " + " ".join(f"{b:.3f}/{d:.2f}" for b, d in p.validation)
        return line

    @contextmanager
    def lines() -> Iterator[Any]:
        last = [0.0]

        def show(p: Progress) -> None:
            if p.validation or time.monotonic() - last[0] >= 30:
                last[0] = time.monotonic()
                print(f"step {p.step:,}/{p.last_step:,}  {text(p)}", file=sys.stderr, flush=True)

        yield show

    @contextmanager
    def bar() -> Iterator[Any]:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        columns = (
            TextColumn(run.name), BarColumn(), TextColumn("{task.completed:,}/{task.total:,}"),
            TextColumn("{task.fields[text]}"),
        )  # fmt: skip
        with Bar(*columns, console=console) as shown:
            task = shown.add_task("", total=run.last_step, text="preparing")

            def show(p: Progress) -> None:
                shown.update(task, completed=p.step, total=p.last_step, text=text(p))
                if p.validation:
                    console.print(f"step {p.step:,}  {text(p)}")

            yield show

    @contextmanager
    def silence() -> Iterator[Any]:
        yield lambda p: None

    if int(os.environ.get("LOCAL_RANK", "0")):
        return silence()  # one of several processes, and not the first
    return bar() if sys.stderr.isatty() else lines()
