"""A job for a GPU, tried on a CPU: packing, unpacking, stages, weights, comparison; and what can be
wrong before any of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import features

from slimcodec import registry
from slimcodec.errors import ConfigError, TrainingError, UsageError
from slimcodec.images import read_image, write_image
from slimcodec.library import load_codec
from slimcodec.metrics import to_db
from slimcodec.model_file import Model, load, save, thaw_network
from slimcodec.training import TrainingConfig
from slimcodec.training.objectives import DistillationSettings, PerceptionSettings, RateDistortion
from slimcodec.types import Image

ROOT = Path(__file__).resolve().parents[2]
GPU = ROOT / "recipes" / "gpu"
MODULES = ("job", "jobs", "pack", "photographs", "running", "stages", "verdict")

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow lacks AVIF")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a script of the folder; none stays imported under its plain name."""
    monkeypatch.syspath_prepend(str(GPU))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield __import__
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def packed(scripts: Any, picture: Callable[..., Image], tmp_path: Path) -> Path:
    """Two photographs, a name that the recipes hold out and one that they do not."""
    folder = tmp_path / "photos"
    folder.mkdir()
    write_image(folder / "p0102.jpg", picture(768, 800))
    write_image(folder / "other.jpg", picture(768, 800, seed=1))
    images = sorted(folder.iterdir())
    scripts("pack").pack(images, ["p0102.jpg"], 4.0, tmp_path / "photos.pack")
    return tmp_path / "photos.pack"


# Packs


@needs_avif
def test_what_is_packed_comes_out(scripts: Any, packed: Path, tmp_path: Path) -> None:
    photographs, out = scripts("photographs"), tmp_path / "out"
    out.mkdir()
    assert photographs.read_names(packed) == ["other.jpg", "p0102.jpg"]
    other, held_out = (read_image(path).pixels for path in photographs.unpack(packed, out))
    assert other.shape == (538, 560, 3)
    original = read_image(tmp_path / "photos" / "p0102.jpg").pixels
    assert held_out.shape == original.shape
    error = held_out.astype(np.float64) - original
    assert 10 * np.log10(255**2 / np.square(error).mean()) > 38
    assert not list(tmp_path.glob(".slimcodec-*"))


@needs_avif
def test_a_pack_is_as_large_as_it_may_be(scripts: Any, packed: Path, tmp_path: Path) -> None:
    images, whole = sorted((tmp_path / "photos").iterdir()), packed.stat().st_size
    most = 0.9 * whole / 1e6
    scripts("pack").pack(images, ["p0102.jpg"], most, tmp_path / "small.pack")
    assert (tmp_path / "small.pack").stat().st_size <= 1e6 * most
    with pytest.raises(UsageError, match=r"do not fit into 0\.02 MB.* --megabytes"):
        scripts("pack").pack(images, ["p0102.jpg"], 0.02, tmp_path / "none.pack")
    assert not (tmp_path / "none.pack").exists()


def _altered(packed: Path, change: Callable[[dict[str, Any]], None]) -> None:
    with zipfile.ZipFile(packed) as pack:
        files = {name: pack.read(name) for name in pack.namelist()}
    manifest = json.loads(files["manifest.json"])
    change(manifest)
    with zipfile.ZipFile(packed, "w") as pack:
        for name, data in files.items():
            pack.writestr(name, json.dumps(manifest) if name == "manifest.json" else data)


@needs_avif
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(version=2), "a pack of version 2, this reads version 1"),
        (lambda m: m.update(format="photos"), "is not a pack of photographs"),
        (lambda m: m.pop("photographs"), r"its manifest\.json cannot be read"),
        (
            lambda m: m["photographs"][0].update(name="gone.jpg"),
            "there is no item.*gone",
        ),
        (lambda m: m["photographs"][0].update(name="../out.jpg"), "is not a file's name"),
        (lambda m: m["photographs"][0].update(sha256="0"), "other.jpg is not what was packed"),
    ],
)
def test_a_pack_that_is_not_sound(
    scripts: Any, packed: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    _altered(packed, change)
    with pytest.raises(UsageError, match=says):
        scripts("photographs").unpack(packed, tmp_path)


@needs_avif
def test_a_damaged_pack(scripts: Any, packed: Path, tmp_path: Path) -> None:
    photographs, data = scripts("photographs"), packed.read_bytes()
    for damaged in (data[: len(data) // 2], b"", b"no zip"):
        packed.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"is damaged \(cut short"):
            photographs.read_names(packed)
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    packed.write_bytes(flipped)
    with pytest.raises(UsageError, match="is damaged"):
        photographs.unpack(packed, tmp_path)
    with pytest.raises(UsageError, match="there is no pack"):
        photographs.read_names(tmp_path / "none.pack")


# The queue


def test_the_queue_is_sound(scripts: Any) -> None:
    """Its recipes are read and checked; the first job is the one that runs."""
    queue = scripts("jobs").read_queue()
    assert next(iter(queue)) == "hific-s"
    for job in queue.values():
        assert "p0102.jpg" in job.holdout
        # What mends the stage before it has its steps, and ends early.
        assert all(stage.config.anneal_minutes or stage.itself for stage in job.stages)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no job"),
        ("[[jobs]]", "unknown key 'jobs'"),
        ('[[job]]\nname = "a"\nmodel = ""', r"must have a \[\[job.stage\]\]"),
        ('[[job]]\nname = "a"\nmodel = 3', "model must be a text, got 3"),
        ('[[job]]\nname = "a"\nmodel = ""\n[[job.stage]]\nrecipe = "x.toml"\nshare = 0', "share"),
        (
            f'[[job]]\nname = "a"\nmodel = ""\n[[job.stage]]\nrecipe = "{GPU}/toderici-s.toml"\n'
            "share = 1",
            "a recipe's name must be the job's, got toderici-s",
        ),
        (
            f'[[job]]\nname = "a"\nmodel = ""\n[[job.stage]]\nrecipe = "{GPU}/toderici-s.toml"\n'
            "share = 1\nitself = 1",
            "itself must be true or false, got 1",
        ),
        (
            f'[[job]]\nname = "a"\nmodel = ""\n[[job.stage]]\nrecipe = "{GPU}/toderici-s.toml"\n'
            "share = 1\nitself = true",
            "itself goes with an objective that has a teacher",
        ),
    ],
)
def test_a_queue_that_is_not_sound(scripts: Any, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "queue.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        scripts("jobs").read_queue(path)


# What a job says before it spends anything


@needs_avif
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--job", "hific"], "unknown job 'hific'; did you mean hific-s"),
        (["--minutes", "9"], "no GPU here; --dry-run tries the job on a CPU"),
        (["--dry-run", "--photos", "none.pack"], "there is no pack none.pack"),
        (["--dry-run", "--out", "file/out"], "--out file/out cannot be made"),
        (["--dry-run", "--job", "hific-s", "--from", "tiny.slim"], "does not fit the network of"),
        (["--dry-run", "--out", "."], "holds hific-s.slim already"),
        (["gpu", "--minutes", "2"], "--minutes must be 3 or more, got 2"),
        (["gpu", "--minutes", "9"], "--photos must name a pack"),
    ],
)
def test_one_line_and_status_2(
    scripts: Any,
    tiny_model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    gpu = arguments[0] == "gpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    Path("file").write_text("")
    save(tiny_model, Path("tiny.slim"))
    save(tiny_model, Path("hific-s.slim"))
    base = ["--out", "out", "--job", "hific-s"]
    assert scripts("job").main([*base, *arguments[gpu:]]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: ")
    assert says in told.err
    assert told.err.count("\n") == 1
    assert not told.out
    assert not list(Path(".").glob("out/*.slim"))


# Verdicts


def test_what_to_ship(scripts: Any) -> None:
    verdict = scripts("verdict")
    bpp = (0.1, 0.2, 0.4, 0.8)

    def measured(factor: float, db: float = 30.0) -> Any:
        rates = tuple(factor * b for b in bpp)
        qualities = tuple(db + i for i in range(4))
        return verdict.Measured(rates, {"PSNR (dB)": qualities, "MS-SSIM (dB)": qualities})

    old = measured(1.0)
    assert verdict.changes(old, measured(0.9))["PSNR (dB)"] == pytest.approx(-10)
    for new, says in (
        (
            measured(0.9),
            "ship: bits at equal quality change by -10.0 % in PSNR (dB), -10.0 % in MS-SSIM (dB)",
        ),
        (measured(1.1), "do not ship: worse in PSNR"),
        (measured(0.9, db=90.0), "do not ship: worse in PSNR"),
        (measured(1.001), "do not ship: no difference"),
    ):
        assert verdict.sentence(old, new, False, "x").startswith(says)
    assert verdict.sentence(None, old, False, "x").startswith("nothing to compare with: ")
    assert verdict.sentence(old, measured(1.1), True, "x").startswith("ship: only after looking")


def test_figures_of_photographs(
    scripts: Any, tiny_model: Model, picture: Callable[..., Image], tmp_path: Path
) -> None:
    """Of a real network: both metrics in dB, in the table and the change as well."""
    verdict = scripts("verdict")
    for seed in range(2):
        write_image(tmp_path / f"{seed}.png", picture(200, 210, seed=seed))
    write_image(tmp_path / "small.png", picture(150, 300))
    with pytest.raises(TrainingError, match=r"small\.png is 300x150"):
        verdict.photographs_of([tmp_path / "small.png"])
    photographs = verdict.photographs_of([tmp_path / "0.png", tmp_path / "1.png"])
    network = thaw_network(tiny_model)
    objective = RateDistortion(network.config.lambdas)
    found = verdict.measure(network, objective, photographs, torch.device("cpu"))
    figures = photographs.measured(network, objective, torch.device("cpu"))
    assert found.qualities["PSNR (dB)"] == tuple(each.psnr_db for each in figures)
    assert found.qualities["MS-SSIM (dB)"] == tuple(to_db(each.ms_ssim) for each in figures)
    head, _, *rows = verdict.table(found, found).splitlines()
    assert "old PSNR (dB) | old MS-SSIM (dB) | new bpp" in head
    assert len(rows) == len(figures)


# The clock


def test_minutes_are_divided_by_shares(scripts: Any) -> None:
    stages = scripts("stages")
    start, later, end = stages.START_S, stages.NEXT_START_S, stages.END_S
    told = stages.training_seconds
    assert told(500, (2.0,), True) == (500 - start - end,)
    assert told(500, (2.0,), False) == (500 - later - end,)
    whole = 500 - start - later - 2 * end
    assert told(500, (0.94, 0.06), True) == pytest.approx((0.94 * whole, 0.06 * whole))
    three = told(500, (3, 1, 1), True)
    assert three == pytest.approx(tuple((whole - later - end) * s for s in (0.6, 0.2, 0.2)))


def test_a_stage_with_too_little_gives_it_to_the_others(scripts: Any) -> None:
    stages = scripts("stages")
    told, least = stages.training_seconds, stages.LEAST_S
    alone = stages.START_S + stages.END_S
    again = stages.NEXT_START_S + stages.END_S
    assert told(200, (0.94, 0.06), True) == (200 - alone, 0)
    assert told(200, (0.06, 0.94), True) == (0, 200 - again)
    assert told(alone + least, (1.0, 1.0), True) == (least, 0)
    assert told(again + least, (1.0,), False) == (least,)
    for left in (again + least - 1, 0, -30):
        assert told(left, (1.0,), False) == (0,)
        assert told(left, (1.0, 1.0), True) == (0, 0)


@pytest.mark.parametrize(
    ("starts", "early"),
    [
        ((45, 25, 25), 0),
        ((45, 25, 25), 100),  # one that ends early
        ((150, 25, 25), 0),
        ((20, 10, 10), 0),
    ],
)
def test_all_stages_end_in_time(
    scripts: Any, monkeypatch: pytest.MonkeyPatch, starts: tuple[int, ...], early: int
) -> None:
    """However slowly they start, and none of them at the cost of a later one."""
    stages, now = scripts("stages"), 1000.0
    monkeypatch.setattr(stages, "time", SimpleNamespace(monotonic=lambda: now))
    shares = (0.5, 0.3, 0.2)
    clock = stages.Clock(now, training_ends=560.0)
    now += 20.0
    fair = stages.training_seconds(540.0, shares, True)
    trained = []
    for number, start in enumerate(starts):
        ends = clock.end_of(shares[number:], first=number == 0)
        trained.append(ends - now - start - (early if number == 0 else 0))
        now = ends + stages.END_S - (early if number == 0 else 0)
    assert now == pytest.approx(1560.0)
    assert all(got >= wanted - 1e-6 for got, wanted in zip(trained[1:], fair[1:], strict=True))
    assert trained[0] == pytest.approx(fair[0] + stages.START_S - starts[0] - early)


# All of it


@pytest.fixture
def two_stages(
    scripts: Any,
    tiny_model: Model,
    picture: Callable[..., Image],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    """``two_stages(tried, seconds)`` runs a job of two stages of one step each, from the tiny model
    and with so many seconds for training."""
    jobs, stages = scripts("jobs"), scripts("stages")
    photos = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(photos):
        write_image(path, picture(140, 200, seed=number))
    family = registry.families.get("hific")
    shape = family.config(tiny_model.config)
    monkeypatch.setattr(family, "preset", lambda name: shape)
    monkeypatch.setattr(stages, "dry", lambda config: config)
    config = TrainingConfig(
        name="tiny", steps=1, crop=128, batch=1, holdout=(photos[-1].name,), precision="32-true"
    )
    plain = (jobs.Stage(config, 1.0), jobs.Stage(config, 1.0))
    taught = replace(config, parts=("generator",), objective=DistillationSettings())

    def go(
        tried: bool, seconds: float = float("inf"), itself: bool = False, first: Any = None
    ) -> Any:
        one, two = plain
        if first is not None:
            one = jobs.Stage(replace(config, parts=("generator",), objective=first), 1.0)
        job = jobs.Job("tiny", "", (one, jobs.Stage(taught, 1.0, itself=True) if itself else two))
        return stages.run_stages(
            job, tiny_model, photos, tmp_path, scratch=tmp_path / "scratch",
            clock=stages.Clock(time.monotonic(), seconds), tried=tried,
        )  # fmt: skip

    return go


def test_a_cut_off_job_keeps_its_weights(
    scripts: Any, two_stages: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later stage that is stopped leaves what the one before it wrote."""
    stages = scripts("stages")
    train, started = stages.train, []

    def second_stops(config: Any, *args: Any, **more: Any) -> Any:
        started.append(config.first_step)
        if len(started) == 2:
            raise TrainingError("the loss is nan")
        return train(config, *args, **more)

    monkeypatch.setattr(stages, "train", second_stops)
    outcome = two_stages(tried=True)
    assert started == [0, 1]
    assert [(ran.number, ran.steps) for ran in outcome.done] == [(1, 1)]
    assert outcome.problem == "stage 2: the loss is nan"
    assert load_codec(tmp_path / "tiny.slim").name == "tiny"


def test_a_stage_that_learns_from_itself(
    scripts: Any, two_stages: Callable[..., Any], tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its teacher is what the stage before it made."""
    stages = scripts("stages")
    train, teachers, made = stages.train, [], []

    def watched(config: Any, *args: Any, **more: Any) -> Any:
        teachers.append(more["teacher"])
        trained = train(config, *args, **more)
        made.append({name: v.clone() for name, v in trained.network.state_dict().items()})
        return trained

    monkeypatch.setattr(stages, "train", watched)
    assert len(two_stages(tried=True, itself=True).done) == 2
    assert teachers[0] is None
    found = teachers[1].state_dict()
    names = [name for name in made[0] if name.startswith("generator.")]
    assert all(torch.equal(made[0][name].half(), found[name].half()) for name in names)
    assert any(not torch.equal(made[0][name], made[1][name]) for name in names)
    with pytest.raises(UsageError, match="must find weights; name a model"):
        stages._as_found(None)


@pytest.mark.slow
@pytest.mark.parametrize("itself", [False, True])
def test_a_look_stays_through_later_stages(
    two_stages: Callable[..., Any], tmp_path: Path, itself: bool
) -> None:
    """A stage that learns from the one before it aims at what that one aimed at."""
    outcome = two_stages(tried=True, itself=itself, first=PerceptionSettings(lpips_weight=0.0))
    assert not outcome.problem
    assert load(tmp_path / "tiny.slim").look == ("natural" if itself else "faithful")


def test_a_stage_that_has_no_time_is_left_out(
    scripts: Any, two_stages: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no problem: what was trained is annealed."""
    stages = scripts("stages")
    monkeypatch.setattr(stages, "START_S", 5.0)
    outcome = two_stages(tried=False, seconds=5 + stages.END_S + stages.LEAST_S + 1)
    assert [ran.number for ran in outcome.done] == [1]
    (words,) = outcome.left_out
    assert re.fullmatch(
        r"Stage 2 was left out: \d+ seconds were left, too few to start it; give more --minutes",
        words,
    )
    assert not outcome.problem
    assert load_codec(tmp_path / "tiny.slim").name == "tiny"
    nothing = two_stages(tried=False, seconds=5.0)
    assert not nothing.done
    assert len(nothing.left_out) == 2


@pytest.mark.slow
@needs_avif
@pytest.mark.parametrize("name", ["toderici-s", "hific-s", "hific-s-natural"])
def test_a_dry_run(
    scripts: Any, name: str, picture: Callable[..., Image], lpips_weights: Path, tmp_path: Path
) -> None:
    """Of the job with two stages and control flow, of the queue's first, and of the one with LPIPS
    that learns from itself."""
    out = tmp_path / "out"
    result = subprocess.run(
        [sys.executable, GPU / "job.py", "--dry-run", "--out", out, "--job", name],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "SLIMCODEC_LPIPS_WEIGHTS": str(lpips_weights)},
    )
    assert result.returncode == 0, result.stderr
    summary = (out / "summary.md").read_text(encoding="utf-8")
    assert summary.strip() == result.stdout.strip()
    last = summary.splitlines()[-1]
    if scripts("jobs").read_queue()[name].model:
        assert "BD-rate in PSNR (dB): " in summary
        assert "BD-rate in MS-SSIM (dB): " in summary
        says = r"(ship: (bits at equal quality|only after)|do not ship: (worse in|no difference)) "
    else:
        says = "nothing to compare with: "
    assert re.match(says, last)
    rows = (out / "curve.tsv").read_text(encoding="utf-8").splitlines()
    assert len(rows) >= 2
    assert {len(row.split("\t")) for row in rows} == {8}
    natural = name.endswith("natural")
    assert load(out / f"{name}.slim").look == ("natural" if natural else "faithful")
    assert natural == last.startswith("ship: only after looking at pictures")
    codec, image = load_codec(out / f"{name}.slim"), picture(70, 50)
    assert codec.decode(codec.encode(image)).shape == image.shape
