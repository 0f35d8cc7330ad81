"""Streams, in every version of the format."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from fuzzing.edits import edited_bytes
from fuzzing.frames import Frame, Piece
from fuzzing.parsers.kinds import WrongPicture, WrongStream, check_picture
from fuzzing.seeds import MODELS
from slimcodec.errors import SlimcodecError
from slimcodec.model_file import load
from slimcodec.runtime import open_codec
from slimcodec.stream import (
    BESIDE,
    Stream,
    attach,
    cut,
    image_size,
    is_progressive,
    salvage,
    step_ends,
    unpack,
)
from slimcodec.types import Region

__all__ = ["Streams"]

_WORD = 4
"""Bytes of what entropy coders write."""


class Streams:
    """Streams of three small models, in every version of the format."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder = folder / "streams"
        self.codecs: list[Any] = [open_codec(load(folder / name)) for name in MODELS]

    def seeds(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.folder.iterdir())]

    def edited(self, data: bytes, rng: random.Random) -> bytes:
        frame = Frame.of(data)
        if frame is None:
            return edited_bytes(data, rng)
        pieces = frame.pieces
        which = rng.randrange(len(pieces)) if pieces else 0
        match rng.randrange(16):
            case 0 | 1:
                frame.numbers[rng.randrange(len(frame.numbers))] = _size(rng)
            case 2:
                frame.numbers[rng.randrange(2)] = _size(rng)
            case 3 if rng.random() < 0.3:
                frame.version = rng.choice((1, 2, 3, 1, 2, 3, 0, 4, 255))
            case 3 if rng.random() < 0.3:
                frame.stream_id = rng.choice([codec.stream_id for codec in self.codecs])
            case 3 | 4 if pieces and frame.version == 3:
                _edit_chunk(pieces[which], rng)
            case 4 if pieces:
                del pieces[which]
            case 5 if pieces and frame.version == 3 and rng.random() < 0.5:
                del pieces[which]
            case 5 if pieces:
                pieces.insert(rng.randrange(len(pieces) + 1), replace(pieces[which]))
            case 6 if pieces:
                pieces[which].payload = rng.randbytes(rng.choice((0, 1, 2, 4, 8, 40, 400)))
            case 7 | 8 | 9 | 10 if pieces:
                pieces[which].payload = _edited_words(pieces[which].payload, rng)
            case _ if pieces:
                pieces[which].payload = edited_bytes(pieces[which].payload, rng)
            case _:
                pieces.append(Piece(rng.randbytes(8)))
        if frame.version == 1 and rng.random() < 0.9:
            frame.numbers = [*frame.numbers[:3], len(pieces)]
        if frame.version == 3 and len(frame.numbers) < Frame.NUMBERS[3]:
            # Of another version so far, whose picture was one tile.
            frame.numbers = [*frame.numbers[:3], 0, 1, rng.randrange(2)]
        return frame.to_bytes()

    def forged(self, data: bytes) -> bytes:
        frame = Frame.of(data)
        return data if frame is None else frame.to_bytes()

    def use(self, data: bytes) -> None:
        is_progressive(data)
        size = image_size(data)
        # From here on all is a function of the input.
        rng = random.Random(data)
        whole, lost = salvage(data)
        header = unpack(whole, partial=True)
        if (header.width, header.height) != size:
            raise WrongStream(f"{size} pixels in the header of {header.width}x{header.height}")
        _check_functions(whole, header, lost, rng)
        for codec in self.codecs:
            if codec.stream_id == header.stream_id:
                _decode(codec, whole, header, rng)
                return
        self.codecs[0].decode(whole, partial=bool(header.missing))
        raise WrongPicture("a stream of no codec here was decoded")


def _check_functions(whole: bytes, header: Stream, lost: str | None, rng: random.Random) -> None:
    """That what is said of a stream, of what is salvaged of it and of what is cut off fits.

    Raises:
        WrongStream: otherwise.
    """
    again, still = salvage(whole)
    if again != whole or (still is None) != (not header.missing) or (lost is None and still):
        raise WrongStream("what was salvaged is not whole")
    if is_progressive(whole) != header.progressive:
        raise WrongStream("it is progressive and is not")
    beside = {name: b"other" for name in BESIDE if rng.random() < 0.5}
    if unpack(attach(whole, beside), partial=True) != replace(header, beside=beside):
        raise WrongStream("with something beside it, it is another stream")
    if header.missing:
        for refused in (step_ends, unpack):
            try:
                refused(whole)
            except SlimcodecError:
                continue
            raise WrongStream("a stream with holes is taken for a whole one")
        return
    ends = step_ends(whole)
    if ends[-1] > len(whole) or sorted(ends) != list(ends):
        raise WrongStream(f"steps end at {ends}")
    if header.progressive:
        if len(ends) != header.steps:
            raise WrongStream(f"{len(ends)} of its {header.steps} steps end")
        steps = rng.randint(1, len(ends))
        kept = header.sections[: steps * header.tiles]
        if unpack(cut(whole, steps)).sections != kept:
            raise WrongStream(f"cut to {steps} steps, it is another stream")


def _decode(codec: Any, whole: bytes, header: Stream, rng: random.Random) -> None:
    """All of a picture, and a part of it, which is had without the rest."""
    height, width = header.height, header.width
    if header.missing:
        try:
            codec.decode(whole)
        except SlimcodecError:
            pass
        else:
            raise WrongPicture("a stream with holes was decoded as if it were whole")
    partial = bool(header.missing)
    check_picture(codec.decode(whole, partial=partial), height, width)
    left, top = rng.randrange(width), rng.randrange(height)
    region = Region(left, top, rng.randint(1, width - left), rng.randint(1, height - top))
    picture = codec.decode(whole, partial=partial, region=region)
    check_picture(picture, region.height, region.width)


def _edit_chunk(piece: Piece, rng: random.Random) -> None:
    """One of the three numbers before a chunk's payload."""
    match rng.randrange(4):
        case 0:
            piece.kind = rng.choice((0, 0, 1, 2, 3, 4, 5, 100, 2**35 - 1))
        case 1:
            piece.number = max(0, piece.number + rng.choice((-2, -1, 1, 2, 4)))
        case 2:
            piece.number = _size(rng)
        case _:
            near = max(0, len(piece.payload) + rng.choice((-4, -1, 1, 4)))
            piece.length = rng.choice((near, near, _size(rng)))


def _edited_words(data: bytes, rng: random.Random) -> bytes:
    """Another word put in, or one less: entropy coders write whole ones."""
    words = [data[at : at + _WORD] for at in range(0, len(data), _WORD)]
    at = rng.randrange(len(words) + 1)
    words[at : at + rng.randrange(2)] = [rng.randbytes(_WORD)] * rng.choice((0, 1, 1, 1, 2))
    return b"".join(words)


def _size(rng: random.Random) -> int:
    few = (0, 1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 100, rng.randrange(1, 200))
    large = (255, 256, 1000, 1024, 4000, 65535, 2**14, 2**28, 2**31, 2**35 - 1)
    return rng.choice(few if rng.random() < 0.9 else large)
