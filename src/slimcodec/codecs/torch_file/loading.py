"""From a checkpoint's tensors and settings to a network: what importers share.

A setting is a claim, and so is a shape. Keys and shapes decide how large a network is; a setting
that says otherwise is refused by its name, and every shape is compared with those of the network
that all of them together describe, before memory is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from slimcodec.codecs.torch_file.contents import Array, plain, told
from slimcodec.errors import CheckpointError

__all__ = ["check_finite", "check_setting", "check_shapes", "filled", "listed", "truth_setting"]


def check_setting(settings: Mapping[str, Any], name: str, found: int) -> None:
    """Refuse a setting that is another whole number than the tensors say; none is no harm.

    Raises:
        CheckpointError: naming it.
    """
    if name not in settings:
        return
    value = plain(settings[name])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise CheckpointError(
            f"its setting {name} must be a whole number, it is {told(value)}; its tensors say "
            f"{found}"
        )
    if value != found:
        raise CheckpointError(f"its setting {name} is {told(value)}, its tensors say {found}")


def truth_setting(settings: Mapping[str, Any], name: str) -> bool | None:
    """A setting that is true or false; None where the file does not say.

    Raises:
        CheckpointError: naming it, when it is neither.
    """
    value = plain(settings.get(name))
    if value is None or type(value) is bool:
        return value
    if type(value) is int and value in (0, 1):
        return bool(value)
    raise CheckpointError(f"its setting {name} must be true or false, it is {told(value)}")


def check_shapes(build: Callable[[], Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compare shapes with those of the network that they describe, before there is one.

    Args:
        build: makes the network, on torch's meta device.
        shapes: by names of ours; those of the network that are not among them are not compared.

    Raises:
        CheckpointError: naming the first that does not fit.
    """
    import torch

    with torch.device("meta"):
        wanted = {name: tuple(t.shape) for name, t in build().state_dict().items()}
    for name, shape in shapes.items():
        if shape != wanted[name]:
            raise CheckpointError(
                f"its tensors do not fit each other: {name} is {list(shape)}, by the other shapes "
                f"it must be {list(wanted[name])}"
            )


def check_finite(weights: Mapping[str, Array]) -> None:
    """Refuse weights that are no numbers, as a training that diverged leaves them.

    Args:
        weights: by names of ours.

    Raises:
        CheckpointError: naming the first.
    """
    for name, array in weights.items():
        bad = np.count_nonzero(~np.isfinite(np.asarray(array, np.float32)))
        if bad:
            raise CheckpointError(
                f"{bad:,} of {np.asarray(array).size:,} values of {name} are infinite or no "
                "numbers; its training diverged"
            )


def filled(build: Callable[[], Any], weights: Mapping[str, Array]) -> Any:
    """A network, in evaluation mode, that has these weights and no others.

    Args:
        build: makes it, on torch's meta device.
        weights: every one of the network's, of its shape.
    """
    import torch

    with torch.device("meta"):
        network = build()
    state = {}
    for name, array in weights.items():
        state[name] = torch.from_numpy(np.ascontiguousarray(np.asarray(array, np.float32)))
    network.load_state_dict(state, assign=True)
    return network.eval()


def listed(word: str, names: Iterable[str]) -> str:
    """``"2 missing (a, b)"``; nothing where there are none."""
    own = sorted(names)
    if not own:
        return ""
    shown = ", ".join(f"{name:.80}" for name in own[:4])
    return f"{len(own)} {word} ({shown}{f' and {len(own) - 4} more' if len(own) > 4 else ''})"
