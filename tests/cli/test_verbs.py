"""The verbs on real input, in one process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import library
from slimcodec.cli import main
from slimcodec.cli.app import VERBS
from slimcodec.images import read_image, write_image

DEMO = Path(library.__file__).parent / "demo"


@pytest.fixture()
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["slimcodec", *map(str, words)])
        try:
            main()
        except SystemExit as stop:
            assert not stop.code, capsys.readouterr().err
        return capsys.readouterr().out

    return call


@pytest.fixture()
def photo(tmp_path: Path) -> Any:
    image = read_image(DEMO / "kitten.png").pixels[100:260, 200:400]
    write_image(tmp_path / "photo.png", image)
    return tmp_path / "photo.png"


def test_encode_and_decode_equal_the_library(run: Any, photo: Path, tmp_path: Path) -> None:
    facts = json.loads(run("encode", photo, "--quality", 2.5, "--json"))
    stream = Path(facts["stream"])
    assert facts["bytes"] == stream.stat().st_size
    run("decode", stream, "-o", tmp_path / "back.png")
    codec = library.load_codec("hific-s")
    image = read_image(photo).pixels
    assert stream.read_bytes() == codec.encode(image, 2.5)
    assert np.array_equal(
        read_image(tmp_path / "back.png").pixels, codec.decode(stream.read_bytes())
    )


@pytest.mark.slow
def test_shrink_says_what_it_means_for_streams(run: Any, photo: Path, tmp_path: Path) -> None:
    stream = Path(json.loads(run("encode", photo, "--json"))["stream"])
    words = {}
    for part in ("generator", "encoder", "probability"):
        recipe = tmp_path / f"{part}.toml"
        recipe.write_text(f'[[pass]]\npass = "prune"\n{part} = 0.3\n')
        out = tmp_path / f"{part}.slim"
        facts = json.loads(run("shrink", "hific-s", "--recipe", recipe, "-o", out, "--json"))
        words[part] = facts["streams"]
        kept = facts["parts"][part]
        assert kept["nonzero"] < 0.72 * kept["parameters"]
    assert "stays" in words["generator"] and "stays" in words["encoder"]
    assert "new stream id" in words["probability"]
    assert "decoded by" in run("decode", stream, "--codec", tmp_path / "generator.slim")


def test_inspect_list_doctor(run: Any, photo: Path) -> None:
    stream = json.loads(run("encode", photo, "--json"))["stream"]
    assert json.loads(run("inspect", stream, "--json"))["model"] == "hific-s"
    assert json.loads(run("inspect", "hific-s", "--json"))["family"] == "hific"
    assert "jpeg" in run("list")
    assert "cores" in json.loads(run("doctor", "--json"))


def test_recipes_and_studies_are_named_like_models(run: Any, tmp_path: Path) -> None:
    listed = json.loads(run("list", "--json"))
    assert listed["recipes"]["int8"].startswith("Every part in eight-bit integers")
    assert "paper_table1" in listed["studies"]
    printed = run("list")
    assert all(name in printed and line in printed for name, line in listed["recipes"].items())
    facts = json.loads(run("inspect", "prune-generator", "--json"))
    assert facts["passes"] == [{"pass": "prune", "decoder": 0.3}]
    assert json.loads(run("inspect", facts["file"], "--json")) == facts
    assert json.loads(run("inspect", "paper_table2", "--json"))["codec"] == "hific-s"
    out = tmp_path / "small.slim"
    run("shrink", "hific-s", "--recipe", "prune-generator", "-o", out)
    assert library.load_model(out).name == "hific-s+generator-30"


def test_transparency_is_composited_and_said(
    run: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from PIL import Image

    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    facts = json.loads(run("encode", tmp_path / "clear.png", "--json"))
    assert any("white" in sentence for sentence in facts["notes"])


@pytest.mark.slow
def test_bench_writes_rows_summary_and_report(run: Any, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("bench", "hific-s", "jpeg", "--images", photo, "--out", out, "--quality", "2,5",
        "--metrics", "psnr")  # fmt: skip
    for name in ("rows.sqlite", "rows.tsv", "summary.json", "report/index.html"):
        assert (out / name).stat().st_size > 0
    points = json.loads((out / "summary.json").read_text(encoding="utf-8"))["points"]
    assert [(p["variant"], p["quality"]) for p in points] == [
        ("hific-s", 2), ("hific-s", 5), ("jpeg", 2), ("jpeg", 5),
    ]  # fmt: skip


@pytest.mark.slow
def test_study_prints_the_columns(run: Any, photo: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text(
        'codec = "hific-s"\ncolumns = ["generator"]\nrepeats = 1\nmetrics = ["psnr", "ssim"]\n'
        '[[variant]]\nname = "baseline"\n'
        '[[variant]]\nname = "pruned"\n[[variant.pass]]\npass = "prune"\ngenerator = 0.6\n'
        '[[variant]]\nname = "jpeg"\ncodec = "jpeg"\nsame_size_as = "baseline"\n'
    )
    printed = run("study", study, "--images", photo, "--out", tmp_path / "out")
    assert "generator" in printed and "report:" in printed
    points = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["points"]
    baseline, pruned, jpeg = points
    assert pruned["stream_bytes"] == baseline["stream_bytes"]
    assert pruned["metrics"]["psnr"] < baseline["metrics"]["psnr"]
    assert jpeg["stream_bytes"] <= baseline["stream_bytes"] or jpeg["quality"] == 3


def test_help_and_import_load_no_torch() -> None:
    code = (
        "import sys, slimcodec, slimcodec.cli.app\n"
        "assert not {'torch', 'numpy', 'rich'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there() -> None:
    code = (
        "import slimcodec\n"
        "assert set(slimcodec.__all__) == set(slimcodec._HOMES)\n"
        "for name in slimcodec.__all__: getattr(slimcodec, name)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_verb_makes_no_other_ready() -> None:
    code = (
        "import sys; from slimcodec.cli.app import app\n"
        "app(['list'])\n"
        "assert 'slimcodec.cli.list_' in sys.modules and 'slimcodec.cli.train' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_every_verb_is_there(run: Any) -> None:
    printed = run("--help")
    assert [
        line.split()[0] for line in printed.split("Commands:\n")[1].splitlines()[: len(VERBS)]
    ] == [*VERBS]
    for verb in VERBS:
        assert f"slimcodec {verb} [OPTIONS]" in run(verb, "--help")


def test_shrink_says_which_parts_are_as_they_were(run: Any, tmp_path: Path) -> None:
    recipe, whole = tmp_path / "recipe.toml", library.load_model("hific-s").parameters()
    recipe.write_text('[[pass]]\npass = "prune"\ngenerator = 0.3\n')
    words = ("shrink", "hific-s", "--recipe", recipe, "-o", tmp_path / "small.slim")
    said = dict(line.split(maxsplit=1) for line in run(*words).splitlines()[:3])
    assert "weights left (70" in said["generator"]
    for part in ("encoder", "probability"):
        assert said[part] == f"{whole[part][0]:,} weights, as they were"
    facts = json.loads(run(*words, "--force", "--json"))["parts"]
    assert [part for part, count in facts.items() if count["touched"]] == ["generator"]
