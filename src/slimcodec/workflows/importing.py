"""A published checkpoint to a model, or several to a ladder, and what rounding weights changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.codecs.published import Published, by_role, published_families
from slimcodec.errors import ModelFileError, UnknownNameError, UsageError
from slimcodec.images import read_image
from slimcodec.ladder import check_rungs, written_ladder
from slimcodec.model_file import Model, freeze_network, save
from slimcodec.runtime import open_codec

__all__ = ["ImportedModel", "Rounding", "import_checkpoint", "import_ladder", "makes_ladder"]

_RUNTIME = "torch"
"""Symbols are compared on it: it is here, as a network is, and makes no files."""

_LARGE = 64 << 20
"""Bytes that take seconds to read."""


@dataclass(frozen=True)
class Rounding:
    """What a model's precision changed of a checkpoint's weights.

    Weights of layers that coding runs in integers are not counted: they are rounded to seven bits
    in any precision.

    Attributes:
        weights: that were rounded.
        zeroed: of them, those that became zero and were not.
        tensor: that changed most.
        change: of that tensor, the root of its squared change over that of its squares.
        symbols: that a picture was coded in; None where none was given.
        changed: of them, those that unrounded weights would have made others; a picture that has
            more or fewer symbols then counts as all.
    """

    weights: int
    zeroed: int
    tensor: str
    change: float
    symbols: int | None = None
    changed: int | None = None


@dataclass(frozen=True)
class ImportedModel:
    """A model that was made of a checkpoint.

    Attributes:
        model: to code with, or to save.
        notes: what was read off the files and what was assumed, a sentence each.
        rounding: what its precision changed.
    """

    model: Model
    notes: tuple[str, ...]
    rounding: Rounding


def import_checkpoint(
    family: str,
    paths: Sequence[Path],
    *,
    name: str,
    answers: Mapping[str, str] = MappingProxyType({}),
    precision: str = "half",
    check: Path | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> ImportedModel:
    """A model of a published checkpoint; nothing that is in its files is run.

    Args:
        family: whose checkpoint it is, one of ``published_families``.
        paths: its files, in the order of the family's ``checkpoint_files``.
        name: of the new model.
        answers: to what its files leave open, by the names of the family's
            ``checkpoint_questions``: ``{"likelihood": "logistic"}``.
        precision: that weights are kept in, ``"half"`` or ``"single"``.
        check: a picture, to count on it the symbols that rounding to half precision changes.
        on_step: is told what begins, in words.

    Raises:
        UsageError: when the family publishes none, files or answers are not as it asks, or a check
            is asked of a precision that rounds nothing.
        CheckpointError: when the files hold no such checkpoint, in one line that says why.
        ModelFileError: when a weight is beyond the precision.
    """
    published = _published(family)
    if check is not None and precision != "half":
        raise UsageError("a check counts what half precision changes; ask for no other precision")
    files = by_role(family, published.checkpoint_files, paths)
    image = read_image(check).pixels if check is not None else None
    if sum(path.stat().st_size for path in files.values() if path.is_file()) > _LARGE:
        on_step("reading the checkpoint")
    found = published.read_checkpoint(list(files.values()), answers)
    history = _history(family, files, answers)

    def frozen(precision: str) -> Model:
        return freeze_network(
            found.network, name=name, family=family, history=history, precision=precision
        )

    exact = None
    if image is not None:
        on_step("coding the picture with the weights as they are")
        exact = _symbols(published, frozen("single"), image)
    on_step(f"freezing: weights in {precision} precision, integer tables")
    try:
        model = frozen(precision)
    except ModelFileError as error:
        if precision == "single":
            raise
        raise ModelFileError(f"{error}; --precision single may hold them") from error
    symbols = changed = None
    if exact is not None:
        on_step("coding the picture with rounded weights")
        rounded = _symbols(published, model, image)
        symbols = rounded.size
        same_size = rounded.shape == exact.shape
        changed = int(np.count_nonzero(rounded != exact)) if same_size else symbols
    return ImportedModel(model, found.notes, _rounding(found.network, model, symbols, changed))


def makes_ladder(family: str, paths: Sequence[Path]) -> bool:
    """Whether so many files are a model each, and not one model: of a family whose published
    checkpoints are one file.

    Raises:
        UsageError: as ``import_checkpoint``, of the family.
    """
    return len(paths) > 1 == len(_published(family).checkpoint_files)


def import_ladder(
    family: str,
    paths: Sequence[Path],
    folder: Path,
    *,
    answers: Mapping[str, str] = MappingProxyType({}),
    precision: str = "half",
    check: Path | None = None,
    on_rung: Callable[[Path, ImportedModel], None] = lambda path, made: None,
    on_step: Callable[[str], None] = lambda step: None,
) -> None:
    """A ladder (``slimcodec.ladder``) of published checkpoints: one codec, a model for each rate.

    All of it is written or nothing.

    Args:
        family: whose checkpoints they are, one file each.
        paths: the files, worst quality first.
        folder: where the ladder is to be; a ladder that is there is replaced.
        answers, precision, check: of each, as ``import_checkpoint`` takes them.
        on_rung: is told each file and what it became.
        on_step: is told what begins, in words.

    Raises:
        UsageError: when two files make models that streams cannot tell apart; else, as of any
            error of theirs, as ``import_checkpoint``.
    """
    for path in paths:  # before minutes are spent on those that come first
        _published(family).read_checkpoint([path], answers)
    names = [f"{number}.slim" for number in range(1, len(paths) + 1)]
    stream_ids: list[tuple[str, str]] = []
    with written_ladder(folder, names) as aside:
        for number, (path, name) in enumerate(zip(paths, names, strict=True), 1):
            on_step(f"{path.name}, {number} of {len(paths)}")
            own = f"{folder.resolve().name.removesuffix('.slim')}-{number}"
            made = import_checkpoint(
                family, [path],
                name=own, answers=answers, precision=precision, check=check, on_step=on_step,
            )  # fmt: skip
            stream_ids.append((str(path), made.model.stream_id))
            check_rungs(stream_ids)
            save(made.model, aside / name)
            on_rung(path, made)


def _published(family: str) -> Published:
    known = published_families()
    if family not in known:
        if family in registry.families:
            raise UsageError(
                f"nobody published a {family} checkpoint that could be imported; there are "
                f"importers for {', '.join(known)}"
            )
        raise UnknownNameError("importer", family, known)
    return known[family]


def _history(
    family: str, files: Mapping[str, Path], answers: Mapping[str, str]
) -> tuple[Mapping[str, Any], ...]:
    names = {role: path.name for role, path in files.items()}
    return ({"import": family, "files": names, **({"answers": dict(answers)} if answers else {})},)


def _symbols(family: Published, model: Model, image: Any) -> NDArray[Any]:
    codec = open_codec(model, _RUNTIME)
    return family.coded_symbols(codec, codec.encode(image))


def _rounding(network: Any, model: Model, symbols: int | None, changed: int | None) -> Rounding:
    from slimcodec.quantization.simulation import plain_state  # torch, which reading needed too

    weights, zeroed, worst = 0, 0, ("", 0.0)
    for name, tensor in plain_state(network).items():
        if name in model.quantization.weights:
            continue
        exact = tensor.detach().cpu().numpy().astype(np.float64)
        rounded = model.weights[name]
        weights += exact.size
        zeroed += int(np.count_nonzero((exact != 0) & (rounded == 0)))
        size = float(np.sqrt(np.square(exact).sum()))
        change = float(np.sqrt(np.square(exact - rounded).sum())) / size if size else 0.0
        worst = max(worst, (name, change), key=lambda own: own[1])
    return Rounding(weights, zeroed, *worst, symbols, changed)
