"""A header may claim any picture: what its payload cannot hold, or nobody wants, is refused before
memory is taken for it, by every learned codec."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from slimcodec import registry
from slimcodec.codecs.family import Coded
from slimcodec.errors import BundleError, LackOfMemoryError, StreamError, UsageError
from slimcodec.model_file import Model
from slimcodec.runtime import open_codec
from slimcodec.runtime.base import failure
from slimcodec.stream import Tables, least_bits, pack, unpack
from slimcodec.types import Image

Picture = Callable[..., Image]
FAMILIES = list(registry.families)
CODED = [name for name in registry.families if isinstance(registry.families.get(name), Coded)]
"""Those with streams of their own."""


@pytest.fixture(scope="module")
def codecs(tiny_models: dict[str, Model]) -> dict[str, Any]:
    return {name: open_codec(model) for name, model in tiny_models.items()}


@pytest.mark.parametrize("family", CODED)
@pytest.mark.parametrize("length", [0, 200])
def test_a_few_bytes_cannot_hold_megapixels(
    codecs: dict[str, Any], picture: Picture, family: str, length: int
) -> None:
    codec = codecs[family]
    honest = codec.encode(picture(32, 32))
    codec.decode(honest)
    section = unpack(honest).sections[0][:length]
    forged = pack(replace(unpack(honest), height=4000, width=6000, sections=(section,)))
    assert len(forged) < 30 + length
    tracemalloc.start()
    with pytest.raises(StreamError, match="cannot hold the 6000x4000 pixels"):
        codec.decode(forged)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_pictures_without_anything_in_them_are_decoded(
    codecs: dict[str, Any], family: str, level: int
) -> None:
    image = np.full((200, 300, 3), level, np.uint8)
    for quality in (codecs[family].qualities[0], codecs[family].qualities[-1]):
        stream = codecs[family].encode(image, quality)
        assert codecs[family].decode(stream).shape == image.shape


def test_nothing_is_written_that_would_not_be_read(
    codecs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """This model has nothing to say of grey."""
    monkeypatch.setattr("slimcodec.codecs.checks._PIXELS_FOR_NOTHING", 100 * 100)
    grey = np.full((200, 300, 3), 128, np.uint8)
    with pytest.raises(UsageError, match="cut the image into smaller ones"):
        codecs["toderici"].encode(grey)
    assert codecs["toderici"].decode(codecs["toderici"].encode(grey[:100, :100])).size


def test_the_least_bits_are_those_of_the_most_likely_symbol() -> None:
    tables = Tables.from_probabilities([0, 0], [np.array([0.25, 0.5, 0.25]), np.array([0, 1.0, 0])])
    plain, flagged = least_bits(tables)
    assert plain == pytest.approx(1, abs=1e-4)
    assert 0 <= flagged < 1e-4


@pytest.mark.parametrize("family", CODED)
def test_there_is_a_limit_on_pixels(
    codecs: dict[str, Any], picture: Picture, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = codecs[family].encode(picture(40, 50))
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 999)
    with pytest.raises(StreamError, match=r"50x40 pixels, .*--max-pixels"):
        codecs[family].decode(stream)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 1000)
    assert codecs[family].decode(stream).shape == (40, 50, 3)


@pytest.mark.parametrize(
    ("family", "work"), [*((name, "encode") for name in CODED), *((n, "decode") for n in FAMILIES)]
)
def test_a_runtime_that_lacks_memory_says_so_in_one_line(
    tiny_models: dict[str, Model], picture: Picture, family: str, work: str
) -> None:
    codec: Any = open_codec(tiny_models[family])
    if work == "encode" and "encoder" not in codec.graphs:
        pytest.skip("it encodes without a graph")
    image = picture(32, 32)
    stream = codec.encode(image)

    def lacking(*arrays: object) -> None:
        raise MemoryError

    codec.graphs = dict.fromkeys(codec.graphs, lacking)
    with pytest.raises(LackOfMemoryError, match="more memory than this process may have"):
        getattr(codec, work)(image if work == "encode" else stream)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("std::bad_alloc"),
        MemoryError(),
    ],
)
def test_what_runtimes_say_of_memory_is_understood(error: Exception) -> None:
    assert isinstance(failure("any", "encoder", error), MemoryError)
    assert isinstance(failure("any", "encoder", RuntimeError("shapes differ")), BundleError)
