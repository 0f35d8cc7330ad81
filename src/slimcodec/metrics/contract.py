"""What the bench and the reports know of a metric."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from slimcodec.types import Image

__all__ = ["Metric"]


@runtime_checkable
class Metric(Protocol):
    """What the bench knows of a metric. The class is constructed without arguments."""

    @property
    def name(self) -> str:
        """The name in the registry, for rows and command lines."""

    @property
    def label(self) -> str:
        """The name in a table's head or on an axis."""

    @property
    def unit(self) -> str:
        """``"dB"``, or ``""`` for a bare number."""

    @property
    def better(self) -> Literal["higher", "lower"]:
        """Which direction is an improvement."""

    @property
    def in_db(self) -> bool:
        """Whether curves take ``-10 log10(1 - value)`` of it; see `slimcodec.metrics.quality`."""

    def __call__(self, original: Image, decoded: Image) -> float:
        """Compare two images, ``uint8 [h, w, 3]`` of one shape; any size from 1 x 1 up.

        Raises:
            UsageError: when the arrays are not two images of one shape.
        """
