"""A size that a stream was asked to have, instead of a quality."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slimcodec.target_size import Fitted
    from slimcodec.types import Codec

__all__ = ["Target", "fit_sentence", "target_of", "trials_shown"]


@dataclass(frozen=True)
class Target:
    """One of the two is given.

    Attributes:
        stream_bytes: of the whole stream.
        bpp: the same in bits per pixel.
    """

    stream_bytes: int | None
    bpp: float | None

    def bytes_for(self, height: int, width: int) -> int:
        """What the stream of a picture of so many pixels may take."""
        from slimcodec.metrics import bytes_at

        if self.stream_bytes is not None:
            return self.stream_bytes
        assert self.bpp is not None
        return bytes_at(self.bpp, height, width)


def target_of(
    stream_bytes: int | None, bpp: float | None, quality: float | None, iterations: int | None
) -> Target | None:
    """What --target-bytes or --target-bpp ask for; None where neither does.

    Raises:
        UsageError: when more than one option says how good a picture is, or it is no size.
    """
    import math

    from slimcodec.errors import UsageError

    if stream_bytes is None and bpp is None:
        return None
    if [stream_bytes, bpp, quality, iterations].count(None) < 3:
        raise UsageError(
            "--target-bytes, --target-bpp, --quality and --iterations each choose how good a "
            "picture is; give one of them"
        )
    if stream_bytes is not None and stream_bytes < 1:
        raise UsageError(f"--target-bytes takes a whole number from 1 on, got {stream_bytes}")
    if bpp is not None and not 0 < bpp < math.inf:
        raise UsageError(f"--target-bpp takes a number above 0, got {bpp:g}")
    return Target(stream_bytes, bpp)


def fit_sentence(fitted: Fitted, target_bytes: int, codec: Codec) -> str:
    """Which quality it became and how much of the target is left, for the line about a stream."""
    from slimcodec.types import quality_range

    left = 100 * (1 - len(fitted.stream) / target_bytes)
    below = f"{left:.1f} % below the target"
    if fitted.quality >= quality_range(codec)[1]:
        return f"quality {fitted.quality:g}, the codec's largest stream, {below}"
    return f"quality {fitted.quality:g}, {below}"


@contextmanager
def trials_shown(bar: bool) -> Iterator[Callable[[int], None]]:
    """What a search tells its trials, by the bytes of each: a bar, or nobody."""
    from slimcodec.cli.console import progress_bar
    from slimcodec.target_size import MOST_TRIALS

    if not bar:
        yield _unseen
        return
    done = 0
    with progress_bar("trying sizes") as progress:
        progress(done, MOST_TRIALS, "")

        def tried(length: int) -> None:
            nonlocal done
            done += 1
            progress(done, max(MOST_TRIALS, done), f"{length:,} bytes")

        yield tried


def _unseen(length: int) -> None:
    """For whoever wants to see nothing."""
