"""A model file gives back the model that was written, bit for bit, or an error."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from slimcodec import registry
from slimcodec.codecs.family import Coded, Identified, stream_id_of, sums_of
from slimcodec.errors import ModelFileError, SlimcodecError, UsageError
from slimcodec.model_file import (
    NATURAL,
    Model,
    file_bytes,
    freeze_network,
    load,
    read_manifest,
    save,
    thaw_network,
)
from slimcodec.model_file.packing import pack
from slimcodec.runtime import open_codec
from slimcodec.types import Codec, Image
from tests.model_file.rewriting import rewritten

Picture = Callable[..., Image]


@pytest.fixture(scope="module")
def path(tiny_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.slim"
    save(tiny_model, path)
    return path


def test_load_is_the_inverse_of_save(tiny_model: Model, path: Path) -> None:
    again = load(path)
    assert again.manifest() == tiny_model.manifest()
    assert again.digest == tiny_model.digest
    assert again.stream_id == tiny_model.stream_id
    for ours, theirs in ((again.weights, tiny_model.weights), (again.frozen, tiny_model.frozen)):
        assert set(ours) == set(theirs)
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(ours[name], theirs[name])


def test_the_same_codec_comes_out(tiny_codec: Codec, path: Path, picture: Picture) -> None:
    again = open_codec(load(path), model_bytes=path.stat().st_size)
    image = picture(50, 70)
    stream = again.encode(image)
    assert stream == tiny_codec.encode(image)
    np.testing.assert_array_equal(again.decode(stream), tiny_codec.decode(stream))
    assert again.digest == tiny_codec.digest
    assert again.model_bytes == path.stat().st_size


def test_two_saves_are_the_same_bytes(tiny_network: Any, path: Path, tmp_path: Path) -> None:
    model = load(path)
    save(model, tmp_path / "again.slim")
    assert (tmp_path / "again.slim").read_bytes() == path.read_bytes()
    frozen_again = freeze_network(tiny_network, name="tiny", family="hific", history=model.history)
    assert frozen_again.digest == model.digest


def test_a_digest_is_of_everything(tiny_model: Model) -> None:
    def nudged(arrays: Any, name: str) -> dict[str, np.ndarray]:
        array = arrays[name].copy()
        array.flat[0] += 1
        return {**arrays, name: array}

    others = [
        replace(tiny_model, name="other"),
        replace(tiny_model, history=(*tiny_model.history, {"what": "more"})),
        replace(tiny_model, stream_id="00" * 8),
        replace(tiny_model, config={**tiny_model.config, "negative_slope": 0.1}),
        *(replace(tiny_model, weights=nudged(tiny_model.weights, n)) for n in tiny_model.weights),
        *(replace(tiny_model, frozen=nudged(tiny_model.frozen, n)) for n in tiny_model.frozen),
    ]
    digests = {model.digest for model in [tiny_model, *others]}
    assert len(digests) == 1 + len(others)
    assert len(tiny_model.digest) == 64


# Freezing and thawing


def test_weights_are_the_nearest_halves(tiny_network: Any, tiny_model: Model) -> None:
    state = tiny_network.state_dict()
    assert set(state) == set(tiny_model.weights)
    grids = tiny_model.quantization.weights
    for name, weights in tiny_model.weights.items():
        assert weights.dtype == np.float32
        if name in grids:
            np.testing.assert_array_equal(weights, grids[name].weights())
            continue
        np.testing.assert_array_equal(weights, weights.astype(np.float16).astype(np.float32))
        np.testing.assert_array_equal(weights, state[name].numpy().astype(np.float16))


def test_thawing_and_freezing_again_changes_nothing(tiny_model: Model) -> None:
    network = thaw_network(tiny_model)
    assert not network.training
    again = freeze_network(network, name="tiny", family="hific", history=tiny_model.history)
    assert again.digest == tiny_model.digest


def test_freezing_leaves_the_network_alone(tiny_network: Any, tiny_model: Model) -> None:
    network = copy.deepcopy(tiny_network)
    freeze_network(network, name="x", family="hific")
    for name, tensor in tiny_network.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)
    thawed = thaw_network(tiny_model)
    with torch.no_grad():
        for parameter in thawed.parameters():
            parameter.zero_()
    assert all(a.any() for n, a in tiny_model.weights.items() if n.endswith("head.weight"))


@pytest.mark.parametrize("value", [65520.0, -1e6, math.inf, math.nan])
def test_weights_that_half_precision_cannot_hold(tiny_network: Any, value: float) -> None:
    network = copy.deepcopy(tiny_network)
    with torch.no_grad():
        network.generator.head.weight[1, 2, 0, 1] = value
    with pytest.raises(ModelFileError, match=r"generator\.head\.weight holds values that half"):
        freeze_network(network, name="x", family="hific")


@pytest.mark.parametrize("family", registry.families)
def test_what_codes_is_settled(family: str, tiny_models: dict[str, Model]) -> None:
    """Seven bits for weights, eight for what layers are given; that is not called quantized."""
    model, kind = tiny_models[family], registry.families.get(family)
    sums = sums_of(kind, kind.config(model.config))
    coded = {name for one in sums for name in one.layers}
    assert {f"{name}.weight" for name in coded} == set(model.quantization.weights)
    assert coded == set(model.quantization.activations)
    assert {grid.bits for grid in model.quantization.weights.values()} == ({7} if coded else set())
    grids = model.quantization.activations.values()
    assert {grid.bits for grid in grids} == ({8} if coded else set())
    assert not model.quantized
    assert isinstance(kind, Identified) == bool(model.stream_id)
    assert isinstance(kind, Coded) >= bool(coded)
    assert stream_id_of(kind, model.coding) == model.stream_id


def test_grids_of_other_photographs_are_others(
    tiny_network: Any, tiny_model: Model, picture: Picture
) -> None:
    """And a network that is settled looks at none."""
    other = freeze_network(
        tiny_network, name="x", family="hific", photographs=[picture(128, 128, seed=3)]
    )
    assert other.stream_id != tiny_model.stream_id
    again = freeze_network(
        thaw_network(other), name="x", family="hific", photographs=[picture(128, 128, seed=4)]
    )
    assert again.digest == other.digest


def test_parameters_are_counted_by_part(tiny_network: Any, tiny_model: Model) -> None:
    counts = tiny_model.parameters()
    assert list(counts) == ["encoder", "generator", "probability"]
    for part, (total, nonzero) in counts.items():
        tensors = getattr(tiny_network, part).state_dict().values()
        assert total == sum(tensor.numel() for tensor in tensors)
        assert 0 < nonzero < total  # some biases start at zero


def test_weights_of_another_shape(tiny_model: Model) -> None:
    wider = replace(tiny_model, config={**tiny_model.config, "trunk_width": 16})
    with pytest.raises(ModelFileError, match="do not fit the network") as error:
        thaw_network(wider)
    assert "\n" not in str(error.value)


# Damage


def test_flipped_bits(path: Path, tmp_path: Path) -> None:
    """Anywhere: in the length, in the manifest, in names and places of tensors, in tensors."""
    data = path.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    rng = np.random.default_rng(0)
    manifest = data.index(b"__metadata__"), data.index(b"}", data.index(b"stream_id"))
    places = [*range(8), *rng.integers(8, header, 150), *rng.integers(*manifest, 150)]
    places += [*rng.integers(header, len(data), 100), header, len(data) - 1]
    bad = tmp_path / "bad.slim"
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        bad.write_bytes(flipped)
        with pytest.raises(ModelFileError) as error:
            load(bad)
        assert str(bad) in str(error.value)


def test_truncation(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    bad = tmp_path / "bad.slim"
    for length in (0, 1, 7, 8, 9, 100, len(data) // 2, len(data) - 1):
        bad.write_bytes(data[:length])
        with pytest.raises(ModelFileError, match="cut short"):
            load(bad)
    bad.write_bytes(data + b"\0")
    with pytest.raises(ModelFileError):
        load(bad)


def test_files_that_are_something_else(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.slim"
    for content in (b"hello", b"\x89PNG\r\n\x1a\n" + bytes(500), bytes(1000)):
        foreign.write_bytes(content)
        with pytest.raises(ModelFileError, match="not a slimcodec model file"):
            load(foreign)
    save_file({"x": np.zeros(3, np.float32)}, foreign)
    with pytest.raises(ModelFileError, match="not a slimcodec model file"):
        load(foreign)
    save_file({"x": np.zeros(3, np.float32)}, foreign, {"format": "pt"})
    with pytest.raises(ModelFileError, match="not a slimcodec model file"):
        load(foreign)
    with pytest.raises(ModelFileError, match="there is no model file"):
        load(tmp_path / "absent.slim")
    with pytest.raises(ModelFileError, match="there is no model file"):
        load(tmp_path)


@pytest.mark.parametrize("manifest", ["[]", "3", "null", "{}", '"text"', "{", '{"format": 1}'])
def test_manifests_that_are_something_else(tmp_path: Path, manifest: str) -> None:
    foreign = tmp_path / "foreign.slim"
    save_file({"x": np.zeros(3, np.float32)}, foreign, {"slimcodec": manifest})
    with pytest.raises(ModelFileError):
        load(foreign)


def test_a_later_format(path: Path, tmp_path: Path) -> None:
    def change(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        manifest["format"] = 5

    with pytest.raises(ModelFileError, match="file format 5, this slimcodec reads 1, 2, 3 and 4"):
        load(rewritten(path, tmp_path / "later.slim", change))


@pytest.mark.parametrize("key", ["name", "family", "config", "history", "stream_id", "digest"])
def test_an_incomplete_manifest(path: Path, tmp_path: Path, key: str) -> None:
    def change(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        del manifest[key]

    with pytest.raises(ModelFileError, match=f"its manifest lacks '{key}'"):
        load(rewritten(path, tmp_path / "incomplete.slim", change))


def test_altered_contents(path: Path, tmp_path: Path) -> None:
    def rename(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        manifest["name"] = "another"

    def drop(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        del tensors["weight/log_gain"]

    def zero(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        tensors["frozen/hyper_tables.centres"] = pack(np.zeros(8, np.int32))

    for change in (rename, drop, zero):
        with pytest.raises(ModelFileError, match="was altered"):
            load(rewritten(path, tmp_path / "altered.slim", change))


def test_a_stream_id_that_is_not_that_of_the_integers(tiny_model: Model, tmp_path: Path) -> None:
    """As from another version, whose integer prior gave other integers for the same weights."""
    save(replace(tiny_model, stream_id="0123456789abcdef"), tmp_path / "other.slim")
    with pytest.raises(ModelFileError, match=r"stream id 0123456789abcdef .* another version"):
        load(tmp_path / "other.slim")


@pytest.mark.parametrize("family", registry.families)
def test_contents_that_make_no_model(
    family: str, tiny_models: dict[str, Model], tmp_path: Path
) -> None:
    """With a right digest around them: it is no signature, anyone can write one."""
    whole, path = tiny_models[family], tmp_path / "odd.slim"
    own = tuple(registry.families.get(family).coding_weights)
    computed = [name for name in whole.weights if name.startswith(own)]
    odd = [
        replace(whole, weights={k: v for k, v in whole.weights.items() if k != name})
        for name in computed[:: max(1, len(computed) // 5)]
    ]
    if whole.frozen:
        odd += [replace(whole, frozen={k: v[:1] for k, v in whole.frozen.items()})]
        odd += [replace(whole, frozen={})]
    odd += [replace(whole, weights={})]
    odd += [replace(whole, config={**whole.config, "surprise": 1})]
    for model in odd:
        save(model, path)
        with pytest.raises(ModelFileError, match=r"odd\.slim: |do not fit the network") as error:
            open_codec(load(path), "torch")
        assert "\n" not in str(error.value)


def test_no_half_written_file(tiny_model: Model, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.slim"
    target.write_bytes(path.read_bytes())
    unwritable = replace(tiny_model, history=({"what": object()},))
    with pytest.raises(TypeError):
        save(unwritable, target)
    assert target.read_bytes() == path.read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["model.slim"]
    with pytest.raises(SlimcodecError, match="no folder"):
        save(tiny_model, tmp_path / "missing" / "model.slim")


# A second look: a file that builds on the one beside it


def test_a_look_reads_the_same_streams(tiny_model: Model, natural: Model, picture: Picture) -> None:
    assert natural.stream_id == tiny_model.stream_id
    assert natural.digest != tiny_model.digest
    image = picture(64, 96)
    stream = open_codec(tiny_model).encode(image)
    assert stream == open_codec(natural).encode(image)
    ours, theirs = (open_codec(model).decode(stream) for model in (tiny_model, natural))
    assert not np.array_equal(ours, theirs)


def test_a_zero_has_no_sign_in_a_stream_id(tiny_network: Any, tiny_model: Model) -> None:
    """Training beside them turns -0 into 0 in weights that do not learn."""
    models = []
    for zero in (0.0, -0.0):
        network = copy.deepcopy(tiny_network)
        with torch.no_grad():
            network.probability.mean.layers[2].weight[0, 0] = zero
        models.append(freeze_network(network, name="tiny", family="hific"))
    assert models[0].stream_id == models[1].stream_id != tiny_model.stream_id
    assert models[0].digest == models[1].digest


def test_a_file_holds_what_its_base_lacks(tmp_path: Path, path: Path, natural: Model) -> None:
    base = tmp_path / "base.slim"
    base.write_bytes(path.read_bytes())
    alone, beside = tmp_path / "alone.slim", tmp_path / "beside.slim"
    save(natural, alone)
    save(natural, beside, base)
    again = load(beside)
    assert again.digest == load(alone).digest == natural.digest
    assert again.look == NATURAL
    assert beside.stat().st_size < 0.8 * alone.stat().st_size
    assert file_bytes(alone) == alone.stat().st_size
    # On its own it would be as large, but for what a file says of itself.
    assert file_bytes(beside) == pytest.approx(alone.stat().st_size, abs=20_000)
    with safe_open(beside, "numpy") as file:
        assert {name.split(".")[0] for name in file.keys()} == {"weight/generator"}  # noqa: SIM118


def test_a_base_that_is_not_there_or_another(
    tmp_path: Path, path: Path, natural: Model, tiny_network: Any
) -> None:
    base, beside = tmp_path / "base.slim", tmp_path / "beside.slim"
    base.write_bytes(path.read_bytes())
    save(natural, beside, base)
    with pytest.raises(UsageError, match="is not whole itself"):
        save(natural, tmp_path / "third.slim", beside)
    with pytest.raises(UsageError, match="must lie beside"):
        save(natural, tmp_path / "third.slim", path)
    other = copy.deepcopy(tiny_network)
    with torch.no_grad():
        other.encoder.head.weight.add_(0.5)
    save(freeze_network(other, name="tiny", family="hific"), base)
    with pytest.raises(ModelFileError, match=r"builds on another base\.slim than the one"):
        load(beside)
    base.unlink()
    with pytest.raises(ModelFileError, match=r"does not share with .*base\.slim; put that there"):
        load(beside)


@pytest.mark.parametrize("name", ["../base.slim", "", None, 3, "beside.slim", "a" * 300])
def test_a_base_that_is_no_neighbour(tmp_path: Path, path: Path, natural: Model, name: Any) -> None:
    base, beside = tmp_path / "base.slim", tmp_path / "beside.slim"
    base.write_bytes(path.read_bytes())
    save(natural, beside, base)

    def change(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        manifest["base"]["file"] = name

    inside = tmp_path / "inside"
    inside.mkdir()
    for each in (base, beside):
        (inside / each.name).write_bytes(each.read_bytes())
    changed = rewritten(beside, inside / "changed.slim", change)
    with pytest.raises(ModelFileError, match=r"names no file|put that|not whole") as error:
        load(changed)
    assert "\n" not in str(error.value)
    assert "base" in read_manifest(changed)


def test_a_narrower_network_names_what_it_is_without(
    tmp_path: Path, path: Path, tiny_model: Model
) -> None:
    base, beside = tmp_path / "base.slim", tmp_path / "beside.slim"
    base.write_bytes(path.read_bytes())
    blocks = tiny_model.config["residual_blocks"] - 1
    last = f"generator.trunk.{blocks}."
    weights = {n: w for n, w in tiny_model.weights.items() if not n.startswith(last)}
    config = {**tiny_model.config, "residual_blocks": blocks}
    narrower = dataclasses.replace(tiny_model, config=config, weights=weights, look="fast")
    save(narrower, beside, base)
    assert load(beside).digest == narrower.digest
    assert load(beside).stream_id == tiny_model.stream_id
    alone = tmp_path / "alone.slim"
    save(narrower, alone)
    assert file_bytes(beside) == pytest.approx(alone.stat().st_size, abs=20_000)

    def change(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        manifest["base"]["without"] = {"weight": 3}

    changed = rewritten(beside, tmp_path / "changed.slim", change)
    with pytest.raises(ModelFileError, match="which names no tensors"):
        load(changed)


def test_a_look_that_is_no_name(tmp_path: Path, path: Path) -> None:
    def change(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        manifest["look"] = 3

    with pytest.raises(ModelFileError, match="its look is 3, not a name"):
        load(rewritten(path, tmp_path / "changed.slim", change))
