"""Studies: what TOML says, and the candidates that come of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slimcodec import library
from slimcodec.bench import SameSize, Study, opening
from slimcodec.bench.making import candidates_of
from slimcodec.catalogue import studies
from slimcodec.errors import ConfigError, UsageError
from slimcodec.images import write_image
from slimcodec.model_file import freeze_network, save
from slimcodec.shrink import Context

STUDIES = [
    *studies.files().values(),
    Path(library.__file__).parent / "demo" / "demo.toml",
]


@pytest.fixture(scope="module")
def models(
    make_network: Callable[[int], Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str]:
    """Two different models in files."""
    folder = tmp_path_factory.mktemp("models")
    paths = []
    for seed in (0, 1):
        path = folder / f"tiny{seed}.slim"
        save(freeze_network(make_network(seed), name="tiny", family="hific"), path)
        paths.append(str(path))
    return paths[0], paths[1]


def pruned(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "pass": [{"pass": "prune", "generator": 0.5}], **more}


def test_a_study_of_two_learned_codecs(models: tuple[str, str], tmp_path: Path) -> None:
    one, two = models
    study = Study.from_dict(
        {
            "codec": one,
            "quality": 2,
            "variant": [
                {"name": "one"},
                pruned("one, pruned"),
                {"name": "two", "codec": two, "quality": [1, 4]},
                pruned("two, pruned", codec=two),
                {"name": "jpeg like two", "codec": "jpeg", "same_size_as": "two"},
                {"name": "jpeg", "codec": "jpeg", "quality": 40},
            ],
        },
        "here",
    )
    made = {c.variant: c for c in candidates_of(study, tmp_path / "models")}
    codecs = {name: opening.opened(candidate.codec) for name, candidate in made.items()}
    digests = [library.load_model(path).digest for path in models]
    assert [codecs[name].digest for name in ("one", "two")] == digests
    assert [made[name].base for name in ("one, pruned", "two, pruned")] == digests
    assert [made[name].base for name in ("one", "two", "jpeg")] == ["", "", ""]
    assert len({codec.digest for codec in codecs.values()}) == len(made)
    assert made["two, pruned"].settings == {"generator": 0.5}
    assert {name: candidate.qualities for name, candidate in made.items()} == {
        "one": (2,), "one, pruned": (2,), "two": (1, 4), "two, pruned": (2,),
        "jpeg like two": (1, 4), "jpeg": (40,),
    }  # fmt: skip
    assert isinstance(codecs["jpeg like two"], SameSize)
    assert codecs["jpeg like two"].reference is codecs["two"]
    assert [opening.runtime_of(made[name].codec) for name in ("two, pruned", "jpeg")] == [
        "onnx",
        "",
    ]


def test_without_a_quality_each_codec_has_its_own(models: tuple[str, str], tmp_path: Path) -> None:
    variants = [{"name": "one"}, {"name": "jpeg", "codec": "jpeg"}]
    study = Study.from_dict({"codec": models[0], "variant": variants}, "here")
    for candidate in candidates_of(study, tmp_path):
        assert candidate.qualities == (opening.opened(candidate.codec).default_quality,)


def test_every_recipe_is_checked_before_the_first_is_applied(
    models: tuple[str, str], tmp_path: Path
) -> None:
    wrong = {"name": "wrong", "codec": models[1], "pass": [{"pass": "prune", "binarizer": 0.3}]}
    study = Study.from_dict({"codec": models[0], "variant": [pruned("x"), wrong]}, "here")
    with pytest.raises(UsageError, match="binarizer"):
        candidates_of(study, tmp_path / "models")
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        (pruned("x", codec="jpeg"), "here, variant 2: jpeg has no model that passes could shrink"),
        (pruned("x", codec="some.slim", same_size_as="first"), "and no passes"),
        ({"name": "x", "same_size_as": "first"}, "say its codec"),
        ({"name": "x", "quality": "high"}, "here, variant 2: quality must be a number"),
        ({"name": "x", "quality": [1, True]}, "quality must be a number or a list"),
        ({"name": "x", "codec": ["jpeg"]}, "codec must be a name or a path"),
    ],
)
def test_variants_that_make_no_sense(variant: dict[str, Any], words: str) -> None:
    values = {"codec": "hific-s", "variant": [{"name": "first"}, variant]}
    with pytest.raises(ConfigError, match=words):
        Study.from_dict(values, "here")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_studies_that_ship_are_read(path: Path) -> None:
    study = Study.read(path)
    named = {setting for variant in study.variants for setting in variant.settings}
    # One of whole recipes, whose passes have many, shows none.
    assert set(study.columns) in (named, set())
    assert study.describe()["title"] == study.title
    # The first variant of each codec is the codec as it is: changes are counted from it.
    firsts: dict[str | None, bool] = {}
    for variant in study.variants:
        firsts.setdefault(variant.codec, not variant.recipe.passes)
    assert all(firsts.values())


def test_table_1_holds_what_the_paper_printed(shared: Path) -> None:
    lines = (
        (shared / "references" / "paper_table1_rnn.csv")
        .read_text(encoding="utf-8")
        .splitlines()[1:]
    )
    study = Study.read(studies.find("paper_table1"))
    ours = {
        (v.settings.get("encoder", 0), v.settings.get("decoder", 0)): v.published
        for v in study.variants
        if v.published
    }
    assert len(ours) == len(lines) == 4
    for line in lines:
        encoder, decoder, time, ssim, size = line.split(",")
        hours, minutes, seconds = map(int, time.split(":"))
        assert ours[float(encoder), float(decoder)] == {
            "total_time_s": 3600 * hours + 60 * minutes + seconds,
            "ssim": float(ssim),
            "average_bytes": float(size),
        }


# Which photographs a model was calibrated on


def calibrated(codec: str) -> Study:
    quantize = {"pass": "quantize", "weights": 8, "activations": 8}
    variants = [pruned("pruned"), {"name": "int8", "pass": [quantize]}]
    return Study.from_dict({"codec": codec, "variant": variants}, "here")


def photographs(folder: Path, picture: Callable[..., Any], seed: int) -> Path:
    folder.mkdir()
    for number in range(2):
        write_image(folder / f"{number}.png", picture(140, 160, seed=seed + number))
    return folder


def changes(models: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in models.iterdir()}


def test_a_model_is_taken_again_where_the_same_made_it(
    models: tuple[str, str], picture: Callable[..., Any], tmp_path: Path
) -> None:
    study, folder = calibrated(models[0]), tmp_path / "models"
    first = photographs(tmp_path / "first", picture, 0)
    told: list[tuple[int, int, str]] = []
    candidates_of(study, folder, context=Context(first, lambda *words: told.append(words)))
    before = changes(folder)
    # What a pass says is said with the variant that it is part of.
    layers = [words[:2] for words in told if words[2] == "int8, 2 of 2 · rounding weights"]
    assert layers[0][0] == 0 and layers[-1][0] == layers[-1][1] > 2
    assert sorted(before) == ["int8.json", "int8.slim", "pruned.json", "pruned.slim"]
    # The same photographs in another place are the same.
    moved = first.rename(tmp_path / "moved")
    candidates_of(study, folder, context=Context(moved))
    assert changes(folder) == before
    # A kill between the model and what is said of it, or another model in its place.
    (folder / "int8.json").unlink()
    (folder / "pruned.slim").write_bytes(Path(models[1]).read_bytes())
    whole = (folder / "int8.slim").read_bytes()
    candidates_of(study, folder, context=Context(moved))
    assert (folder / "int8.slim").read_bytes() == whole
    assert library.load_model(folder / "pruned.slim").history
    assert all(changes(folder)[name] > before[name] for name in before)


def test_other_photographs_are_another_study(
    models: tuple[str, str], picture: Callable[..., Any], tmp_path: Path
) -> None:
    study, folder = calibrated(models[0]), tmp_path / "models"
    candidates_of(study, folder, context=Context(photographs(tmp_path / "a", picture, 0)))
    before = changes(folder)
    other = Context(photographs(tmp_path / "b", picture, 10))
    with pytest.raises(UsageError, match=r"int8.slim was made with other photographs than .*/b;"):
        candidates_of(study, folder, context=other)
    assert changes(folder) == before
    # Where nothing is measured on them, they do not matter.
    plain = Study.from_dict({"codec": models[0], "variant": [pruned("pruned")]}, "here")
    candidates_of(plain, folder, context=other)
    assert changes(folder) == before


def test_other_passes_are_another_study(models: tuple[str, str], tmp_path: Path) -> None:
    """The model that rows in the folder are of is not written over."""
    plain = {"codec": models[0], "variant": [pruned("pruned")]}
    candidates_of(Study.from_dict(plain, "here"), tmp_path)
    before = changes(tmp_path)
    more = {"name": "pruned", "pass": [{"pass": "prune", "generator": 0.9}]}
    with pytest.raises(UsageError, match="of another model or by other passes"):
        candidates_of(Study.from_dict({**plain, "variant": [more]}, "here"), tmp_path)
    with pytest.raises(UsageError, match="of another model or by other passes"):
        candidates_of(Study.from_dict({**plain, "codec": models[1]}, "here"), tmp_path)
    assert changes(tmp_path) == before


# Recipes by name


def test_a_variant_may_name_a_recipe(models: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[pass]]\npass = "prune"\ngenerator = 0.25\n')
    (tmp_path / "study.toml").write_text(
        f'codec = "{models[0]}"\n'
        '[[variant]]\nname = "built in"\nrecipe = "prune-generator"\n'
        '[[variant]]\nname = "my own"\nrecipe = "mine.toml"\n'
    )
    study = Study.read(tmp_path / "study.toml")
    assert [variant.settings for variant in study.variants] == [
        {"decoder": 0.3}, {"generator": 0.25},
    ]  # fmt: skip
    made = candidates_of(study, tmp_path / "models")
    names = [library.load_model(candidate.codec.name).name for candidate in made]
    assert names == ["tiny+generator-30", "tiny+mine"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"recipe": "int9"}, "here, variant 1, recipe: unknown recipe 'int9'; did you mean int8"),
        ({"recipe": "absent.toml"}, "here, variant 1, recipe: .*absent.toml"),
        ({"recipe": "\0.toml"}, "here, variant 1, recipe: "),
        ({"recipe": "x" * 5000 + ".toml"}, "here, variant 1, recipe: "),
        ({"recipe": 8}, "recipe is a name or a path"),
        ({"recipe": "int8", "pass": []}, "in the place of"),
        ({"recipe": "int8", "codec": "jpeg"}, "jpeg has no model that passes could shrink"),
    ],
)
def test_recipes_that_make_no_sense(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Study.from_dict({"codec": "hific-s", "variant": [{"name": "x", **more}]}, "here")


def test_two_models_of_one_file_name() -> None:
    values = {"codec": "hific-s", "variant": [pruned("30 %"), pruned("30%")]}
    with pytest.raises(ConfigError, match=r"two models would be called 30\.slim"):
        Study.from_dict(values, "here")
