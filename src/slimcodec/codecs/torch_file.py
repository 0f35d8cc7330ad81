"""Reading a torch checkpoint that somebody else wrote, without running anything in it.

A torch file is a zip of tensors and a pickle, and a pickle is a program. torch's restricted reader
admits tensors, plain containers and a list of named classes; the one class added here is
``argparse.Namespace``, in which published codecs keep their settings. Whatever else a pickle asks
for is refused by name, not executed.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from slimcodec.errors import CheckpointError

__all__ = ["as_arrays", "as_settings", "read_torch_file"]


def read_torch_file(path: Path) -> dict[str, Any]:
    """The dictionary in a checkpoint file.

    Raises:
        CheckpointError: when the file is missing, damaged, not a dictionary, or would run code.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        Exception
    ) as error:  # damaged files raise half a dozen types, refused ones UnpicklingError
        raise CheckpointError(f"{path}: {_reason(error)}") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not a checkpoint dictionary"
        )
    return dict(content)


def as_arrays(content: Mapping[Any, Any]) -> dict[str, NDArray[np.float32]]:
    """The named tensors of a checkpoint, everything else left out.

    Raises:
        CheckpointError: when a tensor is no plain array of numbers, or claims more of them than
            the file holds (a view of one number can claim terabytes).
    """
    arrays = {}
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            continue
        plain = tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_complex()
        if not plain or tensor.is_quantized:
            raise CheckpointError(f"{name} is not a plain array of numbers")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise CheckpointError(
                f"{name} claims {tensor.numel():,} numbers, more than the file holds"
            )
        arrays[name] = tensor.detach().float().numpy()
    return arrays


def as_settings(value: Any) -> dict[str, Any]:
    """A checkpoint's ``args``, whether stored as a namespace or as a dictionary."""
    if isinstance(value, argparse.Namespace):
        return dict(vars(value))
    return dict(value) if isinstance(value, Mapping) else {}


def _reason(error: Exception) -> str:
    text = str(error)
    refused = re.search(r"GLOBAL ([\w.]+)", text) or re.search(r"class ([\w.]+)", text)
    if refused:
        return (
            f"refused, because loading it would call {refused[1]}: a checkpoint may hold tensors, "
            "plain values and argparse settings only"
        )
    first_line = (text.splitlines() or ["it is empty"])[0][:120]
    return f"not a readable torch checkpoint ({type(error).__name__}: {first_line})"
