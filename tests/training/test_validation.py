"""What a run looks at while it trains, and what its weights are worth at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from slimcodec.errors import TrainingError
from slimcodec.images import write_image
from slimcodec.metrics import MsSsim, Psnr
from slimcodec.training.objectives.settings import SMALLEST_MS_SSIM_CROP
from slimcodec.training.validation import Validation
from slimcodec.types import Image

CPU = torch.device("cpu")


class Levels:
    """An objective that codes a picture by taking levels of grey away, fewer at each quality, and
    lifts it above white all over at the last of ten."""

    def coded(
        self, network: nn.Module, image: Tensor, most: int | None = None
    ) -> Sequence[tuple[Tensor, Tensor]]:
        assert not network.training
        found = [(torch.tensor(0.1 * n), self.picture(image, n)) for n in range(1, 10)]
        return [*found, (torch.tensor(1.0), image + 2)][:most]

    @staticmethod
    def picture(image: Tensor, n: int) -> Tensor:
        return ((image * 8 * n).round() / (8 * n) * 255).round() / 255


@pytest.fixture
def held_out(picture: Callable[..., Image], tmp_path: Path) -> list[Path]:
    """Of one size, so that all of each is looked at."""
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for number, path in enumerate(paths):
        write_image(path, picture(192, 192, seed=number))
    return paths


def judged(picture: Callable[..., Image], metric: Any, n: int) -> float:
    values = []
    for seed in range(2):
        original = picture(192, 192, seed=seed)
        decoded = Levels.picture(torch.from_numpy(original.astype(np.float32) / 255), n)
        values.append(metric(original, (decoded.numpy() * 255).round().astype(np.uint8)))
    return float(np.mean(values))


def test_means_over_photographs(picture: Callable[..., Image], held_out: list[Path]) -> None:
    network: Any = nn.Identity()
    objective: Any = Levels()
    validation = Validation(held_out, smallest=SMALLEST_MS_SSIM_CROP)
    measured = validation.measured(network, objective, CPU)
    assert network.training
    assert len(measured) == 10
    for n, figures in enumerate(measured[:9], 1):
        assert figures.bpp == pytest.approx(0.1 * n)
        assert figures.psnr_db == pytest.approx(judged(picture, Psnr(), n), abs=1e-3)
        assert figures.ms_ssim == pytest.approx(judged(picture, MsSsim(), n), abs=1e-4)
    # What lies beyond white counts for the squared error, and a picture shows it as white.
    assert measured[9].psnr_db == pytest.approx(-20 * np.log10(2), abs=1e-3)
    assert 0 < measured[9].ms_ssim < 1
    points = validation.points(network, objective, CPU)
    assert points == [(figures.bpp, figures.psnr_db) for figures in measured[:8]]


def test_a_picture_that_lacks_nothing(held_out: list[Path]) -> None:
    class Perfect(Levels):
        picture = staticmethod(lambda image, n: image)

    objective: Any = Perfect()
    figures = Validation(held_out).measured(nn.Identity(), objective, CPU)[0]
    assert 1 - 1e-6 < figures.ms_ssim <= 1


def test_nothing_is_held_out() -> None:
    objective: Any = Levels()
    assert Validation([]).points(nn.Identity(), objective, CPU) == []
    assert Validation([]).measured(nn.Identity(), objective, CPU) == []


def test_a_photograph_too_small_for_ms_ssim(picture: Callable[..., Image], tmp_path: Path) -> None:
    write_image(tmp_path / "small.png", picture(150, 300))
    assert len(Validation([tmp_path / "small.png"]).images) == 1
    with pytest.raises(TrainingError, match=r"is 300x150, .* of at least 192 pixels a side"):
        Validation([tmp_path / "small.png"], smallest=SMALLEST_MS_SSIM_CROP)
