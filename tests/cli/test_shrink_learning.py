"""``shrink`` with a pass that learns."""

from __future__ import annotations

from pathlib import Path

from slimcodec.images import write_image
from slimcodec.model_file import load, save


def test_the_state_is_gone_when_the_model_is_there(tiny_model, picture, tmp_path, outcome_of):
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    write_image(photographs / "a.png", picture(200, 210))
    save(tiny_model, tmp_path / "tiny.slim")
    recipe, out = tmp_path / "r.toml", tmp_path / "out.slim"
    recipe.write_text('[[pass]]\npass = "distil"\nsteps = 2\nbatch = 1\n')
    found = outcome_of(
        "shrink",
        tmp_path / "tiny.slim",
        "--recipe",
        recipe,
        "--calibration",
        photographs,
        "-o",
        out,
    )
    assert found.status == 0, found.err
    assert "plan: distil generator: 2 steps" in found.err
    assert load(out).stream_id == tiny_model.stream_id
    assert not Path(f"{out}.state").exists()


def test_a_state_of_another_recipe_is_named(tiny_model, picture, tmp_path, outcome_of):
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    write_image(photographs / "a.png", picture(200, 210))
    save(tiny_model, tmp_path / "tiny.slim")
    recipe, out = tmp_path / "r.toml", tmp_path / "out.slim"
    recipe.write_text('[[pass]]\npass = "finetune"\nsteps = 2\nbatch = 1\n')
    state = Path(f"{out}.state")
    state.mkdir()
    (state / "recipe.json").write_text("{}")
    found = outcome_of(
        "shrink",
        tmp_path / "tiny.slim",
        "--recipe",
        recipe,
        "--calibration",
        photographs,
        "-o",
        out,
    )
    assert found.status == 2
    assert "out.slim.state holds a run of another recipe" in found.err
    assert not out.exists()
