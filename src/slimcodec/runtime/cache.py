"""What can be made again, kept: bundles of models, made when a runtime that runs bundles is first
asked to run the model.

A kept bundle is named after the model's digest, so a model file whose manifest says that digest is
run without reading its weights. Where nothing can be kept, a bundle lives as long as the process.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from slimcodec.errors import BundleError, SlimcodecError
from slimcodec.runtime.bundle import Bundle, open_bundle

__all__ = ["cache_folder", "keep_bundle", "kept_bundle", "kept_folder"]

_VERSION = 5
"""Of what export writes; raised when the same model comes to give other graphs."""


def kept_bundle(digest: str, runtime: str) -> Bundle | None:
    """The bundle of a model that was made before, if it is there and sound.

    Args:
        digest: of the model, in hex.
        runtime: what the bundle is for.
    """
    try:
        bundle = open_bundle(_place(digest, runtime), kept=True)
    except BundleError:
        return None
    return bundle if bundle.model["digest"] == digest else None


def keep_bundle(digest: str, runtime: str, make: Callable[[Path], None]) -> Bundle:
    """Make a bundle and keep it.

    Args:
        digest: of the model, in hex.
        runtime: what the bundle is for.
        make: writes it to a folder, whole or not at all.
    """
    place = _place(digest, runtime)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        make(place)
    except (OSError, SlimcodecError):
        # Another process may have been faster; else nothing can be kept there.
        if (found := kept_bundle(digest, runtime)) is not None:
            return found
        place = Path(_passing().name) / place.name
        make(place)
    return open_bundle(place, kept=True)


def kept_folder(name: str) -> Path | None:
    """A folder in the cache, made when it is not there; None where none can be."""
    folder = cache_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def cache_folder() -> Path:
    """Where what can be made again is kept: ``$SLIMCODEC_CACHE``, or the user's cache folder."""
    if own := os.environ.get("SLIMCODEC_CACHE"):
        return Path(own)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "slimcodec"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "slimcodec"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slimcodec"


def _place(digest: str, runtime: str) -> Path:
    return cache_folder() / "bundles" / f"{digest[:16]}-{runtime}-{_VERSION}"


@cache
def _passing() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="slimcodec-")
