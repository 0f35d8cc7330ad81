"""slimcodec train: photographs to a model file."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slimcodec.cli.options import Images, Out

if TYPE_CHECKING:
    from slimcodec.model_file import Model
    from slimcodec.training import Progress, Trained, TrainingConfig


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
    from slimcodec.errors import MissingExtraError, UsageError
    from slimcodec.images import find_images

    try:
        import torch

        from slimcodec.model_file import thaw_network
        from slimcodec.training import TrainingConfig
        from slimcodec.training import train as run_training
    except ImportError as error:
        raise MissingExtraError("training", "train") from error

    run = TrainingConfig.read(config)
    photos = find_images(images)
    if not resume and (out / "state.ckpt").exists():
        raise UsageError(f"{out} holds a run already; go on with --resume or name another --out")
    weights, start = None, None
    history: tuple[Mapping[str, Any], ...] = ()
    if init is not None:
        start = library.load_model(init)
        weights = {k: torch.from_numpy(v) for k, v in start.weights.items()}
        history = start.history
    taught_by = None
    if teacher is not None:
        wise = library.load_model(teacher)
        if start is not None and wise.stream_id != start.stream_id:
            raise UsageError(f"--teacher {teacher} and --init {init} do not read the same streams")
        taught_by = thaw_network(wise)
    if threads is not None:
        # Of every process: those that are started later take it from the environment.
        os.environ["OMP_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)
    with _shown(run) as on_progress:
        trained = run_training(
            run, photos, out,
            init=weights, history=history, resume=resume, minutes=minutes,
            teacher=taught_by, devices=devices,
            on_progress=on_progress,
        )  # fmt: skip
    if trained.leads:
        used = [photo for photo in photos if photo.name not in run.holdout]
        _save(run, frozen_model(run, trained, used, start), trained, out)


_SETTLED_ON = 12
"""Photographs that a new probability model is settled on."""


def frozen_model(
    run: TrainingConfig, trained: Trained, photos: Sequence[Path], start: Model | None = None
) -> Model:
    """What a run comes to, with its record.

    Args:
        run: as it was told.
        trained: its outcome.
        photos: those that were trained on.
        start: what it started from. Where the layers that coding runs in integers did not move,
            they stay as they were settled, and so do the streams.
    """
    from slimcodec import registry
    from slimcodec.codecs.settled import coded_layers, settle_as
    from slimcodec.images import read_image
    from slimcodec.model_file import FAITHFUL, NATURAL, freeze_network

    record = {
        "train": run.name,
        "steps": trained.step,
        "hours": round(trained.train_seconds / 3600, 3),
        "photographs": len(photos),
        "objective": trained.objective,
        **({"parts": list(run.parts)} if run.parts else {}),
        "hardware": trained.hardware,
        "validation_bpp_db": [[round(b, 4), round(d, 3)] for b, d in trained.validation],
    }
    history = (*trained.history, record)
    look = NATURAL if run.objective == "perception" else FAITHFUL
    family, network, few = registry.families.get(run.family), trained.network, []
    state = network.state_dict()
    names = [f"{layer}.weight" for layer in coded_layers(family, network.config)]
    if start is not None and all((state[n].cpu().numpy() == start.weights[n]).all() for n in names):
        network = copy.deepcopy(network)
        settle_as(network, family, start.quantization)
    else:
        step = max(1, len(photos) // _SETTLED_ON)
        few = [read_image(path).pixels for path in photos[::step][:_SETTLED_ON]]
    return freeze_network(
        network,
        name=run.name,
        family=run.family,
        history=history,
        look=look,
        photographs=few,
    )


def _save(run: TrainingConfig, model: Model, trained: Trained, out: Path) -> None:
    from slimcodec.atomic import write_atomically
    from slimcodec.cli.console import readable_bytes
    from slimcodec.model_file import save

    path = out / f"{run.name}.slim"
    out.mkdir(parents=True, exist_ok=True)
    save(model, path)
    size = path.stat().st_size
    write_atomically(path.with_suffix(".md"), _card(model, size).encode())
    card = path.with_suffix(".md").name
    print(f"{path}: {readable_bytes(size)} after {trained.step:,} steps; its card is {card}")


def _card(model: Model, size: int) -> str:
    """What is known of a model that was just trained; a bench knows more."""
    from slimcodec.report import CardFacts, head_section, network_section, training_section

    facts = CardFacts.of(model, size)
    sections = [
        head_section(facts, "Written by `slimcodec train`; real streams are measured by "
                     f"`slimcodec bench {model.name}.slim jpeg webp --images DIR --out DIR`."),
        network_section(facts),
        training_section(facts, "Whoever passes the model on says here what the photographs were "
                         "and under which licences."),
    ]  # fmt: skip
    return "\n\n".join(sections) + "\n"


def _shown(run: TrainingConfig) -> Any:
    """A live line on a terminal, a line every half minute elsewhere."""
    import sys
    import time
    from collections.abc import Iterator
    from contextlib import contextmanager

    def text(p: Progress) -> str:
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
            task = shown.add_task("", total=run.first_step + run.steps, text="preparing")

            def show(p: Progress) -> None:
                shown.update(task, completed=p.step, text=text(p))
                if p.validation:
                    console.print(f"step {p.step:,}  {text(p)}")

            yield show

    @contextmanager
    def silence() -> Iterator[Any]:
        yield lambda p: None

    if int(os.environ.get("LOCAL_RANK", "0")):
        return silence()  # one of several processes, and not the first
    return bar() if sys.stderr.isatty() else lines()
