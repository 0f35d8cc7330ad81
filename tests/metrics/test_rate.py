from __future__ import annotations

import pytest

from slimcodec.errors import UsageError
from slimcodec.metrics import bits_per_pixel, bytes_at


def test_the_whole_stream_counts() -> None:
    assert bits_per_pixel(18_432, 512, 768) == 0.375
    assert bits_per_pixel(0, 1, 1) == 0
    assert bits_per_pixel(3, 1, 1) == 24


@pytest.mark.parametrize("arguments", [(10, 0, 5), (10, 5, 0), (-1, 5, 5)])
def test_impossible_sizes_are_an_error(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="must"):
        bits_per_pixel(*arguments)
    with pytest.raises(UsageError, match="must"):
        bytes_at(*arguments)


@pytest.mark.parametrize("stream_bytes", [1, 7, 18_432, 99_991])
def test_bytes_at_is_the_inverse(stream_bytes: int) -> None:
    assert bytes_at(bits_per_pixel(stream_bytes, 517, 768), 517, 768) in (
        stream_bytes - 1,
        stream_bytes,
    )
    assert bytes_at(0.375, 512, 768) == 18_432
    assert bits_per_pixel(bytes_at(0.3, 33, 65), 33, 65) <= 0.3
