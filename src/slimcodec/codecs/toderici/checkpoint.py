"""Published checkpoints of the recurrent codec: three files, their names and ours.

The widely used port saves ``encoder_*``, ``binarizer_*`` and ``decoder_*``, each a bare dictionary
of tensors. Widths and hidden kernels are read off their shapes, so a checkpoint trained at other
widths imports as well; a file in the wrong role, or three files that do not belong together, is an
error that says so, and so is one of the paper's other cells, by name. The port has no entropy
model: ours starts by calling every bit a toss, which codes the bits as they are, and ``slimcodec
train`` can teach it with ``parts = ["probability"]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.published import Imported, by_role
from slimcodec.codecs.toderici.config import TodericiConfig, toderici
from slimcodec.codecs.torch_file import check_finite, check_shapes, read_checkpoint_file
from slimcodec.errors import CheckpointError, UsageError

__all__ = ["HELP", "ROLES", "from_published", "published_names", "read_published"]

ROLES = ("encoder", "binarizer", "decoder")

HELP = """\
toderici: three files, as the PyTorch port of full-resolution image compression with recurrent
networks (pytorch-image-comp-rnn) saves them in every epoch: encoder, binarizer and decoder, in this
order (encoder_epoch_00000065.pth ...). ConvLSTM cells at any width. Out comes one progressive model
of 16 iterations, whose bits are coded as they are until `slimcodec train` teaches it to say which
are likely.

Example: slimcodec import toderici encoder.pth binarizer.pth decoder.pth -o rnn.slim"""

Shaped = Mapping[str, Any]
"""Published name to whatever has a shape: arrays, or tensors that are read later."""

_GATES = 4
"""Of an LSTM: what goes in, what is forgotten, what is new, what comes out."""
_CELLS = {3: "GRU", 5: "associative LSTM"}
"""Other cells of the paper, by how many times as many channels they compute as they keep."""


def published_names(role: str) -> dict[str, str]:
    """Published tensor name to ours, for one of the three files."""
    if role == "binarizer":
        return {"conv.weight": "binarizer.conv.weight"}
    cells, ends = (4, {"conv1": "head", "conv2": "out"})
    if role == "encoder":
        cells, ends = (3, {"conv": "stem"})
    names = {f"{theirs}.weight": f"{role}.{ours}.weight" for theirs, ours in ends.items()}
    for number in range(cells):
        for conv in ("conv_ih", "conv_hh"):
            names[f"rnn{number + 1}.{conv}.weight"] = f"{role}.cells.{number}.{conv}.weight"
    return names


def from_published(
    files: Mapping[str, Shaped],
) -> tuple[TodericiConfig, dict[str, NDArray[np.float32] | Any]]:
    """A configuration and the networks' weights under our names.

    Args:
        files: role to the tensors of that file.

    Raises:
        CheckpointError: when a file has another role or unknown tensors, or the three do not fit
            each other.
    """
    for role in ROLES:
        _check_role(role, files[role])
    config = _config(files["encoder"], files["binarizer"], files["decoder"])
    ours = {
        name: files[role][theirs]
        for role in ROLES
        for theirs, name in published_names(role).items()
    }
    return config, ours


def read_published(paths: Sequence[Path]) -> Imported:
    """The network of three files, in the order encoder, binarizer, decoder.

    Raises:
        UsageError: when there are not three.
        CheckpointError: as ``from_published``, or when a file cannot be read safely.
    """
    import torch

    from slimcodec.codecs.toderici.initial import initialise_probability
    from slimcodec.codecs.toderici.network import TodericiNetwork

    named = by_role("toderici", ROLES, paths)
    files = {role: read_checkpoint_file(path).weights for role, path in named.items()}
    try:
        config, ours = from_published(files)
        shapes = {name: tuple(array.shape) for name, array in ours.items()}
        check_shapes(lambda: TodericiNetwork(config), shapes)
        check_finite(ours)
    except (CheckpointError, UsageError) as error:
        shown = ", ".join(f"{role} {path}" for role, path in named.items())
        raise CheckpointError(f"{error} (given: {shown})") from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TodericiNetwork(config)
        initialise_probability(network)
    own = {name: torch.from_numpy(np.asarray(a, np.float32).copy()) for name, a in ours.items()}
    network.load_state_dict(network.state_dict() | own)
    notes = (
        f"{config.bits} bits a position and iteration, ConvLSTMs of {config.encoder_widths} and "
        f"{config.decoder_widths} channels, by the tensors",
        f"{config.iterations} iterations, as published: no tensor says for how many it was trained",
    )
    return Imported(network.eval(), notes)


def _check_role(role: str, arrays: Shaped) -> None:
    wanted = set(published_names(role))
    missing, unknown = wanted - set(arrays), set(arrays) - wanted
    if not missing and not unknown:
        for name, array in arrays.items():
            if array.ndim != 4:
                raise CheckpointError(
                    f"the file given as {role} is none: its {name} must have 4 dimensions, as a "
                    f"convolution's weights have, got {array.ndim}"
                )
        _check_cells(role, arrays)
        return
    for other in ROLES:
        if set(arrays) == set(published_names(other)):
            raise CheckpointError(
                f"the file given as {role} holds the {other}; the order is {', '.join(ROLES)}"
            )
    if variant := _variant(arrays):
        raise CheckpointError(f"the file given as {role} is of the variant with {variant}")
    lists = [
        f"{word} {', '.join(f'{name:.80}' for name in sorted(names)[:4])}"
        for word, names in (("lacks", missing), ("has", unknown))
        if names
    ]
    raise CheckpointError(f"the file given as {role} is none: it {' and '.join(lists)}")


def _variant(arrays: Shaped) -> str | None:
    """What a network is that has other tensors than the port's, by their names."""
    names = [name.lower() for name in arrays]
    words = [name.replace(".", " ").replace("_", " ").split() for name in names]

    def any_of(*wanted: str) -> bool:
        return any(word in wanted for own in words for word in own)

    if any("gdn" in name for name in names) or any_of("beta", "gamma"):
        return "GDN (divisive normalisation), which the published network and ours have not"
    if any("gru" in name for name in names) or any_of("reset", "update"):
        return "GRU cells; ConvLSTM cells are what ours has"
    if any("assoc" in name for name in names):
        return "associative LSTM cells; plain ConvLSTM cells are what ours has"
    return None


def _check_cells(role: str, arrays: Shaped) -> None:
    """Refuse cells of another kind, which have other gates: more or fewer than four."""
    for name, array in arrays.items():
        if not name.startswith("rnn") or not name.endswith("conv_hh.weight"):
            continue
        own, kept = int(array.shape[0]), int(array.shape[1])
        gates, rest = divmod(own, kept) if kept else (0, 1)
        if gates == _GATES and not rest:
            continue
        cell = f"{_CELLS[gates]} cells" if gates in _CELLS and not rest else "cells of another kind"
        raise CheckpointError(
            f"the file given as {role} is of the variant with {cell}: {name} makes {own} channels "
            f"of {kept}, an LSTM {_GATES * kept}; ConvLSTM cells are what ours has"
        )


def _config(encoder: Shaped, binarizer: Shaped, decoder: Shaped) -> TodericiConfig:
    def width(file: Shaped, number: int) -> int:
        return int(file[f"rnn{number}.conv_hh.weight"].shape[1])

    bits, features = (int(n) for n in binarizer["conv.weight"].shape[:2])
    head, decoder_bits = (int(n) for n in decoder["conv1.weight"].shape[:2])
    if features != width(encoder, 3):
        raise CheckpointError(
            f"the three files are of different widths: the encoder gives {width(encoder, 3)} "
            f"features, the binarizer takes {features}"
        )
    if bits != decoder_bits:
        raise CheckpointError(
            f"the three files are of different widths: the binarizer gives {bits} bits, the "
            f"decoder takes {decoder_bits}"
        )
    return replace(
        toderici(),
        bits=bits,
        stem_width=int(encoder["conv.weight"].shape[0]),
        encoder_widths=tuple(width(encoder, n) for n in (1, 2, 3)),
        head_width=head,
        decoder_widths=tuple(width(decoder, n) for n in (1, 2, 3, 4)),
        decoder_hidden_kernels=tuple(
            int(decoder[f"rnn{n}.conv_hh.weight"].shape[2]) for n in (1, 2, 3, 4)
        ),
    )
