"""Checkpoints that mean harm, claim what they do not hold, or are something else: one clear line
each, nothing run, nothing taken."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from slimcodec.codecs.torch_file import read_checkpoint_file
from slimcodec.errors import CheckpointError


def refused(path: Path, *words: str) -> str:
    """The one line that a file is refused with."""
    with pytest.raises(CheckpointError) as error:
        found = read_checkpoint_file(path)
        for array in found.weights.values():
            np.asarray(array)
    text = str(error.value)
    assert "\n" not in text and len(text) < 600 and str(path) in text, text
    for word in words:
        assert word in text, text
    return text


def zipped(path: Path, data: bytes, **entries: bytes) -> Path:
    """A checkpoint of torch's form around any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        for name, content in entries.items():
            archive.writestr(f"archive/data/{name.lstrip('_')}", content)
    return path


class Call:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def mark(place: Path) -> Any:
    return Call(os.mkdir, str(place))


MODULES = [
    b"cos\nsystem\n", b"cposix\nsystem\n", b"c__builtin__\neval\n", b"cbuiltins\nexec\n",
    b"cbuiltins\n__import__\n", b"csubprocess\nPopen\n", b"cimportlib\nimport_module\n",
    b"crunpy\nrun_path\n", b"cpickle\nloads\n", b"cbuiltins\ngetattr.__class__\n",
    b"cbuiltins\nopen\n", b"cmarshal\nloads\n", b"ctypes.FunctionType\n", b"cctypes\nCDLL\n",
]  # fmt: skip


@pytest.mark.parametrize("code", MODULES, ids=lambda code: code.decode().replace("\n", "."))
def test_what_would_run_code(code: bytes, tmp_path: Path) -> None:
    command = f"touch {tmp_path / 'harm'}".encode()
    data = code + b"(V" + command + b"\ntR."
    for path in (zipped(tmp_path / "a.pt", data),):
        refused(path, "refused" if b"FunctionType" not in code else "pickle")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("where", ["whole", "weights", "tensor", "settings", "setting", "key"])
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_nothing_runs_wherever_it_stands(where: str, form: str, tmp_path: Path) -> None:
    harm = mark(tmp_path / "harm")
    good: dict[str, Any] = {"a": torch.ones(1)} if form != "pickle" else {"a": np.ones(1)}
    content = {
        "whole": harm, "weights": {"state_dict": harm}, "tensor": {"state_dict": {"a": harm}},
        "settings": {"state_dict": good, "args": harm},
        "setting": {"state_dict": good, "args": {"n": harm}},
        "key": {"state_dict": good, "deep": [[{"x": (harm,)}]]},
    }[where]  # fmt: skip
    path = tmp_path / "x.pt"
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    refused(path, "refused", "mkdir", "nothing of it was run")
    assert not (tmp_path / "harm").exists()


def test_chains_of_attributes_are_not_followed(tmp_path: Path) -> None:
    """``getattr`` is how some versions of Python pickle members of enumerations; it is read, never
    called, and what it would give can be called no more than anything else."""
    getter = b"cbuiltins\ngetattr\n"
    chain = getter + b"(" + getter + b"(ctorch\nnn\nVmodules\ntRVsys\ntR"
    refused(zipped(tmp_path / "a.pt", chain + b"."), "holds a builtins.getattr")
    refused(zipped(tmp_path / "b.pt", chain + b"(Vtouch harm\ntR."), "nothing that could be called")


def test_constructors_and_states_of_unknown_classes_are_not_run(tmp_path: Path) -> None:
    class Loud:
        def __new__(cls, *_: Any) -> Loud:
            raise AssertionError("made")

        def __setstate__(self, state: Any) -> None:
            raise AssertionError("set")

    import sys

    module = type(sys)("loud_module")
    module.Loud = Loud  # type: ignore[attr-defined]
    sys.modules["loud_module"] = module
    try:
        loud = b"cloud_module\nLoud\n)\x81}(Vx\nK\x01ub"
        data = b"}(Va\n" + tensor(1, (1,), (1,)) + b"Vb\n" + loud + b"u."
        path = zipped(tmp_path / "a.pt", data, _0=bytes(4))
        refused(path, "b is not a plain array of numbers, but would be made by loud_module.Loud")
    finally:
        del sys.modules["loud_module"]


# Work and memory


def peak_of(path: Path) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as error:
            for array in read_checkpoint_file(path).weights.values():
                np.asarray(array)
        assert "\n" not in str(error.value)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def storage(count: int, key: str = "0", kind: str = "FloatStorage") -> bytes:
    return (
        f"(Vstorage\nctorch\n{kind}\nV{key}\nVcpu\n".encode() + b"L%dL\ntQ" % count
    )  # fmt: skip


def tensor(
    count: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0, key: str = "0"
) -> bytes:
    whole = b"".join(b"L%dL\n" % side for side in shape)
    steps = b"".join(b"L%dL\n" % step for step in strides)
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(count, key) + b"L%dL\n(" % offset
        + whole + b"t(" + steps + b"tI00\n}tR"
    )  # fmt: skip


def state(*tensors: bytes) -> bytes:
    return b"}(" + b"".join(b"Vt%d\n" % n + own for n, own in enumerate(tensors)) + b"u."


BOMBS: dict[str, bytes] = {
    "huge memo": b"}r\xff\xff\xff\x7f.",
    "memo of a trillion": b"}p999999999999\n.",
    "long bytes": b"\x8e" + struct.pack("<Q", 1 << 60) + b"x.",
    "long text": b"\x8d" + struct.pack("<Q", 1 << 60) + b"x.",
    "long frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"}.",
    "long number": b"\x8b" + struct.pack("<i", 4000) + b"\x7f" * 4000 + b".",
    "digits": b"L" + b"9" * 100_000 + b"L\n.",
    "deep tuples": b")" + b"\x85" * 20_000 + b".",
    "deep tuple as a key": b"}" + b")" + b"\x85" * 20_000 + b"K\x01s.",
    "deep lists": b"]" * 20_000 + b"a" * 19_999 + b".",
    "deep dictionaries": b"}" + b"Vmodel\n}" * 15_000 + b"s" * 15_000 + b".",
    "laughs": b"]q\x00" + b"".join(b"](" + b"h\x00" * 10 + b"eq\x00" for _ in range(99)) + b".",
    "itself": b"}q\x00Vmodel\nh\x00s.",
    "a module in itself": b"cx\nNet\n)Rq\x00}V_modules\n}Va\nh\x00ssb.",
    "nothing": b".",
    "no end": b"}(",
    "marks": b"(" * 20_000 + b".",
    "extension": b"\x82\x01.",
    "buffer": b"\x97.",
    "numbers called": b"K\x01)R.",
    "arguments that are none": b"ctorch\nSize\nK\x01R.",
    "state of a list": b"]}b.",
    "entries of a number": b"K\x01K\x02a.",
    "terabytes from one number": state(tensor(1, (1 << 40,), (0,))),
    "beyond the storage": state(tensor(4, (4,), (1,), offset=1)),
    "strides beyond": state(tensor(4, (2, 2), (100, 1))),
    "a negative side": state(tensor(4, (-1, -4), (1, 1))),
    "a negative stride": state(tensor(4, (4,), (-1,), offset=3)),
    "storage beyond the file": state(tensor(1 << 40, (4,), (1,))),
    "negative storage": state(tensor(-4, (4,), (1,))),
    "no such storage": state(tensor(4, (4,), (1,), key="7")),
    "a storage elsewhere": state(tensor(4, (4,), (1,), key="../../data.pkl")),
    "one storage in thousands of tensors": state(*[tensor(4, (4,), (1,))] * 2_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.pt", BOMBS[name], _0=struct.pack("<4f", 1, 2, 3, 4))
    if name == "one storage in thousands of tensors":
        # Repeating a storage's numbers is plain in small; it must not outgrow the file.
        assert (
            sum(a.size for a in read_checkpoint_file(path).weights.values()) < path.stat().st_size
        )
        return
    assert peak_of(path) < 100 << 20


def test_one_large_storage_under_many_names(tmp_path: Path) -> None:
    count = 100_000
    path = zipped(
        tmp_path / "x.pt", state(*[tensor(count, (count,), (1,))] * 50), _0=bytes(4 * count)
    )
    refused(path, "claim 5,000,000 numbers")


def test_compressed_entries(tmp_path: Path) -> None:
    """A megabyte of zeros in a kilobyte."""
    for name in ("archive/data.pkl", "archive/data/0"):
        path = tmp_path / "x.pt"
        with zipfile.ZipFile(path, "w") as archive:
            for entry in ("archive/data.pkl", "archive/data/0"):
                content = state(tensor(1 << 18, (1 << 18,), (1,)))
                content = content if entry.endswith("pkl") else bytes(1 << 20)
                how = zipfile.ZIP_DEFLATED if entry == name else zipfile.ZIP_STORED
                archive.writestr(entry, content, how)
        refused(path, "compressed")


def test_zips_that_lie(tmp_path: Path) -> None:
    good = zipped(tmp_path / "x.pt", state(tensor(4, (4,), (1,))), _0=bytes(16)).read_bytes()
    assert set(read_checkpoint_file(tmp_path / "x.pt").weights) == {"t0"}
    for number in range(0, len(good), 2):
        for value in (255 - number % 256,):
            data = bytearray(good)
            data[number] = value
            (tmp_path / "y.pt").write_bytes(data)
            try:
                for array in read_checkpoint_file(tmp_path / "y.pt").weights.values():
                    assert np.asarray(array).size < 1000
            except CheckpointError as error:
                assert "\n" not in str(error)


def test_safetensors_that_lie(tmp_path: Path) -> None:
    def written(header: bytes, body: bytes = bytes(16), length: int | None = None) -> Path:
        path = tmp_path / "x.safetensors"
        path.write_bytes(
            struct.pack("<Q", len(header) if length is None else length) + header + body
        )
        return path

    claim = '{"a":{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}}'
    read = read_checkpoint_file(written((claim % ("[4]", 0, 16)).encode()))
    assert np.asarray(read.weights["a"]).tolist() == [0, 0, 0, 0]
    for shape, start, end in (
        ("[5]", 0, 16), ("[4]", 0, 160), ("[4]", -16, 0), ("[-4]", 0, 16), ("[4]", 16, 0),
        ("[1099511627776]", 0, 4), ("[true]", 0, 4), ("[4.0]", 0, 16), ('"4"', 0, 16),
        ("[0, 99999999999999999999]", 0, 0),
    ):  # fmt: skip
        refused(written((claim % (shape, start, end)).encode()))
    for header in (
        b"{",
        b"[]",
        b"{" * 5000,
        b"\xff\xfe",
        b'{"a": 3}',
        b"{}",
        b'{"__metadata__": 3}',
    ):
        refused(written(header))
    refused(written(b"{}", length=1 << 62))
    quantized = '{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}'
    refused(written(quantized.encode()), "not a plain array")


# Something else altogether


def archive(*names: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    return data.getvalue()


FOREIGN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "text": (b"not a torch file at all", 'begins with the text "not a to"'),
    "bytes": (b"\x00\xfe" * 40, "begins with the bytes 00 fe 00 fe 00 fe 00 fe"),
    "page": (b"\n<!DOCTYPE html><html>Sign in</html>", "a web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
    "gzip": (gzip.compress(b"x" * 99), "unpack it first"),
    "tar": (b"x" * 257 + b"ustar" + bytes(300), "tar archive"),
    "half a zip": (archive("archive/data.pkl")[:60], "cut short"),
    "script": (archive("m/data.pkl", "m/constants.pkl", "m/code/x.py"), "TorchScript"),
    "npz": (archive("a.npy", "b.npy"), "numpy"),
    "zip": (archive("hific_med.pt"), "a zip with hific_med.pt in it"),
    "photos": (archive("a.jpg"), "without a checkpoint's data.pkl"),
    "png": (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    "list": (pickle.dumps([1, 2]), "holds a list"),
    "number": (pickle.dumps(3), "holds a int"),
    "nothing in it": (pickle.dumps({}), "is empty"),
    "other": (pickle.dumps({"loss": [1.0], "epoch": 3}), "it has loss, epoch"),
    "cut pickle": (pickle.dumps({"a": np.ones(9)})[:-20], "pickle is damaged"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_another_kind(name: str, tmp_path: Path) -> None:
    content, words = FOREIGN[name]
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    refused(path, words)


def test_names_that_tell_the_kind(tmp_path: Path) -> None:
    for name in ("model.ckpt.index", "model.ckpt.meta", "model.ckpt.data-00000-of-00001"):
        (tmp_path / name).write_bytes(b"\x00\x01rest")
        refused(tmp_path / name, "TensorFlow")
    refused(tmp_path, "is a folder")
    refused(tmp_path / "none.pt", "there is no checkpoint")


def test_our_own_model_file(tmp_path: Path) -> None:
    save_file({"weight/a": torch.ones(1)}, tmp_path / "x.slim", {"slimcodec": "{}"})
    refused(tmp_path / "x.slim", "a model file of slimcodec's already")


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(3, 3).to_sparse(),
        lambda: torch.zeros(2, device="meta"),
        lambda: torch.zeros(2, dtype=torch.complex64),
        lambda: torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8),
    ],
    ids=["sparse", "meta", "complex", "quantized"],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_of_other_kinds(make: Callable[[], torch.Tensor], tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1), "conv.weight": make()}, tmp_path / "x.pt")
    refused(tmp_path / "x.pt", "conv.weight is not a plain array of numbers")


@pytest.mark.parametrize("zipped", [True, False])
def test_files_cut_anywhere(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"a": torch.ones(50)}, path, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    for length in range(0, len(data) - (0 if zipped else 1), 13):
        path.write_bytes(data[:length])
        refused(path)
