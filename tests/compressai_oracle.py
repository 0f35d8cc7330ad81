"""CompressAI itself, to compare with: a few of its classes, and small models of them.

It is installed without its dependencies, of which its image models need none; what its own
``__init__`` imports besides is stood in for while that happens.
"""

from __future__ import annotations

import sys
import types
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

__all__ = ["ARCHITECTURES", "load_models", "save", "trained"]

ARCHITECTURES = {
    "bmshj2018-factorized": "FactorizedPrior",
    "bmshj2018-hyperprior": "ScaleHyperprior",
    "mbt2018-mean": "MeanScaleHyperprior",
}
_ABSENT = (
    "einops", "pandas", "torch_geometric", "torch_geometric.data",
    "torch_geometric.data.datapipes", "torch_geometric.transforms", "torchvision",
    "torchvision.transforms",
)  # fmt: skip


class _Anything:
    def __init__(self, *arguments: Any, **named: Any) -> None: ...

    def __call__(self, decorated: Any) -> Any:
        return decorated


class _Absent(types.ModuleType):
    __path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything


@cache
def load_models() -> Any:
    """``compressai.models``; the test is skipped where it is not installed."""
    stands_in = {name: _Absent(name) for name in _ABSENT if name not in sys.modules}
    sys.modules.update(stands_in)
    try:
        import compressai.models
    except ModuleNotFoundError:
        pytest.skip("needs CompressAI: pip install --no-deps compressai==1.2.8")
    finally:
        for name in stands_in:
            del sys.modules[name]
    return compressai.models


def trained(architecture: str, n: int, m: int, steps: int = 30, seed: int = 0) -> Any:
    """A model of its own class after a few steps on drawn pictures, its CDFs made."""
    import torch

    from tests.conftest import draw

    models = load_models()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = getattr(models, ARCHITECTURES[architecture])(n, m).train()
        crops = np.stack([draw(64, 64, number) for number in range(8)])
        images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
        named = dict(network.named_parameters())
        quantiles = named.pop("entropy_bottleneck.quantiles")
        optimizer = torch.optim.Adam(named.values(), lr=2e-3)
        others = torch.optim.Adam([quantiles], lr=0.3)
        for _ in range(steps):
            out = network(images)
            bits = sum(-likelihood.log2().sum() for likelihood in out["likelihoods"].values())
            error = (out["x_hat"] - images).square().mean()
            loss = bits / images[:, 0].numel() + 0.05 * 255**2 * error
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        for _ in range(150):
            others.zero_grad()
            network.aux_loss().backward()
            others.step()
        network.eval().update(force=True)
    return network


def save(network: Any, path: Path) -> Path:
    """As its own examples do."""
    import torch

    torch.save({"epoch": 1, "state_dict": network.state_dict(), "loss": 1.0}, path)
    return path
