"""Rounds of an encoder that looks longer, as a bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slimcodec.types import Clock, Codec

__all__ = ["rounds_shown"]


@contextmanager
def rounds_shown(codec: Codec, bar: bool) -> Iterator[Clock]:
    """The clock that an encoder is given: it moves a bar where there are rounds and a bar is
    wanted, and measures nothing."""
    from slimcodec.cli.console import progress_bar
    from slimcodec.types import Refining, no_clock

    if not (bar and isinstance(codec, Refining) and codec.rounds):
        yield no_clock
        return
    total = codec.rounds + 1
    with progress_bar("refining") as progress:
        progress(0, total, "")

        def clock(stage: str, step: int = 0, /) -> AbstractContextManager[object]:
            if stage == "refine":
                progress(step - 1, total, "")
            return nullcontext()

        yield clock
