"""Where a run takes place: one CPU, one GPU, or several processes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from slimcodec.errors import MissingExtraError, TrainingError
from slimcodec.machine import cpu_flags, cpu_name
from slimcodec.training.schedule import Schedule

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["hardware", "place"]


def place(
    schedule: Schedule, devices: int | None, always_all: bool
) -> tuple[Fabric, Callable[[], AbstractContextManager[Any]]]:
    """Where the network runs, and the context of its mixed precision.

    Fabric's own mixed precision would round the image to bfloat16 before the network sees it. With
    several processes, the script that called is run again in each of the others.

    Args:
        schedule: says the precision.
        devices: processes; all GPUs, or one CPU process, when None.
        always_all: every step gives every weight that learns a gradient.

    Raises:
        MissingExtraError: when Lightning Fabric is not installed.
        TrainingError: when there are fewer GPUs than asked for.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    precision = schedule.precision
    if precision == "auto":
        fast_bf16 = torch.cuda.is_available() or {"amx_bf16", "avx512_bf16"} & set(cpu_flags())
        precision = "bf16-mixed" if fast_bf16 else "32-true"
    if torch.cuda.is_available():
        # Where full precision is asked for it is usually meant: latents span three decades.
        torch.backends.cudnn.allow_tf32 = schedule.tf32
        torch.backends.cudnn.benchmark = True
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if there and devices and devices > there:
        raise TrainingError(f"{devices} devices are asked for, and there are {there} GPUs")
    several = (devices or there) > 1
    together = "ddp" if always_all else "ddp_find_unused_parameters_true"
    fabric = Fabric(
        accelerator="auto",
        devices=devices or ("auto" if torch.cuda.is_available() else 1),
        strategy=together if several else "auto",
    )
    fabric.launch()
    if several:
        # Of a per-channel vector whose strides say nothing; it costs nothing.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view")
    if precision == "32-true":
        return fabric, nullcontext
    return fabric, partial(torch.autocast, fabric.device.type, dtype=torch.bfloat16)


def hardware(fabric: Fabric) -> str:
    """What a run takes place on, for its record."""
    device = fabric.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    return f"{fabric.world_size} x {name}" if fabric.world_size > 1 else name
