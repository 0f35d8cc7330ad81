"""Whatever a user gets wrong: one clear line, the right exit status, nothing half-written."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import library
from slimcodec.images import write_image
from slimcodec.stream import pack, unpack


@pytest.fixture()
def run(outcome_of: Any) -> Callable[..., Any]:
    return outcome_of


@pytest.fixture()
def photo(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "photo.png"
    write_image(path, rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    return path


@pytest.fixture()
def stream(photo: Path) -> Path:
    codec = library.load_codec("hific-s")
    from slimcodec.images import read_image

    path = photo.with_suffix(".slc")
    path.write_bytes(codec.encode(read_image(photo).pixels))
    return path


def assert_one_line(outcome: Any, status: int, *words: str) -> None:
    assert outcome.status == status, outcome
    assert outcome.out == ""
    assert outcome.err.strip().count("\n") == 0, outcome.err
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err


def test_missing_image(run: Any, tmp_path: Path) -> None:
    missing = tmp_path / "none.png"
    assert_one_line(run("encode", missing), 1, str(missing))


def test_unreadable_image(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "text.png"
    path.write_text("not a picture")
    assert_one_line(run("encode", path), 1, str(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["text.png"]


def test_folder_without_images(run: Any, tmp_path: Path) -> None:
    empty, out = tmp_path / "empty", tmp_path / "out"
    empty.mkdir()
    assert_one_line(run("bench", "jpeg", "--images", empty, "--out", out), 1, str(empty))
    assert not out.exists()


def test_unknown_codec_shows_near_names(run: Any, photo: Path) -> None:
    assert_one_line(run("encode", photo, "--codec", "hific-z"), 2, "hific-z", "hific-s")


def test_unknown_metric_shows_near_names(run: Any, photo: Path, tmp_path: Path) -> None:
    words = ["--images", photo, "--out", tmp_path / "out", "--metrics", "psnrr"]
    assert_one_line(run("bench", "jpeg", *words), 2, "psnrr", "psnr")


def test_quality_out_of_range(run: Any, photo: Path) -> None:
    assert_one_line(run("encode", photo, "--quality", 9), 2, "0.5 to 5")
    assert not photo.with_suffix(".slc").exists()


RECIPES = {
    'pass = = 1': "line 1",
    '[[pass]]\npass = "prun"\ngenerator = 0.3': "prune",
    '[[pass]]\npass = "prune"\ngenerater = 0.3': "generator",
    '[[pass]]\npass = "prune"\ngenerator = 1.0': "below 1",
    '[[pass]]\npass = "prune"\ngenerator = -0.1': "below 1",
    '[[pass]]\npass = "prune"\ngenerator = "lots"': "number",
    '[[pass]]\npass = "prune"\nmethod = "globl"': "global",
    '[[pass]]\ngenerator = 0.3': "pass 1",
    'passes = 3': "passes",
}  # fmt: skip


@pytest.mark.parametrize("text", RECIPES)
def test_malformed_recipe(run: Any, tmp_path: Path, text: str) -> None:
    recipe, out = tmp_path / "recipe.toml", tmp_path / "small.slim"
    recipe.write_text(text)
    outcome = run("shrink", "hific-s", "--recipe", recipe, "-o", out)
    assert outcome.status == 2
    assert_one_line(outcome, 2, RECIPES[text])
    assert not out.exists()


STUDIES = {
    "codec = = 1": "line 1",
    "title = 'x'": "codec",
    "codec = 'hific-s'": "[[variant]]",
    "codec = 'hific-s'\n[[variant]]\nnam = 'x'": "name",
    "codec = 'hific-s'\nrepeats = 'x'\n[[variant]]\nname = 'x'": "repeats",
    "codec = 'hific-s'\nquality = 'high'\n[[variant]]\nname = 'x'": "quality",
    "codec = 'hific-s'\ncolumns = 3\n[[variant]]\nname = 'x'": "columns",
    "codec = 'hific-s'\nfoo = 1\n[[variant]]\nname = 'x'": "foo",
    "codec = 'hific-s'\nmetrics = ['psn']\n[[variant]]\nname = 'x'": "psnr",
    "codec = 'hific-s'\n[[variant]]\nname = 'x'\n[[variant]]\nname = 'x'": "another variant",
    "codec = 'hific-s'\n[[variant]]\nname = 'x'\ncodec = 'jpeg'\nsame_size_as = 'y'": "before it",
}  # fmt: skip


@pytest.mark.parametrize("text", STUDIES)
def test_malformed_study(run: Any, tmp_path: Path, photo: Path, text: str) -> None:
    study = tmp_path / "study.toml"
    study.write_text(text)
    outcome = run("study", study, "--images", photo, "--out", tmp_path / "out")
    assert_one_line(outcome, 2, STUDIES[text], "study.toml")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("model", "recipe", "reason"),
    [
        ("vq-s", "paper-encoder", "pass 1, prune: vq has no encoder"),
        ("restore-s", "fast-decode", "pass 2, distil: restore cannot be distilled; the pass fin"),
        ("extreme-s", "small-download", "pass 1, quantize: unknown layer of extreme 'probability"),
    ],
)
def test_a_recipe_that_does_not_fit(
    run: Any, tmp_path: Path, model: str, recipe: str, reason: str
) -> None:
    """Before photographs are asked for or anything is written."""
    out = tmp_path / "x.slim"
    result = run("shrink", model, "--recipe", recipe, "-o", out)
    assert result.status == 2 and result.out == ""
    (line,) = result.err.splitlines()
    assert line.startswith(f"slimcodec: the recipe {recipe} does not fit {model}: {reason}")
    assert "built-in recipes that do: " in line and "int8" in line.split("that do: ")[1]
    assert list(tmp_path.iterdir()) == []


def test_truncated_foreign_and_flipped_streams(run: Any, stream: Path, tmp_path: Path) -> None:
    data = stream.read_bytes()
    target = tmp_path / "out.png"
    damaged = {
        "cut short": data[: len(data) // 2],
        "not a slimcodec stream": b"\xff\xd8\xff" + data[3:],
        "damaged": data[:-9] + bytes([data[-9] ^ 16]) + data[-8:],
    }
    for words, changed in damaged.items():
        stream.write_bytes(changed)
        assert_one_line(run("decode", stream, "-o", target), 1, words, str(stream))
        assert not target.exists()


def test_stream_of_another_model(run: Any, stream: Path, tmp_path: Path) -> None:
    parts = unpack(stream.read_bytes())
    stream.write_bytes(pack(dataclasses.replace(parts, stream_id=b"somebody")))
    assert_one_line(run("decode", stream), 1, "no built-in model")


def test_model_file_with_wrong_digest(run: Any, photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.slim"
    data = bytearray(library.model_path("hific-s").read_bytes())
    data[-1000] ^= 1
    path.write_bytes(bytes(data))
    assert_one_line(run("encode", photo, "--codec", path), 1, "damaged", str(path))


def test_checkpoint_that_would_run_code(run: Any, tmp_path: Path) -> None:
    import torch

    class Harm:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "harm"),)

    path, out = tmp_path / "published.pt", tmp_path / "out.slim"
    torch.save({"model_state_dict": Harm()}, path)
    assert_one_line(run("import", "hific", path, "-o", out), 1, "refused", "mkdir")
    assert not (tmp_path / "harm").exists()
    assert not out.exists()


def test_checkpoint_of_something_else(run: Any, tmp_path: Path) -> None:
    import torch

    path = tmp_path / "other.pt"
    torch.save({"model_state_dict": {"layer.weight": torch.zeros(2)}, "args": {}}, path)
    assert_one_line(
        run("import", "hific", path, "-o", tmp_path / "o.slim"), 1, "missing", "unknown"
    )


def test_full_disk(run: Any, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    before = sorted(photo.parent.iterdir())
    assert_one_line(run("encode", photo, "--codec", "jpeg"), 1, "full")
    assert sorted(photo.parent.iterdir()) == before


def test_the_picture_is_not_overwritten(run: Any, photo: Path) -> None:
    before = photo.read_bytes()
    assert_one_line(run("encode", photo, "-o", photo), 2, "itself")
    assert photo.read_bytes() == before


def test_unknown_verb_is_a_usage_error(run: Any) -> None:
    assert run("encod").status == 2


@pytest.mark.slow
def test_rows_of_another_model_are_not_mixed(run: Any, photo: Path, tmp_path: Path) -> None:
    words = ["--images", photo, "--out", tmp_path / "out", "--metrics", "psnr", "--quality", "3"]
    copies = []
    for ratio in ("0.1", "0.2"):
        recipe, small = tmp_path / "recipe.toml", tmp_path / f"{ratio}.slim"
        recipe.write_text(f'name = "same"\n[[pass]]\npass = "prune"\ngenerator = {ratio}\n')
        assert run("shrink", "hific-s", "--recipe", recipe, "-o", small).status == 0
        copies.append(small)
    assert run("bench", copies[0], *words).status == 0
    outcome = run("bench", copies[1], *words)
    assert outcome.status == 2 and "another model" in outcome.err
    both = [*copies, *words[:-5], tmp_path / "both", *words[-4:]]
    assert_one_line(run("bench", *both), 2, "two different models are called 'hific-s+same'")


def test_decode_never_writes_over_the_picture(run: Any, photo: Path, stream: Path) -> None:
    before = photo.read_bytes()
    outcome = run("decode", stream)
    assert outcome.status == 0
    assert photo.read_bytes() == before
    assert photo.with_suffix(".decoded.png").exists()


@pytest.mark.parametrize("verb", [["bench", "jpeg"], ["study", "paper_table2"]])
def test_a_folder_that_is_a_file(run: Any, photo: Path, tmp_path: Path, verb: Any) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    outcome = run(*verb, "--images", photo, "--out", taken)
    assert outcome.status != 0
    assert outcome.err.strip().splitlines()[-1].startswith("slimcodec: ")
    assert taken.read_text(encoding="utf-8") == "mine"


def test_a_folder_that_holds_another_study(run: Any, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "study.json").write_text('{"name": "theirs"}')
    outcome = run("study", "paper_table2", "--images", photo, "--out", out)
    assert_one_line(outcome, 2, "holds the study 'theirs'")
    assert [path.name for path in out.iterdir()] == ["study.json"]


def test_an_image_format_is_no_model(run: Any) -> None:
    assert_one_line(run("inspect", "jpeg"), 2, "jpeg is an image format, not a model")


def test_what_is_skipped_of_a_folder_is_said(outcome_of: Any, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    write_image(folder / "a.png", np.zeros((16, 16, 3), np.uint8))
    (folder / "b.heic").write_bytes(b"x")
    found = outcome_of(
        "bench", "jpeg", "--images", folder, "--out", tmp_path / "out", "--metrics", "psnr"
    )
    assert f"{folder}: skipped, as subfolders or files of other suffixes: b.heic\n" in found.err
