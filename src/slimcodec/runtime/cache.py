"""Bundles of models that were asked for on a runtime that runs bundles only: made once, kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from slimcodec.errors import BundleError, MissingExtraError
from slimcodec.model_file import Model
from slimcodec.runtime.bundle import Bundle, open_bundle

__all__ = ["bundle_of", "cache_folder", "exporter"]

_VERSION = 4
"""Of what export writes; raised when the same model comes to give other graphs."""


def bundle_of(source: Model | Bundle, runtime: str) -> Bundle:
    """The bundle itself, or one made of a model.

    Raises:
        MissingExtraError: when it must be made and what that needs is not installed.
    """
    if isinstance(source, Bundle):
        return source
    export = exporter()
    folder = cache_folder() / "bundles" / f"{source.digest[:16]}-{runtime}-{_VERSION}"
    try:
        return open_bundle(folder)
    except BundleError:
        folder.parent.mkdir(parents=True, exist_ok=True)
        export(source, runtime, folder)
        return open_bundle(folder)


def exporter() -> Callable[..., None]:
    """``runtime.graphs.bundling.export``, imported.

    Raises:
        MissingExtraError: naming the extra that it needs.
    """
    try:
        from slimcodec.runtime.graphs.bundling import export
    except ImportError as error:
        raise MissingExtraError("exporting a model", "export") from error
    return export


def cache_folder() -> Path:
    """Where what can be made again is kept: ``$SLIMCODEC_CACHE``, or the user's cache folder."""
    if own := os.environ.get("SLIMCODEC_CACHE"):
        return Path(own)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "slimcodec"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "slimcodec"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slimcodec"
