"""Which pictures come into a page: worst first, lossless, within their bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from slimcodec.bench import Row, picture_name, summarise
from slimcodec.errors import SlimcodecError
from slimcodec.report.differing import most_differing, squared_error
from slimcodec.report.gallery import Gallery, Plate, join_galleries
from slimcodec.report.inlining import lossless
from slimcodec.report.page import build_report
from slimcodec.report.pictures import PICTURE_BYTES, make_gallery
from slimcodec.report.selection import leader

SIDE = 320
"""Of a synthetic picture; its crop is 192."""


def pixels_of(source: str) -> np.ndarray:
    data = base64.b64decode(source.partition(",")[2])
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture
def noisy(tmp_path: Path, make_row: Callable[..., Row]) -> tuple[list[Row], Path]:
    """Four images of noise, which nothing makes smaller, worse from the first to the last; a
    learned codec at three qualities and a peer at two."""
    rows = []
    for number in range(4):
        place = tmp_path / "pictures" / f"{number}"
        place.mkdir(parents=True)
        PIL.Image.fromarray(noise(number)).save(place / "original.png")
        for variant, qualities in (("learned", (1, 2, 3)), ("peer", (10, 20))):
            for quality in qualities:
                decoded = noise(number)
                decoded[40:90, 200:260] = noise(100 + quality)[40:90, 200:260]
                name = picture_name(variant, quality)
                PIL.Image.fromarray(decoded).save(place / f"{name}.png")
                rows.append(
                    make_row(
                        variant=variant, quality=float(quality), image=f"{number}.png",
                        height=SIDE, width=SIDE, stream_bytes=2000 * (quality % 9 + 1),
                        model_bytes=10 * (variant == "learned"),
                        metrics={"ms-ssim": 0.99 - 0.01 * number},
                    )
                )  # fmt: skip
    return rows, tmp_path / "pictures"


def gallery_of(
    noisy: tuple[list[Row], Path], budget: int = PICTURE_BYTES, **figure: Any
) -> Gallery:
    rows, folder = noisy
    return make_gallery(rows, folder, leader(summarise(rows)), figure, budget)


def names_of(plate: Plate) -> list[str]:
    return [shot.name for shot in plate.shots]


def text_of(gallery: Gallery) -> int:
    return sum(len(shot.source) for plate in gallery.plates for shot in plate.shots)


def test_everything_comes_where_there_is_room(noisy: tuple[list[Row], Path]) -> None:
    gallery = gallery_of(noisy)
    assert [plate.image for plate in gallery.plates] == ["3.png", "2.png", "1.png", "0.png"]
    assert gallery.ranking == "MS-SSIM of learned at quality 2"
    assert gallery.plates[0].score == "MS-SSIM 0.9600"
    assert all(plate.is_whole for plate in gallery.plates)
    for plate in gallery.plates:
        assert names_of(plate) == [
            "original", "learned@1", "learned@2", "learned@3", "peer@10", "peer@20",
        ]  # fmt: skip
        # About the size of learned@2: peer@20 has 6000 bytes as it has; peer@10 has 4000.
        assert [shot.name for shot in plate.shots if shot.is_matched] == [
            "original", "learned@2", "peer@20",
        ]  # fmt: skip
    assert (gallery.left_out, gallery.others, gallery.others_left_out) == ([], 12, 0)
    assert gallery.lead["3.png"] == "learned@2"


def test_pictures_are_lossless_and_the_crop_is_where_the_leader_is_worst(
    noisy: tuple[list[Row], Path],
) -> None:
    plate = gallery_of(noisy).plates[0]
    left, top, width, height = plate.crop
    assert (width, height) == (192, 192)
    assert left <= 200 and left + width >= 260 and top <= 40 and top + height >= 90
    for shot in plate.shots:
        with PIL.Image.open(noisy[1] / "3" / f"{shot.name}.png") as kept:
            x, y, w, h = shot.stored
            wanted = np.asarray(kept)[y : y + h, x : x + w]
        assert np.array_equal(pixels_of(shot.source), wanted)
        assert shot.stored == ((0, 0, SIDE, SIDE) if shot.is_matched else plate.crop)
        if shot.spot is not None:
            assert shot.spot[0] <= 200 and shot.spot[0] + shot.spot[2] >= 260


def test_the_budget_goes_to_crops_then_whole_pictures_of_the_worst_then_qualities(
    noisy: tuple[list[Row], Path],
) -> None:
    crops = sum(len(lossless(PIL.Image.fromarray(noise(n)[:192, :192]))) for n in range(4)) * 3
    whole = 3 * len(lossless(PIL.Image.fromarray(noise(0))))
    for budget, whole_count, shown in (
        (round(1.2 * crops), 0, 4),
        (round((crops + 1.2 * whole) / 0.88), 1, 4),
        (crops // 2, 0, 1),
    ):
        gallery = gallery_of(noisy, budget)
        assert text_of(gallery) <= budget
        assert [plate.is_whole for plate in gallery.plates].count(True) == whole_count
        assert [plate.image for plate in gallery.plates] == ["3.png", "2.png", "1.png", "0.png"][
            :shown
        ]
        assert len(gallery.left_out) == 4 - shown
        assert gallery.others + gallery.others_left_out == 3 * shown
        if whole_count:
            assert gallery.plates[0].is_whole
    assert gallery_of(noisy, 100).plates == []


def test_a_page_stays_within_its_weight(
    noisy: tuple[list[Row], Path], fill: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, folder = noisy
    monkeypatch.setattr("slimcodec.report.page.PICTURE_BYTES", 1_500_000)
    (folder.parent / "rows").mkdir()
    fill(folder.parent / "rows", rows)
    (folder.parent / "rows" / "rows.sqlite").rename(folder.parent / "rows.sqlite")
    page = build_report(folder.parent)
    assert 1_000_000 < page.stat().st_size < 1_700_000
    assert "did not fit" in page.read_text("utf-8")


def test_a_study_says_which_image_comes_first_and_where_to_look(
    noisy: tuple[list[Row], Path],
) -> None:
    gallery = gallery_of(noisy, image="1.png", crop=[300, 10, 50, 40])
    assert [plate.image for plate in gallery.plates] == ["1.png", "3.png", "2.png", "0.png"]
    assert gallery.plates[0].crop == (270, 10, 50, 40)


def test_galleries_of_several_runs_are_one(noisy: tuple[list[Row], Path]) -> None:
    gallery = gallery_of(noisy)
    assert join_galleries([("one", gallery)]) is gallery
    both = join_galleries([("one", gallery), ("two", gallery)])
    images = [plate.image for plate in both.plates]
    assert images[0] == "3.png (one)" and images[4] == "3.png (two)" and len(images) == 8
    assert both.lead["3.png (two)"] == "learned@2"
    assert (both.others, both.budget) == (24, 2 * PICTURE_BYTES)
    assert both.ranking == gallery.ranking


def test_a_picture_of_another_size_is_refused(noisy: tuple[list[Row], Path]) -> None:
    PIL.Image.new("RGB", (9, 9)).save(noisy[1] / "2" / "peer@20.png")
    with pytest.raises(SlimcodecError, match=r"peer@20\.png is 9 × 9 pixels .* 320 × 320"):
        gallery_of(noisy)


@pytest.mark.parametrize("size", [(5, 3), (100, 400), (192, 192), (193, 300), (7, 300)])
def test_the_window_lies_in_any_picture_and_has_the_most_error(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(size[0])
    one, other = (
        PIL.Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)) for _ in "ab"
    )
    error = squared_error(one, other)
    left, top, width, height = most_differing(error, 64)
    assert (width, height) == (min(64, size[0]), min(64, size[1]))
    sums = np.lib.stride_tricks.sliding_window_view(error, (height, width)).sum(axis=(2, 3))
    assert sums[top, left] == sums.max()
    assert error.sum() == np.square(np.asarray(one, int) - np.asarray(other, int)).sum()


def test_flat_pictures_are_png_where_that_is_smaller() -> None:
    grain = lossless(PIL.Image.fromarray(noise(0)))
    assert np.array_equal(pixels_of(grain), noise(0))
    kinds = {lossless(PIL.Image.new("RGB", (n, n), "red")).partition(";")[0] for n in (1, 300)}
    assert kinds <= {"data:image/webp", "data:image/png"}
