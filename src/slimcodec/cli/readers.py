"""What reads streams: the codec that was named, or the built-in model that a stream names."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slimcodec.types import Codec

__all__ = ["opener", "picture_size"]


def opener(
    codec: str | None,
    look: str | None,
    runtime: str | None,
    several: int | None,
    ahead: bool,
) -> Callable[[bytes], Codec]:
    """What opens the codec of a stream.

    Args:
        codec, look, runtime: as they were given.
        several: so many streams; None for a single one, which is read before a model is opened.
        ahead: whether memory for a single one's picture is had meanwhile.
    """
    from slimcodec import library
    from slimcodec.cli.coding import threads_for

    if codec is None and several is None:
        return partial(_as_written, partial(_open_ahead, look, runtime, ahead))
    if codec is None:
        return partial(_as_written, _Readers(look, runtime, threads_for(several or 0)).of)
    if several is None:
        return partial(_as_written, partial(_open_named, codec, runtime))
    opened = library.load_codec(codec, runtime, threads=threads_for(several))
    return partial(_as_written, partial(_open_already, opened))


def _as_written(open_codec: Callable[[bytes], Codec], data: bytes) -> Codec:
    """A codec, around the one that its stream has inside."""
    from slimcodec.types import Enclosing

    codec = open_codec(data)
    return codec.around(codec.inside(data)) if isinstance(codec, Enclosing) else codec


def _open_ahead(look: str | None, runtime: str | None, ahead: bool, data: bytes) -> Codec:
    """The built-in model that a stream names, while memory for its picture is had ahead, if so."""
    from slimcodec import readers
    from slimcodec.machine import touch_ahead

    if ahead:
        width, height = picture_size(data)
        touch_ahead(width * height)
    return readers.codec_of_stream(data, runtime, look)


def _open_named(codec: str, runtime: str | None, data: bytes) -> Codec:
    """A codec that was named."""
    from slimcodec import library

    return library.load_codec(codec, runtime)


def _open_already(codec: Codec, data: bytes) -> Codec:
    """One that is open."""
    return codec


class _Readers:
    """The built-in models that read streams, each opened once, from any number of threads.

    Args:
        look: of all pictures, where one was chosen.
        runtime: what executes the models.
        threads: of each graph.
    """

    def __init__(self, look: str | None, runtime: str | None, threads: int | None) -> None:
        self._look, self._runtime, self._threads = look, runtime, threads
        self._opened: dict[bytes, Codec] = {}
        self._opening = threading.Lock()

    def of(self, data: bytes) -> Codec:
        """What reads a stream."""
        from slimcodec import readers
        from slimcodec.stream import unpack

        stream_id = unpack(data, partial=True).stream_id
        with self._opening:
            if stream_id not in self._opened:
                self._opened[stream_id] = readers.codec_of_stream(
                    data, self._runtime, self._look, threads=self._threads
                )
            return self._opened[stream_id]


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height of the picture that a stream of ours says it has; those of image formats say
    it to their library, which refuses too many."""
    from slimcodec.errors import StreamError
    from slimcodec.stream import image_size

    try:
        return image_size(data)
    except StreamError:
        return 0, 0
