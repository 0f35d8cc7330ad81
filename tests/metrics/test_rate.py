from __future__ import annotations

import pytest

from slimcodec.errors import UsageError
from slimcodec.metrics import bits_per_pixel


def test_the_whole_stream_counts() -> None:
    assert bits_per_pixel(18_432, 512, 768) == 0.375
    assert bits_per_pixel(0, 1, 1) == 0
    assert bits_per_pixel(3, 1, 1) == 24


@pytest.mark.parametrize("arguments", [(10, 0, 5), (10, 5, 0), (-1, 5, 5)])
def test_impossible_sizes_are_an_error(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="must"):
        bits_per_pixel(*arguments)
