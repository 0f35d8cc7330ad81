"""The losses are the formulas they say: bits per pixel and weighted squared error, image by image;
what a window of iterations leaves, and the bits of their codes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from slimcodec import registry
from slimcodec.codecs.hific.config import hific_s
from slimcodec.codecs.hific.network import Decoded
from slimcodec.codecs.latents.hyperprior import Likelihoods
from slimcodec.codecs.toderici.config import toderici
from slimcodec.codecs.toderici.network import Iterations
from slimcodec.errors import ConfigError, MissingWeightsError, TrainingError, UsageError
from slimcodec.metrics import Lpips
from slimcodec.metrics.ssim import MsSsim
from slimcodec.model_file import Model, thaw_network
from slimcodec.training.objectives import (
    Distillation,
    DistillationSettings,
    Draw,
    Objective,
    Perception,
    Progressive,
    ProgressiveSettings,
    RateDistortion,
    objective_of,
)
from slimcodec.training.objectives.ms_ssim import MsSsimLoss
from slimcodec.training.objectives.progressive import Distortion
from slimcodec.training.objectives.rate_distortion import draw_qualities
from slimcodec.types import FAITHFUL, NATURAL, Image


class Fixed(nn.Module):
    """A network with known outputs: the image moved by ``off``, every likelihood a half."""

    def __init__(self, off: float, symbols: int) -> None:
        super().__init__()
        self.off, self.symbols = off, symbols

    def forward(self, image: torch.Tensor, quality: torch.Tensor) -> Decoded:
        halves = torch.full((len(image), 1, 1, self.symbols), 0.5)
        return Decoded(image + self.off, Likelihoods(halves, halves), halves)


def test_rate_and_distortion() -> None:
    objective = RateDistortion((0.01, 0.04))
    images, quality = torch.rand(2, 3, 64, 64), torch.tensor([0.0, 1.0])
    loss = objective(Fixed(0.1, 4096), images, quality)
    bpp = 2.0  # two arrays of as many symbols as pixels, a bit each
    distortion = 255**2 * 0.01
    weights = [math.sqrt(0.025 / 0.01), math.sqrt(0.025 / 0.04)]
    parts = [w * (bpp + lam * distortion) for w, lam in zip(weights, (0.01, 0.04), strict=True)]
    assert float(loss.total) == pytest.approx(sum(parts) / 2, rel=1e-4)
    assert float(loss.bpp) == pytest.approx(bpp)
    assert float(loss.psnr_db) == pytest.approx(20, abs=1e-3)


def test_a_batch_has_distinct_qualities_as_far_as_there_are_enough() -> None:
    rng = torch.Generator().manual_seed(0)
    assert sorted(draw_qualities(3, 3, rng).tolist()) == [0, 1, 2]
    many = draw_qualities(7, 3, rng).tolist()
    assert len(many) == 7
    assert all(many.count(q) >= 2 for q in (0, 1, 2))
    drawn = [
        RateDistortion((1.0, 2.0, 3.0)).draw(3, torch.Generator().manual_seed(0)).data["quality"]
        for _ in range(2)
    ]
    assert torch.equal(*drawn)


@pytest.mark.parametrize("sides", [(161, 200), (192, 192), (250, 165)])
def test_ms_ssim_is_the_metric(picture: Callable[..., Image], sides: tuple[int, int]) -> None:
    image = picture(*sides)
    noise = np.random.default_rng(0).integers(-30, 31, image.shape)
    other = np.clip(image + noise, 0, 255).astype(np.uint8)
    tensors = [
        torch.from_numpy(i.transpose(2, 0, 1).copy())[None].float() / 255 for i in (image, other)
    ]
    assert float(1 - MsSsimLoss()(*tensors)) == pytest.approx(MsSsim()(image, other), abs=1e-4)


def test_ms_ssim_of_no_pictures() -> None:
    assert MsSsimLoss()(*torch.rand(2, 0, 3, 192, 192)).shape == (0,)


def test_ms_ssim_always_has_a_gradient() -> None:
    """Of a picture that is the negative of another no factor is above zero."""
    image = torch.rand(1, 3, 176, 176)
    for other in (1 - image, image.clone(), torch.zeros_like(image)):
        other.requires_grad_(True)
        MsSsimLoss()(image, other).sum().backward()
        assert other.grad is not None and other.grad.isfinite().all()


@pytest.mark.parametrize("sides", [(161, 170), (203, 192)])
def test_the_gradient_of_ms_ssim(picture: Callable[..., Image], sides: tuple[int, int]) -> None:
    """It says how the loss changes along it."""
    image = torch.from_numpy(picture(*sides).transpose(2, 0, 1).copy())[None].float() / 255
    other = (0.2 + 0.6 * image + 0.02 * torch.randn(image.shape)).requires_grad_()
    loss = MsSsimLoss()
    (gradient,) = torch.autograd.grad(loss(image, other).sum(), other)
    steps = 0.003 * gradient / gradient.abs().max()
    with torch.no_grad():
        changed = float(loss(image, other + steps) - loss(image, other - steps))
    assert changed == pytest.approx(2 * float((gradient * steps).sum()), rel=0.02)


def test_ms_ssim_beside_the_squared_error() -> None:
    images, quality = torch.rand(1, 3, 192, 192), torch.tensor([0.0])
    loss = RateDistortion((0.01,), 0.02)(Fixed(0.1, 4096), images, quality)
    similar = float(MsSsimLoss()(images, images + 0.1))
    bpp = 8192 / 192**2
    mixed = 0.1**2 + 0.02 * similar
    assert float(loss.total) == pytest.approx(bpp + 0.01 * 255**2 * mixed, rel=1e-3)


# Distillation


class Painter(nn.Module):
    """A network whose picture is its features, moved by a parameter."""

    def __init__(self, off: float) -> None:
        super().__init__()
        self.off = nn.Parameter(torch.tensor(off))

    def forward(self, image: torch.Tensor, quality: torch.Tensor) -> Decoded:
        halves = torch.full((len(image), 1, 1, 64), 0.5)
        return Decoded(image + self.off, Likelihoods(halves, halves), image)

    def picture(self, features: torch.Tensor) -> torch.Tensor:
        return features + self.off


def test_distillation_adds_up_and_teaches_one_alone() -> None:
    """What the pupil lacks of the photograph and of the teacher's picture, both from the
    teacher's latents."""
    pupil, teacher = Painter(0.1), Painter(0.3)
    objective = Distillation((0.01, 0.04), teacher, teacher_weight=0.5)
    draw = Draw({"quality": torch.tensor([0.0, 1.0])})
    loss = objective.training_loss(pupil, torch.rand(2, 3, 32, 32), draw)
    weighed = sum(math.sqrt(0.025 / lam) * lam for lam in (0.01, 0.04)) / 2
    assert float(loss.total.detach()) == pytest.approx(
        weighed * 255**2 * (0.1**2 + 0.5 * 0.2**2), rel=1e-4
    )
    assert float(loss.bpp) == pytest.approx(128 / 32**2)
    loss.total.backward()
    assert pupil.off.grad is not None
    assert teacher.off.grad is None


@pytest.mark.parametrize(("tint", "seen"), [((0.1, 0.1, 0.1), 0.0), ((0.1, 0.0, -0.1), 0.1**2)])
def test_a_distillation_of_colours_alone(tint: tuple[float, ...], seen: float) -> None:
    """Without the photograph's own term nothing counts of a picture that is its teacher's but
    colour, and brightness is none: red less blue is Cb -0.669 and Cr 0.581 of it."""
    painter = Painter(0.0)
    painter.off = nn.Parameter(torch.tensor(tint)[None, :, None, None])
    settings = DistillationSettings(photograph_weight=0.0, colour_weight=3.0)
    objective = settings.build(dataclasses.replace(hific_s(), lambdas=(0.01,)), painter)
    assert objective.describe() == (
        "mean squared error to the teacher's picture + 3 mean squared error of colour differences, "
        "at 1 qualities at once"
    )
    image = torch.rand(2, 3, 32, 32)
    loss = objective.training_loss(painter, image, Draw({"quality": torch.zeros(2)}))
    squares = (0.668736**2 + 0.581312**2) / 2
    assert float(loss.total.detach()) == pytest.approx(
        0.01 * 255**2 * 3 * squares * seen, rel=1e-4, abs=1e-6
    )
    with torch.autocast("cpu", torch.bfloat16):
        assert objective.training_loss(
            painter, image, Draw({"quality": torch.zeros(2)})
        ).total.item() == pytest.approx(float(loss.total.detach()), abs=1e-6)


def test_a_distillation_of_nothing() -> None:
    with pytest.raises(UsageError, match="of a distillation's weights one must be above 0"):
        DistillationSettings(teacher_weight=0.0, photograph_weight=0.0)


def test_a_distillation_needs_a_teacher() -> None:
    settings = DistillationSettings(teacher_weight=0.5)
    assert settings.learns_from_a_teacher
    with pytest.raises(TrainingError, match="name one with --teacher"):
        settings.build(hific_s())
    made = settings.build(hific_s(), Painter(0.0))
    words = "mean squared error + 0.5 mean squared error to the teacher's picture, at "
    assert made.describe().startswith(words)


# Perception


def perception(lpips_weights: Path, monkeypatch: pytest.MonkeyPatch, **weights: float) -> Any:
    monkeypatch.setenv("SLIMCODEC_LPIPS_WEIGHTS", str(lpips_weights))
    given = {"distortion_weight": 0.0, "lpips_weight": 0.0, "adversarial_weight": 0.0, **weights}
    return Perception(2, 4, 16, **given)


class Coded(nn.Module):
    """A codec whose picture is the image, moved by a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.off = nn.Parameter(torch.tensor(0.1))

    def forward(self, image: torch.Tensor, quality: torch.Tensor) -> Decoded:
        features = torch.ones(len(image), 4, image.shape[2] // 16, image.shape[3] // 16)
        halves = torch.full((len(image), 1, 1, 64), 0.5)
        return Decoded(image + self.off, Likelihoods(halves, halves), features)


def test_perception_adds_up(
    lpips_weights: Path, monkeypatch: pytest.MonkeyPatch, picture: Callable[..., Image]
) -> None:
    image = torch.from_numpy(picture(64, 64).transpose(2, 0, 1).copy())[None].float() / 255 * 0.8
    network, draw = Coded(), Draw({"quality": torch.zeros(1)})
    only = {
        name: float(
            perception(lpips_weights, monkeypatch, **{name: weight})
            .training_loss(network, image, draw)
            .total.detach()
        )
        for name, weight in (("distortion_weight", 100.0), ("lpips_weight", 2.0))
    }
    assert only["distortion_weight"] == pytest.approx(100 * 0.1**2, rel=1e-4)
    pixels, moved = (
        (i[0].numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)
        for i in (image, image + 0.1)
    )
    assert only["lpips_weight"] == pytest.approx(2 * Lpips(lpips_weights)(pixels, moved), rel=0.05)
    whole = perception(lpips_weights, monkeypatch, distortion_weight=100.0, lpips_weight=2.0)
    assert float(whole.training_loss(network, image, draw).total.detach()) == pytest.approx(
        sum(only.values()), rel=1e-4
    )
    assert whole.adversary is None


def test_codec_and_adversary_learn_apart(
    lpips_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = perception(lpips_weights, monkeypatch, adversarial_weight=1.0)
    network, image = Coded(), torch.rand(2, 3, 64, 64)
    loss = objective.training_loss(network, image, Draw({"quality": torch.zeros(2)}))
    loss.total.backward()
    assert network.off.grad is not None
    assert all(p.grad is None for p in objective.adversary.parameters())
    network.off.grad = None
    objective.adversary_loss(loss.pictures).backward()
    assert network.off.grad is None
    assert all(p.grad is not None for p in objective.adversary.parameters())


def test_an_adversary_learns_to_tell(lpips_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    objective = perception(lpips_weights, monkeypatch, adversarial_weight=1.0)
    image, seen = torch.rand(4, 3, 64, 64), torch.ones(4, 4, 4, 4)
    optimizer = torch.optim.Adam(objective.adversary.parameters(), 1e-3)
    losses = []
    for _ in range(12):
        loss = objective.adversary_loss((image, image * 0.3, seen))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


# Progressive


LAMBDAS = tuple(0.001 * 1.5**t for t in range(12))


class Halving(nn.Module):
    """A codec with known outputs: the n-th iteration, from 1, leaves 2**-n everywhere and spends n
    bits on each pixel. It remembers what it was asked for.

    Args:
        filtered: what of it a filter behind the last iteration leaves; none where all.
    """

    def __init__(self, filtered: float = 1.0) -> None:
        super().__init__()
        self.filtered = filtered
        self.asked: list[tuple[int, int, float]] = []

    def forward(
        self, image: torch.Tensor, skip: int, count: int, rate_share: float = 0.0
    ) -> Iterations:
        self.asked.append((skip, count, rate_share))
        left = torch.stack(
            [torch.full_like(image, 2.0**-n) for n in range(skip + 1, skip + count + 1)]
        )
        spent = torch.arange(1.0, skip + count + 1) * image[0, 0].numel()
        lacking = left if self.filtered == 1 else left * self.filtered
        return Iterations(left, lacking, spent[:, None].expand(-1, len(image)))


def skip_of(objective: Progressive, seed: int) -> int:
    return objective.draw(1, torch.Generator().manual_seed(seed)).control["skip"]


def drawn(skip: int, *judged: int) -> Draw:
    return Draw({"judged": torch.tensor(judged)}, {"skip": skip})


def summed(found: dict[int, float], deepest: int) -> float:
    """What a window comes to, given ``lambda 255^2 distortion + rate`` of each of its iterations,
    counted from 0."""
    usual = np.mean([lam**-0.5 for lam in LAMBDAS[:deepest]])
    return float(np.mean([LAMBDAS[t] ** -0.5 / usual * value for t, value in found.items()]))


@pytest.mark.parametrize(
    ("deepest", "window", "places"),
    [
        (12, 3, range(10)),
        (12, 4, (0, 2, 4, 6, 8)),
        (12, 5, (0, 2, 4, 6, 7)),
        (12, 6, (0, 3, 6)),
        (9, 8, (0, 1)),
        (12, 1, range(12)),
    ],
)
def test_a_window_is_drawn_in_range_and_from_the_seed(
    deepest: int, window: int, places: Sequence[int]
) -> None:
    """Half a window apart, so that there are few; the last one ends with the deepest iteration."""
    objective = Progressive(LAMBDAS, deepest, window)
    assert objective.places == list(places)
    assert {p + i for p in places for i in range(window)} == set(range(deepest))
    skips = [skip_of(objective, seed) for seed in range(600)]
    assert set(skips) == set(places)
    from_start = 0.5 + 0.5 / len(places)
    assert skips.count(0) / len(skips) == pytest.approx(from_start, abs=0.06)
    assert skips == [skip_of(objective, seed) for seed in range(600)]


@pytest.mark.parametrize(("deepest", "window"), [(3, 3), (2, 3), (1, 1)])
def test_a_window_as_deep_as_the_codec_has_one_place(deepest: int, window: int) -> None:
    objective = Progressive(LAMBDAS, deepest, window)
    assert objective.places == [0]
    assert {skip_of(objective, seed) for seed in range(20)} == {0}
    network = Halving()
    draw = objective.draw(1, torch.Generator())
    objective.training_loss(network, torch.rand(1, 3, 16, 16), draw)
    assert network.asked == [(0, deepest, 0.0)]


@pytest.mark.parametrize(("window", "halves"), [(1, (1,)), (2, (1, 1)), (3, (1, 2)), (8, (4, 4))])
def test_one_of_each_half_of_a_window_is_judged(window: int, halves: tuple[int, ...]) -> None:
    """As often as it is drawn, it counts for the others of its half: in the mean all the same."""
    objective = Progressive(LAMBDAS, 12, window)
    times, count = np.zeros(window), 2000
    rng = torch.Generator().manual_seed(0)
    for _ in range(count):
        judged = objective.draw(3, rng).data["judged"]
        assert judged.shape == (len(halves),)
        for half, place, size in zip(range(len(halves)), judged.tolist(), halves, strict=True):
            start = sum(halves[:half])
            assert start <= place < start + size
            times[place] += size
    np.testing.assert_allclose(times / count, 1, atol=0.15)


@pytest.mark.parametrize("filtered", [1.0, 0.5])
def test_what_a_window_leaves_and_its_bits(filtered: float) -> None:
    distortion = Distortion(absolute=0.1, in_loop=0.5)
    objective = Progressive(LAMBDAS, 6, 2, distortion, rate_weight=0.25)
    network, whole = Halving(filtered), 1 + 0.5 + 0.1 / 0.05
    seen = set()
    for seed in range(20):
        draw = objective.draw(2, torch.Generator().manual_seed(seed))
        loss = objective.training_loss(network, torch.rand(2, 3, 16, 32), draw)
        skip, count, share = network.asked[-1]
        assert (count, share) == (2, 0.25)
        window, rate = {}, 0
        for n in (skip + 1, skip + 2):
            left, lacking = 2.0**-n, filtered * 2.0**-n
            rate += n  # a pixel's bits, of the window up to here; whatever weight the codec gives
            error = (lacking**2 + 0.5 * left**2 + 0.1 * lacking) / whole
            window[n - 1] = LAMBDAS[n - 1] * 255**2 * error + rate
        assert float(loss.total) == pytest.approx(summed(window, 6), rel=1e-4)
        assert float(loss.bpp) == pytest.approx(sum(range(1, skip + 3)))  # of the stream so far
        lost = 20 * (skip + 2) * math.log10(2) - 20 * math.log10(filtered)
        assert float(loss.psnr_db) == pytest.approx(lost, abs=1e-3)
        seen.add(skip)
    assert seen == {0, 1, 2, 3, 4}


def test_a_percent_of_rate_is_worth_the_same_in_every_codec() -> None:
    """Weights of iterations have the mean one, over those that are trained."""
    for deepest in (1, 5, 12):
        objective = Progressive(LAMBDAS, deepest, 1)
        assert float(objective.scale.mean()) == pytest.approx(1)
        np.testing.assert_allclose(
            objective.scale.square() * objective.squares, objective.squares[0] *
            objective.scale[0].square(), rtol=1e-5,
        )  # fmt: skip


@pytest.mark.parametrize(
    "weights", [{"ms_ssim": 0.3}, {"lpips": 0.3}, {"ms_ssim": 0.02, "lpips": 0.05, "in_loop": 0.0}]
)
@pytest.mark.parametrize("judged", [(0, 1), (0, 2)])
def test_how_pictures_look_beside_the_squared_error(
    weights: dict[str, float],
    judged: tuple[int, int],
    picture: Callable[..., Image],
    lpips_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By as much as the metrics say of the pictures judged, each for its half of the window."""
    monkeypatch.setenv("SLIMCODEC_LPIPS_WEIGHTS", str(lpips_weights))
    rng = np.random.default_rng(0)
    originals = np.stack([picture(192, 192, seed) for seed in range(2)])
    decoded = [
        np.clip(originals + rng.integers(-reach, reach + 1, originals.shape), 0, 255)
        for reach in (40, 20, 10)
    ]
    pictures = np.stack(decoded).astype(np.uint8)

    class Noisy(Halving):
        def forward(self, image: torch.Tensor, skip: int, count: int, *more: float) -> Iterations:
            left = (originals.astype(np.float32) - pictures) / 255
            residuals = torch.from_numpy(left.transpose(0, 1, 4, 2, 3).copy())
            return Iterations(residuals, residuals, torch.zeros(skip + count, 2))

    image = torch.from_numpy(originals.transpose(0, 3, 1, 2).copy()).float() / 255
    objective = Progressive(LAMBDAS, 5, 3, Distortion(**weights))
    loss = objective.training_loss(Noisy(), image, drawn(2, *judged))
    ms_ssim, lpips = MsSsim(), Lpips(lpips_weights)
    of = {"ms_ssim": 0.0, "lpips": 0.0, "in_loop": 0.25, **weights}
    whole = 1 + of["in_loop"] + of["ms_ssim"] / 0.02 + of["lpips"] / 0.005
    window, sizes = {}, dict(zip(judged, (1, 2), strict=True))
    for t, shown in enumerate(pictures):
        pairs = list(zip(originals, shown, strict=True))
        error = (1 + of["in_loop"]) * np.square(originals / 255.0 - shown / 255.0).mean()
        unlike = [of["ms_ssim"] * (1 - ms_ssim(*p)) + of["lpips"] * lpips(*p) for p in pairs]
        error += sizes.get(t, 0) * np.mean(unlike)
        window[2 + t] = LAMBDAS[2 + t] * 255**2 * error / whole
    assert float(loss.total) == pytest.approx(summed(window, 5), rel=0.002)


@pytest.mark.parametrize("filtered", [1.0, 0.5])
def test_qualities_are_cumulative_rates_and_what_a_decoder_shows(filtered: float) -> None:
    """All that are trained, or as many as are asked for."""
    image = torch.rand(1, 3, 16, 16)
    for deepest, most, asked in ((12, None, 12), (12, 8, 8), (3, 8, 3)):
        network = Halving(filtered)
        coded = Progressive(LAMBDAS, deepest, 3).coded(network, image, most)
        assert network.asked == [(0, asked, 0.0)]
        assert [float(bpp) for bpp, _ in coded] == [n * (n + 1) / 2 for n in range(1, asked + 1)]
        for n, (_, picture) in enumerate(coded, 1):
            torch.testing.assert_close(image - picture, torch.full_like(image, filtered * 2.0**-n))


def test_one_picture_for_each_quality(lpips_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither clamped nor rounded, beside bits per pixel."""

    class Brighter(Fixed):
        def forward(self, image: torch.Tensor, quality: torch.Tensor) -> Decoded:
            decoded = super().forward(image, quality)
            return decoded._replace(image=image + 1 + quality[:, None, None, None])

    image, network = torch.rand(1, 3, 64, 64), Brighter(0.0, 4096)
    for objective in (RateDistortion((0.01, 0.04)), perception(lpips_weights, monkeypatch)):
        coded = objective.coded(network, image)
        assert [float(bpp) for bpp, _ in coded] == [2, 2]
        for quality, (_, picture) in enumerate(coded):
            torch.testing.assert_close(picture, image + 1 + quality)
        assert len(objective.coded(network, image, 1)) == 1


def test_objectives_by_name(lpips_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(**values: Any) -> Progressive:
        settings = objective_of({"name": "progressive", **values}, "test")
        assert settings == ProgressiveSettings(**values)
        objective = settings.build(toderici())
        assert isinstance(objective, Progressive)
        return objective

    assert (made().deepest, made().window) == (16, 3)
    assert made(iterations=12).deepest == 12
    assert made(iterations=99).deepest == 16
    assert made(window=5, iterations=4).window == 4
    assert made().distortion == Distortion()
    assert made().lpips is None
    np.testing.assert_allclose(
        made(iterations=4).squares, 255**2 * np.array(toderici().lambdas[:4]), rtol=1e-6
    )
    chosen = made(ms_ssim_weight=0.5, absolute_weight=0.1, rate_weight=0.25)
    assert chosen.distortion == Distortion(absolute=0.1, ms_ssim=0.5)
    assert chosen.rate_weight == 0.25
    assert chosen.describe() == (
        "lambda 255^2 (mean squared error + 0.1 mean absolute error + 0.5 (1 - MS-SSIM) + 0.25 "
        "squared residual in the loop) / 28.25 + bits per pixel, of which the codec sees 0.25, "
        "over windows of 3 of 16 iterations"
    )
    monkeypatch.setenv("SLIMCODEC_LPIPS_WEIGHTS", str(lpips_weights))
    assert made(lpips_weight=0.5).distortion == Distortion(lpips=0.5)
    assert made(lpips_weight=0.5).lpips is not None
    monkeypatch.setenv("SLIMCODEC_LPIPS_WEIGHTS", str(lpips_weights.with_name("none")))
    with pytest.raises(MissingWeightsError):
        made(lpips_weight=0.5)


@pytest.mark.parametrize("name", registry.objectives)
def test_settings_have_a_table(name: str, lpips_weights: Path) -> None:
    """Every objective has defaults, says what it aims at, and builds what trains."""
    settings = objective_of({"name": name}, "test")
    assert settings == registry.objectives.get(name)() == settings.in_brief().from_settings({})
    assert settings.look == (NATURAL if name == "perception" else FAITHFUL)
    assert settings.has_rate == (name in ("rate-distortion", "progressive"))
    if name == "perception":
        assert objective_of({"name": name, "rate_weight": 0.1}, "test").has_rate
    shape = toderici() if name == "progressive" else hific_s()
    teacher = Painter(0.0) if settings.learns_from_a_teacher else None
    objective = settings.build(shape, teacher)
    assert isinstance(objective, Objective)
    assert objective.describe()


def test_every_family_names_objectives_that_there_are() -> None:
    for name in registry.families:
        for objective in registry.families.get(name).objectives:
            assert objective in registry.objectives


def test_in_brief_every_term_is_there() -> None:
    brief = ProgressiveSettings(window=8, iterations=16, lpips_weight=0.5).in_brief()
    assert brief == ProgressiveSettings(window=1, iterations=2, lpips_weight=0.5)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("perception", r"written as an \[objective\] table, got 'perception'"),
        ({}, r"the \[objective\] table says no name"),
        ({"name": 3}, r"says no name"),
        ({"name": "distilation"}, "unknown objective 'distilation'; did you mean distillation"),
        (
            {"name": "distillation", "teacher_wait": 1.0},
            "unknown setting of the objective distillation 'teacher_wait'; did you mean teacher_w",
        ),
        ({"name": "progressive", "adversarial_weight": 0.5}, "objective progressive 'adversarial"),
        ({"name": "rate-distortion", "lpips_weight": 0.5}, "did you mean ms_ssim_weight"),
        ({"name": "rate-distortion", "window": 8}, "rate-distortion 'window'; known: ms_ssim_w"),
        ({"name": "rate-distortion", "ms_ssim_weight": -0.5}, "ms_ssim_weight must be 0 or above"),
        (
            {"name": "perception", "lpips_weight": "1"},
            "lpips_weight must be a finite number, got '1'",
        ),
        (
            {"name": "perception", "lpips_weight": True},
            "lpips_weight must be a finite number, got True",
        ),
        ({"name": "progressive", "window": 1.5}, "window must be a whole number, got 1.5"),
        ({"name": "progressive", "window": 0}, "window must be above 0, got 0"),
        ({"name": "progressive", "iterations": -1}, "iterations must be 0 or above, got -1"),
        ({"name": "distillation", "teacher_weight": -1}, "teacher_weight must be 0 or above"),
    ],
)
def test_a_table_that_is_no_objective(table: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as error:
        objective_of(table, "run.toml")
    assert str(error.value).startswith("run.toml: ")
    assert "\n" not in str(error.value)


def gradients(tiny_models: dict[str, Model], objective: Progressive, seed: int) -> dict[str, Any]:
    """Of the tiny recurrent network, whose bit model has random logits."""
    network = thaw_network(tiny_models["toderici"])
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.probability.named_parameters():
            if name.endswith("out.parametrizations.weight.original"):
                parameter.normal_(0, 0.5, generator=rng)
    image = torch.rand(1, 3, 48, 48, generator=rng)
    draw = objective.draw(1, torch.Generator().manual_seed(seed))
    objective.training_loss(network, image, draw).total.backward()
    return {
        name.replace("parametrizations.weight.original", "weight"): parameter.grad
        for name, parameter in network.named_parameters()
    }


def test_only_the_window_has_a_gradient(tiny_models: dict[str, Model]) -> None:
    objective = Progressive(LAMBDAS, 5, 2)
    skips = {skip_of(objective, seed): seed for seed in range(40)}
    assert set(skips) == {0, 1, 2, 3}
    for skip, seed in skips.items():
        found = gradients(tiny_models, objective, seed)
        steps = found["decoder.steps"].flatten(1).any(dim=1).tolist()
        assert steps == [skip <= t < skip + 2 for t in range(5)]
        for t in range(5):
            out = found[f"probability.iterations.{t}.groups.7.out.bias"]
            assert (out is not None and bool(out.any())) == (skip <= t < skip + 2)


def test_the_rate_reaches_the_encoder_by_its_weight(tiny_models: dict[str, Model]) -> None:
    """From none to all; the bit model learns the same at any."""
    none, half, whole = (
        gradients(tiny_models, Progressive(LAMBDAS, 2, 2, rate_weight=w), 0)
        for w in (0.0, 0.5, 1.0)
    )
    for name, gradient in none.items():
        if gradient is None:
            assert half[name] is None and whole[name] is None
        elif name.startswith("probability."):
            torch.testing.assert_close(whole[name], gradient)
        else:
            change = whole[name] - gradient
            torch.testing.assert_close(2 * (half[name] - gradient), change, rtol=1e-3, atol=1e-6)
            if name.startswith("encoder."):
                assert change.any(), name
