"""Several checkpoints at once: one ladder, which is benched, encoded with, shrunk and exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from slimcodec import library
from slimcodec.images import read_image, write_image
from slimcodec.ladder import read_ladder
from tests.published_files import compressai_state


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """As a training saves them; the better one is wider."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for number, (n, m) in enumerate(((4, 6), (5, 8)), 1):
        state = compressai_state("mbt2018-mean", n, m, seed=number)
        content = {"epoch": 3, "state_dict": state, "loss": 0.5, "optimizer": {"state": {}}}
        torch.save(content, folder / f"q{number}.pth.tar")
    return sorted(folder.iterdir())


def test_from_checkpoints_to_bundles(
    checkpoints: list[Path], outcome_of: Any, tmp_path: Path, picture: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLIMCODEC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "photos").mkdir()
    for number in range(2):
        write_image(tmp_path / f"photos/{number}.png", picture(64, 80, number))
    made = outcome_of("import", "compressai", *checkpoints, "-o", "mbt")
    assert made.status == 0, made.err
    assert made.out.startswith("mbt: a ladder of 2 models, qualities 1 to 2\n1  q1.pth.tar: ")
    assert "mbt2018-mean with N = 5 and M = 8, by the tensors" in made.err
    stream_ids = [rung.stream_id for rung in read_ladder(Path("mbt"))]
    assert all(stream_id in made.out for stream_id in stream_ids)

    told = json.loads(outcome_of("inspect", "mbt", "--json").out)
    assert [row["stream_id"] for row in told["models"]] == stream_ids
    shown = outcome_of("inspect", "mbt/2.slim")
    assert shown.status == 0 and "mbt-2" in shown.out

    Path("recipe.toml").write_text('[[pass]]\npass = "prune"\ngenerator = 0.3\n')
    shrunk = outcome_of("shrink", "mbt", "--recipe", "recipe.toml", "-o", "small")
    assert shrunk.status == 0, shrunk.err
    assert "small/2.slim: " in shrunk.out and "small: a ladder of 2 models" in shrunk.out
    assert [rung.stream_id for rung in read_ladder(Path("small"))] == stream_ids

    exported = outcome_of("export", "small", "-o", "bundles", "--runtime", "onnx")
    assert exported.status == 0, exported.err
    assert "bundles: a ladder of 2 bundles for onnx, qualities 1 to 2" in exported.out
    assert library.runtime_of("bundles", None) == "onnx"
    sizes = []
    for quality in (1, 2):
        words = ("photos/0.png", "--codec", "mbt", "--quality", quality, "-o", f"{quality}.slc")
        coded = outcome_of("encode", *words, "--runtime", "torch")
        assert coded.status == 0, coded.err
        decoded = outcome_of(
            "decode", f"{quality}.slc", "--codec", "bundles", "-o", f"{quality}.png"
        )
        assert decoded.status == 0, decoded.err
        assert read_image(Path(f"{quality}.png")).pixels.shape == (64, 80, 3)
        sizes.append(Path(f"{quality}.slc").stat().st_size)
    assert sizes[0] != sizes[1]

    images = ("--images", "photos", "--metrics", "psnr", "--out", "results", "--pictures", 0)
    benched = outcome_of("bench", "mbt", *images, "--runtime", "torch")
    assert benched.status == 0, benched.err
    rows = [line.split("\t") for line in Path("results/rows.tsv").read_text().splitlines()]
    found = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert {(row["variant"], float(row["quality"])) for row in found} == {("mbt", 1), ("mbt", 2)}
    assert len(found) == 4


def test_what_is_there_is_kept(checkpoints: list[Path], outcome_of: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/photo.txt").write_text("dear")
    for force in ((), ("--force",)):
        refused = outcome_of("import", "compressai", *checkpoints, "-o", tmp_path / "mine", *force)
        assert refused.status == 2 and "exists and is no ladder" in refused.err
    assert (tmp_path / "mine/photo.txt").read_text() == "dear"
    words = ("import", "compressai", *checkpoints, "-o", tmp_path / "mbt")
    assert outcome_of(*words).status == 0
    again = outcome_of(*words)
    assert again.status == 2 and "replace it: --force" in again.err
    assert outcome_of(*words, "--force").status == 0
    (tmp_path / "mbt/notes.txt").write_text("dear")
    kept = outcome_of(*words, "--force")
    assert kept.status == 2 and "holds notes.txt, which is not of the ladder" in kept.err
    (tmp_path / "mbt/notes.txt").unlink()
    onto = outcome_of(
        "shrink", tmp_path / "mbt", "--recipe", "int8", "-o", tmp_path / "mbt", "--force"
    )
    assert onto.status == 2 and "is the input itself" in onto.err


def test_nothing_is_written_where_one_is_bad(
    checkpoints: list[Path], outcome_of: Any, tmp_path: Path
) -> None:
    out = tmp_path / "made"
    (tmp_path / "bad.pth").write_bytes(b"")
    refused = outcome_of("import", "compressai", checkpoints[0], tmp_path / "bad.pth", "-o", out)
    assert refused.status == 1 and refused.err.splitlines()[-1].endswith("bad.pth: it is empty")
    twice = outcome_of("import", "compressai", checkpoints[0], checkpoints[0], "-o", out)
    assert twice.status == 2 and "read the same streams" in twice.err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pth"]
