"""The objective ``compaction``: files in every step, and a codec with a gradient in their place."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from slimcodec.codecs.compact.config import CENTRE, UNIT
from slimcodec.codecs.compact.error import as_values, in_units, through
from slimcodec.codecs.compact.losses import facts_of, measured
from slimcodec.codecs.compact.stand_in import stand_in
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.training.objectives import CompactionSettings, objective_of


def smooth(side: int = 32) -> torch.Tensor:
    torch.manual_seed(0)
    coarse = torch.randn(2, 3, side // 8, side // 8)
    return torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic")


def test_units_are_levels_about_grey() -> None:
    image = torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(in_units(image), (image * 255 - CENTRE) / UNIT)
    torch.testing.assert_close(as_values(in_units(image)), image)


def test_a_file_in_between_passes_the_gradient_on() -> None:
    from slimcodec import registry

    small = smooth().requires_grad_()
    jpeg = registry.codecs.get("jpeg")()
    lengths, decoded, facts = through([jpeg, jpeg], [5, 90], small)
    assert lengths[0] < lengths[1] and facts[0, 0] > facts[1, 0]
    decoded.sum().backward()
    assert small.grad is not None and (small.grad == 1).all()
    errors = (decoded - small).detach().square().mean((1, 2, 3))
    assert 0 < errors[1] < errors[0]


def test_the_stand_in_loses_more_with_coarser_steps_and_takes_fewer_bits() -> None:
    small, steps = smooth(), torch.tensor([1e-3, 60.0])
    decoded, facts, bits = stand_in(small[:1].expand(2, -1, -1, -1), steps)
    torch.testing.assert_close(decoded[:1], small[:1], rtol=0, atol=1e-4)
    assert bits[0] > bits[1] > 0 and facts[0, 0] < facts[1, 0]
    levels = (small[:1] * UNIT + CENTRE).round().clamp(0, 255)
    one, other = (
        x[0].permute(1, 2, 0).numpy().astype("uint8")
        for x in (levels, (decoded[1:] * UNIT + CENTRE).round().clamp(0, 255))
    )
    # What it says of itself is what an encoder would measure, up to rounding and range.
    assert facts[1] == pytest.approx(facts_of(measured(one, other)), abs=0.3)


@pytest.mark.parametrize("way", ["files", "stand-in"])
def test_both_ways_teach(make_network_of: Any, way: str) -> None:
    network = make_network_of("compact", 0).train()
    objective = CompactionSettings(through=way, inners=("jpeg",)).build(network.config)  # type: ignore[arg-type]
    image = (smooth(64) / 4 + 0.5).clamp(0, 1)
    draw = objective.draw(2, torch.Generator().manual_seed(0))
    loss = objective.training_loss(network, image, draw)
    loss.total.backward()
    for part in ("compactor", "reconstructor", "condition"):
        assert any(p.grad.abs().sum() > 0 for p in getattr(network, part).parameters()), part
    points = objective.coded(network.eval(), image[:1])
    assert [float(bpp) for bpp, _ in points] == sorted(float(bpp) for bpp, _ in points)


def test_bits_are_priced_where_they_are_counted(make_network_of: Any) -> None:
    network = make_network_of("compact", 0)
    image = (smooth(64) / 4 + 0.5).clamp(0, 1)
    totals = []
    for price in (0.0, 0.13):
        settings = CompactionSettings(through="stand-in", inners=("jpeg",), rate_weight=price)
        objective = settings.build(network.config)
        draw = objective.draw(2, torch.Generator().manual_seed(0))
        with torch.no_grad():
            totals.append(float(objective.training_loss(network, image, draw).total))
    assert totals[0] < totals[1]


def test_settings_that_there_are_not() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown codec .jpg."):
        CompactionSettings(inners=("jpg",)).build(None)
    with pytest.raises(UsageError, match="inners must name"):
        CompactionSettings(inners=()).build(None)
    with pytest.raises(Exception, match="through must be"):
        objective_of({"name": "compaction", "through": "nothing"}, "here")
