"""encode --target-bytes and --target-bpp: a size instead of a quality."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from slimcodec import library
from slimcodec.cli import console
from slimcodec.cli.target import fit_sentence
from slimcodec.images import read_image, write_image
from slimcodec.registry import codecs
from slimcodec.stream import attach
from slimcodec.target_size import Fitted, encode_to_size
from slimcodec.types import Adjustable, Codec, quality_range
from tests.planes import BitPlanes

PLANES = ("--codec", "planes")


@pytest.fixture()
def photo(tmp_path: Path, picture: Any) -> Path:
    write_image(tmp_path / "photo.png", picture(64, 80))
    return tmp_path / "photo.png"


def test_the_largest_stream_that_fits(outcome_of: Any, planes: BitPlanes, photo: Path) -> None:
    pixels = read_image(photo).pixels
    target = len(planes.encode(pixels, 4)) + 100
    for option, value in (("--target-bytes", target), ("--target-bpp", 8 * target / (64 * 80))):
        found = outcome_of("encode", photo, *PLANES, option, value, "--json", "--force")
        facts = json.loads(found.out)
        assert (facts["quality"], facts["target_bytes"]) == (4, target)
        assert Path(facts["stream"]).read_bytes() == planes.encode(pixels, 4)
    found = outcome_of("encode", photo, *PLANES, "--target-bytes", target, "--force")
    left = 100 * 100 / target
    assert found.out.endswith(f", quality 4, {left:.1f} % below the target\n")


def test_more_than_there_is(outcome_of: Any, planes: BitPlanes, photo: Path) -> None:
    found = outcome_of("encode", photo, *PLANES, "--target-bytes", 1_000_000)
    assert ", quality 8, the codec's largest stream, " in found.out
    assert photo.with_suffix(".slc").read_bytes() == planes.encode(read_image(photo).pixels, 8)


def test_less_than_there_is(outcome_of: Any, planes: BitPlanes, photo: Path) -> None:
    found = outcome_of("encode", photo, *PLANES, "--target-bytes", 100)
    least = len(planes.encode(read_image(photo).pixels, 1))
    assert found.status == 2 and found.err.count("\n") == 1
    assert f"takes {least:,} bytes, more than 100;" in found.err
    assert not photo.with_suffix(".slc").exists()


@pytest.mark.usefixtures("planes")
def test_of_several_each_has_its_own(outcome_of: Any, photo: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    write_image(small, read_image(photo).pixels[:20])
    words = ("encode", photo, small, *PLANES, "--json", "-o", tmp_path / "out")
    found = outcome_of(*words, "--target-bytes", 5000)
    assert [facts["quality"] for facts in json.loads(found.out)] == [2, 8]


@pytest.mark.usefixtures("planes")
def test_a_search_is_shown(outcome_of: Any, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int, str]] = []

    @contextmanager
    def listening(title: str) -> Iterator[Callable[[int, int, str], None]]:
        yield lambda *told: seen.append(told)

    monkeypatch.setattr(console, "progress_bar", listening)
    words = ("encode", photo, *PLANES, "--target-bytes", 1_000_000, "--force")
    for quiet in ((), ("-q",)):
        seen.clear()
        assert outcome_of(*words, *quiet).status == 0
        assert [done for done, _, _ in seen] == ([] if quiet else [0, 1])
        assert all(done <= total for done, total, _ in seen)


@pytest.mark.usefixtures("planes")
@pytest.mark.parametrize(
    "words",
    [
        ("--target-bytes", 900, "--target-bpp", 1),
        ("--target-bytes", 900, "--quality", 2),
        ("--target-bpp", 1, "--iterations", 2),
        ("--target-bytes", 0),
        ("--target-bpp", 0),
        ("--target-bpp", "nan"),
        ("--target-bpp", "inf"),
    ],
)
def test_what_is_no_size(outcome_of: Any, photo: Path, words: tuple[object, ...]) -> None:
    found = outcome_of("encode", photo, *PLANES, *words)
    assert found.status == 2 and found.out == "" and found.err.count("\n") == 1
    assert "--target-b" in found.err


def test_what_travels_counts(outcome_of: Any, planes: BitPlanes, photo: Path) -> None:
    pixels = read_image(photo).pixels
    exif = PIL.Image.Exif()
    exif[271] = "x" * 500
    PIL.Image.fromarray(pixels).save(photo, exif=exif.tobytes())
    whole = attach(planes.encode(pixels, 4), read_image(photo).metadata)
    words = ("encode", photo, *PLANES, "--metadata", "--json", "--force", "--target-bytes")
    for target, quality in ((len(whole), 4), (len(whole) - 1, 3)):
        facts = json.loads(outcome_of(*words, target).out)
        assert facts["quality"] == quality and facts["bytes"] <= target
    assert Path(facts["stream"]).stat().st_size == facts["bytes"]


@pytest.mark.parametrize("name", ["tiny", "jpeg"])
def test_what_is_finished_has_to_fit(tiny_codec: Codec, picture: Any, name: str) -> None:
    codec: Codec = tiny_codec if name == "tiny" else codecs.get(name)()
    image = picture(96, 96)
    least, most = (len(codec.encode(image, q)) for q in (codec.qualities[0], codec.qualities[-1]))
    target = (least + most) // 2

    def finish(stream: bytes) -> bytes:
        return stream + bytes(50)

    fitted = encode_to_size(codec, image, target, finish=finish)
    assert fitted.stream.endswith(bytes(50)) and len(fitted.stream) <= target
    assert fitted.stream[:-50] == encode_to_size(codec, image, target - 50).stream or (
        # The search ends near a target, not at it.
        isinstance(codec, Adjustable) and len(fitted.stream) > 0.97 * target
    )
    assert np.array_equal(codec.decode(fitted.stream[:-50]).shape, image.shape)


def test_a_fraction_below_the_best_is_not_the_largest(tiny_codec: Codec) -> None:
    best = tiny_codec.qualities[-1]
    assert "largest" in fit_sentence(Fitted(bytes(99), best), 100, tiny_codec)
    below = Fitted(bytes(99), best - 0.01)
    expected = f"quality {best - 0.01:g}, 1.0 % below the target"
    assert fit_sentence(below, 100, tiny_codec) == expected


REPRODUCED = ["jpeg", "jpeg-regions", "webp", "jpeg2000", "compact:jpeg", "vq-s", "hific-s"]


@pytest.mark.parametrize("name", REPRODUCED)
@pytest.mark.parametrize("share", [0.02, 0.4, 0.97])
def test_what_is_printed_is_the_quality(
    outcome_of: Any, tmp_path: Path, picture: Any, name: str, share: float
) -> None:
    """With --quality it gives the same stream; and no size that a quality reaches is refused."""
    photo, codec = tmp_path / "photo.png", library.load_codec(name)
    write_image(photo, picture(96, 128))
    pixels = read_image(photo).pixels
    least, most = (len(codec.encode(pixels, quality)) for quality in quality_range(codec))
    target = round(least + share * (most - least))
    for words in (("--target-bytes", target), ("--target-bytes", least)):
        found = outcome_of("encode", photo, "--codec", name, *words, "--force", "--json")
        assert found.status == 0, found.err
        facts = json.loads(found.out)
        small = Path(facts["stream"]).read_bytes()
        found = outcome_of("encode", photo, "--codec", name, *words, "--force")
        (said,) = re.findall(r", quality ([0-9.]+), ", found.out)
        assert float(said) == facts["quality"]
        assert (
            outcome_of("encode", photo, "--codec", name, "--quality", said, "--force").status == 0
        )
        assert Path(facts["stream"]).read_bytes() == small
        assert len(small) <= words[1]
