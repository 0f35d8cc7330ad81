"""What many tests share: synthetic pictures, and a learned codec so small that it costs nothing.

Before anything of ours is imported, `shape_check` has shapes and types of signatures checked.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

# Before numpy and torch start their threads: on tensors this small a second one only waits.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import numpy as np
import pytest

from tests import shape_check

# What is made of models while tests run is kept for them alone, and for those processes they start.
os.environ["SLIMCODEC_CACHE"] = tempfile.mkdtemp(prefix="slimcodec-tests-")
atexit.register(shutil.rmtree, os.environ["SLIMCODEC_CACHE"], ignore_errors=True)

# How long an example takes is a property of the machine.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]
shape_check.install([*shape_check.shaped(), *shape_check.TYPED])

from slimcodec import registry  # noqa: E402
from slimcodec.codecs.compact.config import compact_s  # noqa: E402
from slimcodec.codecs.compressai.config import compressai  # noqa: E402
from slimcodec.codecs.extreme.config import extreme_s  # noqa: E402
from slimcodec.codecs.family import Coded, Fitted  # noqa: E402
from slimcodec.codecs.hific.config import HificConfig, hific_s  # noqa: E402
from slimcodec.codecs.restore.config import restore_s  # noqa: E402
from slimcodec.codecs.toderici.config import toderici_s  # noqa: E402
from slimcodec.codecs.vq.config import vq_s  # noqa: E402
from slimcodec.model_file import Model, freeze_network  # noqa: E402
from slimcodec.runtime import open_codec  # noqa: E402
from slimcodec.types import Codec, Image  # noqa: E402

Picture = Callable[..., Image]


def draw(height: int, width: int, seed: int = 0) -> Image:
    """Smooth gradients, a few edges and some texture, ``uint8 [h, w, 3]``."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    canvas = np.empty((height, width, 3))
    for channel in range(3):
        down, across = rng.uniform(-0.6, 0.6, 2)
        canvas[..., channel] = rng.uniform(70, 180) + down * rows + across * columns
    for _ in range(6):
        slope, offset = rng.uniform(-2, 2), rng.uniform(-0.5, 1.0) * (height + width)
        canvas[rows + slope * columns > offset] += rng.uniform(-60, 60, 3)
    period = rng.uniform(0.1, 0.9, 2)
    wave = 12 * np.sin(rows * period[0]) * np.sin(columns * period[1])
    canvas += wave[..., None] * (columns[..., None] > width / 2)
    canvas += rng.normal(0, 2, canvas.shape)
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def blocks(count: int, side: int, seed: int) -> np.ndarray:
    """Pixel blocks of synthetic pictures, float32 [count, 3, side, side] in [0, 1]."""
    rng = np.random.default_rng(seed)
    out = np.empty((count, 3, side, side), np.float32)
    for start in range(0, count, 100):
        picture = draw(128, 128, seed + start)
        for i in range(start, min(start + 100, count)):
            top, left = rng.integers(128 - side + 1, size=2)
            out[i] = picture[top : top + side, left : left + side].transpose(2, 0, 1)
    return out / np.float32(255)


@pytest.fixture(scope="session")
def picture() -> Picture:
    """``picture(height, width, seed=0)``: a synthetic picture."""
    return draw


@pytest.fixture(scope="session")
def shared() -> Path:
    """The project's shared folder, beside the checkout; the test is skipped where it is not."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the shared folder at {folder}")
    return folder


TINY: dict[str, Any] = {
    "compact": replace(
        compact_s(),
        inner="jpeg",
        width=8,
        deep_width=12,
        block_widths=(6, 8, 12, 10),
        hidden_widths=(8, 6),
        compactor_width=8,
        compactor_inner=6,
    ),
    "hific": replace(
        hific_s(),
        latent_channels=12,
        hyper_channels=8,
        encoder_widths=(8, 8, 8, 12),
        trunk_width=12,
        residual_blocks=1,
        generator_widths=(8, 8, 8, 3),
        context_slices=(2, 4, 6),
        context_channels=8,
    ),
    "compressai": compressai("mbt2018-mean", 8, 12),
    "extreme": replace(
        extreme_s(4),
        inner_channels=12,
        encoder_widths=(8, 8, 8, 12),
        trunk_width=12,
        residual_blocks=1,
        generator_widths=(8, 8, 8, 3),
    ),
    "toderici": replace(
        toderici_s(),
        iterations=5,
        stem_width=8,
        encoder_widths=(8, 8, 12),
        head_width=12,
        decoder_widths=(12, 8, 8, 8),
        linear_components=24,
        filter_width=8,
        memory_channels=8,
        context_channels=8,
        hidden_channels=8,
    ),
    "restore": replace(
        restore_s(), width=8, deep_width=12, block_widths=(6, 8, 12, 10), hidden_widths=(8, 6)
    ),
    "vq": replace(
        vq_s(),
        luma_stages=3,
        luma_codes=4,
        chroma_stages=2,
        chroma_codes=3,
        lambdas=(0.002, 0.02),
        mean_steps=(8, 3),
        luma_used=(2, 3),
        chroma_used=(1, 2),
    ),
}
"""Each family's small network with a dozen channels instead of hundreds."""


def make_tiny(family_name: str, seed: int, **changes: Any) -> Any:
    """A tiny network that is a working codec.

    Args:
        family_name: whose.
        seed: of weights and blocks.
        changes: to its shape.
    """
    import torch

    family = registry.families.get(family_name)
    config = replace(TINY[family_name], **changes)
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # densities draw their biases when they are built
        network = family.build(config)
        torch.manual_seed(seed)
        if isinstance(family, Coded):
            # What is fitted looks at each of them often.
            count = 24 if isinstance(family, Fitted) else 2000
            family.initialise(network, blocks(count, config.block_size, seed))
        else:
            # A new one would give back what it is given.
            for tensor in network.state_dict().values():
                if not tensor.any():
                    tensor.normal_(0, 0.03)
    return network.eval()


def let_talk(context: Any) -> None:
    """Weights with which a context says something, where at its start it has nothing to say."""
    import torch

    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in context.named_parameters():
            if name.endswith("out.weight"):
                parameter.normal_(0, 0.03, generator=rng)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.05, generator=rng)


@pytest.fixture(scope="session")
def tiny_models() -> dict[str, Model]:
    """A tiny model of every family, by its name."""
    return {
        name: freeze_network(make_tiny(name, 0), name=f"tiny-{name}", family=name)
        for name in registry.families
    }


@pytest.fixture(scope="session")
def tiny_config() -> HificConfig:
    """hific-s with a dozen channels instead of hundreds."""
    return TINY["hific"]


@pytest.fixture(scope="session")
def make_config() -> Callable[..., Any]:
    """``make_config(family, **changes)``: the shape of a tiny network."""
    return lambda family, **changes: replace(TINY[family], **changes)


@pytest.fixture(scope="session")
def make_network_of() -> Callable[..., Any]:
    """``make_network_of(family, seed, **changes)``: a tiny network of any family and shape."""
    return make_tiny


@pytest.fixture(scope="session")
def make_network() -> Callable[[int], Any]:
    """``make_network(seed)``: a tiny HiFiC network that is a working linear transform codec."""
    return lambda seed: make_tiny("hific", seed)


@pytest.fixture(scope="session")
def tiny_network(make_network: Callable[[int], Any]) -> Any:
    """A tiny network. It is everyone's: copy it before changing it."""
    return make_network(0)


@pytest.fixture(scope="session")
def tiny_model(tiny_network: Any) -> Model:
    """The tiny network, frozen."""
    return freeze_network(
        tiny_network, name="tiny", family="hific", history=({"what": "made", "seed": 0},)
    )


@pytest.fixture(scope="session")
def tiny_codec(tiny_model: Model) -> Codec:
    """The tiny model as a codec on the default runtime."""
    return open_codec(tiny_model)


@pytest.fixture(scope="session")
def lpips_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of the right form with random convolutions and heads that are not negative."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(7)
    tensors: dict[str, np.ndarray] = {}
    shapes = {
        "features.0": (64, 3, 11, 11),
        "features.3": (192, 64, 5, 5),
        "features.6": (384, 192, 3, 3),
        "features.8": (256, 384, 3, 3),
        "features.10": (256, 256, 3, 3),
    }
    for number, (key, shape) in enumerate(shapes.items()):
        spread = np.float32(np.sqrt(2 / np.prod(shape[1:])))
        tensors[f"{key}.weight"] = rng.standard_normal(shape, dtype=np.float32) * spread
        tensors[f"{key}.bias"] = rng.standard_normal(shape[0], dtype=np.float32) * np.float32(0.1)
        head = rng.random((1, shape[0], 1, 1), dtype=np.float32)
        tensors[f"lin{number}.model.1.weight"] = head
    path = tmp_path_factory.mktemp("lpips") / "weights.safetensors"
    save_file(tensors, path)
    return path
