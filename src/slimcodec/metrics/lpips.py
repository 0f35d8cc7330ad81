"""LPIPS: a distance measured between a trained network's activations.

Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a
perceptual metric", CVPR 2018; version 0.1, AlexNet. Both images run through the convolutions of an
ImageNet AlexNet. At each of its five rectified outputs the activations are scaled to unit length at
every position, subtracted and squared, weighted per channel by a head that was fitted to human
judgements, averaged over positions, and added up:

    d(x, y) = sum_l mean_hw sum_c w_lc * (x_l / |x_l| - y_l / |y_l|)_c^2

It tells a plausible texture from a smeared one, which PSNR and SSIM cannot; it is the figure by
which a generative codec must be judged. It is blind in its own ways (the first convolution has a
stride of four; small shifts of tone hardly register), so it is one column among six.

**Weights** are 10 MB and are not shipped. They are looked for in the file that the environment
variable ``SLIMCODEC_LPIPS_WEIGHTS`` names, else in ``slimcodec/lpips_alex.safetensors`` under
``$XDG_CACHE_HOME`` or ``~/.cache``. The file is safetensors with torchvision's names for the
convolutions (``features.N.weight``, ``.bias``) and upstream's for the heads
(``linK.model.1.weight``). Nothing is downloaded behind anybody's back.

**Small images.** Two poolings after a stride of four need 31 pixels on a side. A smaller image is
extended to that at its bottom and right edges, by repeating the last row and column.

torch is imported when a metric is constructed, not with the module: the rest of the package must
work where torch is not installed. The network is a table of five rows; it needs no torchvision.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import MissingExtraError, MissingWeightsError, ModelFileError
from slimcodec.metrics.pair import check_pair
from slimcodec.types import Image

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Lpips"]

_ENVIRONMENT = "SLIMCODEC_LPIPS_WEIGHTS"
_SMALLEST_SIDE = 31
_UNIT_EPS = 1e-10

# ImageNet's channel statistics, expressed for samples in [-1, 1].
_SHIFT = np.array([-0.030, -0.088, -0.188], dtype=np.float32)
_SCALE = np.array([0.458, 0.448, 0.450], dtype=np.float32)


@dataclass(frozen=True)
class _Layer:
    """One convolution of AlexNet; a rectifier follows, and sometimes a 3 x 3 pooling precedes."""

    key: str
    weight_shape: tuple[int, int, int, int]
    stride: int
    padding: int
    pooled_before: bool

    @property
    def channels(self) -> int:
        return self.weight_shape[0]


_LAYERS = (
    _Layer("features.0", (64, 3, 11, 11), stride=4, padding=2, pooled_before=False),
    _Layer("features.3", (192, 64, 5, 5), stride=1, padding=2, pooled_before=True),
    _Layer("features.6", (384, 192, 3, 3), stride=1, padding=1, pooled_before=True),
    _Layer("features.8", (256, 384, 3, 3), stride=1, padding=1, pooled_before=False),
    _Layer("features.10", (256, 256, 3, 3), stride=1, padding=1, pooled_before=False),
)


class Lpips:
    """LPIPS v0.1 on AlexNet; 0 for equal images, about 0.7 for very different ones.

    Args:
        weights: the safetensors file; by default it is looked for as the module's text says.

    Raises:
        MissingExtraError: when torch is not installed.
        MissingWeightsError: when there is no weights file, saying where to put it.
        ModelFileError: when the file is damaged or holds something else.
    """

    name = "lpips"
    label = "LPIPS"
    unit = ""
    better: Literal["higher", "lower"] = "lower"
    in_db = False

    def __init__(self, weights: Path | None = None) -> None:
        try:
            import torch  # noqa: F401  (asked for first, so that its absence gets its own error)
        except ImportError as error:
            raise MissingExtraError("the LPIPS metric", "torch") from error
        self._tensors = _load(_find_weights(weights))

    def __call__(self, original: Image, decoded: Image) -> float:
        """LPIPS of two ``uint8 [h, w, 3]`` sRGB images.

        Raises:
            UsageError: when the arrays are not two images of one shape.
        """
        import torch

        check_pair(original, decoded)
        with torch.inference_mode():
            images = (torch.from_numpy(_prepare(image)) for image in (original, decoded))
            return float(self.distances(*images))

    def distances(self, original: Tensor, decoded: Tensor) -> Tensor:
        """LPIPS of each pair of a batch, with a gradient.

        Args:
            original: [b, 3, h, w], values in [0, 1], at least 31 pixels a side.
            decoded: of the same shape.

        Returns:
            float32 [b].
        """
        import torch

        total = torch.zeros(len(original), device=original.device)
        # One of the two after the other, layer by layer: batching gains nothing on a CPU, and equal
        # images must take the same path through the kernels to end at exactly 0.
        pairs = zip(self._features(original), self._features(decoded), strict=True)
        for number, (x, y) in enumerate(pairs):
            squares = (_unit_length(x.float()) - _unit_length(y.float())) ** 2
            total = total + (squares * self._tensors[_head_key(number)]).sum(1).mean((1, 2))
        return total

    def to(self, device: torch.device) -> Lpips:
        """Move the weights, for pictures that lie on a GPU."""
        self._tensors = {name: tensor.to(device) for name, tensor in self._tensors.items()}
        return self

    def _features(self, image: Tensor) -> Iterator[Tensor]:
        """The five rectified outputs, ``[b, c, h', w']`` each."""
        from torch.nn import functional

        x = (image * 2 - 1 - self._tensors["shift"]) / self._tensors["scale"]
        for layer in _LAYERS:
            if layer.pooled_before:
                x = functional.max_pool2d(x, kernel_size=3, stride=2)
            weight, bias = self._tensors[f"{layer.key}.weight"], self._tensors[f"{layer.key}.bias"]
            x = functional.conv2d(x, weight, bias, layer.stride, layer.padding).relu()
            yield x


def _prepare(image: Image) -> NDArray[np.float32]:
    """``float32 [1, 3, h, w]`` in [0, 1], at least 31 x 31."""
    height, width, _ = image.shape
    below, beside = max(_SMALLEST_SIDE - height, 0), max(_SMALLEST_SIDE - width, 0)
    if below or beside:
        image = np.pad(image, ((0, below), (0, beside), (0, 0)), mode="edge")
    return np.ascontiguousarray(image.astype(np.float32).transpose(2, 0, 1)[None] / 255)


def _unit_length(activations: Tensor) -> Tensor:
    """Scaled along channels; where nothing fires the result stays 0, and so does the gradient."""
    squares = activations.square().sum(dim=1, keepdim=True)
    return activations / (squares.clamp(min=_UNIT_EPS**2).sqrt() + _UNIT_EPS)


def _head_key(number: int) -> str:
    return f"lin{number}.model.1.weight"


def _find_weights(given: Path | None) -> Path:
    """The first place that is named: argument, environment, cache folder.

    A place that was named and is empty is an error: to go on to the next would measure with other
    weights than the ones asked for.
    """
    from_environment = os.environ.get(_ENVIRONMENT)
    if given is not None:
        place, advice = Path(given), "give the path of lpips_alex.safetensors"
    elif from_environment:
        place, advice = Path(from_environment), f"correct the path in {_ENVIRONMENT}"
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        place = Path(cache) / "slimcodec" / "lpips_alex.safetensors"
        advice = f"put lpips_alex.safetensors there or name it in {_ENVIRONMENT}"
    if not place.is_file():
        raise MissingWeightsError(f"the LPIPS metric found no weights at {place}; {advice}")
    return place


def _load(path: Path) -> Mapping[str, Tensor]:
    """The file's tensors as float32, with every name and shape checked.

    Raises:
        ModelFileError: when the file is damaged or holds something else.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelFileError(
            f"the LPIPS weights {path} cannot be read as safetensors ({error}); replace the file"
        ) from error
    tensors: dict[str, Tensor] = {}
    for key, shape in _expected_shapes().items():
        if key not in found:
            raise ModelFileError(
                f"the LPIPS weights {path} have no tensor {key!r}; is it the AlexNet file?"
            )
        if tuple(found[key].shape) != shape:
            raise ModelFileError(
                f"the LPIPS weights {path} must hold {key!r} as {list(shape)}, got "
                f"{list(found[key].shape)}; is it the AlexNet file?"
            )
        tensors[key] = found[key].to(torch.float32)
    tensors["shift"] = torch.from_numpy(_SHIFT)[:, None, None]
    tensors["scale"] = torch.from_numpy(_SCALE)[:, None, None]
    return tensors


def _expected_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for number, layer in enumerate(_LAYERS):
        shapes[f"{layer.key}.weight"] = layer.weight_shape
        shapes[f"{layer.key}.bias"] = (layer.channels,)
        shapes[_head_key(number)] = (1, layer.channels, 1, 1)
    return shapes
