"""Published checkpoints of the recurrent codec: three files, their names and ours.

The widely used port saves ``encoder_*``, ``binarizer_*`` and ``decoder_*``, each a bare dictionary
of tensors. Widths and hidden kernels are read off their shapes, so a checkpoint trained at other
widths imports as well; a file in the wrong role, or three files that do not belong together, is an
error that says so. The port has no entropy model: ours starts by calling every bit a toss, which
codes the bits as they are, and ``slimcodec train`` can teach it with ``parts = ["probability"]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from slimcodec.codecs.family import by_role
from slimcodec.codecs.toderici.config import TodericiConfig
from slimcodec.codecs.toderici.initial import initialise_probability
from slimcodec.codecs.toderici.network import TodericiNetwork
from slimcodec.codecs.torch_file import as_arrays, read_torch_file
from slimcodec.errors import CheckpointError, UsageError

__all__ = ["ROLES", "from_published", "published_names", "read_published"]

ROLES = ("encoder", "binarizer", "decoder")

Arrays = Mapping[str, NDArray[np.float32]]


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
    files: Mapping[str, Arrays],
) -> tuple[TodericiConfig, dict[str, NDArray[np.float32]]]:
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


def read_published(paths: Sequence[Path]) -> TodericiNetwork:
    """The network of three files, in the order encoder, binarizer, decoder.

    Raises:
        UsageError: when there are not three.
        CheckpointError: as ``from_published``, or when a file cannot be read safely.
    """
    named = by_role("toderici", ROLES, paths)
    files = {}
    for role, path in named.items():
        content = read_torch_file(path)
        try:
            files[role] = as_arrays(content)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error
    try:
        config, ours = from_published(files)
        _check_shapes(config, ours)
    except (CheckpointError, UsageError) as error:
        shown = ", ".join(f"{role} {path}" for role, path in named.items())
        raise CheckpointError(f"{error} (given: {shown})") from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TodericiNetwork(config)
        initialise_probability(network)
    state = network.state_dict() | {k: torch.from_numpy(v) for k, v in ours.items()}
    network.load_state_dict(state)
    return network.eval()


def _check_shapes(config: TodericiConfig, ours: Arrays) -> None:
    """Before memory is taken: a shape is only a claim until it fits all the others."""
    with torch.device("meta"):
        wanted = TodericiNetwork(config).state_dict()
    for name, array in ours.items():
        if array.shape != wanted[name].shape:
            raise CheckpointError(
                f"the three files do not fit each other: {name} is {list(array.shape)}, by the "
                f"other shapes it must be {list(wanted[name].shape)}"
            )


def _check_role(role: str, arrays: Arrays) -> None:
    wanted = set(published_names(role))
    missing, unknown = sorted(wanted - set(arrays)), sorted(set(arrays) - wanted)
    if not missing and not unknown:
        for name, array in arrays.items():
            if array.ndim != 4:
                raise CheckpointError(
                    f"the file given as {role} is none: its {name} must have 4 dimensions, as a "
                    f"convolution's weights have, got {array.ndim}"
                )
        return
    for other in ROLES:
        if set(arrays) == set(published_names(other)):
            raise CheckpointError(
                f"the file given as {role} holds the {other}; the order is {', '.join(ROLES)}"
            )
    lists = [
        f"{word} {', '.join(n[:4])}" for word, n in (("lacks", missing), ("has", unknown)) if n
    ]
    raise CheckpointError(f"the file given as {role} is none: it {' and '.join(lists)}")


def _config(encoder: Arrays, binarizer: Arrays, decoder: Arrays) -> TodericiConfig:
    def width(file: Arrays, number: int) -> int:
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
    return TodericiConfig(
        bits=bits,
        stem_width=int(encoder["conv.weight"].shape[0]),
        encoder_widths=tuple(width(encoder, n) for n in (1, 2, 3)),
        head_width=head,
        decoder_widths=tuple(width(decoder, n) for n in (1, 2, 3, 4)),
        decoder_hidden_kernels=tuple(
            int(decoder[f"rnn{n}.conv_hh.weight"].shape[2]) for n in (1, 2, 3, 4)
        ),
    )
