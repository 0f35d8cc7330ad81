"""Checkpoint files are read as torch and safetensors read them, nothing of them run; torch's own
reader is the oracle."""

from __future__ import annotations

import argparse
import enum
import pickle
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from slimcodec.codecs.torch_file import plain, read_checkpoint_file
from slimcodec.errors import CheckpointError

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint8, torch.bool, torch.uint16, torch.uint32,
]  # fmt: skip


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    count = int(np.prod(shape))
    return (
        (torch.arange(count) % 2 if dtype == torch.bool else torch.arange(count))
        .to(dtype)
        .reshape(shape)
    )


def read(path: Path) -> dict[str, np.ndarray]:
    return {name: np.asarray(a) for name, a in read_checkpoint_file(path).weights.items()}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_plain_type(dtype: torch.dtype, zipped: bool, tmp_path: Path) -> None:
    path, tensor = tmp_path / "x.pt", numbers(3, 4, dtype=dtype)
    torch.save({"x": tensor}, path, _use_new_zipfile_serialization=zipped)
    np.testing.assert_array_equal(read(path)["x"], tensor.float().numpy())
    assert read(path)["x"].dtype == np.float32


@pytest.mark.parametrize("zipped", [True, False])
def test_views_are_what_torch_reads(zipped: bool, tmp_path: Path) -> None:
    whole = torch.randn(5, 6, 7)
    state = {
        "whole": whole, "turned": whole.permute(2, 0, 1), "part": whole[1:4, ::2, 3],
        "one": torch.tensor(2.5), "none": torch.zeros(0, 3), "row": whole.flatten()[11:20],
        "last": whole.contiguous(memory_format=torch.contiguous_format),
        "learned": nn.Parameter(whole[0]),
    }  # fmt: skip
    path = tmp_path / "views.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    found = read(path)
    for name, tensor in torch.load(path, weights_only=True).items():
        np.testing.assert_array_equal(found[name], tensor.detach().numpy())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    content = {"state_dict": OrderedDict(a=torch.ones(2)), "args": {"n": -3, "t": "ä", "f": 0.5}}
    torch.save(content, path, pickle_protocol=protocol)
    assert read(path)["a"].tolist() == [1, 1]
    assert read_checkpoint_file(path).settings == {"n": -3, "t": "ä", "f": 0.5}


def test_a_big_ending_file(tmp_path: Path) -> None:
    path, real = tmp_path / "x.pt", torch.randn(4)
    swapped = torch.from_numpy(real.numpy().byteswap())
    torch.save({"x": swapped}, path)
    data = path.read_bytes()
    import zipfile

    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "big.pt", "w") as new:
        for name in old.namelist():
            new.writestr(name, b"big" if name.endswith("byteorder") else old.read(name))
    assert data
    np.testing.assert_array_equal(read(tmp_path / "big.pt")["x"], real.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64", "int64"])
def test_safetensors(dtype: str, tmp_path: Path) -> None:
    path, tensor = tmp_path / "x.safetensors", numbers(2, 3, dtype=getattr(torch, dtype))
    save_file({"module.x": tensor}, path, {"likelihood_type": "logistic", "n": "9", "on": "true"})
    np.testing.assert_array_equal(read(path)["x"], tensor.float().numpy())
    settings = read_checkpoint_file(path).settings
    assert settings == {"likelihood_type": "logistic", "n": 9, "on": True}


# How people wrap weights


@pytest.mark.parametrize(
    "keys",
    [
        (), ("state_dict",), ("model_state_dict",), ("network",), ("model",), ("net",),
        ("model", "state_dict"), ("params",), ("weights", "model"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "net."])
def test_wrapped_weights(keys: tuple[str, ...], prefix: str, tmp_path: Path) -> None:
    content: Any = OrderedDict({f"{prefix}a.weight": torch.ones(2), f"{prefix}b": torch.zeros(1)})
    for key in reversed(keys):
        content = {"epoch": 3, "optimizer": {"state": {0: {"exp": torch.ones(1)}}}, key: content}
    torch.save(content, tmp_path / "x.pt")
    assert set(read(tmp_path / "x.pt")) == {"a.weight", "b"}


def test_prefixes_inside_names_and_of_averages(tmp_path: Path) -> None:
    state = {
        "n_averaged": torch.tensor(3), "module.Encoder.module.conv.weight": torch.ones(1),
        "module.Decoder._orig_mod.conv.weight": torch.ones(1),
    }  # fmt: skip
    torch.save(state, tmp_path / "x.pt")
    assert set(read(tmp_path / "x.pt")) == {"Encoder.conv.weight", "Decoder.conv.weight"}
    torch.save({"a.module.b": torch.ones(1), "a.b": torch.ones(1)}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"two tensors of the name a\.b"):
        read(tmp_path / "x.pt")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.scale = nn.Parameter(torch.ones(3))


def test_a_whole_pickled_network(tmp_path: Path) -> None:
    """As `torch.save(network)` writes it: its class is not needed, and not looked for."""
    network = Net()
    for content in (network, {"model": network}):
        torch.save(content, tmp_path / "x.pt")
        found, wanted = read(tmp_path / "x.pt"), network.state_dict()
        assert set(found) == set(wanted)
        for name, tensor in wanted.items():
            np.testing.assert_array_equal(found[name], tensor.numpy())


def test_arrays_of_numpy(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    state = {"a": array, "turned": np.asfortranarray(array), "b": array.astype(">f8")}
    for number, save in enumerate((torch.save, lambda c, p: p.write_bytes(pickle.dumps(c)))):
        path = tmp_path / f"{number}.pt"
        save({"state_dict": state}, path)
        for found in read(path).values():
            np.testing.assert_array_equal(found, array)


# Settings


class Struct:
    def __init__(self, **values: Any) -> None:
        raise AssertionError("nobody calls this when a file is read")


class Mode(enum.Enum):
    TRAINING = "training"


class Level(enum.IntEnum):
    HIGH = 3


class Slotted:
    __slots__ = ("levels", "mode")
    levels: Any
    mode: Any


class Table(dict[str, Any]):
    pass


def objects(values: dict[str, Any]) -> list[Any]:
    struct = Struct.__new__(Struct)
    struct.__dict__.update(values)
    slotted = Slotted()
    slotted.mode, slotted.levels = values["mode"], values["levels"]
    return [
        values, struct, slotted, argparse.Namespace(**values), types.SimpleNamespace(**values),
        Table(values), OrderedDict(values),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize("zipped", [True, False])
def test_settings_of_any_class(number: int, zipped: bool, tmp_path: Path) -> None:
    values = {
        "mode": Mode.TRAINING, "levels": Level.HIGH, "path": Path("/data/x"), "n": np.int64(7),
        "rate": np.float32(0.5), "on": np.bool_(True), "name": "x", "nothing": None,
        "pure": Path("a") / "b",
    }  # fmt: skip
    content = {"model_state_dict": {"a": torch.ones(1)}, "args": objects(values)[number]}
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    settings = read_checkpoint_file(tmp_path / "x.pt").settings
    found = {name: plain(value) for name, value in settings.items()}
    if number == 2:
        assert set(found) == {"mode", "levels"}
        return
    assert found["path"] in ("//data/x", "/data/x") and found["pure"] == "a/b"
    assert (found["n"], found["rate"], found["on"]) == (7, 0.5, True)
    assert (found["name"], found["nothing"]) == ("x", None)
    # Some versions of Python pickle members by their names, which nothing here looks up.
    assert found["levels"] == 3 or not isinstance(found["levels"], int)
    assert found["mode"] == "training" or not isinstance(found["mode"], str)


def test_settings_under_other_names(tmp_path: Path) -> None:
    for key in ("args", "hyper_parameters", "hparams", "config", "opt"):
        torch.save({"state_dict": {"a": torch.ones(1)}, key: {"n": 1}}, tmp_path / "x.pt")
        assert read_checkpoint_file(tmp_path / "x.pt").settings == {"n": 1}
    for args in (None, 3, "text", [1]):
        torch.save({"state_dict": {"a": torch.ones(1)}, "args": args}, tmp_path / "x.pt")
        assert read_checkpoint_file(tmp_path / "x.pt").settings == {}
