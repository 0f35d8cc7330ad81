"""CompressAI's checkpoints: their names and ours.

A file is a state dict, however it is wrapped, with the names of its entropy bottleneck in either of
two spellings. Architecture, N and M are read off names and shapes. On the way

    GDN            max(root, bound)² - pedestal becomes a root of ours, in double precision: the
                   pedestal, 2^-36, is zero in half precision
    h_s            of mbt2018-mean gives scales and then means: two nets here, for the one that
                   picks tables is exact in integers and shares nothing with the other
    quantiles      keep their middle, around which hyper-latents are rounded
    CDFs           stay behind: tables of ours are made from the densities. Who reads CompressAI's
                   own streams needs them (``theirs``)

What is left is an error that names it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.compressai.config import (
    ARCHITECTURES,
    Architecture,
    CompressaiConfig,
    compressai,
)
from slimcodec.codecs.latents.scales import SCALE_MIN
from slimcodec.codecs.published import Imported, Question
from slimcodec.codecs.torch_file import (
    check_finite,
    check_shapes,
    filled,
    read_checkpoint_file,
)
from slimcodec.errors import CheckpointError, UsageError

__all__ = ["HELP", "QUESTIONS", "from_published", "imported", "read_published", "read_state"]

QUESTIONS = (
    Question(
        "arch",
        ARCHITECTURES,
        "What the tensors must be, if you want that checked; they say it themselves.",
    ),
)

HELP = """\
compressai: one file of bmshj2018-factorized, bmshj2018-hyperprior or mbt2018-mean at any width, as
CompressAI publishes them and as its training saves them (mbt2018-mean-4-....pth.tar,
checkpoint_best_loss.pth.tar). Which of the three, N and M are read off its tensors; tables are made
anew from its densities, so it need not have any. Out comes one model of one quality, whose tables
are picked in integers; out of several files, worst first, a ladder: one codec with a model for each
rate.

Example: slimcodec import compressai mbt2018-mean-4-e522738d.pth.tar -o mbt-4.slim

Example: slimcodec import compressai low.pth middle.pth high.pth -o mbt"""

Arrays = Mapping[str, NDArray[np.float32]]

_BOTTLENECK = "entropy_bottleneck."
_OLD_NAMES = {"_matrix": "matrices.", "_bias": "biases.", "_factor": "factors."}
_DENSITY = {"matrices": "matrices", "biases": "biases", "factors": "gates"}
_NOT_NEEDED = re.compile(
    r"(entropy_bottleneck|gaussian_conditional)\."
    r"(_offset|_quantized_cdf|_cdf_length|target|scale_table|likelihood_lower_bound\.bound)"
)
_BOUNDS = ("gaussian_conditional.scale_bound", "gaussian_conditional.lower_bound_scale.bound")
_PEDESTAL, _BETA_MINIMUM = 2.0**-36, 1e-6
_ONLY = "only bmshj2018-factorized, bmshj2018-hyperprior and mbt2018-mean are read"
_LAYOUT = "train a context in ELIC's layout beside mbt2018-mean: preset mbt2018-mean-elic"
_FOREIGN = {
    "tca.": f"FTIC codes slices of channels under a transformer; {_ONLY}",
    "atten_mean.": f"TCM codes slices of channels, one after another; {_ONLY}",
    "cc_mean_transforms.": "networks after Minnen and Singh 2020, such as STF, code slices of "
    f"channels, one after another; {_ONLY}",
    "y_spatial_prior_s": f"HPCM codes latents from coarse to fine; {_ONLY}",
    "g_a.1.att.": f"LALIC has linear attention (RWKV) in place of GDN; {_ONLY}",
    "cc_transforms.": f"ELIC codes groups of channels by networks that are not read; {_LAYOUT}",
    "latent_codec.y.channel_context.": "ELIC of CompressAI codes groups of channels by networks "
    f"that are not read; {_LAYOUT}",
    "latent_codec.": f"the checkerboards of CompressAI are not read; {_ONLY}",
    "context_prediction": "mbt2018 and cheng2020 decode one latent after another; bring "
    "mbt2018-mean, which decodes all at once",
    "entropy_parameters.": _ONLY,
    "Gain": "networks of one gain for each quality (-vbr) are not read; bring one file for each",
    "Encoder.conv_block": "these are HiFiC's names: slimcodec import hific",
    "hyper_bottleneck.": f"these are NeuralCompression's names (HiFiC, MS-ILLM); {_ONLY}",
    "rnn1.": "these are of the recurrent codec: slimcodec import toderici",
}
"""What other networks have, by how a name begins: in what order they are told apart matters."""


def read_published(path: Path, answers: Mapping[str, str] = MappingProxyType({})) -> Imported:
    """The network of a checkpoint file.

    Args:
        path: the file.
        answers: to ``QUESTIONS``.

    Raises:
        CheckpointError: when it is none of these networks, or the file cannot be read safely.
        UsageError: when an answer says that it is another.
    """
    return imported(read_state(path), path, answers)


def read_state(path: Path) -> dict[str, NDArray[np.float32]]:
    """A checkpoint file's tensors, under their names as they are spelled today.

    Raises:
        CheckpointError: when it cannot be read safely.
    """
    weights = read_checkpoint_file(path).weights
    return {_present(name): np.asarray(array, np.float32) for name, array in weights.items()}


def imported(
    state: Arrays, path: Path, answers: Mapping[str, str] = MappingProxyType({})
) -> Imported:
    """The network of a checkpoint's tensors; see ``read_published``."""
    from slimcodec.codecs.compressai.network import CompressaiNetwork

    try:
        config, ours = from_published(state)
        shapes: dict[str, tuple[int, ...]] = {name: array.shape for name, array in ours.items()}
        check_shapes(lambda: CompressaiNetwork(config), shapes)
        check_finite(ours)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    wanted = answers.get("arch", config.architecture)
    if wanted != config.architecture:
        raise UsageError(f"{path}: --arch says {wanted}, its tensors are {config.architecture}")
    network: Any = filled(lambda: CompressaiNetwork(config), ours)
    note = (
        f"{config.architecture} with N = {config.encoder_widths[0]} and M = "
        f"{config.latent_channels}, by the tensors"
    )
    return Imported(network, (note,))


def from_published(state: Arrays) -> tuple[CompressaiConfig, dict[str, NDArray[np.float32]]]:
    """A configuration and the weights under our names, in our shapes.

    Args:
        state: tensors by their names.

    Raises:
        CheckpointError: when they are of none of these networks, or tensors are missing or unknown.
    """
    theirs = {_present(name): own for name, own in state.items()}
    theirs = {name: own for name, own in theirs.items() if not _NOT_NEEDED.fullmatch(name)}
    taken = _Taken(theirs)
    architecture = _architecture(theirs)
    ours: dict[str, NDArray[np.float32]] = {}
    for part, net, last in (("encoder", "g_a", "head"), ("generator", "g_s", "out")):
        for number in range(3):
            taken.conv(ours, f"{net}.{2 * number}", f"{part}.stages.{number}.conv")
            taken.gdn(ours, f"{net}.{2 * number + 1}", f"{part}.stages.{number}.gdn")
        taken.conv(ours, f"{net}.6", f"{part}.{last}")
    taken.density(ours)
    if architecture != "bmshj2018-factorized":
        for number in range(3):
            taken.conv(ours, f"h_a.{2 * number}", f"probability.analysis.layers.{number}")
            taken.conv(ours, f"h_s.{2 * number}", f"probability.scale.layers.{number}")
        latents = len(ours["encoder.head.bias"])
        gains = np.zeros((1, latents), np.float32)
        ours |= {"log_gain": gains, "log_degain": gains.copy()}
        for name in _BOUNDS:
            bound = taken.number(name, SCALE_MIN)
            if not math.isclose(bound, SCALE_MIN, rel_tol=1e-4):
                raise CheckpointError(
                    f"{name} is {bound:g}; only scales from {SCALE_MIN} on are read"
                )
    if architecture == "mbt2018-mean":
        _split(ours)
    taken.check()
    return _config(architecture, ours), ours


def _present(name: str) -> str:
    for old, new in _OLD_NAMES.items():
        if name.startswith(_BOTTLENECK + old):
            return _BOTTLENECK + new + name.removeprefix(_BOTTLENECK + old)
    return name


class _Taken:
    """Tensors of a file, and which of them were taken."""

    def __init__(self, theirs: Arrays) -> None:
        self._theirs, self._names = theirs, set[str]()
        self._missing: list[str] = []

    def optional(self, name: str) -> NDArray[np.float32] | None:
        self._names.add(name)
        return self._theirs.get(name)

    def __call__(self, name: str, dimensions: int) -> NDArray[np.float32]:
        found = self.optional(name)
        if found is None:
            self._missing.append(name)
            return np.zeros((0,) * dimensions, np.float32)
        if found.ndim != dimensions:
            raise CheckpointError(f"{name} is {list(found.shape)}; it must have {dimensions} axes")
        return found

    def number(self, name: str, otherwise: float) -> float:
        """A tensor that is one number; ``otherwise`` where there is none."""
        found = self.optional(name)
        if found is None:
            return otherwise
        if found.size != 1:
            raise CheckpointError(f"{name} must be one number, it is {list(found.shape)}")
        return float(found.flat[0])

    def conv(self, ours: dict[str, NDArray[np.float32]], theirs: str, name: str) -> None:
        for kind, dimensions in (("weight", 4), ("bias", 1)):
            ours[f"{name}.{kind}"] = self(f"{theirs}.{kind}", dimensions)

    def gdn(self, ours: dict[str, NDArray[np.float32]], theirs: str, name: str) -> None:
        for kind, minimum, dimensions in (("beta", _BETA_MINIMUM, 1), ("gamma", 0.0, 2)):
            root = self(f"{theirs}.{kind}", dimensions).astype(np.float64)
            pedestal = self.number(f"{theirs}.{kind}_reparam.pedestal", _PEDESTAL)
            least = math.sqrt(minimum + max(pedestal, 0))
            bound = self.number(f"{theirs}.{kind}_reparam.lower_bound.bound", least)
            value = np.maximum(np.square(np.maximum(root, bound)) - pedestal, 0)
            own = value.astype(np.float32)
            tensor = f"{name}.norm.{'bias' if kind == 'beta' else 'weight'}"
            ours[tensor] = own if kind == "beta" else own[..., None, None]

    def density(self, ours: dict[str, NDArray[np.float32]]) -> None:
        density = "probability.density."
        for number in range(5):
            for theirs, name in _DENSITY.items():
                if (theirs, number) != ("factors", 4):
                    ours[f"{density}{name}.{number}"] = self(f"{_BOTTLENECK}{theirs}.{number}", 3)
        # Ours has a gate behind the last layer too, which at zero lets all through.
        ours[f"{density}gates.4"] = np.zeros_like(ours[f"{density}biases.4"])
        name = f"{_BOTTLENECK}quantiles"
        quantiles = self(name, 3)
        if name in self._missing:
            return
        if quantiles.shape[1:] != (1, 3):
            raise CheckpointError(f"{name} is {list(quantiles.shape)}; it must be [channels, 1, 3]")
        ours["probability.median"] = quantiles[:, 0, 1].reshape(1, -1, 1, 1).copy()

    def check(self) -> None:
        """Nothing is missing and nothing is left."""
        unknown = sorted(set(self._theirs) - self._names)
        if self._missing or unknown:
            told = [
                f"{len(names)} {word} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
                for word, names in (("missing", self._missing), ("unknown", unknown))
                if names
            ]
            raise CheckpointError(f"not a CompressAI checkpoint: {'; '.join(told)}")


def _architecture(theirs: Arrays) -> Architecture:
    for beginning, why in _FOREIGN.items():
        found = next((name for name in theirs if name.startswith(beginning)), None)
        if found is not None:
            raise CheckpointError(f"{found:.80} is among its tensors: {why}")
    if "g_a.6.weight" not in theirs or theirs["g_a.6.weight"].ndim != 4:
        raise CheckpointError(
            "there is no g_a.6.weight, the last convolution of bmshj2018 and mbt2018-mean; it is "
            "none of these"
        )
    if "g_a.1.gamma" not in theirs:
        raise CheckpointError(
            "there is no g_a.1.gamma: networks with rectifiers in place of GDN, such as "
            "bmshj2018-factorized-relu, are not read"
        )
    if "h_s.4.weight" not in theirs:
        return "bmshj2018-factorized"
    if theirs["h_s.4.weight"].ndim != 4:
        raise CheckpointError("h_s.4.weight is no convolution's: it must have 4 axes")
    made, latents = len(theirs["h_s.4.weight"]), len(theirs["g_a.6.weight"])
    if made == latents:
        return "bmshj2018-hyperprior"
    if made == 2 * latents:
        return "mbt2018-mean"
    raise CheckpointError(
        f"h_s.4 gives {made} values for {latents} latents; it must be as many or twice as many"
    )


def _split(ours: dict[str, NDArray[np.float32]]) -> None:
    """Scales and means, which one net gives one after the other, from two."""
    latents = len(ours["encoder.head.bias"])
    for number in range(3):
        for kind in ("weight", "bias"):
            both = ours[f"probability.scale.layers.{number}.{kind}"]
            scale, mean = (both[:latents], both[latents:]) if number == 2 else (both, both)
            ours[f"probability.scale.layers.{number}.{kind}"] = scale.copy()
            ours[f"probability.mean.layers.{number}.{kind}"] = mean.copy()


def _config(architecture: Architecture, ours: Arrays) -> CompressaiConfig:
    def widths(name: str, count: int) -> tuple[int, ...]:
        return tuple(len(ours[name.format(number)]) for number in range(count))

    encoder = widths("encoder.stages.{}.conv.bias", 3)
    usual = compressai(architecture, encoder[0] or 1, len(ours["encoder.head.bias"]) or 1)
    fields: dict[str, object] = {
        "encoder_widths": encoder,
        "generator_widths": widths("generator.stages.{}.conv.bias", 3),
    }
    if usual.structure.hyperprior:
        fields["hyper_channels"] = len(ours["probability.analysis.layers.2.bias"])
        for net, name in (
            ("analysis", "inner_analysis"),
            ("scale", "inner_scale"),
            ("mean", "inner_mean"),
        ):
            if f"probability.{net}.layers.0.bias" in ours:
                found = widths(f"probability.{net}.layers.{{}}.bias", 2)
                fields[f"{net}_widths"] = () if found == getattr(usual, name) else found
    try:
        return CompressaiConfig.from_dict({**usual.to_dict(), **fields})
    except UsageError as error:
        raise CheckpointError(str(error)) from error
