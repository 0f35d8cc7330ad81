"""What writes streams: the codec that was named."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slimcodec.types import Codec

__all__ = ["codec_with", "writer"]


def codec_with(codec: str, effort: int) -> str:
    """The codec's name or path with an effort.

    Raises:
        UsageError: when it says one already, or takes none.
    """
    from slimcodec.errors import UsageError
    from slimcodec.naming import effort_of, is_peer, with_effort

    name, said = effort_of(codec)
    if effort and said:
        raise UsageError(f"--effort and --codec {codec} both say an effort; give one of them")
    if effort and is_peer(name):
        raise UsageError(f"{name} takes no effort; a codec that does is hific-s")
    return with_effort(name, effort or said)


def writer(
    codec: str,
    runtime: str | None,
    iterations: int | None,
    several: int | None,
    ahead: bool,
) -> Callable[[int], Codec]:
    """What opens the codec for a picture of so many pixels.

    Args:
        codec, runtime, iterations: as they were given.
        several: so many pictures, which share one that is open; None for a single one, which is
            read before a model is opened.
        ahead: whether memory for a single one is had meanwhile.

    Raises:
        UsageError: when iterations are asked of a codec that has none, and it is open.
    """
    from slimcodec.cli.coding import threads_for

    if several:
        opened = _open(codec, runtime, iterations, threads_for(several))
        return partial(_open_already, opened)
    return partial(_open_ahead, codec, runtime, iterations, ahead)


def _open(codec: str, runtime: str | None, iterations: int | None, threads: int | None) -> Codec:
    """The codec that was named.

    Raises:
        UsageError: when iterations are asked of one that has none.
    """
    from slimcodec import library
    from slimcodec.errors import UsageError
    from slimcodec.types import Progressive

    opened = library.load_codec(codec, runtime, threads=threads)
    if iterations is not None and not isinstance(opened, Progressive):
        raise UsageError(
            f"{opened.name} has no iterations; choose its quality with --quality, for example "
            f"--quality {opened.default_quality:g}"
        )
    return opened


def _open_ahead(
    codec: str, runtime: str | None, iterations: int | None, ahead: bool, pixels: int
) -> Codec:
    """The same for one picture, while memory for it is had ahead, if so."""
    from slimcodec import library
    from slimcodec.machine import touch_ahead

    if ahead and library.runtime_of(codec, runtime):
        touch_ahead(pixels)
    return _open(codec, runtime, iterations, None)


def _open_already(codec: Codec, pixels: int) -> Codec:
    """One that is open."""
    return codec
