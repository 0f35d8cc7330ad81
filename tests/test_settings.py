"""TOML that is written is read as what it was; plain values are of their types or not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slimcodec.settings import is_of, read_toml, to_toml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PLAIN = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
TABLES = st.dictionaries(TEXTS, PLAIN | st.lists(PLAIN, max_size=3), max_size=4)
NESTED = st.dictionaries(TEXTS, PLAIN | TABLES | st.lists(TABLES, max_size=2), max_size=4)
VALUES = st.dictionaries(
    TEXTS, PLAIN | NESTED | st.lists(NESTED, min_size=1, max_size=3), max_size=4
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=VALUES)
def test_what_is_written_is_read(tmp_path: Path, values: dict[str, Any]) -> None:
    path = tmp_path / "values.toml"
    path.write_text(to_toml(values), encoding="utf-8", newline="")
    assert read_toml(path) == values


@pytest.mark.parametrize(
    ("kind", "sound", "unsound"),
    [
        (int, [0, -1, 2**62], [True, 1.0, "1", None, 10**30]),
        (float, [0, 0.5, -1e300], [math.nan, math.inf, True, "1", 10**400]),
        (str | None, ["", None], [0, [], False]),
        (Literal["a", "b"], ["a"], ["c", None]),
        (tuple[int, ...], [[], [1, 2], (1,)], [[1, "x"], "12", 1]),
        (tuple[int, str], [[1, "x"]], [[1], [1, 2], ["x", 1]]),
        (Sequence[float], [[1, 2.5]], ["12", [None]]),
        (Mapping[str, float], [{}, {"a": 1}], [[], {"a": "x"}, {"a": math.nan}]),
        (Mapping[str, Sequence[float]], [{"a": [1]}], [{"a": 1}]),
        (Any, [None, [], "x"], []),
    ],
)
def test_types_of_plain_values(kind: Any, sound: list[Any], unsound: list[Any]) -> None:
    for value in sound:
        assert is_of(value, kind), value
    for value in unsound:
        assert not is_of(value, kind), value


def test_limits_of_plain_numbers() -> None:
    assert is_of(math.inf, float, largest=math.inf) and not is_of(math.nan, float, largest=math.inf)
    assert is_of([3], tuple[int, ...], whole=range(4))
    assert not is_of([4], tuple[int, ...], whole=range(4))
