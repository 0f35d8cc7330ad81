"""What is packed comes back bit for bit, in about as few bits as its histogram allows."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from slimcodec.errors import ModelFileError
from slimcodec.model_file import packing
from slimcodec.model_file.packing import PACKED_TYPES, pack, summarise, unpack

TYPES = sorted(PACKED_TYPES)


def round_trip(array: np.ndarray) -> int:
    """Bytes it takes, after a look at what comes back."""
    blob = pack(array)
    again = unpack(blob, array.dtype.name, array.shape)
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert again.tobytes() == array.tobytes()
    summary = summarise(blob, array.dtype.name, array.shape)
    bits = np.ascontiguousarray(array).view(f"u{array.itemsize}")
    assert (summary.elements, summary.nonzero) == (array.size, int(np.count_nonzero(bits)))
    return blob.size


def entropy_bits(values: np.ndarray) -> float:
    _, counts = np.unique(values, return_counts=True)
    return float((counts * np.log2(values.size / counts)).sum())


def sealed(content: bytes) -> np.ndarray:
    """With a right check sum: it is no signature, anyone can write one."""
    return np.frombuffer(content + zlib.crc32(content).to_bytes(4, "little"), np.uint8)


def numbers(*values: int) -> bytes:
    return b"".join(map(packing._number, values))


# The inverse law


@given(st.data(), st.sampled_from(TYPES), st.integers(0, 400))
@settings(max_examples=150, deadline=None)
def test_unpack_is_the_inverse_of_pack(data: Any, dtype: str, size: int) -> None:
    bits = data.draw(arrays(f"u{np.dtype(dtype).itemsize}", size))
    round_trip(bits.view(dtype))


@given(
    st.sampled_from(["int8", "int16", "float16"]),
    st.integers(0, 3000),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_sparse_values(dtype: str, size: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.laplace(0, 9, size).astype(dtype)
    values[rng.random(size) < share] = 0
    round_trip(values)


@pytest.mark.parametrize("dtype", TYPES)
def test_extremes_and_negative_zero(dtype: str) -> None:
    floats = dtype.startswith("float")
    kind = np.finfo if floats else np.iinfo
    ends = [0, 1, kind(dtype).min, kind(dtype).max]
    special = [-0.0, np.inf, -np.inf, np.finfo(dtype).tiny, 6e-8] if floats else []
    for count in (1, 500):
        round_trip(np.array((ends + special) * count, dtype))
        round_trip(np.array(ends + special + [0] * count, dtype))
        round_trip(np.array([0] * count + ends + special, dtype))


@pytest.mark.parametrize("dtype", ["int16", "uint16", "float16"])
def test_every_value_of_16_bits(dtype: str) -> None:
    round_trip(np.arange(1 << 16, dtype=np.uint16).view(dtype))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(0,), (3, 0, 5), (), (1,), (2, 3, 4), (5, 7, 3, 3)])
def test_shapes(dtype: str, shape: tuple[int, ...]) -> None:
    round_trip(np.zeros(shape, dtype))
    round_trip(np.arange(np.prod(shape), dtype=np.int64).astype(dtype).reshape(shape))
    round_trip(np.full(shape, 7, dtype).T)


def test_more_values_than_are_coded_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_CHUNK", 64)
    rng = np.random.default_rng(0)
    for size in (63, 64, 65, 1000):
        for dtype in ("int8", "int16", "float16", "uint32"):
            round_trip(rng.normal(40, 9, size).astype(dtype))
            round_trip(np.full(size, 3, dtype))
            round_trip(np.arange(size).astype(dtype) // 40)


# Size


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize(("bits", "spread"), [(2, 0.7), (4, 2), (8, 20), (8, 60), (12, 90)])
def test_integers_take_their_entropy(bits: int, spread: float, share: float) -> None:
    rng = np.random.default_rng(bits)
    highest = 2 ** (bits - 1) - 1
    values = np.clip(np.rint(rng.normal(0, spread, 100_000)), -highest, highest)
    values[rng.random(values.size) < share] = 0
    values = values.astype(np.int8 if bits <= 8 else np.int16)
    bound = entropy_bits(values) / 8
    assert bound - 8 < round_trip(values) < 1.01 * bound + 300
    summary = summarise(pack(values), values.dtype.name, values.shape)
    assert summary.entropy_bits / 8 == pytest.approx(bound, rel=0.01, abs=60)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_half_floats_take_the_entropy_of_their_high_byte(share: float) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0, 0.02, 100_000).astype(np.float16)
    values[rng.random(values.size) < share] = 0
    there = values != 0
    high = np.where(there, 1 + (values.view(np.uint16) >> 8), 0)
    bound = entropy_bits(high) / 8 + np.count_nonzero(there)
    assert round_trip(values) < 1.001 * bound + 300
    assert round_trip(values) < 0.86 * values.nbytes


@pytest.mark.parametrize("dtype", TYPES)
def test_equal_values_take_nothing(dtype: str) -> None:
    for value in (0, 1, 100):
        assert round_trip(np.full(50_000, value, dtype)) < 20 * max(
            1, np.dtype(dtype).itemsize // 2
        )


def test_noise_is_stored_as_it_is() -> None:
    noise = np.random.default_rng(0).integers(0, 1 << 16, 5000).astype(np.uint16)
    assert round_trip(noise) == noise.nbytes + 5


@pytest.mark.parametrize(
    ("values", "golden"),
    [
        (np.array([0] * 12 + [-1] * 5 + [2] * 3, np.int8), "01030c080242821113a3974cc3f83e9ff0"),
        (
            np.array([0, 1] * 200 + [0, -3] * 40 + [5] * 9, np.int8),
            "0100f0010001c8010001280003091710cfff8105877347f0f24aa64c5c69ca242258b1d9330627cae968041cb5e2eadd5881b6f3a0cec3395a65fb6c6d399688ad6417a63584097320b63b9322663175d9128eff7755045adaac2ac4e4b180815346201ce96947957d000031030363",
        ),
        (
            np.array([0, 0.5, -0.25] * 30 + [1 / 3] * 9, np.float16),
            "01001e0080d0011e00a7050900d40a1e0780f492fa1578fae2fd90bc8ef47b2f0dd5ee2b75c21f2cc62e3f000052ceb7b2",
        ),
        (
            np.array([-1, 0, 1 << 40], np.int64),
            "00ffff0000000000ffff0000000000ffff0000000100ffff0000000093e64ce0",
        ),
    ],
)
def test_golden_bytes(values: np.ndarray, golden: str) -> None:
    """What was written once is read for ever."""
    assert pack(values).tobytes().hex() == golden
    blob = np.frombuffer(bytes.fromhex(golden), np.uint8)
    np.testing.assert_array_equal(unpack(blob, values.dtype.name, values.shape), values)


# Damage


def test_any_flipped_bit_is_noticed() -> None:
    values = np.random.default_rng(0).normal(0, 20, 300).astype(np.int8)
    blob = pack(values)
    for bit in range(8 * blob.size):
        flipped = blob.copy()
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ModelFileError, match="damaged"):
            unpack(flipped, "int8", values.shape)


def test_cut_short() -> None:
    blob = pack(np.random.default_rng(0).normal(0, 20, 300).astype(np.int8))
    for length in range(blob.size):
        with pytest.raises(ModelFileError, match="damaged"):
            unpack(blob[:length], "int8", (300,))
        with pytest.raises(ModelFileError, match="damaged"):
            unpack(sealed(blob[:-4].tobytes()[:length]), "int8", (301,))


FORGED = {
    "form": numbers(2),
    "no end": bytes([1, 128, 128, 128, 128, 128, 128, 128]),
    "low bits": numbers(1, 16, 100, 0),
    "counts too many": numbers(1, 0, 50, 51, 0),
    "counts too few": numbers(1, 0, 50, 49, 0),
    "beyond the alphabet": numbers(1, 0, 0, 1 << 40, 100, 0),
    "endless gap": numbers(1, 0) + numbers(0, 65535) * 3 + numbers(100, 0),
    "more words than there are": numbers(1, 0, 50, 50, 1 << 40),
    "left over": numbers(1, 0, 50, 50, 3) + bytes([1] * 12),
    "ends in zero": numbers(1, 0, 50, 50, 2) + bytes([1] * 4 + [0] * 4),
    "left over of one symbol": numbers(1, 0, 100, 1) + bytes([1] * 4),
    "something follows": numbers(1, 0, 100, 0) + b"x",
    "raw too short": numbers(0) + bytes(199),
    "raw too long": numbers(0) + bytes(201),
    "nothing": b"",
}


@pytest.mark.parametrize("content", FORGED.values(), ids=FORGED)
def test_forged(content: bytes) -> None:
    for dtype in ("int16", "float16"):
        with pytest.raises(ModelFileError, match="damaged") as error:
            unpack(sealed(content), dtype, (100,))
        assert "\n" not in str(error.value)


@given(st.binary(max_size=60), st.sampled_from(TYPES), st.integers(0, 200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_an_array_or_an_error(content: bytes, dtype: str, size: int) -> None:
    for start in (b"", numbers(1, 0), numbers(1, 3, size // 2, size - size // 2)):
        try:
            array = unpack(sealed(start + content), dtype, (size,))
        except ModelFileError:
            continue
        assert array.dtype == dtype and array.shape == (size,)


def test_sizes_that_cannot_be() -> None:
    for shape in ((1 << 40,), (1 << 20, 1 << 20, 1 << 20)):
        with pytest.raises(ModelFileError, match="more than there can be"):
            unpack(sealed(numbers(1, 0) + bytes([255] * 5) + b"\1"), "int8", shape)
    with pytest.raises(ModelFileError, match="stands for no float64"):
        unpack(pack(np.zeros(3, np.int8)), "float64", (3,))
    with pytest.raises(ModelFileError, match="stands for no int8"):
        unpack(np.zeros(9, np.float32), "int8", (9,))
    with pytest.raises(TypeError, match="float64 cannot be packed"):
        pack(np.zeros(3, np.float64))
