"""A stream of a wanted size: the largest that fits.

All qualities that the codec takes are searched, not its ladder alone, and what is found is a
quality: ``Codec.encode`` writes the same stream at it. Bytes grow with the quality, nearly, so the
search is by bisection. How much each trial costs, and how close one can come, depends on what the
codec offers:

- a *progressive* codec writes one stream of all its steps, and the largest cut that fits is taken;
- an *adjustable* codec runs its transforms once (``Adjustable.prepare``), and each trial is gains,
  rounding and entropy coding only. From one of its quality steps to the next a stream grows by
  some percent; a fraction of a step makes that up;
- any other codec, an image format for example, is asked for one whole quality at a time. From one
  to the next a stream may become shorter; so those just above are tried, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from slimcodec.errors import UsageError
from slimcodec.showing import line
from slimcodec.types import (
    Adjustable,
    Codec,
    Image,
    Prepared,
    Progressive,
    Tiled,
    quality_range,
)

__all__ = ["MOST_TRIALS", "Fitted", "encode_to_size", "largest_that_fits"]

_CLOSE = 0.005
"""What may be left of the target when the search ends, as a share."""
_MOST_FRACTIONS = 8
"""Trials inside a step."""
_FINEST = 3
"""Decimals of a fraction: all of them are printed, so that what is printed is the quality."""
_ABOVE = 2
"""Whole qualities that are tried above the one that bisection finds."""
MOST_TRIALS = 16
"""Of a search, about: seven halve a hundred qualities and two lie above, or eight are fractions."""

OnTrial = Callable[[int], None]
Finish = Callable[[bytes], bytes]


def _as_it_is(stream: bytes) -> bytes:
    return stream


@dataclass(frozen=True)
class Fitted:
    """A stream that fits, and how it was made.

    Attributes:
        stream: no longer than was asked for.
        quality: in the codec's own scale; the codec writes this stream at it.
    """

    stream: bytes
    quality: float

    def __repr__(self) -> str:
        return line(self, f"{len(self.stream):,} bytes", f"quality {self.quality:g}")


def encode_to_size(
    codec: Codec,
    image: Image,
    target_bytes: int,
    on_trial: OnTrial = lambda length: None,
    finish: Finish = _as_it_is,
    memory: int | None = None,
) -> Fitted:
    """The largest stream of an image that takes no more than so many bytes.

    Args:
        codec: any; see the head for how close each kind comes.
        image: ``uint8 [h, w, 3]``.
        target_bytes: of the whole stream, header included.
        on_trial: called with the length of each stream that was tried, in bytes.
        finish: makes of the codec's stream the one that is wanted, with metadata for example; that
            one has to fit.
        memory: bytes that coding may take; see ``types.Tiled``.

    Raises:
        UsageError: when even the smallest stream is longer, saying how long it is; or as
            ``Codec.encode``, of the image.
    """
    if target_bytes < 1:
        raise UsageError(f"a stream takes at least one byte, got a target of {target_bytes}")
    if isinstance(codec, Progressive):
        return _cut_to_size(codec, _whole(codec, image, memory), target_bytes, on_trial, finish)
    if isinstance(codec, Adjustable):
        prepared: Prepared = codec.prepare(image, memory=memory)
        trials = _Trials(codec, lambda q: finish(prepared.encode(q)), target_bytes, on_trial)
        return _adjusted(trials, codec.quality_step)
    return _whole_quality(
        _Trials(codec, lambda q: finish(codec.encode(image, q)), target_bytes, on_trial)
    )


class _Trials:
    """Streams that were tried, each quality once.

    Args:
        codec: whose they are.
        coded: the stream of a quality.
        target_bytes: that they should fit into.
        on_trial: see ``encode_to_size``.
    """

    def __init__(
        self, codec: Codec, coded: Callable[[float], bytes], target_bytes: int, on_trial: OnTrial
    ) -> None:
        self.codec, self.target_bytes = codec, target_bytes
        self._coded, self._on_trial = coded, on_trial
        self._streams: dict[float, bytes] = {}

    def length(self, quality: float) -> int:
        """Of a quality's stream."""
        if quality not in self._streams:
            self._streams[quality] = self._coded(quality)
            self._on_trial(len(self._streams[quality]))
        return len(self._streams[quality])

    def fits(self, quality: float) -> bool:
        """Whether a quality's stream does."""
        return self.length(quality) <= self.target_bytes

    def best(self) -> Fitted:
        """The largest of all that fit.

        Raises:
            UsageError: where none does.
        """
        lengths = {quality: len(stream) for quality, stream in self._streams.items()}
        fitting = [(n, quality) for quality, n in lengths.items() if n <= self.target_bytes]
        if not fitting:
            raise _too_small(self.codec, min(lengths.values()), self.target_bytes)
        _, quality = max(fitting)
        return Fitted(self._streams[quality], quality)


def largest_that_fits(low: int, high: int, fits: Callable[[int], bool]) -> int | None:
    """The largest whole number from ``low`` to ``high`` that fits, by bisection: what is larger
    than one that does not fit is taken not to fit. None where none does; ``fits`` was asked of
    every number that is returned."""
    found = None
    while low <= high:
        middle = (low + high + 1) // 2
        if fits(middle):
            found, low = middle, middle + 1
        else:
            high = middle - 1
    return found


def _whole(codec: Codec, image: Image, memory: int | None) -> bytes:
    """The stream of all of a codec's steps."""
    if isinstance(codec, Tiled):
        return codec.encode(image, codec.qualities[-1], memory=memory)
    return codec.encode(image, codec.qualities[-1])


def _cut_to_size(
    codec: Progressive, whole: bytes, target_bytes: int, on_trial: OnTrial, finish: Finish
) -> Fitted:
    for quality in reversed(codec.qualities):
        stream = finish(codec.cut(whole, quality))
        on_trial(len(stream))
        if len(stream) <= target_bytes:
            return Fitted(stream, quality)
    raise _too_small(codec, len(stream), target_bytes)


def _whole_quality(trials: _Trials) -> Fitted:
    least, most = quality_range(trials.codec)
    low, high = math.ceil(least), math.floor(most)
    found = largest_that_fits(low, high, lambda quality: trials.fits(float(quality)))
    if found is not None:
        for quality in range(found + 1, min(found + _ABOVE, high) + 1):
            trials.fits(float(quality))
    return trials.best()


def _adjusted(trials: _Trials, step: float) -> Fitted:
    """First the step, then a fraction of the next one, by false position: the logarithm of the
    length is nearly a line in the quality."""
    least, most = quality_range(trials.codec)
    last = round((most - least) / step)
    found = largest_that_fits(0, last, lambda number: trials.fits(least + number * step))
    if found is None or found == last:
        return trials.best()
    low, high = least + found * step, least + (found + 1) * step
    aim = (1 - _CLOSE / 2) * trials.target_bytes
    for _ in range(_MOST_FRACTIONS):
        short, long = trials.length(low), trials.length(high)
        if short >= (1 - _CLOSE) * trials.target_bytes:
            break
        share = math.log(aim / short) / math.log(long / short)
        quality = round(low + min(max(share, 0.05), 0.95) * (high - low), _FINEST)
        if not low < quality < high:
            break
        low, high = (quality, high) if trials.fits(quality) else (low, quality)
    return trials.best()


def _too_small(codec: Codec, smallest: int, target_bytes: int) -> UsageError:
    return UsageError(
        f"the smallest stream of {codec.name} for this image takes {smallest:,} bytes, more than "
        f"{target_bytes:,}; allow more, or make the image smaller"
    )
