"""What decides the bytes of a stream and the pixels of a picture besides the model.

Versions of what computes them, and a peer's effort: an upgrade may change both, so rows of before
it are not rows of after it. The processor, its cores and what else they did decide times alone;
they stand in a row's ``machine`` and ``beside``.
"""

from __future__ import annotations

from collections.abc import Mapping

import slimcodec
from slimcodec import registry
from slimcodec.integers.engines import trusted
from slimcodec.types import Codec

__all__ = ["environment_of", "in_words"]

_OF_THE_SIZE = "size, "
"""Before what decides the bytes of the codec whose stream length another one matches."""


def environment_of(
    codec: Codec, runtime: str = "", reference: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Name of a piece to the piece with its version.

    Args:
        codec: may say of itself what decides its bytes, in an attribute ``environment``.
        runtime: what executes it; empty for a peer.
        reference: the environment of the codec whose stream length this one matches.
    """
    found = {"slimcodec": slimcodec.__version__, **getattr(codec, "environment", {})}
    if runtime:
        versions = registry.runtimes.get(runtime)().describe()
        found["runtime"] = ", ".join(f"{name} {version}" for name, version in versions.items())
        engine = trusted()
        found["engine"] = f"{engine.name} {engine.version}"
    for name, words in (reference or {}).items():
        if found.get(name) != words:
            found[_OF_THE_SIZE + name] = words
    return found


def in_words(environment: Mapping[str, str], other: Mapping[str, str]) -> str:
    """What of an environment another one does not have; said of rows of old, which know none."""
    if not environment:
        return "versions that nobody wrote down"
    own = [f"{name}: {words}" for name, words in environment.items() if other.get(name) != words]
    return "; ".join(own) or "the same without " + ", ".join(sorted(other.keys() - environment))
