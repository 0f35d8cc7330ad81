"""What holds for every metric in the registry, whatever it measures."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import slimcodec.metrics
from slimcodec import registry
from slimcodec.errors import UsageError
from slimcodec.metrics import Metric
from slimcodec.types import Image


@pytest.fixture(params=sorted(registry.metrics))
def metric(
    request: pytest.FixtureRequest, lpips_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> Metric:
    monkeypatch.setenv("SLIMCODEC_LPIPS_WEIGHTS", str(lpips_weights))
    made = registry.metrics.get(request.param)()
    assert made.name == request.param
    return made


def is_better(metric: Metric, first: float, second: float) -> bool:
    return first > second if metric.better == "higher" else first < second


def test_it_describes_itself(metric: Metric) -> None:
    assert isinstance(metric, Metric)
    assert metric.label
    assert metric.unit in {"dB", ""}
    assert metric.better in {"higher", "lower"}


def test_equal_images_are_best_and_noise_makes_it_worse(
    metric: Metric, draw: Callable[..., Image], noisy: Callable[..., Image]
) -> None:
    image = draw(96, 80)
    values = [metric(image, image)] + [metric(image, noisy(image, s)) for s in (2, 8, 32)]
    assert all(type(value) is float for value in values)
    assert values[0] in {np.inf, 100, 1, 0}  # exactly, whatever the kernels round
    for less, more in itertools.pairwise(values):
        assert is_better(metric, less, more)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 2), (10, 10), (33, 17), (161, 12)])
def test_any_size_works(metric: Metric, size: tuple[int, int], draw: Callable[..., Image]) -> None:
    image = draw(*size)
    different = 255 - image
    assert np.isfinite(metric(image, different))
    assert is_better(metric, metric(image, image), metric(image, different))


def test_views_and_read_only_arrays_are_read_as_they_are(
    metric: Metric, draw: Callable[..., Image], noisy: Callable[..., Image]
) -> None:
    image = draw(48, 64)
    other = noisy(image, 10)
    views = image[::-1, ::2, ::-1], other[::-1, ::2, ::-1]
    copies = views[0].copy(), views[1].copy()
    for array in (*views, *copies):
        array.flags.writeable = False
    assert metric(*views) == metric(*copies)


@pytest.mark.parametrize(
    ("decoded", "complaint"),
    [
        (np.zeros((8, 9, 3), np.uint8), "8 x 8 and decoded 8 x 9"),
        (np.zeros((1, 1, 3), np.uint8), "must have one size"),
        (np.zeros((8, 8), np.uint8), r"must have the shape \[h, w, 3\]"),
        (np.zeros((8, 8, 4), np.uint8), r"must have the shape \[h, w, 3\]"),
        (np.zeros((0, 8, 3), np.uint8), r"must have the shape \[h, w, 3\]"),
        (np.zeros((8, 8, 3), np.float32), "decoded image must be uint8, got float32"),
    ],
)
def test_what_cannot_be_compared_is_refused(metric: Metric, decoded: Image, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        metric(np.zeros((8, 8, 3), np.uint8), decoded)


def test_the_original_is_checked_as_well(metric: Metric) -> None:
    with pytest.raises(UsageError, match="original image must be uint8"):
        metric(np.zeros((8, 8, 3)), np.zeros((8, 8, 3), np.uint8))  # type: ignore[arg-type]


def test_every_public_name_is_there() -> None:
    for name in slimcodec.metrics.__all__:
        assert getattr(slimcodec.metrics, name) is not None


def test_importing_the_package_leaves_torch_alone() -> None:
    program = "import sys, slimcodec.metrics; sys.exit('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
