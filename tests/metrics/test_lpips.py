"""LPIPS against a reference written the long way, in numpy and scipy and with no torch.

The reference runs on random weights, so it needs nothing from outside; the published weights are
used where the shared folder is at hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.signal import correlate

from slimcodec.errors import MissingExtraError, MissingWeightsError, ModelFileError
from slimcodec.metrics import Lpips
from slimcodec.types import Image

pytest.importorskip("torch")


def reference(original: Image, decoded: Image, weights: Path) -> float:
    """LPIPS in float64 with direct correlations."""
    tensors = {key: value.astype(np.float64) for key, value in load_file(weights).items()}
    distance = 0.0
    outputs = zip(alexnet(original, tensors), alexnet(decoded, tensors), strict=True)
    for number, (x, y) in enumerate(outputs):
        x, y = (o / (np.linalg.norm(o, axis=0, keepdims=True) + 1e-10) for o in (x, y))
        head = tensors[f"lin{number}.model.1.weight"][0]
        distance += (head * (x - y) ** 2).sum(axis=0).mean()
    return float(distance)


def alexnet(image: Image, tensors: dict[str, np.ndarray]) -> list[np.ndarray]:
    samples = image.transpose(2, 0, 1) / 127.5 - 1
    shift, scale = np.array([[-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]])[:, :, None, None]
    x = (samples - shift) / scale
    outputs = []
    for index, stride, padding in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
        if index in (3, 6):
            x = pooled(x)
        weight, bias = tensors[f"features.{index}.weight"], tensors[f"features.{index}.bias"]
        framed = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
        x = np.stack([correlate(framed, w, mode="valid", method="direct")[0] for w in weight])
        x = np.maximum(x[:, ::stride, ::stride] + bias[:, None, None], 0)
        outputs.append(x)
    return outputs


def pooled(x: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return windows[:, ::2, ::2].max(axis=(3, 4))


@pytest.mark.parametrize("size", [(31, 31), (35, 44)])
def test_it_agrees_with_the_long_way(
    size: tuple[int, int],
    lpips_weights: Path,
    draw: Callable[..., Image],
    noisy: Callable[..., Image],
) -> None:
    image = draw(*size)
    other = noisy(image, 25)
    expected = reference(image, other, lpips_weights)
    assert Lpips(lpips_weights)(image, other) == pytest.approx(expected, rel=1e-4)


def test_small_images_are_extended_by_their_edges(
    lpips_weights: Path, draw: Callable[..., Image], noisy: Callable[..., Image]
) -> None:
    image = draw(9, 50)
    other = noisy(image, 25)
    extended = [np.concatenate([i, np.repeat(i[-1:], 22, axis=0)]) for i in (image, other)]
    lpips = Lpips(lpips_weights)
    assert lpips(image, other) == lpips(*extended)


def test_it_is_symmetric(
    lpips_weights: Path, draw: Callable[..., Image], noisy: Callable[..., Image]
) -> None:
    image = draw(64, 64)
    other = noisy(image, 25)
    lpips = Lpips(lpips_weights)
    assert lpips(image, other) == pytest.approx(lpips(other, image), rel=1e-6)


def test_half_precision_files_are_accepted(
    tmp_path: Path, lpips_weights: Path, draw: Callable[..., Image], noisy: Callable[..., Image]
) -> None:
    half = tmp_path / "half.safetensors"
    save_file({k: v.astype(np.float16) for k, v in load_file(lpips_weights).items()}, half)
    image = draw(40, 40)
    pair = image, noisy(image, 20)
    assert Lpips(half)(*pair) == pytest.approx(Lpips(lpips_weights)(*pair), rel=1e-2)


def test_the_published_weights_grow_with_noise_and_blur(
    shared: Path, draw: Callable[..., Image], noisy: Callable[..., Image]
) -> None:
    from scipy.ndimage import gaussian_filter

    path = shared / "data" / "lpips" / "lpips_alex.safetensors"
    if not path.is_file():
        pytest.skip(f"needs the published weights at {path}")
    lpips = Lpips(path)
    image = draw(128, 128)
    noise = [lpips(image, noisy(image, sigma)) for sigma in (0, 4, 16, 64)]
    blur = [lpips(image, gaussian_filter(image, (s, s, 0))) for s in (0.5, 1.5, 4)]
    assert noise[0] == 0
    assert noise == sorted(noise)
    assert blur == sorted(blur)
    assert 0.3 < noise[-1] < 1.5


def test_the_published_weights_agree_with_the_long_way(
    shared: Path, draw: Callable[..., Image]
) -> None:
    path = shared / "data" / "lpips" / "lpips_alex.safetensors"
    if not path.is_file():
        pytest.skip(f"needs the published weights at {path}")
    image, other = draw(33, 47, seed=1), draw(33, 47, seed=2)
    assert Lpips(path)(image, other) == pytest.approx(reference(image, other, path), rel=1e-4)


def test_the_weights_are_looked_for_in_order(
    tmp_path: Path,
    lpips_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SLIMCODEC_LPIPS_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cached = tmp_path / "slimcodec" / "lpips_alex.safetensors"
    with pytest.raises(MissingWeightsError, match="found no weights") as caught:
        Lpips()
    assert str(cached) in str(caught.value)
    assert "\n" not in str(caught.value)

    cached.parent.mkdir()
    cached.write_bytes(lpips_weights.read_bytes())
    Lpips()

    monkeypatch.setenv("SLIMCODEC_LPIPS_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(MissingWeightsError, match="correct the path in SLIMCODEC_LPIPS_WEIGHTS"):
        Lpips()
    Lpips(lpips_weights)
    with pytest.raises(MissingWeightsError, match="elsewhere"):
        Lpips(tmp_path / "elsewhere")


def test_without_a_cache_variable_the_home_folder_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLIMCODEC_LPIPS_WEIGHTS", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(MissingWeightsError) as caught:
        Lpips()
    assert str(tmp_path / ".cache" / "slimcodec") in str(caught.value)


def test_without_torch_the_extra_is_named(
    lpips_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"the LPIPS metric needs .*slimcodec\[torch\]"):
        Lpips(lpips_weights)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path, lpips_weights: Path) -> None:
    whole = lpips_weights.read_bytes()
    broken = tmp_path / "broken.safetensors"
    for content in (b"", b"not safetensors at all", whole[: len(whole) // 2]):
        broken.write_bytes(content)
        with pytest.raises(ModelFileError, match="cannot be read as safetensors"):
            Lpips(broken)

    tensors = load_file(lpips_weights)
    without = {key: value for key, value in tensors.items() if key != "lin3.model.1.weight"}
    save_file(without, broken)
    with pytest.raises(ModelFileError, match=r"no tensor 'lin3\.model\.1\.weight'"):
        Lpips(broken)

    save_file(tensors | {"features.0.bias": np.zeros(65, np.float32)}, broken)
    with pytest.raises(ModelFileError, match=r"as \[64\], got \[65\]"):
        Lpips(broken)
