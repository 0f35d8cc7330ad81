"""What a codec's name means: a peer, a built-in model, a model file or a bundle by path, and which
codec a model shall be around. Nothing is opened here."""

from __future__ import annotations

import os
from pathlib import Path

from slimcodec import registry
from slimcodec.errors import ModelFileError, UnknownNameError, UsageError

__all__ = [
    "LADDER",
    "built_in_models",
    "codec_names",
    "effort_of",
    "is_ladder",
    "is_peer",
    "model_path",
    "parted",
    "with_effort",
]

SUFFIX = ".slim"
LADDER = "ladder.json"
"""What a folder of models has that is one codec (``ladder``)."""
_AROUND = {"jpeg+restore": "restore-s", "compact": "compact-s"}
"""Built-in models that are around other codecs, by what they do: another name of each."""
_INSIDE = ":"
"""Between a model and the codec that it shall be around: ``compact:jpeg``, ``small.slim:webp``."""
_EFFORT = "+effort="
"""Between a codec and how long its encoder shall look: ``hific-s+effort=6``."""
_MOST_EFFORT = 9
_MODELS = Path(__file__).parent / "models"


def built_in_models() -> dict[str, Path]:
    """The models that ship inside the package, by name."""
    return {path.name.removesuffix(SUFFIX): path for path in sorted(_MODELS.glob("*" + SUFFIX))}


def model_path(name_or_path: str | Path) -> Path:
    """The model file that a built-in name or a path means.

    Raises:
        ModelFileError: when it looks like a path and there is no such file.
        UnknownNameError: when it is neither.
        UsageError: when it is an image format.
    """
    text, _ = parted(name_or_path)
    built_in = built_in_models()
    if text in built_in:
        return built_in[text]
    path = Path(text)
    if path.is_file():
        return path
    if is_ladder(path):
        raise UsageError(f"{path} is a ladder of several models; name one of them: {path}/1.slim")
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder, and no bundle: it has no bundle.json")
    if path.suffix or "/" in text:
        # No name of ours has a suffix: this is one of a file.
        raise ModelFileError(f"there is no model file {path}")
    if text in registry.codecs:
        models = ", ".join(built_in)
        raise UsageError(f"{text} is an image format, not a model; name one of {models}")
    raise UnknownNameError("codec", text, codec_names())


def parted(name_or_path: str | Path) -> tuple[str, str]:
    """The model that a codec's name or path means, and the codec that it shall be around; that is
    empty where nothing is said."""
    (text, _), named = effort_of(name_or_path), (*built_in_models(), *_AROUND)
    if not os.path.exists(text):
        model, _, inner = text.partition(_INSIDE)
        if inner and model in named:
            return _AROUND.get(model, model), inner
        model, _, inner = text.rpartition(_INSIDE)
        if model and inner and os.path.exists(model):
            return model, inner
    return _AROUND.get(text, text), ""


def effort_of(name_or_path: str | Path) -> tuple[str, int]:
    """A codec's name or path, and how long its encoder shall look; 0 where nothing is said.

    Raises:
        UsageError: when it is no whole number that there is.
    """
    text = str(name_or_path)
    name, mark, effort = text.rpartition(_EFFORT)
    if not mark or os.path.exists(text):
        return text, 0
    if effort not in map(str, range(_MOST_EFFORT + 1)):
        raise UsageError(f"effort must be 0 to {_MOST_EFFORT}, got {effort!r:.20}")
    return name, int(effort)


def with_effort(name_or_path: str | Path, effort: int) -> str:
    """The name of the codec that encodes with an effort; the inverse of ``effort_of``."""
    return f"{name_or_path}{_EFFORT}{effort}" if effort else str(name_or_path)


def codec_names() -> list[str]:
    """Every name that a codec has without being a file of one's own."""
    around = [f"compact{_INSIDE}{inner}" for inner in registry.codecs]
    return [*built_in_models(), *_AROUND, *around, *registry.codecs]


def is_peer(name_or_path: str | Path) -> bool:
    """Whether a name is a peer's; third parties' are looked up only where it is no model's."""
    text = str(name_or_path)
    return text not in built_in_models() and text in registry.codecs


def is_ladder(path: str | Path) -> bool:
    """Whether a path is a folder that says it is a ladder."""
    return os.path.isfile(Path(path) / LADDER)  # of a name that is too long too
