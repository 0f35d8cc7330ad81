"""Repair of the tone shift: what changed weights do to brightness and colour, taken back in
seconds and without training.

Zeroed weights take something from the mean of what each layer gives (the paper saw pictures darken
and tint, and left the repair open). Two linear repairs, both measured on photographs that the
codec's own glue codes at every quality:

    biases   bias[c] = bias'[c] + E[((weight' - weight) * x)[c]]           primes: before the recipe
    matrix   picture = M · picture + t          least squares against the pictures of before

The first is bias correction as after quantization (``calibration.correct_biases``; Nagel et al.
2019). It sets biases to what weights before the recipe ask for, so it belongs right behind the pass
that changed weights, before any that trains.

The second has 12 numbers. Fitted to the originals instead, it also takes colour from what the
codec loses anyway, and raised ΔE on held-out photographs (``docs/log.md``). It is kept only where,
fitted to one half of the crops, it takes at least a hundredth off ΔE2000 to the originals on the
other: a network whose colours are right keeps its weights, and its zeros.

It changes neither graph nor config. Where the last layers are linear and their sum is the
picture, ``picture = Σ (weight * x + bias) / scale + offset``, it is another choice of weights and
biases of these layers:

    weight ← M · weight     bias ← M · bias,    one of them + scale · (M · offset + t - offset)

which is exact. Zeros of these layers stay only where all three colours had one. Where the last
layers are not like that, the matrix is left out, and plan and record say why.

Neither touches a part that streams depend on. Where an encoder was shrunk, the matrix in the
decoder is made for that encoder's streams: streams of the encoder before decode as ever, but with
colours moved by the repair that they did not need; and a decoder of before repairs nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.metrics.delta_e import DeltaE
from slimcodec.shrink.recipe import Context

if TYPE_CHECKING:
    from torch import nn

    from slimcodec.codecs.family import Family, PictureLayers
    from slimcodec.shrink.calibration import Affine, Pictures
    from slimcodec.types import Image

__all__ = ["CorrectTone", "fit_colours", "fold_colours"]

_KEYS = ("biases", "matrix", "images")

_WORTH_IT = 0.99
"""Share of ΔE that a matrix must leave at most: less gain is not worth the zeros of its layers."""


@dataclass(frozen=True)
class CorrectTone:
    """Bring brightness and colour back.

    Attributes:
        biases: whether means of layers are brought back to those before the recipe.
        matrix: whether a colour matrix is fitted and folded into the last layers.
        images: how many photographs are looked at.
    """

    name: ClassVar[str] = "correct-tone"

    biases: bool = True
    matrix: bool = True
    images: int = 16

    def __post_init__(self) -> None:
        for key in ("biases", "matrix"):
            if type(getattr(self, key)) is not bool:
                raise UsageError(f"{key} is true or false, got {getattr(self, key)!r}")
        if not self.biases and not self.matrix:
            raise UsageError("correct-tone with neither biases nor matrix does nothing; say one")
        if type(self.images) is not int or self.images < 1:
            raise UsageError(f"images must be a whole number from 1, got {self.images!r}")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> CorrectTone:
        """From a recipe's table."""
        if unknown := sorted(set(settings) - set(_KEYS)):
            raise UnknownNameError("setting of correct-tone", unknown[0], _KEYS)
        return cls(**settings)

    def settings(self) -> dict[str, Any]:
        """The inverse of ``from_settings``."""
        usual = CorrectTone()
        return {k: getattr(self, k) for k in _KEYS if getattr(self, k) != getattr(usual, k)}

    def check(self, family: Family, config: Any) -> Any:
        """Every family has biases; where it has no matrix, ``plan`` says so."""
        return config

    def plan(self, network: nn.Module, family: Family) -> list[str]:
        """One line for each repair."""
        lines = []
        if self.biases:
            parts = [part for part in family.parts if part in self.touches(family)]
            lines.append(
                f"correct-tone biases: of changed layers in {', '.join(parts)}, to the means "
                f"before the recipe, {self.images} photographs"
            )
        if self.matrix:
            picture = family.picture_layers(network.config)
            where = f"fitted, and where it pays folded into {' and '.join(picture.layers)}"
            lines.append(f"correct-tone matrix: {where if picture.layers else _left_out(picture)}")
        return lines

    def touches(self, family: Family) -> frozenset[str]:
        """All parts but those that streams depend on."""
        return frozenset(family.parts) - family.changes_streams

    def needs_photographs(self) -> bool:
        """Yes."""
        return True

    def apply(
        self, network: nn.Module, family: Family, context: Context | None = None
    ) -> tuple[nn.Module, list[dict[str, Any]]]:
        """A corrected copy; first in the record the picture, then every layer whose bias moved.

        Raises:
            UsageError: when the network is quantized, or nobody said what it was before.
        """
        from slimcodec.codecs.settled import settled
        from slimcodec.quantization.simulation import is_quantized
        from slimcodec.shrink import calibration

        context = context or Context()
        if is_quantized(network):
            raise UsageError(
                "the network is quantized already, and quantize corrects biases itself; put "
                "correct-tone before quantize"
            )
        if context.reference is None:
            raise UsageError(
                "correct-tone brings back the tone of the network before the recipe and was told "
                "of none; apply it in a recipe, or give Context(reference=NETWORK)"
            )
        reference = settled(context.reference, family)
        crops = calibration.crops_of(context.folder(self.name), self.images)
        network = settled(network, family)
        corrected = copy.deepcopy(network)
        path = calibration.CodedPath.of(network, family, crops)
        stage = context.stage("correcting biases" if self.biases else "looking at colours")
        wanted = self._wanted(reference, family) if self.biases else {}
        moves, before = calibration.correct_biases(corrected, path, wanted, stage)
        after = path.run(corrected, context.stage("looking at colours")) if moves else before
        about: dict[str, Any] = {
            "layer": "picture",
            "measured_on": f"the {len(crops)} crops that it was fitted to",
            "delta_e_before": _delta_e(crops, before),
        }
        picture = family.picture_layers(network.config)
        if self.matrix and picture.layers:
            known = calibration.CodedPath.of(reference, family, crops)
            target = known.run(reference, context.stage("looking at colours before the recipe"))
            without, with_it = _on_the_other_half(crops, target, after)
            about["delta_e_other_half"] = {"without_matrix": without, "with_matrix": with_it}
            if with_it < _WORTH_IT * without:
                colours = fit_colours(target, after)
                fold_colours(corrected, picture, colours)
                about["matrix"] = [[round(float(value), 6) for value in row] for row in colours]
                after = path.run(corrected, context.stage("looking at the outcome"))
            else:
                about["matrix"] = "left out: crops that it was not fitted to gain too little by it"
        elif self.matrix:
            about["matrix"] = _left_out(picture)
        about["delta_e_after"] = _delta_e(crops, after)
        return corrected, [
            about,
            *(
                {"layer": name, "bias_moved_by": float(f"{move.abs().max():.4g}")}
                for name, move in moves.items()
            ),
        ]

    def _wanted(self, reference: nn.Module, family: Family) -> dict[str, Affine]:
        """Weights and biases before the recipe, of the parts in question."""
        from slimcodec.shrink.calibration import affine_maps

        parts = self.touches(family)
        maps = affine_maps(reference)
        return {name: own for name, own in maps.items() if name.split(".")[0] in parts}


def fit_colours(target: Pictures, pictures: Pictures) -> NDArray[np.float64]:
    """The colour matrix that brings pictures closest to others.

    Least squares over all pixels of all qualities; a colour direction that no photograph shows
    stays as it is.

    Args:
        target: the others, uint8 [h, w, 3] each.
        pictures: as many of the same shapes.

    Returns:
        [3, 4]: M and, last column, t, for values from 0 to 1.
    """
    squares, products = np.zeros((4, 4)), np.zeros((4, 3))
    for sought, found in zip(chain(*target), chain(*pictures), strict=True):
        given = np.ones((found.size // 3, 4))
        given[:, :3] = found.reshape(-1, 3) / 255
        squares += given.T @ given
        products += given.T @ (sought.reshape(-1, 3) / 255 - given[:, :3])
    change, *_ = np.linalg.lstsq(squares, products, rcond=1e-9)
    return np.asarray(np.eye(3, 4) + change.T)


def fold_colours(network: nn.Module, picture: PictureLayers, colours: NDArray[np.float64]) -> None:
    """Choose a network's last layers so that it makes ``M · picture + t``.

    Args:
        network: not quantized; changed in place.
        picture: its layers of that kind.
        colours: [3, 4], M and t.
    """
    import torch

    from slimcodec.quantization.simulation import convolutions, output_axis, set_weights

    matrix, constant = torch.from_numpy(colours[:, :3]), torch.from_numpy(colours[:, 3])
    offset = torch.full((3,), picture.offset, dtype=torch.float64)
    # What is left to add once, whichever layer adds it.
    more = picture.scale * (matrix @ offset + constant - offset)
    layers = convolutions(network)
    with torch.no_grad():
        for name in picture.layers:
            layer = layers[name]
            axis = output_axis(layer)
            weight = torch.tensordot(layer.weight.double(), matrix, dims=([axis], [1]))
            set_weights(layer, weight.movedim(-1, axis).to(layer.weight.dtype))
            if layer.bias is not None:
                layer.bias.copy_(matrix @ layer.bias.double() + more)
                more = torch.zeros_like(more)


def _on_the_other_half(
    crops: Sequence[Image], target: Pictures, pictures: Pictures
) -> tuple[float, float]:
    """Mean ΔE2000 of crops as they are, and with the matrix fitted to the other half of them; of a
    single crop, with the one fitted to itself. Of every fourth pixel each way."""
    matrices = [fit_colours(target[half::2], pictures[half::2]) for half in (0, 1)]
    if len(crops) == 1:
        matrices.reverse()
    thinned = [[picture[::4, ::4] for picture in decoded] for decoded in pictures]
    mapped = [
        [_mapped(picture, matrices[1 - number % 2]) for picture in decoded]
        for number, decoded in enumerate(thinned)
    ]
    originals = [crop[::4, ::4] for crop in crops]
    return _delta_e(originals, thinned), _delta_e(originals, mapped)


def _mapped(picture: Image, colours: NDArray[np.float64]) -> Image:
    """A picture's colours through a matrix [3, 4]."""
    values = picture / 255 @ colours[:, :3].T + colours[:, 3]
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _delta_e(crops: Sequence[Image], pictures: Pictures) -> float:
    """Mean ΔE2000 over crops and qualities."""
    measure = DeltaE()
    pairs = zip(crops, pictures, strict=True)
    return round(float(np.mean([measure(a, b) for a, decoded in pairs for b in decoded])), 4)


def _left_out(picture: PictureLayers) -> str:
    return f"left out: {picture.hindrance}, so no layer's weights could hold a colour matrix"
