"""The command line in this process, and a progressive codec so plain that it needs no network."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from slimcodec import registry
from slimcodec.cli import main
from slimcodec.errors import UsageError, WrongModelError
from slimcodec.stream import Stream, cut, pack, unpack
from slimcodec.types import Clock, Image, no_clock


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture()
def outcome_of(monkeypatch, capsys) -> Callable[..., Outcome]:
    """``outcome_of("decode", path)``: what a verb prints and its exit status."""

    def call(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["slimcodec", *map(str, words)])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return call


class BitPlanes:
    """One bit of every pixel an iteration, the highest first."""

    name, digest, model_bytes = "planes", "0123456789abcdef", 1
    qualities, default_quality = tuple(range(1, 9)), 3
    stream_id = b"bitplane"

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        count = self._checked(self.default_quality if quality is None else quality)
        planes = tuple(np.packbits(image >> (7 - i) & 1).tobytes() for i in range(count))
        return pack(Stream(self.stream_id, *image.shape[:2], 0, planes, progressive=True))

    def decode(self, stream: bytes, *, clock: Clock = no_clock) -> Image:
        header = unpack(stream)
        if header.stream_id != self.stream_id:
            raise WrongModelError("the stream was written by another model")
        size = 3 * header.height * header.width
        pixels = np.zeros(size, np.uint8)
        for i, plane in enumerate(header.sections):
            pixels |= np.unpackbits(np.frombuffer(plane, np.uint8))[:size] << (7 - i)
        return pixels.reshape(header.height, header.width, 3)

    def cut(self, stream: bytes, quality: float) -> bytes:
        return cut(stream, self._checked(quality))

    def _checked(self, quality: float) -> int:
        if quality not in self.qualities:
            raise UsageError(f"the iterations of planes must be 1 to 8, got {quality:g}")
        return int(quality)


@pytest.fixture()
def planes(monkeypatch) -> BitPlanes:
    """The codec, known to the command line as ``planes`` while a test runs."""
    monkeypatch.setitem(sys.modules, "bit_planes", sys.modules[__name__])
    monkeypatch.setitem(registry.codecs._entries, "planes", "bit_planes:BitPlanes")
    return BitPlanes()
