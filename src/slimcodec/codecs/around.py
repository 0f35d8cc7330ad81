"""What a learned codec must say about itself that works around another one, beyond what every
family says (``codecs.family``).

    Around       another codec codes for it
    Enveloping   is ``Around``, and its streams hold that codec's whole file
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from slimcodec.codecs.family import Family

if TYPE_CHECKING:
    from slimcodec.stream import Stream

__all__ = ["Around", "Contents", "Enveloping"]


@runtime_checkable
class Around(Family, Protocol):
    """A learned codec around another one: what that one writes is its stream, or lies inside. Its
    codec is ``types.Enclosing`` where whoever opens it may name another inner codec."""

    def inner(self, config: Any, wanted: str = "") -> str:
        """The codec inside, a name in ``registry.codecs``.

        Args:
            config: of the model; it may name one.
            wanted: by whoever opens it; the config's, or the family's own, where empty.

        Raises:
            UsageError: when it is around another one and no other.
            UnknownNameError: when there is no such codec.
        """


class Contents(NamedTuple):
    """What another codec wrote, inside a stream.

    Attributes:
        codec: a name in ``registry.codecs``.
        quality: in that codec's scale, to whole numbers.
        file_bytes: of its file.
    """

    codec: str
    quality: int
    file_bytes: int


@runtime_checkable
class Enveloping(Around, Protocol):
    """A learned codec whose streams hold a whole file of the codec inside."""

    def contents(self, stream: Stream) -> Contents:
        """What a stream holds; no model is opened.

        Raises:
            StreamError: when it is damaged.
        """
