"""Tables: integers that sum to 2**24, each at least one, however odd the probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimcodec.errors import ModelFileError
from slimcodec.stream import Tables
from slimcodec.stream.tables import TOTAL

probabilities = st.integers(0, 40).flatmap(
    lambda reach: st.lists(st.floats(0, 1), min_size=2 * reach + 1, max_size=2 * reach + 1)
)


def arrays(tables: Tables) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tables.centres.copy(), tables.reaches.copy(), tables.frequencies.copy()


@pytest.fixture
def tables() -> Tables:
    return Tables.from_probabilities(
        [0, -7], [np.full(3, 0.3), np.array([0.1, 0.2, 0.4, 0.2, 0.1])]
    )


@given(st.lists(probabilities, min_size=1, max_size=5), st.data())
def test_any_probabilities(lists: list[list[float]], data: st.DataObject) -> None:
    centres = data.draw(
        st.lists(st.integers(-1000, 1000), min_size=len(lists), max_size=len(lists))
    )
    made = Tables.from_probabilities(centres, [np.array(p) for p in lists])
    assert len(made) == len(lists)
    assert made.centres.tolist() == centres
    for number, p in enumerate(lists):
        counts = made[number]
        assert len(counts) == len(p) + 1  # the escape comes last
        assert int(counts.sum(dtype=np.int64)) == TOTAL == 2**24
        assert counts.min() >= 1
    again = Tables.from_arrays(made.to_arrays("x"), "x")
    assert all(map(np.array_equal, arrays(again), arrays(made)))


def test_frequencies_follow_the_probabilities() -> None:
    p = np.array([0.001, 0.1, 0.5, 0.25, 0.1])
    counts = Tables.from_probabilities([0], [p])[0]
    np.testing.assert_allclose(counts / TOTAL, [*p, 1 - p.sum()], atol=1e-6)


def test_probabilities_above_one_are_scaled_down() -> None:
    counts = Tables.from_probabilities([0], [np.array([2.0, 4.0, 2.0])])[0]
    np.testing.assert_allclose(counts / TOTAL, [0.25, 0.5, 0.25, 0], atol=1e-6)
    assert counts[-1] == 1


def test_arrays_are_named_by_prefix(tables: Tables) -> None:
    named = tables.to_arrays("latent_tables")
    assert sorted(named) == [f"latent_tables.{n}" for n in ("centres", "frequencies", "reaches")]
    with pytest.raises(KeyError):
        Tables.from_arrays(named, "hyper_tables")


def test_a_table_is_found_by_number(tables: Tables) -> None:
    assert [len(tables[i]) for i in range(2)] == [4, 6]
    np.testing.assert_array_equal(np.concatenate([tables[0], tables[1]]), tables.frequencies)


def test_damage_is_refused(tables: Tables) -> None:
    def damaged(which: int, change: object) -> None:
        pieces = list(arrays(tables))
        pieces[which] = change(pieces[which])  # type: ignore[operator]
        with pytest.raises(ModelFileError, match="tables are damaged"):
            Tables(*pieces)

    def moved(counts: np.ndarray, taken: int, given_to: int) -> np.ndarray:
        counts[given_to] += counts[taken]
        counts[taken] = 0
        return counts

    for place in range(len(tables.frequencies)):
        off_by_one = np.eye(1, len(tables.frequencies), place, dtype=np.uint32)[0]
        damaged(2, lambda counts, one=off_by_one: counts + one)
        damaged(2, lambda counts, one=off_by_one: counts - one)
    damaged(2, lambda counts: moved(counts, 0, 1))  # a symbol that cannot be coded
    damaged(2, lambda counts: moved(counts, 0, 5))  # the whole is right, the tables are not
    damaged(2, lambda counts: counts[:-1])
    damaged(2, lambda counts: np.append(counts, np.uint32(1)))
    damaged(1, lambda reaches: reaches[::-1])
    damaged(1, lambda reaches: np.array([-1, 4], np.int32))
    damaged(1, lambda reaches: reaches[:1])
    damaged(0, lambda centres: centres[:1])
    damaged(0, lambda centres: centres + np.int32(1 << 20))  # farther than an escape can say
    damaged(0, lambda centres: centres - np.int32((1 << 31) - 10))


def test_an_even_number_of_symbols_has_no_centre() -> None:
    with pytest.raises(ModelFileError, match="tables are damaged"):
        Tables.from_probabilities([0], [np.full(4, 0.2)])
