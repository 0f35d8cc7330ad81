"""TOML that is written is read as what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slimcodec.settings import read_toml, to_toml

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
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
