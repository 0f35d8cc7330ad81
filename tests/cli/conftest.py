"""The command line in this process, and a progressive codec that it knows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from slimcodec import registry
from slimcodec.cli import main
from tests.planes import BitPlanes


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture()
def outcome_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
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


@pytest.fixture()
def planes(monkeypatch: pytest.MonkeyPatch) -> BitPlanes:
    """The codec, known to the command line as ``planes`` while a test runs."""
    monkeypatch.setitem(registry.codecs._entries, "planes", "tests.planes:BitPlanes")
    return BitPlanes()
