"""What a run needs to go on: one file, written aside and renamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slimcodec.atomic import atomic_path
from slimcodec.errors import TrainingError

__all__ = ["STATE_FILE", "load_into", "load_weights", "read_state", "write_state"]

STATE_FILE = "state.ckpt"
_KEYS = ("network", "average", "optimizer", "step", "seconds")


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state; its folder is made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as aside:
        torch.save(dict(state), aside)


def read_state(path: Path) -> dict[str, Any] | None:
    """A state as it was written, on the CPU; None where there is none.

    Raises:
        TrainingError: when the file is damaged or holds something else.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if not set(_KEYS) <= set(state):
            raise KeyError(", ".join(_KEYS))
    except Exception as error:  # torch raises half a dozen types for a damaged file
        raise TrainingError(
            f"{path} cannot be resumed from ({type(error).__name__}); remove it to start again"
        ) from error
    return state


def load_weights(
    network: nn.Module, state: Mapping[str, Tensor], where: str, reshaped: Sequence[str] = ()
) -> None:
    """Weights into a network. A part of it that they lack altogether, because it was invented after
    them, starts as if it were not there, where it can (``reset``).

    Args:
        network: takes them.
        state: weights by name.
        where: names them in errors.
        reshaped: parts that may have another shape than in ``state``: of these a module is taken
            whose tensors all have the shapes that they have there; others stay as they are in the
            network.

    Raises:
        TrainingError: when they do not fit.
    """
    apart = tuple(f"{part}." for part in reshaped)
    kept = {name: v for name, v in network.state_dict().items() if name.startswith(apart)}
    shapes = {name: value.shape for name, value in state.items()}
    others = {_module(name) for name, v in kept.items() if shapes.get(name) != v.shape}
    fitting = {
        name: value
        for name, value in state.items()
        if not name.startswith(apart) or (name in kept and _module(name) not in others)
    }
    whole = kept | fitting
    for name, module in network.named_modules():
        own = {f"{name}.{key}": value for key, value in module.state_dict().items()}
        if hasattr(module, "reset") and own and not set(own) & set(whole):
            module.reset()
            whole |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    try:
        network.load_state_dict(whole)
    except RuntimeError as error:
        raise TrainingError(f"{where}: weights of another network ({error})") from error


def load_into(target: Any, state: Any, where: str) -> None:
    """``target.load_state_dict``, of an optimizer or an adversary.

    Raises:
        TrainingError: when it was written for another one.
    """
    try:
        target.load_state_dict(state)
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise TrainingError(f"{where}: from a run of another shape ({reason})") from error


def _module(name: str) -> str:
    """Whose tensor it is."""
    return name.rpartition(".")[0]
