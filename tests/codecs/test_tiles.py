"""A picture in tiles: what each costs when it is damaged, what a part of it takes, and that nobody
sees where they meet."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimcodec import registry
from slimcodec.codecs import tiles as room
from slimcodec.codecs.family import Coded
from slimcodec.codecs.latents import MeanScaleCodec
from slimcodec.codecs.tiles import Box, Canvas, Sight, grid, side_by_side, touching
from slimcodec.codecs.vq import coding as vq_coding
from slimcodec.codecs.vq.coding import VqCodec
from slimcodec.errors import StreamError, UsageError
from slimcodec.machine import available_cores
from slimcodec.model_file import Model
from slimcodec.runtime import open_codec
from slimcodec.stream import attach, pack, salvage, step_ends, unpack
from slimcodec.types import Image, Region, Tiled

Picture = Callable[..., Image]
FAMILIES = list(registry.families)
CODED = [name for name in registry.families if isinstance(registry.families.get(name), Coded)]
"""Those with streams of their own."""
TILE = 8
SHAPE = (330, 490)


@pytest.fixture(scope="module")
def codecs(tiny_models: dict[str, Model]) -> dict[str, Any]:
    return {name: open_codec(model) for name, model in tiny_models.items()}


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 128 pixels, for pictures of more than 40,000."""
    monkeypatch.setattr(room, "TILE", TILE)
    monkeypatch.setattr(room, "WHOLE", 40_000)


@pytest.fixture(scope="module")
def image(picture: Picture) -> Image:
    return picture(*SHAPE)


sides = st.integers(1, 300)
boxes = st.tuples(sides, sides).map(lambda size: Box(0, 0, *size))


@given(boxes, st.integers(8, 100))
def test_tiles_cover_a_picture_once(box: Box, side: int) -> None:
    counts = np.zeros(box.size, int)
    tiles = grid(box, side)
    assert room._parts(box.bottom, side) * room._parts(box.right, side) == len(tiles)
    for tile in tiles:
        counts[tile.slices] += 1
        assert max(tile.size) < side + 4
        assert tile.top % 4 == tile.left % 4 == 0
    assert (counts == 1).all()
    # None is a sliver: a hyper-latent stands for four positions.
    if min(box.size) >= 8:
        assert min(min(tile.size) for tile in tiles) >= 4
    assert touching(box, tiles) == list(range(len(tiles)))


@given(boxes, st.integers(0, 9), st.integers(1, 10**9))
def test_windows_cover_a_picture_within_memory(box: Box, halo: int, memory: int) -> None:
    sight = Sight(16, halo, 100.0)
    counts = np.zeros(box.size, int)
    most = 0
    for window in sight.windows(box, memory):
        counts[window.slices] += 1
        seen = sight.grown(window, box)
        assert seen.within(box) == seen and window.within(seen) == window
        most = max(most, seen.size[0] * seen.size[1] * 16 * 16 * 100)
    assert (counts == 1).all()
    least = (room._SMALLEST + 4 + 2 * halo) ** 2 * 16 * 16 * 100
    # A window may be a few positions larger than asked for, as tiles begin at multiples.
    assert most <= max(1.6 * memory, least)


@pytest.mark.parametrize("family", CODED)
def test_a_large_picture_is_coded_in_tiles(
    codecs: dict[str, Any], image: Image, family: str
) -> None:
    codec = codecs[family]
    assert isinstance(codec, Tiled)
    stream = codec.encode(image)
    parts = unpack(stream)
    assert (parts.tile, parts.tiles) == (TILE, 12)
    assert codec.decode(stream).shape == image.shape
    # One tile is the old stream.
    small = unpack(codec.encode(image[:100, :100]))
    assert (small.tile, small.tiles) == (0, 1)


@pytest.mark.parametrize("family", CODED)
def test_tiles_do_not_show(
    codecs: dict[str, Any], image: Image, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Much the same as in one tile, and in bytes."""
    codec = codecs[family]
    tiled = codec.encode(image)
    monkeypatch.setattr(room, "WHOLE", 10**9)
    whole = codec.encode(image)
    assert unpack(whole).tiles == 1
    one, other = (codec.decode(stream).astype(int) for stream in (whole, tiled))
    errors = [np.abs(made - image).mean() for made in (one, other)]
    assert errors[1] < 1.05 * errors[0]
    assert len(tiled) < 1.5 * len(whole)


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=pytest.mark.slow if name == "toderici" else ()) for name in FAMILIES],
)
def test_windows_do_not_show(codecs: dict[str, Any], image: Image, family: str) -> None:
    """Whatever memory there is, pixels are the same but for a level here and there."""
    codec = codecs[family]
    stream = codec.encode(image)
    usual = codec.decode(stream).astype(int)
    narrow = codec.decode(stream, memory=_little(codec, stream)).astype(int)
    assert np.abs(usual - narrow).max() <= 1
    again = codec.encode(image, memory=_little(codec, stream))
    assert abs(len(again) - len(stream)) < 0.02 * len(stream)
    assert np.abs(codec.decode(again).astype(int) - usual).mean() < 0.5


def _little(codec: Any, stream: bytes) -> int:
    """The least memory that a stream can be decoded in."""
    low, high = 0, 1 << 32
    while high - low > 1000:
        middle = (low + high) // 2
        try:
            codec.decode(stream, memory=middle)
            high = middle
        except UsageError:
            low = middle
    return high


@pytest.mark.parametrize("family", FAMILIES)
def test_too_little_memory_is_said(codecs: dict[str, Any], image: Image, family: str) -> None:
    stream = codecs[family].encode(image)
    for work in (
        lambda: codecs[family].encode(image, memory=1000),
        lambda: codecs[family].decode(stream, memory=1000),
    ):
        with pytest.raises(UsageError, match=r"490x330 pixels take about .* may be had here$"):
            work()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_region_is_what_the_picture_has_there(
    codecs: dict[str, Any], image: Image, family: str
) -> None:
    codec = codecs[family]
    for stream in (codec.encode(image), codec.encode(image[:150, :200])):
        whole = codec.decode(stream).astype(int)
        height, width, _ = whole.shape
        regions = [
            Region(0, 0, width, height),
            Region(0, 0, 1, 1),
            Region(width - 1, height - 1, 1, 1),
            Region(97, 33, 101, 77),
            Region(width - 130, 0, 130, 16),
        ]
        for region in regions:
            part = codec.decode(stream, region=region).astype(int)
            left, top, across, down = region
            assert part.shape == (down, across, 3)
            assert np.abs(part - whole[top : top + down, left : left + across]).max() <= 1


@pytest.mark.parametrize("family", CODED)
def test_a_region_reads_no_more_than_it_needs(
    codecs: dict[str, Any], image: Image, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = codecs[family]
    stream = codec.encode(image)
    coder, name = codec, "_read"
    if isinstance(codec, MeanScaleCodec):
        coder, name = codec._tile, "read"
    elif isinstance(codec, VqCodec):
        coder, name = vq_coding, "read"
    original = getattr(coder, name)
    read = []

    def counting(*arguments: Any) -> Any:
        read.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(coder, name, counting)
    codec.decode(stream, region=Region(475, 315, 15, 15))
    assert len(read) == 1
    read.clear()
    codec.decode(stream)
    assert len(read) == 12


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("region", [(-1, 0, 5, 5), (0, 0, 0, 5), (0, 0, 491, 5), (0, 320, 9, 11)])
def test_a_region_outside(
    codecs: dict[str, Any], image: Image, family: str, region: tuple[int, ...]
) -> None:
    stream = codecs[family].encode(image)
    with pytest.raises(UsageError, match="is not inside the picture of 490x330 pixels"):
        codecs[family].decode(stream, region=Region(*region))


def _damaged(stream: bytes, number: int) -> bytes:
    """A stream in which a byte of that section's payload is another."""
    section = unpack(stream).sections[number]
    at = stream.index(section)
    changed = bytearray(stream)
    changed[at + len(section) // 2] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("family", CODED)
def test_a_damaged_tile_costs_itself_and_a_halo(
    codecs: dict[str, Any], image: Image, family: str
) -> None:
    codec = codecs[family]
    stream = codec.encode(image)
    parts = unpack(stream)
    sound = codec.decode(stream).astype(int)
    last = parts.tiles * (parts.steps - 1)
    for number in (last, last + 5, last + 11):
        damaged = _damaged(stream, number)
        tile = number % parts.tiles
        with pytest.raises(StreamError, match=rf"tile {tile + 1} of 12 .*decode --partial"):
            codec.decode(damaged)
        kept, lost = salvage(damaged)
        assert lost is not None and f"tile {tile + 1} of 12" in lost
        with pytest.raises(StreamError):
            codec.decode(kept)
        found = codec.decode(kept, partial=True).astype(int)
        assert found.shape == sound.shape
        away = np.ones(image.shape[:2], bool)
        whole = Box(0, 0, 21, 31)
        sight = getattr(codec, "_decoder", None) or codec._sight
        around = sight.grown(grid(whole, TILE)[tile], whole)
        away[around.times(16).slices] = False
        assert away.any()
        assert np.abs(found - sound)[away].max() <= 1
        # Progressive: all iterations but one are there.
        assert (np.abs(found - sound).max() > 1) == (not away.all())


@pytest.mark.parametrize("family", CODED)
def test_any_tiles_may_be_missing(codecs: dict[str, Any], image: Image, family: str) -> None:
    codec = codecs[family]
    stream = codec.encode(image)
    parts = unpack(stream)
    rng = np.random.default_rng(0)
    for share in (0.1, 0.5, 0.95):
        gone = frozenset(np.flatnonzero(rng.random(len(parts.sections)) < share).tolist())
        if len(gone) == len(parts.sections):
            continue
        holed = pack(replace(parts, missing=gone))
        assert codec.decode(holed, partial=True).shape == image.shape
        with pytest.raises(StreamError, match="missing"):
            codec.decode(holed)
    one_there = pack(replace(parts, missing=frozenset(range(1, len(parts.sections)))))
    found = codec.decode(one_there, partial=True)
    assert (found[200:, 200:] == 128).all()
    assert (found[:64, :64] != 128).any()


def test_every_cut_of_a_progressive_stream(codecs: dict[str, Any], image: Image) -> None:
    codec = codecs["toderici"]
    stream = codec.encode(image, 4)
    ends = step_ends(stream)
    assert len(ends) == 4 and ends[-1] == len(stream)
    for count, end in enumerate(ends, 1):
        assert codec.cut(stream, count) == stream[:end] == codec.encode(image, count)
    # Between two, all whole sections of the last step count.
    between = stream[: (ends[1] + ends[2]) // 2]
    with pytest.raises(StreamError, match="--partial"):
        codec.decode(between)
    kept, _ = salvage(between)
    found, two, three = (
        np.square(codec.decode(each, partial=True).astype(float) - image).mean()
        for each in (kept, stream[: ends[1]], stream[: ends[2]])
    )
    assert min(two, three) * 0.99 <= found <= max(two, three) * 1.01


@pytest.mark.parametrize("family", CODED)
def test_a_forged_grid(codecs: dict[str, Any], image: Image, family: str) -> None:
    codec = codecs[family]
    parts = unpack(codec.encode(image))
    for tile in (TILE + 4, 40):
        with pytest.raises(StreamError, match="that size"):
            codec.decode(pack(replace(parts, tile=tile)))
    # Many tiles of nothing at all cannot hold much.
    count = 24 * 24
    forged = replace(parts, height=3072, width=3072, sections=(b"",) * count, tiles=count)
    with pytest.raises(StreamError, match="cannot hold the 3072x3072 pixels"):
        codec.decode(pack(forged))


@pytest.mark.parametrize("family", CODED)
def test_tiles_that_are_claimed_are_counted_before_they_are_made(
    codecs: dict[str, Any], image: Image, family: str
) -> None:
    parts = unpack(codecs[family].encode(image))
    forged = pack(replace(parts, height=1, width=1 << 27, tile=8))
    tracemalloc.start()
    with pytest.raises(StreamError, match="that size has 1048576"):
        codecs[family].decode(forged)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("family", CODED)
def test_holes_make_no_room_for_what_is_not_there(
    codecs: dict[str, Any], image: Image, family: str
) -> None:
    """One of two tiles is missing, and the other is megapixels in no bytes."""
    parts = unpack(codecs[family].encode(image))
    forged = replace(
        parts, height=128, width=160_000, sections=(b"", b""), tile=5000, tiles=2,
        missing=frozenset({1}),
    )  # fmt: skip
    with pytest.raises(StreamError, match="cannot hold the 160000x128 pixels"):
        codecs[family].decode(pack(forged), partial=True)


@pytest.mark.parametrize("family", CODED)
def test_nothing_is_made_of_holes(
    codecs: dict[str, Any], image: Image, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows in which no tile is left stay grey, and no network looks at them."""
    codec = codecs[family]
    parts = unpack(codec.encode(image))
    kept = 0
    sections = tuple(s if n % parts.tiles == kept else b"" for n, s in enumerate(parts.sections))
    missing = frozenset(n for n in range(len(sections)) if n % parts.tiles != kept)
    holed = pack(replace(parts, sections=sections, missing=missing))
    monkeypatch.setattr(room, "_USUAL_BYTES", 1)
    whole, laid = Box(0, 0, 21, 31), list[Box]()
    lay = Canvas.lay

    def noting(self: Canvas, planes: Any, window: Box, seen: Box) -> None:
        laid.append(window)
        lay(self, planes, window, seen)

    monkeypatch.setattr(Canvas, "lay", noting)
    found = codec.decode(holed, partial=True)
    own = grid(whole, TILE)[kept]
    assert laid and all(touching(window, [own]) for window in laid)
    away = np.ones(image.shape[:2], bool)
    away[own.times(16).slices] = False
    assert (found[away] == 128).all() and not (found[~away] == 128).all()


@pytest.mark.parametrize("family", CODED)
def test_what_is_beside_a_picture_changes_no_pixel(
    codecs: dict[str, Any], image: Image, family: str
) -> None:
    codec = codecs[family]
    for part in (image, image[:90, :90]):
        stream = codec.encode(part)
        with_both = attach(stream, {"exif": b"Exif\0\0more", "alpha": b"png"})
        assert np.array_equal(codec.decode(stream), codec.decode(with_both))
        assert unpack(with_both).beside == {"exif": b"Exif\0\0more", "alpha": b"png"}
        assert attach(with_both, {}) == stream


def test_work_is_done_side_by_side_but_for_a_clock() -> None:
    meeting = threading.Barrier(2, timeout=20)
    if available_cores() > 1:
        assert side_by_side(lambda n: (meeting.wait(), n)[1], [3, 4]) == [3, 4]
    names: set[str] = set()

    def clock(stage: str, step: int = 0, /) -> Any:
        raise AssertionError

    side_by_side(lambda n: names.add(threading.current_thread().name), range(9), clock)
    assert names == {threading.current_thread().name}


def test_the_first_error_ends_it() -> None:
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda n: 1 // n, [1, 0, 2])
