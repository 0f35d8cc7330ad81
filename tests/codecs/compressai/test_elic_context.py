"""ELIC's layout beside ``mbt2018-mean``: added to a finished network it changes nothing at first,
and all that can be done to a network can be done to one with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec import registry
from slimcodec.codecs.compressai.config import compressai, elic
from slimcodec.codecs.latents.scales import SHIFT_STEPS, SHIFT_TABLES, TABLE_COUNT, TABLE_SCALES
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.images import find_images
from slimcodec.library import export_model, load_codec, shrink_model
from slimcodec.model_file import Model, freeze_network, load, save, thaw_network
from slimcodec.runtime import open_codec
from slimcodec.shrink import Context, Finetune, Prune, PruneChannels, Quantize, Recipe
from slimcodec.training import TrainingConfig
from slimcodec.types import Image
from slimcodec.workflows.training import train_model
from tests.compressai_oracle import save as save_checkpoint
from tests.compressai_oracle import trained
from tests.conftest import let_talk

FAMILY = registry.families.get("compressai")
SLICES = (1, 1, 2, 4, 4)
Picture = Callable[..., Image]


WIDTHS = [{"context_channels": 8}, {"context_channels": 8, "context_features": 6}]


@pytest.fixture(scope="module", params=WIDTHS, ids=["scales alone", "features"])
def widths(request: pytest.FixtureRequest) -> dict[str, int]:
    return dict(request.param)


@pytest.fixture(scope="module")
def talking(make_network_of: Callable[..., Any], widths: dict[str, int]) -> Model:
    """A tiny network in that layout, whose context has something to say."""
    network = make_network_of("compressai", 0, context_slices=SLICES, **widths)
    let_talk(network.probability.context)
    return freeze_network(network, name="talking", family="compressai")


def test_the_preset_is_mbt2018_mean_with_slices() -> None:
    preset = FAMILY.preset("mbt2018-mean-elic")
    assert preset.context_slices == (16, 16, 32, 64, 64)
    assert {**preset.to_dict(), "context_slices": ()} == compressai("mbt2018-mean").to_dict()
    assert elic(192, 320).context_slices == (16, 16, 32, 64, 192), "as published"
    assert FAMILY.config(preset.to_dict()) == preset
    with pytest.raises(UnknownNameError, match="mbt2018-mean-elic"):
        FAMILY.preset("mbt2018-mean-elik")
    with pytest.raises(UsageError, match="context_slices must be above 0"):
        elic(m=128)


def coded(model: Model, image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Symbols [h, w, m] of a picture, and the tables that each of them is coded by."""
    codec: Any = open_codec(model)
    (latents,) = codec.analyse(image, 0)
    m, height, width = latents.symbols.shape
    tables = np.full((height * width, m), -1, np.int32)
    walk = codec.coding.prior.walk(latents.hyper_latents, (height, width), 0, 8)
    guess = next(walk)
    for symbols, _ in latents.coded:
        tables[guess.positions[:, None], np.arange(m)[guess.channels]] = guess.tables
        try:
            guess = walk.send(symbols)
        except StopIteration:
            break
    return latents.symbols, tables.reshape(height, width, m).transpose(2, 0, 1)


def test_added_to_an_imported_network_it_says_what_the_hyperprior_says(
    photographs: Path, picture: Picture, tmp_path: Path, widths: dict[str, int]
) -> None:
    """By ``slimcodec train --init``: the same symbols under the same tables, until it learns."""
    path = save_checkpoint(trained("mbt2018-mean", 8, 12), tmp_path / "theirs.pth")
    imported = FAMILY.read_checkpoint([path]).network
    start = freeze_network(imported, name="imported", family="compressai")
    shape = {**imported.config.to_dict(), "context_slices": SLICES, **widths}
    run = TrainingConfig(
        name="elic", family="compressai", preset="mbt2018-mean-elic", shape=shape, steps=3,
        batch=1, crop=128, parts=("probability",), precision="32-true",
    )  # fmt: skip
    photos, out = find_images(photographs), tmp_path / "out"
    begun = train_model(run, photos, out, start=start, minutes=0)
    assert begun is not None
    assert FAMILY.config(begun.model.config).context_slices == SLICES
    assert begun.model.stream_id != start.stream_id
    image = picture(120, 150, 3)
    symbols, tables = coded(begun.model, image)
    theirs, their_tables = coded(start, image)
    np.testing.assert_array_equal(symbols, theirs)
    np.testing.assert_array_equal(tables, their_tables)
    assert len(np.unique(tables)) > 3 and tables.min() >= 0
    before, after = (open_codec(model) for model in (start, begun.model))
    assert abs(len(after.encode(image)) - len(before.encode(image))) <= 8
    # And then it learns.
    learned = train_model(run, photos, out, start=start, resume=True)
    assert learned is not None and learned.trained.step == 3
    name = "probability.context.groups.9.out.weight"
    assert not begun.model.weights[name].any() and learned.model.weights[name].any()


def test_integers_guess_as_floats_do(talking: Model, picture: Picture) -> None:
    """Latents are in units of their own here, and hyper-latents lie around medians."""
    codec, network = open_codec(talking), thaw_network(talking)
    (latents,) = codec.analyse(picture(128, 192), 0)  # type: ignore[attr-defined]
    with torch.no_grad():
        z_hat = torch.from_numpy(latents.hyper_latents[None]).float()
        before, features = network.probability.scales_and_features(z_hat)
        symbols = torch.from_numpy(latents.symbols[None]).float()
        # Sides are multiples of what a hyper-latent stands for.
        assert before.shape == symbols.shape
        said = network.probability.context(symbols, before, features)
        shift, scale = (own[0].numpy() for own in said)
    assert np.abs(shift).max() > 0.5
    _, tables = coded(talking, picture(128, 192))
    unit = before[0].clamp(0.3, 256).numpy()
    scales = np.log(np.array(TABLE_SCALES))
    plain = np.where(tables < TABLE_COUNT, tables, (tables - TABLE_COUNT) % SHIFT_TABLES)
    off = np.abs(scales[plain] - np.log(np.clip(scale, 0.11, 256)))
    assert (off < 0.06).mean() > 0.99 and off.max() < 0.3
    # Which eighth of a step is left, where tables know it: as far from a whole step, either way.
    rest = np.where(tables < TABLE_COUNT, 0, 1 + (tables - TABLE_COUNT) // SHIFT_TABLES)
    known = (plain < SHIFT_TABLES) & (unit < 2)
    away = np.abs(rest / SHIFT_STEPS - np.abs(shift - np.round(shift)))
    assert known.mean() > 0.5 and (away[known] < 0.51 / SHIFT_STEPS + 0.04).mean() > 0.99


def test_every_pass_and_every_runtime(
    talking: Model, photographs: Path, picture: Picture, tmp_path: Path
) -> None:
    recipe = Recipe(
        [
            PruneChannels({"generator": 0.25, "probability.context": 0.25}, multiple=2),
            Prune({"encoder": 0.2, "probability": 0.2}),
            Finetune(steps=2, batch=1, crop=128, parts=("encoder", "generator", "probability")),
            Quantize(8, 8, images=2),
        ],
        "all",
    )
    made = shrink_model(talking, recipe, Context(photographs))
    config = FAMILY.config(made.config)
    assert config.context_slices == SLICES and config.context_channels == 6
    assert config.context_features == (4 if talking.config.get("context_features") else 0)
    assert config.inner_context == (6,) * 10 and made.stream_id != talking.stream_id
    path = tmp_path / "small.slim"
    save(made, path)
    for runtime in ("onnx", "openvino"):
        export_model(load(path), tmp_path / runtime, runtime)
    codecs: list[Any] = [load_codec(path, "torch")]
    codecs += [load_codec(tmp_path / runtime) for runtime in ("onnx", "openvino")]
    image = picture(70, 100, 3)
    for writer in codecs:
        stream = writer.encode(image)
        wrote = writer.analyse(image, 0)[0].symbols
        for reader in codecs:
            np.testing.assert_array_equal(reader.read(stream)[1][0].symbols, wrote)
            assert reader.decode(stream).shape == image.shape


def test_a_new_network_learns_it_from_the_first_step(photographs: Path, tmp_path: Path) -> None:
    shape = {
        "latent_channels": 12, "hyper_channels": 8, "context_slices": SLICES,
        "encoder_widths": (8, 8, 8), "generator_widths": (8, 8, 8), "context_channels": 8,
    }  # fmt: skip
    run = TrainingConfig(
        name="elic", family="compressai", preset="mbt2018-mean-elic", shape=shape, steps=2,
        batch=1, crop=128, precision="32-true",
    )  # fmt: skip
    written = train_model(run, find_images(photographs), tmp_path / "out")
    assert written is not None
    assert written.model.weights["probability.context.groups.9.out.weight"].any()
    assert open_codec(written.model).decode(
        open_codec(written.model).encode(np.zeros((64, 64, 3), np.uint8))
    ).shape == (64, 64, 3)
