"""How long a step takes on this machine, before any is taken."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from slimcodec.training.objectives import Objective
from slimcodec.training.step import inputs

__all__ = ["seconds_a_step"]

_TRIED = 2


def seconds_a_step(network: nn.Module, objective: Objective, batch: Mapping[str, Tensor]) -> float:
    """Of a loss and its gradients; the network stays as it is.

    Args:
        network: with ``requires_grad`` where it is to learn.
        objective: what will be minimised.
        batch: as the samples that will be learned from, such as one of noise.
    """
    tried = copy.deepcopy(network).train()
    seconds = []
    for _ in range(_TRIED):
        drawn = objective.draw(len(batch["image"]), torch.Generator().manual_seed(0))
        images, draw = inputs(batch, drawn)
        started = time.perf_counter()
        torch.autograd.backward(objective.training_loss(tried, images, draw).total)
        seconds.append(time.perf_counter() - started)
    return min(seconds)
