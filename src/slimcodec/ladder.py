"""Ladders: several models as one codec, whose qualities 1, 2, 3 ... name a model each.

People who train learned codecs train one network for each rate, and have one file for each. A
ladder is a folder of such models, worst first, and is encoded with, decoded with and measured as
one codec with one curve:

    ladder.json      {"format": 1, "rungs": ["1.slim", "2.slim"]}
    1.slim 2.slim    model files, or bundles

A stream is the rung's own and says which model wrote it, so whoever has that model alone decodes it
too. A rung is opened when it is first needed: decoding opens one.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from slimcodec.atomic import folder_aside, replace_folder
from slimcodec.errors import ModelFileError, UsageError, WrongModelError
from slimcodec.model_file import file_bytes, read_manifest
from slimcodec.naming import LADDER, is_ladder
from slimcodec.runtime import bundle_manifest, is_bundle
from slimcodec.stream import unpack
from slimcodec.types import Clock, Codec, Image, Region, Tiled, codec_line, no_clock

__all__ = [
    "Ladder",
    "Rung",
    "check_replaceable",
    "check_rung",
    "check_rungs",
    "read_ladder",
    "written_ladder",
]

_FORMAT = 1
_MOST, _MOST_BYTES = 64, 1 << 16
"""Rungs, and bytes of the file that names them."""


@dataclass(frozen=True)
class Rung:
    """A model of a ladder, by what its file says of it.

    Attributes:
        path: a model file or a bundle.
        facts: name, family, config, stream_id and digest of the model, unchecked.
    """

    path: Path
    facts: Mapping[str, Any]

    @property
    def stream_id(self) -> str:
        """Of its streams, in hex."""
        return str(self.facts["stream_id"])

    @cached_property
    def bytes(self) -> int:
        """Of its file, or of all files of its bundle."""
        if self.path.is_dir():
            return sum(file.stat().st_size for file in self.path.iterdir() if file.is_file())
        return file_bytes(self.path)


def read_ladder(folder: Path) -> tuple[Rung, ...]:
    """The models of a ladder, worst first; none of them is opened.

    Raises:
        ModelFileError: when the folder is none, or lacks a model that it names.
        SlimcodecError: as ``read_manifest``, of a model.
    """
    path = folder / LADDER
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or values.get("format") != _FORMAT:
            raise ValueError(f"its format must be {_FORMAT}")
        names = values.get("rungs")
        if not isinstance(names, list) or not 1 <= len(names) <= _MOST:
            raise ValueError(f"its rungs must be 1 to {_MOST} names")
        for name in names:
            if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name:
                raise ValueError(f"{name!r:.60} names no file in its folder")
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} says of no ladder: {error}") from error
    try:
        rungs = tuple(Rung(folder / name, _facts(folder / name)) for name in names)
        check_rungs([(rung.path.name, rung.stream_id) for rung in rungs])
    except (OSError, UsageError) as error:
        raise ModelFileError(f"{folder}: {error}") from error
    return rungs


def check_replaceable(folder: Path) -> None:
    """A folder in whose place a ladder may be put: none, or a ladder that holds nothing else.

    Raises:
        UsageError: when it is another, which never goes.
        SlimcodecError: as ``read_ladder``.
    """
    if not os.path.lexists(folder):
        return
    if not is_ladder(folder):
        raise UsageError(
            f"{folder} exists and is no ladder, which is what several models become: a folder; "
            "name another one"
        )
    own = {LADDER, *(rung.path.name for rung in read_ladder(folder))}
    if others := sorted({path.name for path in folder.iterdir()} - own):
        raise UsageError(
            f"{folder} holds {others[0]}, which is not of the ladder; take it away, or name "
            "another folder"
        )


def check_rungs(named: Sequence[tuple[str, str]]) -> None:
    """Models that can be told apart by their streams.

    Args:
        named: a name for the error and a ``stream_id`` of each.

    Raises:
        UsageError: naming two that cannot, or one that has no streams of its own.
    """
    first: dict[str, str] = {}
    for name, stream_id in named:
        if not stream_id:
            raise UsageError(f"{name} has no streams of its own, so it is no rung of a ladder")
        if stream_id in first:
            raise UsageError(
                f"{first[stream_id]} and {name} read the same streams (stream id {stream_id}); a "
                "ladder has one model for each rate"
            )
        first[stream_id] = name


def check_rung(quality: float, count: int, name: str) -> int:
    """The number of a rung, from 1 on.

    Args:
        quality: as given.
        count: how many rungs there are.
        name: of the ladder.

    Raises:
        UsageError: when there is none such.
    """
    if not (1 <= quality <= count and quality == int(quality)):
        raise UsageError(
            f"{name} is a ladder of {count} models: its quality must be a whole number from 1 to "
            f"{count}, got {quality:g}"
        )
    return int(quality)


@contextmanager
def written_ladder(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """A folder aside to put models in; when the block ends well, it is a ladder of them and has its
    place, and a ladder that was there is gone.

    Args:
        folder: where the ladder is to be.
        names: of its model files or bundles, worst first.

    Raises:
        ModelFileError: when what was put there makes no ladder.
    """
    with folder_aside(folder.resolve().parent) as aside:
        yield aside
        text = json.dumps({"format": _FORMAT, "rungs": list(names)}, indent=2)
        (aside / LADDER).write_text(text + "\n", encoding="utf-8")
        read_ladder(aside)
        check_replaceable(folder)
        replace_folder(aside, folder)


class Ladder:
    """The models of a folder as one codec; see ``types.Tiled``.

    Args:
        folder: that holds them.
        open_rung: opens one by its path.
    """

    def __init__(self, folder: Path, open_rung: Callable[[Path], Codec]) -> None:
        self.name = folder.resolve().name
        self.rungs = read_ladder(folder)
        self.qualities = tuple(float(number) for number in range(1, len(self.rungs) + 1))
        self.default_quality = self.qualities[len(self.qualities) // 2]
        digests = "|".join(str(rung.facts["digest"]) for rung in self.rungs)
        self.digest = hashlib.sha256(digests.encode()).hexdigest()
        self._open, self._opening = open_rung, threading.Lock()
        self._opened: dict[int, Tiled] = {}

    def __repr__(self) -> str:
        return codec_line(self)

    @cached_property
    def model_bytes(self) -> int:
        """Of all its models together."""
        return sum(rung.bytes for rung in self.rungs)

    def memory_needed(self, height: int, width: int) -> int:
        """See ``types.Tiled``; of the last rung, which usually is the widest."""
        return self._rung(len(self.rungs)).memory_needed(height, width)

    def encode(
        self,
        image: Image,
        quality: float | None = None,
        *,
        memory: int | None = None,
        clock: Clock = no_clock,
    ) -> bytes:
        """The stream of the model that the quality names, at that model's own usual quality."""
        quality = self.default_quality if quality is None else quality
        rung = self._rung(check_rung(quality, len(self.rungs), self.name))
        return rung.encode(image, memory=memory, clock=clock)

    def decode(
        self,
        stream: bytes,
        *,
        region: Region | None = None,
        memory: int | None = None,
        partial: bool = False,
        clock: Clock = no_clock,
    ) -> Image:
        """The image of a stream, by the model that the stream names.

        Raises:
            WrongModelError: when none of the models wrote it.
            StreamError: when the bytes are damaged or foreign.
        """
        stream_id = unpack(stream, partial=True).stream_id.hex()
        for number, rung in enumerate(self.rungs, 1):
            if rung.stream_id == stream_id:
                return self._rung(number).decode(
                    stream, region=region, memory=memory, partial=partial, clock=clock
                )
        raise WrongModelError(
            f"the stream has the stream id {stream_id}; none of the {len(self.rungs)} models of "
            f"{self.name} wrote it"
        )

    def _rung(self, number: int) -> Tiled:
        with self._opening:
            if number not in self._opened:
                path = self.rungs[number - 1].path
                opened = self._open(path)
                if not isinstance(opened, Tiled):
                    raise UsageError(f"{path} codes no picture in parts, so it is no rung")
                self._opened[number] = opened
            return self._opened[number]


def _facts(path: Path) -> Mapping[str, Any]:
    return bundle_manifest(path).model if is_bundle(path) else read_manifest(path)
