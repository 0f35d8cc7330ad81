"""Crops as JPEGs: all kinds are among them, and a sample follows from the seed and its number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from slimcodec import registry
from slimcodec.codecs.restore.error import as_rgb, damaged, errors_of, in_units, planes_of
from slimcodec.training.data import Crops
from slimcodec.training.jpegs import Jpegs
from slimcodec.training.objectives import Draw, RestorationSettings


class Knowing(torch.nn.Module):
    """What a crop was, whatever it is given."""

    def __init__(self, planes: torch.Tensor) -> None:
        super().__init__()
        self.planes = planes

    def forward(self, given: torch.Tensor, facts: torch.Tensor) -> torch.Tensor:
        return self.planes


@pytest.fixture
def jpegs(photos: list[Path]) -> Jpegs:
    return Jpegs(Crops(photos, 64, seed=3))


def test_samples_are_functions_of_their_number(jpegs: Jpegs, photos: list[Path]) -> None:
    whole, parts = jpegs.batch(4, 6), [jpegs.batch(4, 3), jpegs.batch(7, 3)]
    for name in ("image", "planes", "facts"):
        assert torch.equal(whole[name], torch.cat([part[name] for part in parts]))
    other = Jpegs(Crops(photos, 64, seed=4)).batch(4, 6)
    assert not torch.equal(whole["facts"], other["facts"])
    assert jpegs.seed == 3


def test_kinds_and_shapes(jpegs: Jpegs) -> None:
    batch = jpegs.batch(0, 80)
    assert batch["image"].shape == batch["planes"].shape == (80, 3, 64, 64)
    assert batch["image"].dtype == batch["planes"].dtype == torch.uint8
    facts = batch["facts"]
    grey, across, down = facts[:, 128] == 1, facts[:, 129] == 1, facts[:, 130] == 1
    assert 0.02 < grey.float().mean() < 0.25
    assert (across & down).any() and (across & ~down).any() and (~across & ~grey).any()
    assert not facts[grey][:, 64:128].any()
    for sample in grey.nonzero().flatten().tolist():
        image = batch["image"][sample]
        assert torch.equal(image[0], image[1]) and (batch["planes"][sample, 1:] == 128).all()
    # They are of the crop that they stand beside, whatever was done to it.
    luma = planes_of(batch["image"].float())[:, 0] - batch["planes"][:, 0].float()
    assert luma.abs().mean(dim=(1, 2)).max() < 25
    assert (luma.abs().mean(dim=(1, 2)) > 0).all()


def test_planes_and_colours_are_inverses() -> None:
    rgb = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(as_rgb(in_units(planes_of(rgb * 255))), rgb, atol=2e-5, rtol=0)


def test_the_loss_is_one_where_nothing_is_restored(jpegs: Jpegs) -> None:
    family = registry.families.get("restore")
    network = family.build(family.preset("restore-s")).requires_grad_(False)
    batch = jpegs.batch(0, 4)
    image, planes = batch["image"].float() / 255, batch["planes"].float() / 255
    draw = Draw({"planes": planes, "facts": batch["facts"]})
    objective = RestorationSettings(balance=1.0).build(network.config)
    # A new network gives back what it is given, and then error over error is about one.
    assert 0.5 < float(objective.training_loss(network, image, draw).total) < 1
    perfect = Knowing(in_units(planes_of(image * 255)))
    assert float(objective.training_loss(perfect, image, draw).total) < 1e-6


def test_errors_are_of_luma_and_of_colours() -> None:
    rgb = torch.rand(1, 3, 8, 8)
    wanted = in_units(planes_of(rgb * 255))
    brighter = wanted.clone()
    brighter[:, 0] += 1
    errors = errors_of(brighter, wanted, rgb)
    assert float(errors.made) == pytest.approx(1, abs=1e-3)
    assert float(errors.given) == pytest.approx(0, abs=1e-6)
    bluer = wanted.clone()
    bluer[:, 1] += 1
    expected = 0.5 * (0.344136**2 + 1.772**2) / 3
    assert float(errors_of(bluer, wanted, rgb).made) == pytest.approx(expected, abs=1e-3)


def test_files_of_the_codec_inside() -> None:
    image = torch.from_numpy(np.random.default_rng(0).random((1, 3, 32, 32), np.float32))
    inner = registry.codecs.get("jpeg")()
    sizes = [damaged(inner, image, quality)[0] for quality in (10, 60)]
    assert sizes[0] < sizes[1]
