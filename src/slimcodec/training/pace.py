"""How long a step takes on this machine, before any is taken."""

from __future__ import annotations

import copy
import time

import torch
from torch import nn

from slimcodec.training.objectives import Objective

__all__ = ["seconds_a_step"]

_TRIED = 2


def seconds_a_step(network: nn.Module, objective: Objective, batch: int, crop: int) -> float:
    """Of a loss and its gradients on images of noise; the network stays as it is.

    Args:
        network: with ``requires_grad`` where it is to learn.
        objective: what will be minimised.
        batch: crops of a step.
        crop: pixels a side.
    """
    tried = copy.deepcopy(network).train()
    images = torch.rand(batch, 3, crop, crop)
    seconds = []
    for _ in range(_TRIED):
        draw = objective.draw(batch, torch.Generator().manual_seed(0))
        started = time.perf_counter()
        torch.autograd.backward(objective.training_loss(tried, images, draw).total)
        seconds.append(time.perf_counter() - started)
    return min(seconds)
