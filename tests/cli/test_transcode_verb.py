"""`slimcodec transcode`: a stream of another program to one of ours and to a picture, and one line
for everything that is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec import library
from slimcodec.images import read_image
from slimcodec.model_file import save
from slimcodec.workflows.importing import import_checkpoint
from tests.compressai_streams import drawn
from tests.published_files import compressai_state


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, another, streams that the first wrote, and its model."""
    made = tmp_path_factory.mktemp("theirs")
    for name, seed in (("own", 1), ("other", 2)):
        torch.save({"state_dict": compressai_state(seed=seed)}, made / f"{name}.pth")
        own = import_checkpoint("compressai", [made / f"{name}.pth"], name=name)
        save(own.model, made / f"{name}.slim")
    (made / "whole.bin").write_bytes(drawn(made / "own.pth", 128, 192))
    (made / "odd.bin").write_bytes(drawn(made / "own.pth", 100, 150))
    return made


@pytest.fixture()
def place(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


OWN = ("--checkpoint", "own.pth")


def test_the_help_teaches(outcome_of: Any) -> None:
    text = " ".join(outcome_of("transcode", "--help").out.split())
    for words in (
        "symbol for symbol",
        "--checkpoint",
        "--padded",
        "compressai: what CompressAI's own command",
        "examples/codec.py encode",
        "Example: slimcodec transcode theirs.bin --checkpoint",
    ):
        assert words in text, text


def test_a_stream_of_ours_that_decodes_to_their_picture(outcome_of: Any, place: Path) -> None:
    done = outcome_of("transcode", "whole.bin", *OWN, "--codec", "own.slim")
    assert done.status == 0, done.err
    assert done.out.startswith("whole.slc: ") and "the same 600 symbols; its picture" in done.out
    assert "the checkpoint has no tables of entropy_bottleneck; they were made" in done.err
    pictured = outcome_of("transcode", "whole.bin", *OWN, "-o", "theirs.png")
    assert (
        pictured.out
        == "theirs.png: 192x128, CompressAI's mbt2018 or mbt2018-mean, MSE, quality 4\n"
    )
    assert outcome_of("decode", "whole.slc", "--codec", "own.slim", "-o", "ours.png").status == 0
    pixels = [read_image(place / name).pixels.astype(int) for name in ("theirs.png", "ours.png")]
    apart = np.abs(pixels[0] - pixels[1]).max()
    assert f"at most {apart} of 255 levels" in done.out


def test_without_a_model_one_is_made_that_import_makes_too(outcome_of: Any, place: Path) -> None:
    done = outcome_of("transcode", "whole.bin", *OWN, "-o", "x.slc")
    assert done.status == 0, done.err
    assert "x.slc is read by what `slimcodec import compressai own.pth` makes" in done.err
    other = outcome_of("transcode", "whole.bin", *OWN, "--codec", "own.slim", "-o", "y.slc")
    assert other.status == 0
    assert (place / "x.slc").read_bytes() == (place / "y.slc").read_bytes()


def test_a_picture_with_padding_before_it(outcome_of: Any, place: Path) -> None:
    words = ("transcode", "odd.bin", *OWN, "--codec", "own.slim")
    refused = outcome_of(*words)
    assert refused.status == 2 and refused.err.count("\n") == 1
    assert "150x100 begins at 21,14 of the 192x128 that were coded" in refused.err
    assert not (place / "odd.slc").exists()
    kept = outcome_of(*words, "--padded", "--json")
    facts = json.loads(kept.out)
    assert facts["region"] == [21, 14, 150, 100] and facts["symbols"] == 600
    command = "slimcodec decode odd.slc --region 21,14,150,100"
    assert f"the picture in it: {command}" in kept.err
    assert facts["levels_apart_most"] >= facts["levels_apart_mean"]
    decoded = outcome_of(*command.split()[1:], "--codec", "own.slim", "-o", "ours.png")
    assert decoded.status == 0
    assert outcome_of("transcode", "odd.bin", *OWN, "-o", "theirs.png").status == 0
    ours, theirs = (read_image(place / name).pixels for name in ("ours.png", "theirs.png"))
    assert ours.shape == theirs.shape == (100, 150, 3)
    assert np.abs(ours.astype(int) - theirs).max() == facts["levels_apart_most"]


def damaged(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 4]) + data[-8:]


REFUSED: dict[str, tuple[tuple[str, ...], Callable[[bytes], bytes], int, str]] = {
    "not a stream": ((), lambda data: b"hello, world", 1, "whole.bin: not a stream of CompressAI"),
    "cut": ((), lambda data: data[:-7], 1, "whole.bin: the stream is cut short"),
    "a flipped bit": ((), damaged, 1, "whole.bin: its hyper-latents do not end"),
    "gone": (("--checkpoint", "gone.pth"), bytes, 1, "there is no checkpoint gone.pth"),
    "no checkpoint": (("--checkpoint", "whole.bin"), bytes, 1, "whole.bin: "),
    "another one": (("--checkpoint", "other.pth"), bytes, 1, "another checkpoint"),
    "its model": (("--codec", "other.slim"), bytes, 2, "it is no model of that checkpoint"),
    "a peer": (("--codec", "jpeg"), bytes, 2, "jpeg is no mbt2018-mean with 6 latents"),
    "no format": (("-o", "x.xyz"), bytes, 1, "xyz"),
    "options of streams": (("-o", "x.png", "--padded"), bytes, 2, "are for streams (.slc)"),
    "itself": (("-o", "whole.bin", "--force"), bytes, 2, "is the input itself"),
    "the checkpoint": (("-o", "own.pth", "--force"), bytes, 2, "is the input itself"),
    "memory": (("--memory", "1MB"), bytes, 2, "GB may be had here"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(outcome_of: Any, place: Path, name: str) -> None:
    words, change, status, said = REFUSED[name]
    (place / "whole.bin").write_bytes(change((place / "whole.bin").read_bytes()))
    before = sorted(place.iterdir())
    flags = [word for word in words if word in ("--padded", "--force")]
    given = [word for word in words if word not in flags]
    own = {"--codec": "own.slim", "--checkpoint": "own.pth"}
    own |= dict(zip(given[::2], given[1::2], strict=True))
    if "-o" in own:
        del own["--codec"]
    told = [word for pair in own.items() for word in pair]
    refused = outcome_of("transcode", "whole.bin", *told, *flags)
    last = refused.err.splitlines()[-1]
    assert refused.status == status and said in last, refused
    assert last.startswith("slimcodec: ") and refused.out == ""
    assert sorted(place.iterdir()) == before


def test_no_model_is_opened_for_what_cannot_be_read(
    outcome_of: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a model was opened")

    monkeypatch.setattr(library, "open_file", opened)
    (place / "x.slc").write_bytes(b"mine")
    words = ("transcode", "odd.bin", *OWN, "--codec", "own.slim")
    assert outcome_of(*words, "-o", "x.slc", "--padded").status == 2
    assert outcome_of(*words).status == 2
    assert outcome_of("transcode", "gone.bin", *OWN, "-o", "y.slc").status == 1
    assert (place / "x.slc").read_bytes() == b"mine"
