"""``shrink`` with a pass that learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slimcodec.images import write_image
from slimcodec.model_file import Model, load, save


@pytest.fixture
def shrunk(tiny_model: Model, picture: Any, tmp_path: Path, outcome_of: Any) -> Any:
    """``shrunk("distil")``: what the verb says of a recipe of that pass; the model is out.slim."""
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    write_image(photographs / "a.png", picture(200, 210))
    save(tiny_model, tmp_path / "tiny.slim")

    def call(kind: Any) -> Any:
        recipe = tmp_path / "r.toml"
        recipe.write_text(f'[[pass]]\npass = "{kind}"\nsteps = 2\nbatch = 1\n')
        arguments = ("--recipe", recipe, "--calibration", photographs)
        return outcome_of("shrink", tmp_path / "tiny.slim", *arguments, "-o", tmp_path / "out.slim")

    return call


def test_the_state_is_gone_when_the_model_is_there(
    tiny_model: Model, shrunk: Any, tmp_path: Path
) -> None:
    found = shrunk("distil")
    assert found.status == 0, found.err
    assert "plan: distil generator: 2 steps" in found.err
    assert load(tmp_path / "out.slim").stream_id == tiny_model.stream_id
    assert not Path(tmp_path / "out.slim.state").exists()


def test_a_state_of_another_recipe_is_named(shrunk: Any, tmp_path: Path) -> None:
    state = tmp_path / "out.slim.state"
    state.mkdir()
    (state / "recipe.json").write_text("{}")
    found = shrunk("finetune")
    assert found.status == 2
    assert "out.slim.state holds a run of another recipe" in found.err
    assert not (tmp_path / "out.slim").exists()


def test_whoever_interrupts_is_told_where_it_goes_on(
    shrunk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: Any, **told: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("slimcodec.training.Trainer.run", stop)
    found = shrunk("distil")
    assert found.status == 130
    assert "out.slim.state; killed, the same command goes on from there" in found.err
    assert (tmp_path / "out.slim.state").is_dir()
