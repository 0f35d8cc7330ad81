"""Checkpoints that are broken or of something else: each gives one line, writes nothing, and runs
nothing that is in it."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.published_files import compressai_state, hific_args, hific_state

State = dict[str, torch.Tensor]


def saved(path: Path, state: Any) -> None:
    torch.save({"epoch": 1, "state_dict": state}, path)


def plus(architecture: str = "mbt2018-mean", **tensors: tuple[int, ...]) -> State:
    """A sound state with other tensors beside or in place of its own."""
    more = {name.replace("__", "."): torch.zeros(shape) for name, shape in tensors.items()}
    return {**compressai_state(architecture), **more}


def rectified(path: Path) -> None:
    saved(path, {n: own for n, own in compressai_state().items() if "gamma" not in n})


def elic(path: Path) -> None:
    saved(path, plus(cc_transforms__0__0__weight=(1,), context_prediction__0__weight=(1,)))


def cut(path: Path) -> None:
    saved(path, compressai_state("bmshj2018-hyperprior"))
    path.write_bytes(path.read_bytes()[:-3000])


def halved(path: Path) -> None:
    saved(path, plus("bmshj2018-hyperprior", h_a__2__weight=(4, 2, 5, 5)))


def diverged(path: Path) -> None:
    saved(path, {**compressai_state(), "g_s.4.bias": torch.full((4,), torch.nan)})


def diverged_too(path: Path) -> None:
    state = hific_state()
    state["Hyperprior.hyperlatent_likelihood.H_0"][:2] = torch.inf
    torch.save({"model_state_dict": state, "args": hific_args()}, path)


def neural(path: Path) -> None:
    names = (
        "encoder.blocks.0.0.weight",
        "hyper_bottleneck.quantiles",
        "hyper_synthesis_mean.0.bias",
    )
    torch.save({name: torch.ones(3) for name in names}, path)


class Harm:
    def __reduce__(self) -> Any:
        return os.mkdir, ("harm",)


def harmful(path: Path) -> None:
    torch.save({"state_dict": compressai_state(), "note": Harm()}, path)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Harm()))


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", b"}." + bytes(20 << 20))


def huge(path: Path) -> None:
    """An N of ten thousand in a file of a hundred bytes of weights."""
    saved(path, {**compressai_state(), "g_a.0.weight": torch.zeros(1).expand(60000, 3, 5, 5)})


ONLY = "only bmshj2018-factorized, bmshj2018-hyperprior and mbt2018-mean are read"
FILES: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "mbt2018.pth": (
        "compressai", lambda path: saved(path, plus(context_prediction__weight=(1,))),
        "context_prediction.weight is among its tensors: mbt2018 and cheng2020 decode one latent "
        "after another; bring mbt2018-mean, which decodes all at once",
    ),
    "cheng2020-anchor.pth": (
        "compressai",
        lambda path: saved(path, {"g_a.0.conv1.weight": torch.zeros(1), **plus(
            context_prediction__mask=(1,))}),
        "context_prediction.mask is among its tensors: mbt2018 and cheng2020 decode one latent "
        "after another; bring mbt2018-mean, which decodes all at once",
    ),
    "factorized-relu.pth": (
        "compressai", rectified,
        "there is no g_a.1.gamma: networks with rectifiers in place of GDN, such as "
        "bmshj2018-factorized-relu, are not read",
    ),
    "elic.pth": (
        "compressai", elic,
        "cc_transforms.0.0.weight is among its tensors: ELIC codes groups of channels by networks "
        "that are not read; train a context in ELIC's layout beside mbt2018-mean: preset "
        "mbt2018-mean-elic",
    ),
    "tcm.pth": (
        "compressai",
        lambda path: saved(path, plus(
            cc_mean_transforms__0__0__weight=(1,), atten_mean__0__0__in_conv__weight=(1,))),
        "atten_mean.0.0.in_conv.weight is among its tensors: TCM codes slices of channels, one "
        f"after another; {ONLY}",
    ),
    "cut.pth": ("compressai", cut, "it is cut short: a zip without its end, "),
    "halved.pth": (
        "compressai", halved,
        "its tensors do not fit each other: probability.analysis.layers.1.weight is [4, 2, 5, 5], "
        "by the other shapes it must be [4, 4, 5, 5]",
    ),
    "nan.pth": (
        "compressai", diverged,
        "4 of 4 values of generator.stages.2.conv.bias are infinite or no numbers; its training "
        "diverged",
    ),
    "infinite.pt": (
        "hific", diverged_too,
        "6 of 24 values of probability.density.matrices.0 are infinite or no numbers; its training "
        "diverged",
    ),
    "hific.pt": (
        "compressai",
        lambda path: torch.save({"model_state_dict": hific_state(), "args": hific_args()}, path),
        "these are HiFiC's names: slimcodec import hific",
    ),
    "compressai.pth": (
        "hific", lambda path: saved(path, compressai_state()),
        "these are CompressAI's names: slimcodec import compressai",
    ),
    "msillm.pth": (
        "hific", neural,
        "hyper_bottleneck.quantiles is among its tensors: NeuralCompression's HiFiC and MS-ILLM "
        "pad with zeros, alike on all sides, where the published HiFiC mirrors, and end the nets "
        "for means and scales in an ordinary convolution, where it has a transposed one; ours does "
        "not compute that",
    ),
    "msillm-too.pth": (
        "compressai", neural,
        "hyper_bottleneck.quantiles is among its tensors: these are NeuralCompression's names "
        f"(HiFiC, MS-ILLM); {ONLY}",
    ),
    "mbt2018-mean-mse-4.tfci": (
        "compressai", lambda path: path.write_bytes(b"\x08\x01mbt2018"),
        "no checkpoint of torch or safetensors: it is of TensorFlow, whose checkpoints are not "
        "read; use a port to PyTorch of the same weights",
    ),
    "harm.pth": ("compressai", harmful, "nothing of it was run"),
    "harm.pkl": ("compressai", pickled, "nothing of it was run"),
    "empty.pth": ("compressai", lambda path: path.write_bytes(b""), "it is empty"),
    "bomb.pth": ("compressai", bomb, "compressed"),
    "huge.pth": ("compressai", huge, "claim"),
    "page.pth": (
        "compressai", lambda path: path.write_bytes(b"<!DOCTYPE html><html>Sign in</html>"),
        "it is a web page: the download gave that instead of the file",
    ),
    "claims.safetensors": (
        "compressai", lambda path: path.write_bytes(struct.pack("<Q", 1 << 60) + b"{"), "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_one_line(name: str, outcome_of: Any, tmp_path: Path, monkeypatch: Any) -> None:
    family, write, words = FILES[name]
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name)
    refused = outcome_of("import", family, name, "-o", "x.slim")
    assert refused.status == 1, refused
    (line,) = refused.err.splitlines()
    assert line.startswith(f"slimcodec: {name}: ") and words in line and len(line) < 420, line
    assert refused.out == "" and [path.name for path in tmp_path.iterdir()] == [name]


def test_what_it_must_be_is_checked(outcome_of: Any, tmp_path: Path) -> None:
    path, out = tmp_path / "x.pth", tmp_path / "x.slim"
    saved(path, compressai_state("bmshj2018-hyperprior"))
    words = ("import", "compressai", path, "-o", out, "--arch")
    refused = outcome_of(*words, "mbt2018-mean")
    assert refused.status == 2 and not out.exists()
    assert refused.err.endswith("--arch says mbt2018-mean, its tensors are bmshj2018-hyperprior\n")
    unknown = outcome_of(*words, "mbt2018")
    assert unknown.status == 2 and "--arch must be bmshj2018-factorized or " in unknown.err
    assert outcome_of(*words, "bmshj2018-hyperprior").status == 0 and out.exists()
