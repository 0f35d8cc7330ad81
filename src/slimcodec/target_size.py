"""A stream of a wanted size: the largest that fits.

Bytes grow with the quality, so the quality is searched by bisection. How much each trial costs, and
how close one can come, depends on what the codec offers:

- a *progressive* codec writes one stream of all its steps, and the largest cut that fits is taken;
- an *adjustable* codec runs its transforms once (``Adjustable.prepare``), and each trial is gains,
  rounding and entropy coding only. From one of its quality steps to the next a stream grows by
  some percent; the rest is made up inside a step, by the weight that bits have when latents are
  rounded: of the first quality that is too large, the weight is raised until the stream fits;
- any other codec, an image format for example, has whole qualities, and is asked for one at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from slimcodec.errors import UsageError
from slimcodec.showing import line
from slimcodec.types import Adjustable, Codec, Image, Prepared, Progressive, Tiled

__all__ = ["MOST_TRIALS", "Fitted", "encode_to_size", "largest_that_fits"]

_HEAVIEST = 0.18
"""Added to a codec's own rate weight at most: beyond, the next lower quality is the better picture.
For ``hific-s`` a third of it bridges a step, on photographs."""
_CLOSE = 0.005
"""What may be left of the target when the search ends, as a share."""
_MOST_WEIGHTS = 8
"""Trials inside a step."""
MOST_TRIALS = 16
"""Of a search, about: seven halve a hundred qualities, or six and nine weights."""

OnTrial = Callable[[int], None]
Finish = Callable[[bytes], bytes]


def _as_it_is(stream: bytes) -> bytes:
    return stream


@dataclass(frozen=True)
class Fitted:
    """A stream that fits, and how it was made.

    Attributes:
        stream: no longer than was asked for.
        quality: in the codec's own scale.
        rate_weight: what latents were rounded with; None for a codec that has no such thing.
    """

    stream: bytes
    quality: float
    rate_weight: float | None = None

    def __repr__(self) -> str:
        weight = "" if self.rate_weight is None else f"rate weight {self.rate_weight:.3f}"
        return line(self, f"{len(self.stream):,} bytes", f"quality {self.quality:g}", weight)


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
        return _adjusted(codec, codec.prepare(image, memory=memory), target_bytes, on_trial, finish)
    tried: dict[int, bytes] = {}

    def fits(quality: int) -> bool:
        tried[quality] = finish(codec.encode(image, quality))
        on_trial(len(tried[quality]))
        return len(tried[quality]) <= target_bytes

    quality = largest_that_fits(int(codec.qualities[0]), int(codec.qualities[-1]), fits)
    if quality is None:
        raise _too_small(codec, min(map(len, tried.values())), target_bytes)
    return Fitted(tried[quality], float(quality))


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


def _adjusted(
    codec: Adjustable, prepared: Prepared, target_bytes: int, on_trial: OnTrial, finish: Finish
) -> Fitted:
    """First the quality, then the weight inside the step above it.

    Raises:
        UsageError: when not even the heaviest weight makes the lowest quality fit.
    """
    least, most = codec.qualities[0], codec.qualities[-1]
    tried: dict[int, Fitted] = {}

    def coded(quality: float, weight: float) -> Fitted:
        stream = finish(prepared.encode(quality, weight))
        on_trial(len(stream))
        return Fitted(stream, quality, weight)

    def fits(step: int) -> bool:
        tried[step] = coded(least + step * codec.quality_step, codec.rate_weight)
        return len(tried[step].stream) <= target_bytes

    last = round((most - least) / codec.quality_step)
    step = largest_that_fits(0, last, fits)
    if step == last:
        return tried[last]
    above = tried[0 if step is None else step + 1]
    heavier = _heavier(above, target_bytes, lambda weight: coded(above.quality, weight))
    fitting = [] if step is None else [tried[step]]
    fitting += [heavier] if len(heavier.stream) <= target_bytes else []
    if not fitting:
        raise _too_small(codec, len(heavier.stream), target_bytes)
    return max(fitting, key=lambda found: len(found.stream))


def _heavier(light: Fitted, target_bytes: int, coded: Callable[[float], Fitted]) -> Fitted:
    """The largest stream of one quality that fits, by false position: the logarithm of the length
    is nearly a line in the weight. The heaviest, where not even that fits.

    Args:
        light: the stream of the codec's own weight, which is too long.
        target_bytes: what it may take.
        coded: the stream of another weight.
    """
    assert light.rate_weight is not None
    low = light.rate_weight
    heavy, high = coded(low + _HEAVIEST), low + _HEAVIEST
    aim = (1 - _CLOSE / 2) * target_bytes
    for _ in range(_MOST_WEIGHTS):
        if not (1 - _CLOSE) * target_bytes > len(heavy.stream):
            break
        share = math.log(len(light.stream) / aim) / math.log(len(light.stream) / len(heavy.stream))
        weight = low + min(max(share, 0.05), 0.95) * (high - low)
        tried = coded(weight)
        if len(tried.stream) <= target_bytes:
            heavy, high = tried, weight
        else:
            light, low = tried, weight
    return heavy


def _too_small(codec: Codec, smallest: int, target_bytes: int) -> UsageError:
    return UsageError(
        f"the smallest stream of {codec.name} for this image takes {smallest:,} bytes, more than "
        f"{target_bytes:,}; allow more, or make the image smaller"
    )
