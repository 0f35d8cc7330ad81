"""Engines are made and tested once in a process: here each test finds none made yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from slimcodec.integers import engines as room


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Nothing is known of engines, before the test and after it; call it to forget again."""

    def forget() -> None:
        for known in (room.engine, room.trusted, room.fault):
            known.cache_clear()

    monkeypatch.delenv("SLIMCODEC_ENGINE", raising=False)
    forget()
    yield forget
    forget()
