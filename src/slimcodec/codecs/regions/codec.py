"""``jpeg-regions``: one ordinary JPEG file that spends its bytes where people look.

After Prakash et al. (2016), who put what is salient into one standard JPEG with several levels of
quality. A file has one set of steps, so here the levels are those of thresholds: steps are as fine
as the most important blocks need, and everywhere else coefficients are left out where they are not
worth their bits (``thresholds``), the more the less a block matters (``masks``). What matters is
said by a mask, or is what draws the eye (``saliency``). Any decoder reads the file.

The quality is that of the codec inside, whose tables it scales. What a coefficient is worth is what
it takes off the squared error of R, G and B. In PSNR that saves more than regions cost: at the same
bytes the whole picture has no less of it than with the codec inside. To the eye what is around a
region is coarser all the same, and SSIMULACRA 2 of the whole says so (``benchmarks/regions.py``).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.codecs.checks import Need, check_encodable, saying_memory
from slimcodec.codecs.regions.coefficients import UNIT, ZIGZAG, coefficients_of
from slimcodec.codecs.regions.jpeg_file import write_jpeg
from slimcodec.codecs.regions.masks import check_mask, weights_of
from slimcodec.codecs.regions.saliency import saliency_of
from slimcodec.codecs.regions.thresholds import prices_of, quantized, worth_keeping
from slimcodec.errors import UsageError
from slimcodec.types import Clock, Codec, Image, Mask, Prepared, check_image, codec_line, no_clock

__all__ = ["JpegRegions"]

_RATE_WEIGHT = 0.25
"""Squared error that is worth a bit, in squares of a step of low frequencies. More of it moves more
bytes and takes more off the squared error, and SSIMULACRA 2 of the whole picture falls: at quality
50, with a mask of a fifth, by 0.1 with 0.1, by 2.7 with 0.2 and by 5.8 with 0.35, where the region
gains 0.6, 0.9 and 1.3 dB."""
_LOW = 10
"""So many steps from the mean on are those of low frequencies."""
_ROUNDS = 2
"""Codes fit what is sent, and what is sent goes by the codes."""
_TO_RGB = np.array(((1, 1, 1), (0, -0.344136, 1.772), (1.402, -0.714136, 0)))
"""What R, G and B make of luma and both chromas."""
_SAMPLES = (1, 4, 4)
"""Pixels that a sample is seen in."""
_ERRORS = np.square(_TO_RGB).sum(axis=1) * _SAMPLES / 3
"""Squared error of R, G and B together for one of a sample, luma's being 1."""
_PICTURE_BYTES = 180.0
"""Of memory for each pixel: coefficients, what becomes of them, and symbols of the file."""


class Inner(Codec, Protocol):
    """What is asked of the codec inside."""

    @property
    def quality_range(self) -> tuple[float, float]:
        """See ``types.Ranged``."""

    @property
    def longest_side(self) -> int:
        """Of a picture, in pixels."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What decides bytes and pixels besides image and quality."""


class JpegRegions:
    """A codec whose streams are JPEG files; see ``types.Maskable`` and ``types.Adjustable``.

    Args:
        mask: of the pictures to come; what draws the eye in each when not given.
    """

    name = "jpeg-regions"
    suffix = ".jpeg"
    model_bytes = 0
    quality_step = 0.5

    def __init__(self, mask: Mask | None = None) -> None:
        self.inner: Inner = registry.codecs.get("jpeg")()
        self.qualities, self.default_quality = self.inner.qualities, self.inner.default_quality
        self.quality_range = self.inner.quality_range
        self._mask = mask

    def __repr__(self) -> str:
        return codec_line(self)

    @property
    def environment(self) -> Mapping[str, str]:
        """What reckons, and the codec inside, which decodes."""
        return {"numpy": np.__version__, **self.inner.environment}

    @property
    def digest(self) -> str:
        """SHA-256 over the name, the versions of libraries and the mask."""
        made_of = [self.name, *(f"{what} {said}" for what, said in self.environment.items())]
        digest = hashlib.sha256(", ".join(made_of).encode())
        if self._mask is not None:
            digest.update(f"{self._mask.shape}".encode() + self._mask.tobytes())
        return digest.hexdigest()

    def masked(self, mask: Mask) -> JpegRegions:
        """See ``types.Maskable``."""
        check_mask(mask)
        return JpegRegions(mask)

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        """One file for one image."""
        exact = self.default_quality if quality is None else quality
        _tables(self.inner, exact)  # says whether there is such a quality
        return self.prepare(image, clock=clock).encode(exact, clock=clock)

    def prepare(
        self, image: Image, *, memory: int | None = None, clock: Clock = no_clock
    ) -> Prepared:
        """Coefficients and weights, once for any number of qualities; see ``types.Adjustable``.

        Raises:
            UsageError: also when a mask is of another size.
        """
        check_image(image)
        height, width, _ = image.shape
        self._check_size(height, width)
        pixels = (height + -height % UNIT) * (width + -width % UNIT)
        check_encodable(image, self.name, Need(_PICTURE_BYTES * pixels, 0), memory)
        with saying_memory(self.name):
            mask = self._mask
            if mask is None:
                with clock("saliency"):
                    mask = saliency_of(image)
            with clock("encoder"):
                blocks = coefficients_of(image)
                return _PreparedRegions(self, height, width, blocks, weights_of(mask))

    def decode(self, stream: bytes, *, clock: Clock = no_clock) -> Image:
        """The image of a file, as the codec inside decodes any."""
        return self.inner.decode(stream, clock=clock)

    def _check_size(self, height: int, width: int) -> None:
        longest = self.inner.longest_side
        if max(height, width) > longest:
            raise UsageError(
                f"{self.name} holds at most {longest} pixels a side, got {width} x {height}; cut "
                "the image into smaller ones"
            )
        if self._mask is not None and self._mask.shape != (height, width):
            rows, columns = self._mask.shape
            raise UsageError(
                f"the mask is {columns}x{rows} pixels and the picture {width}x{height}; scale the "
                "mask to the picture's size"
            )


@dataclass(frozen=True, eq=False)
class _PreparedRegions:
    """A picture of which all is known but how good it shall be; see ``types.Prepared``.

    Attributes:
        codec: that it is for.
        height, width: in pixels.
        blocks: luma's and both chromas' coefficients, ``float32 [rows, columns, 64]``.
        weights: of a squared error in each block of luma, [rows, columns].
    """

    codec: JpegRegions
    height: int
    width: int
    blocks: tuple[NDArray[np.float32], ...]
    weights: NDArray[np.float32]

    def encode(self, quality: float, *, clock: Clock = no_clock) -> bytes:
        """See ``types.Prepared``."""
        usual = _tables(self.codec.inner, quality)
        price = _RATE_WEIGHT * float(usual[0][:_LOW].mean()) ** 2
        finer = 1 / np.sqrt(float(self.weights.max()))
        steps = [np.clip(np.rint(finer * own), 1, 255).astype(np.uint8) for own in usual]
        rows, columns = self.weights.shape
        units = self.weights.reshape(rows // 2, 2, columns // 2, 2)
        halved = np.exp(np.log(units).mean(axis=(1, 3)))
        with clock("encoder"), saying_memory(self.codec.name):
            chosen = [
                _chosen(own, steps[number], weights * np.float32(error), price)
                for own, number, weights, error in zip(
                    self.blocks, (0, 1, 1), (self.weights, halved, halved), _ERRORS, strict=True
                )
            ]
            return write_jpeg(chosen, steps, self.height, self.width)


def _chosen(
    blocks: NDArray[np.float32],
    steps: NDArray[np.uint8],
    weights: NDArray[np.float32],
    price: float,
) -> NDArray[np.int16]:
    """What is sent of one component, ``int16 [rows, columns, 64]``."""
    flat = blocks.reshape(-1, blocks.shape[2])
    found = quantized(flat, steps)
    for _ in range(_ROUNDS):
        found = worth_keeping(flat, steps, weights.ravel(), prices_of(found), price)
    return found.reshape(blocks.shape)


def _tables(inner: Inner, quality: float) -> tuple[NDArray[np.float32], ...]:
    """Steps of luma and of chroma in the files of the codec inside, [64] each, in zigzag order.

    Raises:
        UsageError: when it has no such quality.
    """
    file: Any = PIL.Image.open(io.BytesIO(inner.encode(np.zeros((8, 8, 3), np.uint8), quality)))
    return tuple(np.array(file.quantization[i], np.float32)[ZIGZAG] for i in (0, 1))
