"""Bundles run what was simulated, on every runtime, and say what is wrong with them in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from slimcodec import library, registry
from slimcodec.codecs.graphs import on_arrays
from slimcodec.errors import BundleError, ModelFileError, UnknownNameError, UsageError
from slimcodec.images import read_image
from slimcodec.model_file import Model, save, thaw_network
from slimcodec.quantization.simulation import attach_activations, attach_weights, convolutions
from slimcodec.runtime import open_bundle, open_codec, open_file, profile
from slimcodec.shrink import Context, Quantize, Recipe
from slimcodec.types import Image

Picture = Callable[..., Image]
RUNTIMES = [name for name in registry.runtimes if name != "torch"]


@pytest.fixture(scope="session")
def small(
    tiny_models: dict[str, Model], picture: Picture, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Model]:
    """Both families in eight bits, weights and inputs."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(2):
        PillowImage.fromarray(picture(64, 96, number)).save(folder / f"{number}.png")
    recipe = Recipe([Quantize(8, 8)], "int8")
    return {
        name: library.shrink_model(model, recipe, Context(folder))
        for name, model in tiny_models.items()
    }


@pytest.fixture(scope="session")
def bundles(
    small: dict[str, Model], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Path]:
    """By family and runtime."""
    folder = tmp_path_factory.mktemp("bundles")
    made = {}
    for family, model in small.items():
        for runtime in RUNTIMES:
            made[family, runtime] = folder / f"{family}-{runtime}"
            library.export_model(model, made[family, runtime], runtime)
    return made


def psnr(one: Image, other: Image) -> float:
    error = np.square(one.astype(np.float64) - other.astype(np.float64)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


@pytest.mark.parametrize("family", ["hific", "toderici"])
def test_every_runtime_decodes_every_others_streams(
    small: dict[str, Model],
    bundles: dict[tuple[str, str], Path],
    picture: Picture,
    family: str,
) -> None:
    codecs = [open_codec(small[family], "torch")]
    codecs += [library.load_codec(bundles[family, runtime]) for runtime in RUNTIMES]
    assert len({codec.digest for codec in codecs}) == 1
    image = picture(70, 93)
    for writer in codecs:
        stream = writer.encode(image)
        pictures = [reader.decode(stream) for reader in codecs]
        # The same integers come out of the stream, or the decoder would have said that it is
        # damaged; what differs is sums of floats that fall on the other side of a level.
        assert all(psnr(pictures[0], other) > 40 for other in pictures[1:])


@pytest.mark.parametrize(
    "family", ["compact", "compressai", "extreme", "hific", "restore", "toderici", "vq"]
)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_float_graphs_agree_to_a_level(
    tiny_models: dict[str, Model], picture: Picture, runtime: str, family: str, tmp_path: Path
) -> None:
    bundle = library.export_model(tiny_models[family], tmp_path / "bundle", runtime)
    reference, codec = open_codec(tiny_models[family], "torch"), open_codec(bundle)
    stream = reference.encode(picture(64, 80))
    apart = np.abs(reference.decode(stream).astype(int) - codec.decode(stream).astype(int))
    assert apart.max() <= 1


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_picture_becomes_the_same_bytes_at_every_call(
    bundles: dict[tuple[str, str], Path], picture: Picture, runtime: str
) -> None:
    codec = library.load_codec(bundles["toderici", runtime])
    image, other = picture(64, 96, 3), picture(32, 64, 4)
    streams = []
    for number in range(8):
        streams.append(codec.encode(image))
        if number % 3 == 2:
            codec.encode(other)
    assert set(streams) == {streams[0]}


@pytest.mark.parametrize(
    "family", ["compact", "compressai", "extreme", "hific", "restore", "toderici", "vq"]
)
def test_openvino_multiplies_nothing_but_integers(
    bundles: dict[tuple[str, str], Path], family: str
) -> None:
    """As the graphs say it. Tables that are looked up by the iteration are no layers."""
    onnx = pytest.importorskip("onnx")
    floats = []
    for path in sorted(bundles[family, "openvino"].glob("*.onnx")):
        nodes = onnx.load(path, load_external_data=False).graph.node
        makers = {name: node for node in nodes for name in node.output}
        for node in nodes:
            if node.op_type not in ("Conv", "ConvTranspose") or ".weight." not in node.name:
                continue
            for name in node.input[:2]:
                maker = makers.get(name)
                # A reflection of integers stands behind their dequantization.
                if maker is not None and maker.op_type == "Pad":
                    maker = makers.get(maker.input[0])
                if maker is None or maker.op_type != "DequantizeLinear":
                    floats.append(f"{path.stem} {node.name}")
    assert floats == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_profile_names_layers(bundles: dict[tuple[str, str], Path], runtime: str) -> None:
    operators = profile(open_bundle(bundles["toderici", runtime]))
    work = [operator for operator in operators if operator.multiplies]
    assert {operator.graph for operator in work} == {"encoder", "binarizer", "decoder", "filter"}
    if runtime == "openvino" and "avx512_vnni" in _flags():
        assert any(operator.integer for operator in work)
        assert "decoder.cells.0.conv_ih" in {operator.name for operator in work}


def _flags() -> tuple[str, ...]:
    from slimcodec.machine import cpu_flags

    return cpu_flags()


def test_a_bundle_needs_no_torch(
    bundles: dict[tuple[str, str], Path], picture: Picture, tmp_path: Path
) -> None:
    PillowImage.fromarray(picture(40, 56)).save(tmp_path / "photo.png")
    for runtime in RUNTIMES:
        program = (
            "import sys; sys.modules.update(dict.fromkeys(['torch', 'onnx', 'nncf']));"
            "from slimcodec.cli.app import app; sys.argv[0] = 'slimcodec';"
            "app(sys.argv[1:])"
        )
        stream, bundle = tmp_path / f"{runtime}.slc", bundles["hific", runtime]
        for arguments in (
            ["encode", tmp_path / "photo.png", "--codec", bundle, "-o", stream],
            ["decode", stream, "--codec", bundle, "-o", tmp_path / f"{runtime}.png"],
        ):
            subprocess.run([sys.executable, "-c", program, *map(str, arguments)], check=True)
        assert read_image(tmp_path / f"{runtime}.png").pixels.shape == (40, 56, 3)


def test_damage_is_named(bundles: dict[tuple[str, str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    original = bundles["hific", "onnx"]
    files = {path.name: path.read_bytes() for path in original.iterdir()}

    def written(**changed: bytes | None) -> Path:
        folder.mkdir(exist_ok=True)
        for name, data in files.items():
            new = changed.get(name.replace(".", "_").replace("-", "_"), data)
            (folder / name).unlink(missing_ok=True)
            if new is not None:
                (folder / name).write_bytes(new)
        return folder

    open_bundle(written())
    with pytest.raises(BundleError, match=r"lacks weights\.bin"):
        open_bundle(written(weights_bin=None))
    altered = bytes([files["weights.bin"][0] ^ 1]) + files["weights.bin"][1:]
    with pytest.raises(BundleError, match=r"weights\.bin was altered"):
        open_bundle(written(weights_bin=altered))
    with pytest.raises(BundleError, match="cannot be read"):
        open_bundle(written(bundle_json=b"{"))
    manifest = json.loads(files["bundle.json"])
    manifest["files"]["../escape"] = manifest["files"].pop("weights.bin")
    with pytest.raises(BundleError, match="not a file inside"):
        open_bundle(written(bundle_json=json.dumps(manifest).encode()))
    with pytest.raises(BundleError, match=r"no bundle\.json"):
        open_bundle(written(bundle_json=None))


def test_wrong_requests(
    bundles: dict[tuple[str, str], Path], tiny_models: dict[str, Model], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="made for the runtime onnx"):
        library.load_codec(bundles["hific", "onnx"], "openvino")
    with pytest.raises(UnknownNameError, match="openvino"):
        library.export_model(tiny_models["hific"], tmp_path / "bundle", "openvno")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "keep.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no bundle"):
        library.export_model(tiny_models["hific"], tmp_path / "full", "onnx")
    assert (tmp_path / "full" / "keep.txt").read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_the_simulation_can_be_trained_through(small: dict[str, Model], picture: Picture) -> None:
    network = thaw_network(small["hific"])
    attach_activations(network, small["hific"].quantization.activations)
    for name, layer in convolutions(network.generator).items():
        grid = small["hific"].quantization.weights[f"generator.{name}.weight"]
        attach_weights(layer, torch.from_numpy(grid.steps), grid.bits, grid.axis)
    image = torch.from_numpy(picture(128, 128).transpose(2, 0, 1)[None] / np.float32(255))
    out = network(image)
    out.image.square().mean().backward()
    layer = network.generator.stages[0].conv
    original = layer.parametrizations.weight.original
    assert original.grad is not None and float(original.grad.abs().sum()) > 0
    # What is trained stays on the grid wherever it is read.
    grid = small["hific"].quantization.weights["generator.stages.0.conv.weight"]
    steps = torch.from_numpy(grid.broadcast_steps())
    with torch.no_grad():
        original.add_(0.3 * steps)
    integers = layer.weight.detach() / steps
    torch.testing.assert_close(integers, integers.round())


def test_graphs_without_inference_mode_go_through_layers(small: dict[str, Model]) -> None:
    network = thaw_network(small["toderici"])
    calls: list[str] = []
    network.encoder.cells[0].conv_ih.register_forward_hook(lambda *_: calls.append("seen"))
    residual = np.zeros((1, 3, 32, 48), np.float32)
    family = registry.families.get("toderici")
    banded = on_arrays(family.graphs(network))["encoder"](residual)
    assert not calls
    plain = on_arrays(family.graphs(network), inference=False)["encoder"](residual)
    assert calls
    for one, other in zip(banded, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


# What is kept between processes


BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "jaxtyping", "onnx", "scipy"}:
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Blocker())
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", library.built_in_models())
def test_coding_with_a_built_in_model_never_imports_torch(
    name: str, picture: Picture, tmp_path: Path
) -> None:
    PillowImage.fromarray(picture(40, 56)).save(tmp_path / "photo.png")
    program = f"""{BLOCKED}
from pathlib import Path
import slimcodec
codec = slimcodec.load({name!r})
image = slimcodec.read_image({str(tmp_path / "photo.png")!r}).pixels
assert codec.decode(codec.encode(image)).shape == image.shape
"""
    for _ in range(2):  # with nothing kept, perhaps; and with what the first call kept
        subprocess.run([sys.executable, "-c", program], check=True)


@pytest.fixture()
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one."""
    monkeypatch.setenv("SLIMCODEC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture()
def file(tiny_models: dict[str, Model], tmp_path: Path) -> Path:
    """A model file that has lain there for a while."""
    path = tmp_path / "tiny.slim"
    save(tiny_models["hific"], path)
    os.utime(path, ns=(10**18, 10**18))
    return path


def test_a_model_file_that_is_known_is_not_read_again(
    cache: Path, file: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture(40, 56)
    codec = open_file(file)
    stream = codec.encode(image)
    decoded = codec.decode(stream)

    def never(path: Path) -> Model:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("slimcodec.runtime.base.load", never)
    again = open_file(file)
    assert again.encode(image) == stream
    np.testing.assert_array_equal(again.decode(stream), decoded)
    assert (again.name, again.digest, again.model_bytes) == (
        codec.name, codec.digest, file.stat().st_size,
    )  # fmt: skip


def test_a_model_file_that_changed_is_read_again(cache: Path, file: Path) -> None:
    open_file(file)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"altered|damaged"):
        open_file(file)


@pytest.mark.parametrize("damage", ["bundles/*/coding.safetensors", "bundles/*/weights.bin",
                                    "bundles/*/bundle.json", "sessions/*/graph.onnx",
                                    "sessions/*/tensors.bin", "models/*.json",
                                    "openvino/*/*.blob"])  # fmt: skip
def test_what_is_kept_and_cut_short_is_made_again(
    cache: Path, file: Path, picture: Picture, damage: str
) -> None:
    runtime = "openvino" if damage.startswith("openvino") else "onnx"
    image = picture(40, 56)
    stream = open_file(file, runtime).encode(image)
    found = list(cache.glob(damage))
    assert found
    for path in found:
        path.write_bytes(path.read_bytes()[:-9])
    assert open_file(file, runtime).encode(image) == stream


def test_without_a_place_to_keep_anything(
    file: Path, picture: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setenv("SLIMCODEC_CACHE", str(tmp_path / "taken"))
    codec = open_file(file)
    image = picture(40, 56)
    assert codec.decode(codec.encode(image)).shape == image.shape


def test_weights_that_do_not_fit_are_named(cache: Path, tiny_models: dict[str, Model]) -> None:
    whole = tiny_models["hific"]
    weights = {k: v for k, v in whole.weights.items() if k != "generator.head.weight"}
    with pytest.raises(ModelFileError, match=r"do not fit the network: .*generator\.head"):
        open_codec(replace(whole, weights=weights))


def test_a_runtime_that_runs_no_bundles(tiny_models: dict[str, Model], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no bundles"):
        library.export_model(tiny_models["hific"], tmp_path / "bundle", "torch")
