"""A second look of the tiny model."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from slimcodec.model_file import NATURAL, Model, freeze_network


@pytest.fixture(scope="module")
def natural(tiny_network: Any) -> Model:
    """The tiny model with another generator."""
    network = copy.deepcopy(tiny_network)
    with torch.no_grad():
        for parameter in network.generator.parameters():
            parameter.add_(0.01)
    return freeze_network(network, name="tiny-natural", family="hific", look=NATURAL)
