"""Many pictures in one call, and pictures that come and go through pipes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import library, readers
from slimcodec.cli.coding import _LOADING, Memory
from slimcodec.cli.options import parse_size
from slimcodec.errors import UsageError
from slimcodec.images import read_image, write_image
from slimcodec.types import Codec, Tiled
from tests.planes import BitPlanes

PLANES = ("--codec", "planes")


@pytest.fixture()
def photos(tmp_path: Path) -> Path:
    """Three pictures of several sizes, a note beside them, and a subfolder with a fourth."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, name in enumerate(("a.png", "b.png", "c.webp", "deep/d.png")):
        write_image(folder / name, rng.integers(0, 256, (16 + number, 20, 3), dtype=np.uint8))
    (folder / "notes.txt").write_text("mine")
    return folder


def below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_there_and_back(outcome_of: Any, planes: BitPlanes, photos: Path) -> None:
    streams, back = photos.parent / "streams", photos.parent / "back"
    found = outcome_of("encode", photos, *PLANES, "-o", streams)
    assert found.status == 0
    assert found.out.startswith("3 streams: ") and found.out.count("\n") == 1
    assert "bpp mean" in found.out and "failed" not in found.out
    assert found.err.splitlines() == [
        f"{photos}: skipped, as subfolders or files of other suffixes: deep, notes.txt"
    ]
    assert below(streams) == ["a.slc", "b.slc", "c.slc"]
    found = outcome_of("decode", streams, *PLANES, "-o", back, "--iterations", 2)
    assert found.status == 0 and found.out.startswith("3 pictures: ")
    assert below(back) == ["a.decoded.png", "b.decoded.png", "c.decoded.png"]
    for name in ("a.png", "b.png", "c.webp"):
        pixels = read_image(photos / name).pixels
        stream = (streams / name).with_suffix(".slc").read_bytes()
        assert stream == planes.encode(pixels)
        picture = read_image((back / name).with_suffix(".decoded.png")).pixels
        assert np.array_equal(picture, planes.decode(planes.cut(stream, 2)))


def test_streams_are_those_of_single_calls(
    outcome_of: Any, tiny_model: Any, photos: Path, tmp_path: Path
) -> None:
    """Of a learned codec, whose graphs have fewer threads where several pictures are coded."""
    from slimcodec.model_file import save

    model, many, one = tmp_path / "tiny.slim", tmp_path / "many", tmp_path / "one.slc"
    save(tiny_model, model)
    assert outcome_of("encode", photos, "-r", "--codec", model, "-o", many).status == 0
    for name in ("a.png", "b.png", "c.webp", "deep/d.png"):
        words = ("encode", photos / name, "--codec", model, "-o", one, "--force")
        assert outcome_of(*words).status == 0
        assert (many / name).with_suffix(".slc").read_bytes() == one.read_bytes()


@pytest.mark.usefixtures("planes")
def test_subfolders_keep_their_place(outcome_of: Any, photos: Path) -> None:
    out = photos.parent / "out"
    assert outcome_of("encode", photos, "-r", *PLANES, "-o", out).status == 0
    assert below(out) == ["a.slc", "b.slc", "c.slc", "deep/d.slc"]


@pytest.mark.usefixtures("planes")
@pytest.mark.parametrize(
    ("pattern", "made"),
    [
        ("*.png", ["a.slc", "b.slc"]),
        ("**/*.png", ["a.slc", "b.slc", "deep/d.slc"]),
        ("d*", ["d.slc"]),
        ("[ab].png", ["a.slc", "b.slc"]),
    ],
)
def test_patterns_that_the_shell_left(
    outcome_of: Any, photos: Path, pattern: str, made: list[str]
) -> None:
    out = photos.parent / "out"
    assert outcome_of("encode", photos / pattern, *PLANES, "-o", out).status == 0
    assert below(out) == made


@pytest.mark.usefixtures("planes")
def test_a_name_that_looks_like_a_pattern(outcome_of: Any, photos: Path) -> None:
    (photos / "a.png").rename(photos / "[ab].png")
    assert outcome_of("encode", photos / "[ab].png", *PLANES).status == 0
    assert (photos / "[ab].slc").is_file() and not (photos / "b.slc").exists()


@pytest.mark.usefixtures("planes")
def test_nothing_fits(outcome_of: Any, photos: Path) -> None:
    for given, words in ((photos / "*.jpg", "no file fits"), (photos / "deep", "no stream")):
        found = outcome_of("decode", given, *PLANES)
        assert found.status == 1 and words in found.err and found.out == ""


@pytest.mark.usefixtures("planes")
def test_a_file_that_is_named_twice_is_coded_once(outcome_of: Any, photos: Path) -> None:
    out = photos.parent / "out"
    words = (photos, photos / "a.png", photos / "deep" / ".." / "a.png")
    assert outcome_of("encode", *words, *PLANES, "-o", out).out.startswith("3 streams: ")


@pytest.mark.usefixtures("planes")
def test_one_that_fails_stops_no_other(outcome_of: Any, photos: Path) -> None:
    (photos / "b.png").write_text("no picture")
    words = ("encode", photos, photos / "none.png", *PLANES, "-o", photos.parent / "out")
    found = outcome_of(*words)
    assert found.status == 1
    assert found.out.startswith("2 streams: ") and found.out.endswith(", 2 failed\n")
    lines = [line for line in found.err.splitlines() if line.startswith("slimcodec: ")]
    assert sorted(line.split(":")[1].strip() for line in lines) == [
        str(photos / "b.png"), str(photos / "none.png"),
    ]  # fmt: skip
    assert below(photos.parent / "out") == ["a.slc", "c.slc"]
    found = outcome_of(*words, "--json", "--force")
    facts = json.loads(found.out)
    assert found.status == 1
    assert [Path(one["image"]).name for one in facts] == ["a.png", "b.png", "c.webp", "none.png"]
    assert ["error" in one for one in facts] == [False, True, False, True]
    assert facts[0]["bytes"] == (photos.parent / "out" / "a.slc").stat().st_size


@pytest.mark.usefixtures("planes")
def test_what_is_damaged_is_told_and_counted(outcome_of: Any, photos: Path) -> None:
    outcome_of("encode", photos, *PLANES)
    stream = photos / "b.slc"
    stream.write_bytes(stream.read_bytes()[:-5])
    words = ("decode", photos, *PLANES, "-o", photos.parent / "out")
    found = outcome_of(*words)
    assert found.status == 1 and found.out.startswith("3 pictures: ") and "1 failed" in found.out
    assert f"{stream}: the stream is cut short" in found.err
    found = outcome_of(*words, "--partial", "--force")
    assert found.status == 0 and "failed" not in found.out


@pytest.mark.usefixtures("planes")
def test_quiet(outcome_of: Any, photos: Path) -> None:
    out = photos.parent / "out"
    assert outcome_of("encode", photos, *PLANES, "-o", out, "-q") == (0, "", "")
    assert outcome_of("decode", out / "a.slc", *PLANES, "-q") == (0, "", "")
    found = outcome_of("encode", photos, "none.png", *PLANES, "-o", out, "-q", "--force")
    assert (found.status, found.out, found.err.count("\n")) == (1, "", 1)


@pytest.mark.usefixtures("planes")
def test_two_pictures_of_one_name(outcome_of: Any, photos: Path) -> None:
    write_image(photos / "a.jpg", np.zeros((8, 8, 3), np.uint8))
    found = outcome_of("encode", photos, *PLANES)
    assert found.status == 0 and "would both become" in found.err
    assert {"a.jpg.slc", "a.png.slc", "b.slc", "c.slc"} <= set(below(photos))
    assert "a.slc" not in below(photos)
    found = outcome_of("decode", photos, *PLANES)
    assert {"a.jpg.decoded.png", "a.png.decoded.png"} <= set(below(photos)), found
    # Their whole names are the same, too.
    write_image(photos / "deep" / "b.png", np.zeros((8, 8, 3), np.uint8))
    words = ("encode", photos / "b.png", photos / "deep" / "b.png", *PLANES)
    found = outcome_of(*words, "-o", photos.parent / "out")
    assert found.status == 2 and "different folders" in found.err
    assert not (photos.parent / "out").exists()


@pytest.mark.usefixtures("planes")
def test_what_is_there_is_left_or_refused(outcome_of: Any, photos: Path) -> None:
    out = photos.parent / "out"
    assert outcome_of("encode", photos / "a.png", *PLANES, "-o", out).status == 0
    before = out.read_bytes()
    assert outcome_of("encode", photos, *PLANES, "-o", out).status == 2
    out.unlink()
    out.mkdir()
    (out / "a.slc").write_bytes(b"mine")
    found = outcome_of("encode", photos, *PLANES, "-o", out)
    assert found.status == 2 and "1 of 3 outputs exist" in found.err
    assert below(out) == ["a.slc"]
    found = outcome_of("encode", photos, *PLANES, "-o", out, "--skip-existing")
    assert found.status == 0 and found.out.startswith("2 streams: ")
    assert "1 of 3 skipped" in found.err
    assert (out / "a.slc").read_bytes() == b"mine"
    found = outcome_of("encode", photos, *PLANES, "-o", out, "--force", "--skip-existing")
    assert found.status == 2
    assert outcome_of("encode", photos, *PLANES, "-o", out, "--force").status == 0
    assert (out / "a.slc").read_bytes() == before


@pytest.fixture()
def piped(outcome_of: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, bytes]]:
    """A verb that is given bytes on stdin; its outcome, and the bytes that it wrote to stdout."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def call(given: bytes, *words: object, terminal: bool = False) -> tuple[Any, bytes]:
        stdin, stdout = io.TextIOWrapper(io.BytesIO(given)), io.TextIOWrapper(io.BytesIO())
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            patch.setattr(sys, "stdout", Terminal() if terminal else stdout)
            found = outcome_of(*words)
        written = stdout.buffer
        assert isinstance(written, io.BytesIO)
        stdout.flush()
        return found, written.getvalue()

    return call


def test_through_pipes(piped: Any, planes: BitPlanes, photos: Path, tmp_path: Path) -> None:
    picture = photos / "a.png"
    expected = planes.encode(read_image(picture).pixels)
    found, written = piped(picture.read_bytes(), "encode", "-", *PLANES)
    assert found.status == 0 and written == expected
    assert found.err.startswith("standard output: ") and found.err.count("\n") == 1
    found, written = piped(b"", "encode", picture, *PLANES, "-o", "-", "--json")
    assert written == expected and json.loads(found.err)["bytes"] == len(expected)
    found, written = piped(expected, "decode", "-", "-o", "-", *PLANES, "-q")
    assert found.err == ""
    (tmp_path / "back.png").write_bytes(written)
    assert np.array_equal(read_image(tmp_path / "back.png").pixels, planes.decode(expected))
    found, written = piped(picture.read_bytes(), "encode", "-", *PLANES, "-o", tmp_path / "x.slc")
    assert (tmp_path / "x.slc").read_bytes() == expected
    assert written.startswith(str(tmp_path / "x.slc").encode())


@pytest.mark.usefixtures("planes")
def test_pipes_that_make_no_sense(piped: Any, photos: Path) -> None:
    picture = photos / "a.png"
    for status, words, given in (
        (1, ("standard input", "not an image"), ("encode", "-", *PLANES)),
        (1, ("standard input", "not a slimcodec stream"), ("decode", "-", *PLANES)),
        (2, ("alone",), ("encode", "-", picture, *PLANES)),
        (2, ("one input",), ("encode", photos, "-o", "-", *PLANES)),
    ):
        found, written = piped(b"nonsense", *given)
        assert (found.status, written) == (status, b""), found
        assert all(word in found.err for word in words), found.err
    found, _ = piped(picture.read_bytes(), "encode", "-", *PLANES, terminal=True)
    assert found.status == 2 and "terminal" in found.err


def test_memory_is_shared(tiny_codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    assert isinstance(tiny_codec, Tiled)
    there = tiny_codec.memory_needed(160, 160)
    monkeypatch.setattr("slimcodec.cli.coding.memory_bytes", lambda: there)
    memory = Memory()
    entered = threading.Event()

    def take(side: int) -> None:
        with memory.taken(tiny_codec, side, side) as allowed:
            assert allowed is None
            entered.set()

    with memory.taken(tiny_codec, 100, 100):
        small = threading.Thread(target=take, args=(80,))
        small.start()
        small.join()
        assert entered.is_set()
        entered.clear()
        # More than there ever is: alone, it is let in, and the codec says what it has to say.
        large = threading.Thread(target=take, args=(900,))
        large.start()
        large.join(0.05)
        assert not entered.is_set()
    large.join()
    assert entered.is_set()


def test_a_bound_on_memory_is_passed_on(tiny_codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(tiny_codec, Tiled)
    needed = tiny_codec.memory_needed(300, 400)
    monkeypatch.setattr("slimcodec.cli.coding.resident_bytes", lambda: 100 << 20)
    own = (100 << 20) + _LOADING
    for limit, allowed in ((own + needed, None), (own + needed - 1, needed - 1), (own + 1, 1)):
        with Memory(limit).taken(tiny_codec, 300, 400) as found:
            assert found == allowed
    with (
        pytest.raises(UsageError, match=r"^--memory 100\.0 MB is less than the 188\.7 MB that"),
        Memory(10**8).taken(tiny_codec, 300, 400),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "size"),
    [("1GB", 10**9), ("1.5 gb", 1_500_000_000), ("800M", 8 * 10**8), ("12MiB", 12 << 20),
     ("4096", 4096), ("2kB", 2000)],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text, "--memory") == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "0", "1TB5", "1e9", "9" * 30, "nan"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="--memory takes a size"):
        parse_size(text, "--memory")


def test_a_call_for_one_picture_takes_all_cores() -> None:
    from slimcodec.cli.coding import threads_for
    from slimcodec.machine import available_cores

    assert threads_for(1) is None
    assert threads_for(10 * available_cores()) == 1


def test_qualities_are_known_before_a_codec_is_opened(
    outcome_of: Any, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a model was opened")

    for module in (library, readers):
        monkeypatch.setattr(module, "open_file", opened)
    for words, said in (
        (("encode", photos / "a.png", "--quality", 9), "must be 0.5 to 5, got 9"),
        (("encode", photos, "--codec", "toderici-s", "--iterations", 99), "got 99"),
        (("encode", photos / "a.png", "--codec", "jpeg", "--quality", 1000), "got 1000"),
        (("encode", photos / "a.png", "--runtime", "onx"), "did you mean onnx"),
        (("encode", photos / "a.png", "--background", "reed"), "--background"),
        (("decode", photos / "a.png", "--look", "naturl"), "did you mean natural"),
        (("decode", photos / "a.png", "-o", photos / "a.gif"), ".gif"),
        (("bench", "hific-s", "--images", photos, "--out", photos / "out", "--quality", 9), "9"),
    ):
        found = outcome_of(*words)
        assert found.status == 2 and said in found.err, found
        assert found.err.splitlines()[-1].startswith("slimcodec: ")
