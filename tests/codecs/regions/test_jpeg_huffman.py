"""Huffman codes of JPEG: prefix-free, short, never of ones alone, sixteen bits at most."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec.codecs.regions.huffman import LONGEST, Code, code_of


def words_of(code: Code) -> list[str]:
    return [
        format(int(code.words[symbol]), f"0{int(code.lengths[symbol])}b") for symbol in code.symbols
    ]


def histogram(frequencies: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    found = np.zeros(256, np.int64)
    found[: len(frequencies)] = frequencies
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=256).filter(any))
def test_words(frequencies: list[int]) -> None:
    code = code_of(histogram(frequencies))
    words = sorted(words_of(code))
    assert sorted(code.symbols) == [i for i, often in enumerate(frequencies) if often]
    assert sum(code.counts) == len(code.symbols)
    assert all(1 <= len(word) <= LONGEST and "0" in word for word in words)
    assert not any(b.startswith(a) for a, b in pairwise(words))


def test_it_is_within_a_bit_of_entropy() -> None:
    often = histogram([1000, 600, 300, 200, 90, 40, 20, 5, 1])
    share = often[often > 0] / often.sum()
    bits = float((code_of(often).lengths[often > 0] * share).sum())
    entropy = float(-(share * np.log2(share)).sum())
    assert entropy <= bits < entropy + 0.2


@pytest.mark.parametrize("count", [20, 30, 40])
def test_words_that_would_be_too_long(count: int) -> None:
    """Each twice as often as the one before makes the deepest tree there is."""
    code = code_of(histogram([2**i for i in range(count)]))
    lengths = code.lengths[:count].astype(int)
    assert lengths.max() <= LONGEST and lengths.min() >= 1
    assert (0.5**lengths).sum() <= 1 - 0.5**LONGEST  # room for the word of ones alone
    assert list(lengths) == sorted(lengths, reverse=True)


def test_one_symbol() -> None:
    assert words_of(code_of(histogram([0, 0, 7]))) == ["0"]
