"""A bundle that anyone may have written: one clear error, or the picture that its stream says."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from slimcodec import library
from slimcodec.errors import BundleError, SlimcodecError
from slimcodec.model_file import Model
from slimcodec.runtime import open_bundle
from slimcodec.runtime.manifest import digest_of
from slimcodec.types import Image

Picture = Callable[..., Image]
JUNK: list[Any] = [None, [], {}, "x", "", -1, 10**9, 1e308, True, [[]], {"a": {}}]


@pytest.fixture(scope="module")
def sound(tiny_models: dict[str, Model], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "bundle"
    library.export_model(tiny_models["hific"], folder, "onnx")
    return folder


@pytest.fixture()
def bundle(sound: Path, tmp_path: Path) -> Path:
    """A copy; what is not changed is the same file."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for path in sound.iterdir():
        os.link(path, folder / path.name)
    return folder


def rewrite(bundle: Path, manifest: Any) -> None:
    """Another manifest, with the digest that fits it."""
    if isinstance(manifest, dict):
        manifest = {**manifest, "digest": digest_of(manifest)}
    (bundle / "bundle.json").unlink(missing_ok=True)
    (bundle / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")


def places(values: Any) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a manifest."""
    items: Any = ()
    if isinstance(values, dict):
        items = values.items()
    elif isinstance(values, list):
        items = enumerate(values)
    for key, value in items:
        yield (key,)
        yield from ((key, *rest) for rest in places(value))


def put(manifest: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(manifest)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


def use(bundle: Path, image: Image) -> None:
    """Coding there and back works, or what is wrong is said in one line."""
    try:
        codec = library.load_codec(bundle)
        assert codec.decode(codec.encode(image)).shape == image.shape
    except SlimcodecError as error:
        assert "\n" not in str(error)


def test_every_kind_of_nonsense_in_a_manifest(bundle: Path, picture: Picture) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    image, every = picture(32, 32), list(places(manifest))
    # Short ways all, of the many alike in long lists some.
    chosen = [place for place in every if len(place) <= 2]
    chosen += [place for place in every if len(place) > 2][::20]
    for number, place in enumerate(chosen):
        rewrite(bundle, put(manifest, place, JUNK[number % len(JUNK)]))
        use(bundle, image)
    for place in [place for place in every if len(place) == 1 or "graphs" in place[:1]][:12]:
        for junk in JUNK[:2]:
            rewrite(bundle, put(manifest, place, junk))
            use(bundle, image)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": ' + "9" * 5000 + "}", "{", "[]", "\0"])
def test_a_manifest_that_is_none(bundle: Path, text: str) -> None:
    (bundle / "bundle.json").unlink()
    (bundle / "bundle.json").write_text(text)
    with pytest.raises(BundleError):
        open_bundle(bundle)


def test_nothing_outside_is_loaded(bundle: Path, tmp_path: Path) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    facts = manifest["files"]["encoder-1.onnx"]
    outside = tmp_path / "encoder-1.onnx"
    outside.write_bytes((bundle / "encoder-1.onnx").read_bytes())
    for name in ("../encoder-1.onnx", str(outside), "./encoder-1.onnx", "..", "a\\b", "a\0b", ""):
        changed = put(manifest, ("graphs", "encoder", 0, "file"), name)
        for files in (changed["files"], {**changed["files"], name: facts}):
            rewrite(bundle, {**changed, "files": files})
            with pytest.raises(BundleError):
                open_bundle(bundle)


def test_a_graph_without_a_digest(bundle: Path) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    del manifest["files"]["generator-1.onnx"]
    rewrite(bundle, manifest)
    with pytest.raises(BundleError, match=r"no digest of 'generator-1\.onnx'"):
        open_bundle(bundle)


@pytest.mark.parametrize("name", ["weights.bin", "encoder-1.onnx", "bundle.json"])
def test_links_are_not_followed(bundle: Path, sound: Path, name: str) -> None:
    (bundle / name).unlink()
    (bundle / name).symlink_to(sound / name)
    with pytest.raises(BundleError, match="link"):
        open_bundle(bundle)


def forge(bundle: Path, name: str, data: bytes) -> None:
    """Another file of that name, with size and digest put right."""
    (bundle / name).unlink()
    (bundle / name).write_bytes(data)
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    rewrite(bundle, manifest)


@pytest.mark.parametrize("graph", ["encoder-1.onnx", "generator-1.onnx"])
def test_graphs_that_are_none(bundle: Path, picture: Picture, graph: str) -> None:
    image = picture(32, 32)
    whole = (bundle / graph).read_bytes()
    for data in (b"", b"nonsense", whole[: len(whole) // 2]):
        forge(bundle, graph, data)
        codec = library.load_codec(bundle)
        with pytest.raises(BundleError, match="onnx cannot run"):
            codec.decode(codec.encode(image))


@pytest.mark.parametrize("graph", ["encoder-1.onnx", "generator-1.onnx", "hyper_mean-1.onnx"])
def test_graphs_of_another_kind(bundle: Path, picture: Picture, graph: str) -> None:
    for other in ("encoder-1.onnx", "generator-1.onnx", "hyper_analysis-1.onnx"):
        forge(bundle, graph, (bundle / other).read_bytes())
        use(bundle, picture(32, 32))


def test_tables_that_are_none(bundle: Path, picture: Picture) -> None:
    whole = (bundle / "coding.safetensors").read_bytes()
    rng = np.random.default_rng(0)
    for data in (b"", whole[:100], whole[:-100]):
        forge(bundle, "coding.safetensors", data)
        use(bundle, picture(32, 32))
    for _ in range(20):
        damaged = bytearray(whole)
        damaged[int(rng.integers(len(whole)))] ^= int(rng.integers(1, 256))
        forge(bundle, "coding.safetensors", bytes(damaged))
        use(bundle, picture(32, 32))


def test_whoever_may_read_files_may_read_a_bundle(sound: Path) -> None:
    before = os.umask(0o022)
    os.umask(before)
    for path in sound.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~before, path.name


def test_a_manifest_that_was_altered_is_told_from_a_whole_one(bundle: Path) -> None:
    """Every value is of its type: only the digest can tell."""
    text = (bundle / "bundle.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    for changed in (
        put(manifest, ("model", "name"), "another"),
        put(manifest, ("grids", "activations"), {}),
        {**manifest, "remark": 1},
    ):
        (bundle / "bundle.json").unlink()
        (bundle / "bundle.json").write_text(json.dumps(changed))
        with pytest.raises(BundleError, match=r"bundle\.json was altered after it was written"):
            open_bundle(bundle)
        rewrite(bundle, changed)
        open_bundle(bundle)
    rewrite(bundle, manifest)
    assert open_bundle(bundle).digest == manifest["digest"]
    rewrite(bundle, {**manifest, "format": 1})
    with pytest.raises(BundleError, match="has format 1, this slimcodec reads 2"):
        open_bundle(bundle)


@pytest.mark.parametrize("place", [("model", "look"), ("model", "name"), ("grids", "weights")])
def test_a_kept_bundle_that_is_of_another_model_is_made_again(
    tiny_models: dict[str, Model],
    picture: Picture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: tuple[str, str],
) -> None:
    """It bears the model's digest, and its own digest is right."""
    from slimcodec.runtime import open_codec
    from slimcodec.runtime.cache import kept_bundle

    monkeypatch.setenv("SLIMCODEC_CACHE", str(tmp_path))
    model = tiny_models["hific"]
    open_codec(model)
    (kept,) = (tmp_path / "bundles").iterdir()
    whole = (kept / "bundle.json").read_text(encoding="utf-8")
    rewrite(kept, put(json.loads(whole), place, {} if place[0] == "grids" else "other"))
    assert kept_bundle(model.digest, "onnx") is not None
    assert kept_bundle(model.digest, "onnx", model) is None
    use_codec = open_codec(model)
    assert use_codec.decode(use_codec.encode(picture(32, 32))).shape == (32, 32, 3)
    assert (kept / "bundle.json").read_text(encoding="utf-8") == whole


def test_what_a_killed_export_left_the_next_one_removes(
    tiny_models: dict[str, Model], tmp_path: Path
) -> None:
    """In a process of its own, as a folder is cleaned once in a process."""
    from slimcodec.model_file import save

    save(tiny_models["hific"], tmp_path / "tiny.slim")
    left = tmp_path / ".slimcodec-0123456789ab"
    left.mkdir()
    (left / "weights.bin").write_bytes(b"half")
    program = "from slimcodec.cli.app import app; import sys; app(sys.argv[1:])"
    words = ["export", tmp_path / "tiny.slim", "-o", tmp_path / "bundle", "--runtime", "onnx"]
    subprocess.run([sys.executable, "-c", program, *map(str, words)], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "tiny.slim"]


def test_a_graph_that_makes_more_than_its_manifest_says(
    tiny_models: dict[str, Model], picture: Picture, tmp_path: Path
) -> None:
    """What a recurrent decoder remembers is counted by the graph, not by the manifest."""
    folder = tmp_path / "bundle"
    library.export_model(tiny_models["toderici"], folder, "onnx")
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    first = folder / manifest["graphs"]["decoder"][0]["file"]
    model = onnx.load(first, load_external_data=False)
    model.graph.output.append(model.graph.output[-1])
    model.graph.output[-1].name = model.graph.node[-1].input[0]
    forge(folder, first.name, model.SerializeToString())
    codec = library.load_codec(folder)
    with pytest.raises(BundleError, match=r"arrays where its manifest says|cannot run"):
        codec.decode(codec.encode(picture(32, 32)))
