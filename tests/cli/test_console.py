"""What a bar on a terminal shows."""

from __future__ import annotations

import io
import sys

import pytest

from slimcodec.cli.console import progress_bar


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_a_bar_counts_nothing_before_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar("measuring") as progress:
        assert "measuring" in terminal.getvalue()
        assert "None" not in terminal.getvalue() and "0/" not in terminal.getvalue()
        progress(3, 17, "a photograph")
    assert "3/17" in terminal.getvalue()
    assert "None" not in terminal.getvalue()
