"""The term that compares features: what a linear map of a pupil's cannot give of its teacher's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slimcodec.training.objectives import Distillation
from slimcodec.training.objectives.contract import Draw
from slimcodec.training.objectives.features import Features, given, unexplained


def noise(channels: int, seed: int) -> torch.Tensor:
    return torch.randn(2, channels, 24, 24, generator=torch.Generator().manual_seed(seed))


def mapped(features: torch.Tensor, outputs: int, seed: int) -> torch.Tensor:
    weights = torch.randn(outputs, features.shape[1], generator=torch.Generator().manual_seed(seed))
    return torch.einsum("oc,bchw->bohw", weights, features) + 3


@pytest.mark.parametrize("channels", [3, 6, 12])
def test_what_a_linear_map_gives_is_not_lacking(channels: int) -> None:
    pupil = noise(6, 0)
    share = unexplained(mapped(pupil, channels, 1), pupil)
    assert share.shape == (2,)
    assert float(share.max()) < 0.01


def test_what_a_pupil_knows_nothing_of_is_lacking_whole() -> None:
    assert float(unexplained(noise(8, 0), noise(4, 1)).mean()) == pytest.approx(1, abs=0.05)


def test_half_of_the_channels_are_half() -> None:
    teacher = noise(8, 0)
    assert float(unexplained(teacher, teacher[:, ::2]).mean()) == pytest.approx(0.5, abs=0.05)


def test_a_channel_with_most_of_the_energy_counts_as_one() -> None:
    teacher = noise(8, 0)
    loud = teacher.clone()
    loud[:, 3] *= 1000
    share, other = (unexplained(own, teacher[:, :4]) for own in (teacher, loud))
    torch.testing.assert_close(share, other, rtol=1e-3, atol=1e-4)


def test_silent_channels_are_no_infinities() -> None:
    silent = torch.zeros(2, 4, 8, 8)
    for one, other in ((silent, noise(4, 0)[..., :8, :8]), (noise(4, 0)[..., :8, :8], silent)):
        assert unexplained(one, other).isfinite().all()


def test_a_step_against_its_gradient_lessens_it() -> None:
    """Though the map is a constant to it and found anew behind it."""
    teacher = noise(3, 0)
    pupil = (teacher[:, :2] + noise(2, 1)).requires_grad_(True)
    before = unexplained(teacher, pupil).mean()
    before.backward()
    assert pupil.grad is not None
    step = 0.3 * pupil.grad / pupil.grad.square().mean().sqrt()
    after = unexplained(teacher, pupil.detach() - step).mean()
    assert float(after) < float(before.detach()) - 0.01


class Painter(nn.Module):
    """A generator of two layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(4, width, 1), nn.Conv2d(width, 3, 1)

    def picture(self, features: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(self.first(features))
        return out


def test_it_is_added_to_the_distortion_and_hooks_go() -> None:
    torch.manual_seed(0)
    teacher, pupil = Painter(6), Painter(2)
    data = {
        "features": torch.randn(2, 4, 8, 8),
        "picture": torch.rand(2, 3, 8, 8),
        "quality": torch.zeros(2),
        "bpp": torch.zeros(2),
    }
    image = torch.rand(2, 3, 8, 8)

    def total(features: Features | None) -> torch.Tensor:
        objective = Distillation((0.01,), teacher, 0.5, features=features)
        return objective.training_loss(pupil, image, Draw(data)).total

    with torch.no_grad(), given(teacher, ["last"]) as wanted, given(pupil, ["last"]) as known:
        teacher.picture(data["features"])
        pupil.picture(data["features"])
    lacking = float(unexplained(wanted["last"], known["last"]).mean())
    assert lacking > 0.1
    plain, beside = total(None), total(Features(0.25, [("last", "last")]))
    assert float((beside - plain).detach()) == pytest.approx(
        0.01 * 255**2 * 0.25 * lacking, rel=1e-3
    )
    beside.backward()
    assert pupil.first.weight.grad is not None
    assert teacher.first.weight.grad is None
    assert not pupil.last._forward_pre_hooks and not teacher.last._forward_pre_hooks
