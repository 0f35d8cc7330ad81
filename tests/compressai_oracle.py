"""CompressAI itself, to compare with: a few of its classes, and small models of them.

It is installed without its dependencies, of which its image models need none; what its own
``__init__`` imports besides is stood in for while that happens.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

__all__ = [
    "ARCHITECTURES",
    "imported",
    "load_models",
    "moved_scales",
    "of_file",
    "perturbed_decodes",
    "save",
    "trained",
]

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
    __path__ = []  # noqa: RUF012

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything


@cache
def load_models() -> Any:
    """``compressai.models``; the test is skipped where it is not installed."""
    if importlib.util.find_spec("compressai") is None:
        pytest.skip("needs CompressAI: pip install --no-deps compressai==1.2.8")
    stands_in = {name: _Absent(name) for name in _ABSENT if name not in sys.modules}
    sys.modules.update(stands_in)
    try:
        import compressai.models
    finally:
        for name in stands_in:
            del sys.modules[name]
    return compressai.models


def of_file(path: Path) -> Any:
    """A network of its own class from a state dict, ready to code."""
    import torch

    state = torch.load(path, weights_only=True)
    state = state.get("state_dict", state)
    latents = len(state["g_a.6.weight"])
    architecture = "bmshj2018-factorized"
    if "h_s.4.weight" in state:
        made = len(state["h_s.4.weight"])
        architecture = "bmshj2018-hyperprior" if made == latents else "mbt2018-mean"
    network = getattr(load_models(), ARCHITECTURES[architecture]).from_state_dict(state)
    return network.eval()


def trained(architecture: str, n: int, m: int, steps: int = 24, seed: int = 0) -> Any:
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
        others = torch.optim.Adam([quantiles], lr=0.5)
        for _ in range(steps):
            out = network(images)
            bits = sum(-likelihood.log2().sum() for likelihood in out["likelihoods"].values())
            error = (out["x_hat"] - images).square().mean()
            loss = bits / images[:, 0].numel() + 0.05 * 255**2 * error
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        for _ in range(80):
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


def imported(architecture: str, folder: Path, seed: int) -> tuple[Any, Path, Any]:
    """A model of its own class that was trained for a moment and saved by its own code; the file;
    and the network that is read from it."""
    from slimcodec import registry

    theirs = trained(architecture, 8, 12, seed=seed)
    path = save(theirs, folder / f"{architecture}.pth.tar")
    family: Any = registry.families.get("compressai")
    return theirs, path, family.read_checkpoint([path]).network


def perturbed_decodes(network: Any, image: Any, count: int, places: int = 1) -> tuple[int, float]:
    """What its decoder makes of its own stream where scales come out otherwise in the last places,
    as they do on another machine, with other threads or on another runtime.

    Args:
        network: with a hyperprior.
        image: [1, 3, h, w].
        count: of decodes, each with other places.
        places: each scale is moved by up to so many of its neighbours among floats.

    Returns:
        How many give another picture, and how many tables are picked otherwise on average.
    """
    import torch

    with torch.no_grad():
        coded = network.compress(image)
        sound = network.decompress(coded["strings"], coded["shape"])["x_hat"]
    broken, moved = 0, list[int]()
    for number in range(count):
        with torch.no_grad(), moved_scales(network, places, number) as picked_otherwise:
            made = network.decompress(coded["strings"], coded["shape"])["x_hat"]
        broken += not torch.allclose(made, sound, atol=0.1)
        moved += picked_otherwise
    return broken, sum(moved) / count


@contextmanager
def moved_scales(network: Any, places: int, seed: int) -> Iterator[list[int]]:
    """Scales come out otherwise in the last places while this holds.

    Args:
        network: with a hyperprior.
        places: each scale is moved by up to so many of its neighbours among floats.
        seed: of which way.

    Yields:
        How many tables are picked otherwise, a number for each time that tables are picked.
    """
    import torch

    generator, counts = torch.Generator().manual_seed(seed), list[int]()
    conditional = network.gaussian_conditional
    original = conditional.build_indexes

    def elsewhere(scales: Any) -> Any:
        steps = torch.randint(-places, places + 1, scales.shape, generator=generator)
        found = original((scales.view(torch.int32) + steps.int()).view(torch.float32))
        counts.append(int((found != original(scales)).sum()))
        return found

    conditional.build_indexes = elsewhere
    try:
        yield counts
    finally:
        del conditional.build_indexes
