"""Progressive streams on the command line: fewer iterations, damaged ends, exit statuses."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import library, readers
from slimcodec.errors import UsageError
from slimcodec.images import read_image, write_image
from slimcodec.metrics import bits_per_pixel
from slimcodec.stream import Stream, pack, step_ends, unpack
from slimcodec.types import Progressive
from tests.planes import BitPlanes


@pytest.fixture()
def photo(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "photo.png"
    write_image(path, rng.integers(0, 256, (24, 40, 3), dtype=np.uint8))
    return path


@pytest.fixture()
def stream(photo: Path, planes: BitPlanes) -> Path:
    """Five iterations."""
    path = photo.with_suffix(".slc")
    path.write_bytes(planes.encode(read_image(photo).pixels, 5))
    return path


@pytest.fixture()
def broken(stream: Path) -> Path:
    """Cut inside section 4, by a download that stopped."""
    data = stream.read_bytes()
    path = stream.with_name("broken.slc")
    path.write_bytes(data[: step_ends(data)[3] - 7])
    return path


def pixels(path: Path) -> np.ndarray:
    return read_image(path).pixels


def assert_error(outcome: Any, status: int, *words: str) -> None:
    assert outcome.status == status, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("slimcodec: ") and outcome.err.count("\n") == 1, outcome.err
    for word in words:
        assert word in outcome.err


def test_the_codec_of_these_tests_is_one(planes: BitPlanes) -> None:
    assert isinstance(planes, Progressive)
    assert not isinstance(library.load_codec("jpeg"), Progressive)


# encode


def test_encode_so_many_iterations(outcome_of: Any, photo: Path, planes: BitPlanes) -> None:
    words = ["encode", photo, "--codec", "planes", "--json", "--force"]
    for choice in ("--iterations", "--quality"):
        facts = json.loads(outcome_of(*words, choice, 2).out)
        assert facts["quality"] == 2
        assert Path(facts["stream"]).read_bytes() == planes.encode(pixels(photo), 2)
    assert json.loads(outcome_of(*words).out)["quality"] == planes.default_quality


@pytest.mark.parametrize("count", [0, -1, 9])
def test_the_codec_says_which_iterations_it_has(
    outcome_of: Any, photo: Path, planes: BitPlanes, count: int
) -> None:
    outcome = outcome_of("encode", photo, "--codec", "planes", "--iterations", count)
    assert_error(outcome, 2, f"the iterations of planes must be 1 to 8, got {count}")
    assert not photo.with_suffix(".slc").exists()


@pytest.mark.parametrize(("codec", "quality"), [("jpeg", None), ("hific-s", 3)])
def test_iterations_of_a_codec_without(
    outcome_of: Any, photo: Path, codec: Any, quality: float
) -> None:
    outcome = outcome_of("encode", photo, "--codec", codec, "--iterations", 3)
    assert_error(outcome, 2, f"{codec} has no iterations", f"--quality {quality or ''}")


def test_iterations_and_quality(outcome_of: Any, photo: Path, planes: BitPlanes) -> None:
    words = ["--codec", "planes", "--iterations", 3, "--quality", 3]
    assert_error(outcome_of("encode", photo, *words), 2, "--iterations and --quality", "one of")


# decode


def test_decode_whole_and_coarser(
    outcome_of: Any, stream: Path, planes: BitPlanes, tmp_path: Path
) -> None:
    whole = stream.read_bytes()
    for count in (None, 1, 3, 5):
        out = tmp_path / "out.png"
        words = [] if count is None else ["--iterations", count]
        words += ["--codec", "planes", "--json", "--force"]
        outcome = outcome_of("decode", stream, "-o", out, *words)
        assert outcome.status == 0 and outcome.err == ""
        facts = json.loads(outcome.out)
        assert (facts["iterations"], facts["partial"]) == (count or 5, False)
        expected = planes.decode(whole if count is None else planes.cut(whole, count))
        assert np.array_equal(pixels(out), expected)
    outcome = outcome_of("decode", stream, "--codec", "planes", "--iterations", 1)
    assert outcome.out.endswith("decoded by planes, 1 iteration\n")


@pytest.mark.parametrize(("count", "words"), [(0, "1 to 8, got 0"), (7, "1 to 5, got 7")])
def test_decode_iterations_that_are_not_there(
    outcome_of: Any, stream: Path, count: int, words: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    for more in ([], ["--partial"]):
        outcome = outcome_of(
            "decode", stream, "-o", out, "--codec", "planes", "--iterations", count, *more
        )
        assert_error(outcome, 2, words)
        assert not out.exists()


def test_decode_iterations_of_a_codec_without(outcome_of: Any, photo: Path, tmp_path: Path) -> None:
    facts = json.loads(outcome_of("encode", photo, "--json").out)
    words = ["decode", facts["stream"], "-o", tmp_path / "out.png"]
    assert_error(outcome_of(*words, "--iterations", 1), 2, "hific-s has no iterations")
    facts = json.loads(outcome_of(*words, "--partial", "--json").out)
    assert (facts["iterations"], facts["partial"]) == (None, False)


@pytest.mark.parametrize("partial", [False, True])
def test_what_is_whole_of_a_broken_stream(
    outcome_of: Any,
    broken: Path,
    stream: Path,
    planes: BitPlanes,
    partial: Any,
    tmp_path: Path,
) -> None:
    """The picture is there either way; --partial only says that it is enough."""
    out = tmp_path / "out.png"
    words = ["decode", broken, "-o", out, "--codec", "planes", *["--partial"] * partial]
    expected = planes.decode(planes.cut(stream.read_bytes(), 3))
    for more in ([], ["--json"], ["--iterations", 5]):
        outcome = outcome_of(*words, *more)
        assert outcome.status == (0 if partial else 1)
        assert np.array_equal(pixels(out), expected)
        out.unlink()
        assert outcome.err.count("\n") == 1 and outcome.err.startswith(f"{broken}: ")
        assert "cut short inside section 4" in outcome.err
        assert "the first 3 sections are whole; they were decoded" in outcome.err
        assert ("--partial" in outcome.err) != partial
        if more == ["--json"]:
            facts = json.loads(outcome.out)
            assert (facts["iterations"], facts["partial"]) == (3, True)


def test_damage_and_sections_in_another_order(
    outcome_of: Any, stream: Path, tmp_path: Path
) -> None:
    data, out = stream.read_bytes(), tmp_path / "out.png"
    a, b, c = step_ends(data)[:3]
    changed = bytearray(data)
    changed[b - 1] ^= 1
    foreign = {
        "damaged": bytes(changed),
        "repeated": data[:a] + data[a:b] * 2,
        "swapped": data[:a] + data[b:c] + data[a:b],
    }
    for bad in foreign.values():
        stream.write_bytes(bad)
        outcome = outcome_of("decode", stream, "-o", out, "--codec", "planes", "--partial")
        assert outcome.status == 0 and out.exists()
        assert "damaged, out of order, or from another stream" in outcome.err
        out.unlink()


def test_as_much_as_was_asked_for_is_not_partial(
    outcome_of: Any, broken: Path, planes: BitPlanes, tmp_path: Path
) -> None:
    words = ["decode", broken, "-o", tmp_path / "out.png", "--codec", "planes", "--json"]
    outcome = outcome_of(*words, "--iterations", 2)
    assert outcome.status == 0 and outcome.err == ""
    assert json.loads(outcome.out)["partial"] is False


def test_nothing_whole(outcome_of: Any, stream: Path, tmp_path: Path) -> None:
    data, out = stream.read_bytes(), tmp_path / "out.png"
    first = step_ends(data)[0]
    for length in (3, 10, 15, first - 1):
        stream.write_bytes(data[:length])
        for words in (["decode", "--partial", "--codec", "planes"], ["cut", "--iterations", 1]):
            target = out if words[0] == "decode" else out.with_suffix(".slc")
            outcome = outcome_of(words[0], stream, "-o", target, *words[1:])
            assert_error(outcome, 1, str(stream), "cut short")
        assert_error(outcome_of("inspect", stream), 1, str(stream), "cut short")
        assert not out.exists() and not out.with_suffix(".slc").exists()


def test_a_stream_that_is_not_progressive_is_whole_or_nothing(
    outcome_of: Any, photo: Path, tmp_path: Path
) -> None:
    stream, out = Path(json.loads(outcome_of("encode", photo, "--json").out)["stream"]), "out.png"
    stream.write_bytes(stream.read_bytes()[:-5])
    assert_error(outcome_of("decode", stream, "-o", tmp_path / out, "--partial"), 1, "cut short")
    assert not (tmp_path / out).exists()


def test_the_model_of_a_progressive_stream_is_found() -> None:
    """By the id, as for any stream; what the sections hold is the codec's business."""
    codec: Any = library.load_codec("hific-s")
    data = pack(Stream(codec.stream_id, 8, 8, 0, (b"a", b"b"), progressive=True))
    assert readers.codec_of_stream(data).name == "hific-s"


# cut


def test_cut_is_what_encode_writes(
    outcome_of: Any, stream: Path, photo: Path, planes: BitPlanes
) -> None:
    outcome = outcome_of("cut", stream, "--iterations", 2)
    assert outcome.status == 0 and outcome.err == ""
    coarser = stream.with_name("photo.2.slc")
    assert coarser.read_bytes() == planes.encode(pixels(photo), 2)
    before, after = stream.stat().st_size, coarser.stat().st_size
    bpp = [bits_per_pixel(size, 24, 40) for size in (after, before)]
    assert outcome.out == (
        f"{coarser}: {after:,} of {before:,} bytes, {bpp[0]:.3f} of {bpp[1]:.3f} bpp, "
        "2 of 5 iterations\n"
    )
    named = stream.with_name("named.slc")
    facts = json.loads(outcome_of("cut", stream, "--iterations", 2, "-o", named, "--json").out)
    assert named.read_bytes() == coarser.read_bytes()
    assert facts == {
        "stream": str(named),
        "iterations": 2,
        "iterations_before": 5,
        "bytes": after,
        "bytes_before": before,
        "bpp": bpp[0],
        "bpp_before": bpp[1],
    }


@pytest.mark.parametrize("count", [-1, 0, 6])
def test_cut_to_what_is_not_there(outcome_of: Any, stream: Path, count: int) -> None:
    before = sorted(stream.parent.iterdir())
    outcome = outcome_of("cut", stream, "--iterations", count)
    assert_error(
        outcome, 2, str(stream), f"has 5 sections, so it can be cut to 1 to 5, got {count}"
    )
    assert sorted(stream.parent.iterdir()) == before


def test_cut_does_not_overwrite_its_input(outcome_of: Any, stream: Path) -> None:
    before = stream.read_bytes()
    assert_error(outcome_of("cut", stream, "--iterations", 2, "-o", stream), 2, "itself")
    assert stream.read_bytes() == before
    # Not even where a name happens to be the same: a second cut adds a second number.
    assert outcome_of("cut", stream, "--iterations", 4).status == 0
    assert outcome_of("cut", stream.with_name("photo.4.slc"), "--iterations", 4).status == 0
    assert stream.with_name("photo.4.4.slc").exists()


def test_cut_a_broken_stream_to_what_is_whole(
    outcome_of: Any, broken: Path, stream: Path, planes: BitPlanes
) -> None:
    out = stream.with_name("out.slc")
    outcome = outcome_of("cut", broken, "--iterations", 3, "-o", out)
    assert outcome.status == 0 and "the first 3 sections are whole" in outcome.err
    assert out.read_bytes() == planes.cut(stream.read_bytes(), 3)
    out.unlink()
    outcome = outcome_of("cut", broken, "--iterations", 4, "-o", out)
    assert_error(outcome, 2, "1 to 3, got 4", "cut short inside section 4")
    assert not out.exists()


def test_cut_something_else(outcome_of: Any, photo: Path, tmp_path: Path) -> None:
    stream = Path(json.loads(outcome_of("encode", photo, "--json").out)["stream"])
    outcome = outcome_of("cut", stream, "--iterations", 1)
    assert_error(outcome, 2, str(stream), "only a progressive stream can be cut")
    assert_error(outcome_of("cut", photo, "--iterations", 1), 1, "not a slimcodec stream")
    assert_error(outcome_of("cut", tmp_path / "none.slc", "--iterations", 1), 1, "cannot be read")


def test_cut_and_inspect_need_no_model_and_no_torch(stream: Path) -> None:
    code = (
        "import sys\n"
        "from slimcodec.cli.app import app\n"
        "app(sys.argv[1:])\n"
        "assert not {'torch', 'slimcodec.runtime.torch'} & set(sys.modules)"
    )
    for words in (["cut", stream, "--iterations", "1"], ["inspect", stream]):
        subprocess.run(
            [sys.executable, "-c", code, *map(str, words)], check=True, stdout=subprocess.DEVNULL
        )


# inspect


def test_inspect_lists_the_sections(outcome_of: Any, stream: Path, broken: Path) -> None:
    data = stream.read_bytes()
    facts = json.loads(outcome_of("inspect", stream, "--json").out)
    assert facts["progressive"] is True and facts["whole"] is True and "damage" not in facts
    assert [section["section"] for section in facts["sections"]] == [1, 2, 3, 4, 5]
    assert [section["bytes_so_far"] for section in facts["sections"]] == list(step_ends(data))
    assert [s["section_bytes"] for s in facts["sections"]] == [
        len(s) for s in unpack(data).sections
    ]
    last = facts["sections"][-1]["bpp_so_far"]
    assert last == pytest.approx(bits_per_pixel(len(data), 24, 40), abs=1e-4)
    outcome = outcome_of("inspect", broken)
    assert outcome.status == 1
    lines = dict(line.split("  ", 1) for line in outcome.out.splitlines() if line[0] != " ")
    assert lines["whole"].strip() == "False"
    assert lines["damage"].strip().startswith("the stream is cut short inside section 4")
    assert len(json.loads(outcome_of("inspect", broken, "--json").out)["sections"]) == 3


# import


def test_the_wrong_number_of_checkpoint_files(outcome_of: Any, tmp_path: Path) -> None:
    one, out = tmp_path / "one.pt", tmp_path / "out.slim"
    one.write_bytes(b"PK")
    outcome = outcome_of("import", "toderici", one, one, "-o", out)
    assert_error(outcome, 2, "toderici checkpoint is 3 files, in this order", "got 2")
    assert outcome_of("import", "hific", "-o", out).status == 2


def test_several_checkpoint_files(
    outcome_of: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tiny_network: Any,
) -> None:
    from slimcodec import registry
    from slimcodec.codecs.published import Imported, by_role

    family = registry.families.get("hific")
    read: list[Any] = []
    monkeypatch.setattr(family, "checkpoint_files", ("first", "second"))

    def read_checkpoint(paths: Any, answers: Any) -> Imported:
        read.append(paths)
        return Imported(tiny_network)

    monkeypatch.setattr(family, "read_checkpoint", read_checkpoint)
    paths = [tmp_path / "b.pt", tmp_path / "a.pt"]
    out = tmp_path / "out.slim"
    assert outcome_of("import", "hific", *paths, "-o", out).status == 0
    assert read == [paths]
    (record,) = library.load_model(out).history
    assert record == {"import": "hific", "files": {"first": "b.pt", "second": "a.pt"}}
    other = tmp_path / "other.slim"
    assert_error(
        outcome_of("import", "hific", paths[0], "-o", other), 2, "2 files", "first, second"
    )
    with pytest.raises(UsageError, match=r"^a published x checkpoint is 3 files, in this order: "):
        by_role("x", ("encoder", "binarizer", "decoder"), paths)


def test_streams_of_another_model(outcome_of: Any, stream: Path) -> None:
    parts = unpack(stream.read_bytes())
    stream.write_bytes(pack(dataclasses.replace(parts, stream_id=b"somebody")))
    assert_error(outcome_of("decode", stream), 1, "no built-in model")
