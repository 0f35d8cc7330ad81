"""Published checkpoints of the recurrent codec: three files that belong together, or an error that
says which does not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec.codecs.toderici import family
from slimcodec.codecs.toderici.checkpoint import from_published, published_names, read_published
from slimcodec.codecs.toderici.coding import TodericiCodec
from slimcodec.codecs.toderici.config import TodericiConfig, toderici_s
from slimcodec.codecs.toderici.network import TodericiNetwork
from slimcodec.errors import CheckpointError, UsageError
from slimcodec.model_file import freeze_network
from slimcodec.runtime import open_codec
from slimcodec.types import Image
from tests.published_files import Files, published_files, write_published

Picture = Callable[..., Image]


@pytest.fixture
def files() -> Files:
    return published_files()


def test_widths_and_kernels_are_those_of_the_files(files: Files) -> None:
    config, ours = from_published(files)
    assert config == TodericiConfig(
        ladder=16,
        bits=8,
        stem_width=4,
        encoder_widths=(4, 8, 12),
        head_width=8,
        decoder_widths=(8, 12, 4, 8),
        decoder_hidden_kernels=(1, 1, 3, 3),
    )
    other, _ = from_published(published_files(kernels=(3, 1, 1, 5), bits=4))
    assert (other.decoder_hidden_kernels, other.bits) == ((3, 1, 1, 5), 4)
    with torch.device("meta"):
        state = TodericiNetwork(config).state_dict()
    networks = {n: tuple(t.shape) for n, t in state.items() if not n.startswith("probability.")}
    assert {name: array.shape for name, array in ours.items()} == networks


def test_every_tensor_arrives(files: Files, tmp_path: Path) -> None:
    network = read_published(write_published(files, tmp_path)).network
    assert not network.training
    state = network.state_dict()
    for role, arrays in files.items():
        for theirs, ours in published_names(role).items():
            np.testing.assert_array_equal(state[ours].numpy(), arrays[theirs])
    # The bit model is ours, the same every time, and chance elsewhere is left alone.
    torch.manual_seed(7)
    before = torch.get_rng_state()
    again = read_published(write_published(files, tmp_path)).network.state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions(files: Files, tmp_path: Path, dtype: torch.dtype) -> None:
    paths = write_published(files, tmp_path)
    for path in paths:
        state = torch.load(path, weights_only=True)
        torch.save({name: tensor.to(dtype) for name, tensor in state.items()}, path)
    network = read_published(paths).network
    expected = torch.from_numpy(files["binarizer"]["conv.weight"]).to(dtype).float()
    assert torch.equal(network.binarizer.conv.weight, expected)


def test_an_imported_model_codes_each_bit_as_one(
    files: Files, tmp_path: Path, picture: Picture
) -> None:
    network = read_published(write_published(files, tmp_path)).network
    codec = open_codec(freeze_network(network, name="published", family="toderici"))
    assert isinstance(codec, TodericiCodec)
    for shape, count in (((200, 300), 1), ((330, 270), 3)):
        image = picture(*shape)
        stream = codec.encode(image, count)
        bits = codec.read(stream)
        assert bits.shape == (count, -(-shape[0] // 16), -(-shape[1] // 16), 8)
        assert bits.size / 8 < len(stream) <= bits.size / 8 + 64
        assert codec.decode(stream).shape == image.shape
        assert len(np.unique(bits)) == 2


def test_the_ladder_goes_as_far_as_the_checkpoint(files: Files) -> None:
    config, _ = from_published(files)
    assert config.qualities == tuple(range(1, 17))
    assert toderici_s().qualities == tuple(range(1, 9))
    assert "ladder" not in toderici_s().to_dict() and config.to_dict()["ladder"] == 16
    assert TodericiConfig.from_dict(config.to_dict()) == config


def test_files_as_people_wrap_them(files: Files, tmp_path: Path) -> None:
    paths = []
    for role, wrap in (
        ("encoder", lambda state: {f"module.{name}": own for name, own in state.items()}),
        ("binarizer", lambda state: {"state_dict": state, "epoch": 3}),
        ("decoder", lambda state: {"network": {f"_orig_mod.{n}": t for n, t in state.items()}}),
    ):
        state = {name: torch.from_numpy(array) for name, array in files[role].items()}
        paths.append(tmp_path / f"{role}.pth")
        torch.save(wrap(state), paths[-1], _use_new_zipfile_serialization=role != "encoder")
    state = read_published(paths).network.state_dict()
    for role, arrays in files.items():
        for theirs, ours in published_names(role).items():
            np.testing.assert_array_equal(state[ours].numpy(), arrays[theirs])


# What is refused


@pytest.mark.parametrize("given", [(1, 0, 2), (0, 2, 1), (2, 1, 0), (2, 0, 1), (0, 0, 2)])
def test_files_in_another_order(files: Files, tmp_path: Path, given: tuple[int, ...]) -> None:
    roles, paths = list(files), write_published(files, tmp_path)
    place = next(i for i in range(3) if given[i] != i)
    with pytest.raises(CheckpointError) as error:
        read_published([paths[i] for i in given])
    words = str(error.value)
    assert words.startswith(
        f"the file given as {roles[place]} holds the {roles[given[place]]}; "
        "the order is encoder, binarizer, decoder"
    )
    assert "\n" not in words
    assert all(f"{role} {paths[i]}" in words for role, i in zip(roles, given, strict=True))


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_another_number_of_files(files: Files, tmp_path: Path, count: int) -> None:
    paths = (write_published(files, tmp_path) * 2)[:count]
    words = (
        f"toderici checkpoint is 3 files, in this order: encoder, binarizer, decoder; got {count}"
    )
    for read in (read_published, family.read_checkpoint):
        with pytest.raises(UsageError, match=words):
            read(paths)


@pytest.mark.parametrize(
    ("role", "other", "words"),
    [
        ("encoder", {"encoder": (4, 8, 16)}, "encoder gives 16 features, the binarizer takes 12"),
        ("binarizer", {"encoder": (4, 8, 16)}, "encoder gives 12 features, the binarizer takes 16"),
        ("binarizer", {"bits": 4}, "binarizer gives 4 bits, the decoder takes 8"),
        ("decoder", {"bits": 4}, "binarizer gives 8 bits, the decoder takes 4"),
    ],
)
def test_files_of_different_widths(
    files: Files, role: str, other: dict[str, Any], words: str
) -> None:
    files[role] = published_files(**other)[role]
    with pytest.raises(CheckpointError, match=f"of different widths: the {words}$"):
        from_published(files)


def test_tensors_that_do_not_fit_within_a_file(files: Files, tmp_path: Path) -> None:
    files["decoder"]["rnn2.conv_ih.weight"] = np.zeros((48, 3, 3, 3), np.float32)
    with pytest.raises(CheckpointError, match="do not fit each other: ") as error:
        read_published(write_published(files, tmp_path))
    assert "\n" not in str(error.value)
    assert "decoder.cells.1.conv_ih.weight" in str(error.value)


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.zeros(8, 12, 1, 1).to_sparse(), "is not a plain array of numbers"),
        (torch.zeros(8, 12, 1, 1, device="meta"), "is not a plain array of numbers"),
        (torch.zeros(8, 12, 1, 1, dtype=torch.complex64), "is not a plain array of numbers"),
        # Stored as one number and its strides: a file of a kilobyte, terabytes in memory.
        (torch.zeros(1).expand(1 << 40, 12, 1, 1), "more than the file holds"),
    ],
)
def test_tensors_that_are_no_arrays(
    files: Files, tmp_path: Path, tensor: torch.Tensor, words: str
) -> None:
    paths = write_published(files, tmp_path)
    torch.save({"conv.weight": tensor}, paths[1])
    with pytest.raises(CheckpointError, match=words) as error:
        read_published(paths)
    assert str(paths[1]) in str(error.value)


def test_names_that_are_no_words(files: Files, tmp_path: Path) -> None:
    paths = write_published(files, tmp_path)
    torch.save({0: torch.zeros(1), "a": torch.zeros(1)}, paths[0])
    with pytest.raises(CheckpointError, match="the file given as encoder is none"):
        read_published(paths)


def test_no_bits_at_all(files: Files, tmp_path: Path) -> None:
    files["binarizer"]["conv.weight"] = np.zeros((0, 12, 1, 1), np.float32)
    files["decoder"]["conv1.weight"] = np.zeros((8, 0, 1, 1), np.float32)
    with pytest.raises(CheckpointError, match="bits must be a whole number above 0, got 0"):
        read_published(write_published(files, tmp_path))


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("binarizer", "conv.weight"),
        ("encoder", "rnn2.conv_hh.weight"),
        ("decoder", "rnn4.conv_hh.weight"),
        ("decoder", "conv2.weight"),
    ],
)
@pytest.mark.parametrize("shape", [(), (8,), (8, 12)])
def test_tensors_that_are_no_convolution(
    files: Files, tmp_path: Path, role: str, name: str, shape: tuple[int, ...]
) -> None:
    files[role][name] = np.zeros(shape, np.float32)
    with pytest.raises(CheckpointError, match="must have 4 dimensions") as error:
        read_published(write_published(files, tmp_path))
    assert f"the file given as {role} is none: its {name} must" in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_and_unknown_tensors(files: Files, tmp_path: Path) -> None:
    whole = dict(files["encoder"])
    del files["encoder"]["rnn1.conv_hh.weight"]
    words = r"^the file given as encoder is none: it lacks rnn1\.conv_hh\.weight"
    with pytest.raises(CheckpointError, match=f"{words}$"):
        from_published(files)
    files["encoder"]["surprise"] = np.zeros(1, np.float32)
    with pytest.raises(CheckpointError, match=f"{words} and has surprise$"):
        from_published(files)
    files["encoder"] = {**whole, "rnn1.conv_ih.bias": np.zeros(4, np.float32)}
    with pytest.raises(CheckpointError, match=r"it has rnn1\.conv_ih\.bias$"):
        from_published(files)
    files["encoder"] = {}
    with pytest.raises(CheckpointError, match=r"encoder_epoch_1\.pth: it is empty") as error:
        read_published(write_published(files, tmp_path))
    assert "\n" not in str(error.value)


def test_a_file_that_would_run_code(files: Files, tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "harm"),)

    paths = write_published(files, tmp_path)
    for number in range(3):
        good = paths[number].read_bytes()
        torch.save({"conv.weight": Harm()}, paths[number])
        with pytest.raises(CheckpointError, match=r"refused, .*mkdir") as error:
            read_published(paths)
        assert str(paths[number]) in str(error.value)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "harm").exists()
        paths[number].write_bytes(good)
    assert read_published(paths)


def test_files_that_are_no_checkpoints(files: Files, tmp_path: Path) -> None:
    paths = write_published(files, tmp_path)
    for content in (b"", b"not a torch file", paths[1].read_bytes()[:-100]):
        paths[2].write_bytes(content)
        with pytest.raises(CheckpointError) as error:
            read_published(paths)
        assert str(paths[2]) in str(error.value)
        assert "\n" not in str(error.value)
    torch.save([1, 2], paths[2])
    with pytest.raises(CheckpointError, match="holds a list, not a checkpoint dictionary"):
        read_published(paths)
    paths[2].unlink()
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        read_published(paths)


@pytest.mark.parametrize(
    ("gates", "cell"),
    [(3, "GRU cells"), (5, "associative LSTM cells"), (2, "cells of another kind")],
)
def test_other_cells_by_their_gates(files: Files, gates: int, cell: str) -> None:
    for name in ("rnn1.conv_ih.weight", "rnn1.conv_hh.weight"):
        whole = files["decoder"][name]
        files["decoder"][name] = np.zeros(
            (whole.shape[0] // 4 * gates, *whole.shape[1:]), np.float32
        )
    with pytest.raises(CheckpointError, match=f"given as decoder is of the variant with {cell}"):
        from_published(files)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gdn1.beta", "variant with GDN"),
        ("norm1.gamma", "variant with GDN"),
        ("rnn1.reset_gate.weight", "variant with GRU cells"),
        ("gru1.conv_ih.weight", "variant with GRU cells"),
        ("assoc1.conv.weight", "variant with associative LSTM cells"),
    ],
)
def test_other_variants_by_their_names(files: Files, name: str, words: str) -> None:
    files["encoder"][name] = np.zeros((4, 4, 1, 1), np.float32)
    with pytest.raises(CheckpointError, match=f"given as encoder is of the {words}"):
        from_published(files)
