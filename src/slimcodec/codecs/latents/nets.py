"""What a codec's probability model is made of, as data: torch modules, graphs, integers and the
table of layers are all made from it.

    y ─► analysis ─► z ─► scale (integers), mean (floats) ─► p(y | z)        hyperprior
    y ──────────────────────────────────────────────────────► p(y)           factorized alone

Widths are the config's (``LatentsConfig.inner_analysis`` and others); a net says the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ANALYSIS", "SYNTHESIS", "Net", "NetLayer", "Structure"]


@dataclass(frozen=True)
class NetLayer:
    """One convolution.

    Attributes:
        kind: ``conv``, which makes sides smaller by the stride, or ``transposed``, larger.
        kernel: its side, odd; half of it is padding, so sides change by the stride alone.
        stride: of it.
        reflected: whether the padding is the mirror image, and not zeros.
    """

    kind: Literal["conv", "transposed"]
    kernel: int
    stride: int = 1
    reflected: bool = False


@dataclass(frozen=True)
class Net:
    """Convolutions with a rectifier between every two.

    A scale net runs in integers, where a window is 3x3 (``integers.windows``): its transposed
    convolutions have kernel 5 at stride 2 or kernel 3 at stride 1, others kernel 3 at stride 1.

    Attributes:
        layers: in order, two or more.
        slope: of the rectifiers for negative inputs.
    """

    layers: tuple[NetLayer, ...]
    slope: float = 0.0


ANALYSIS = Net(
    (
        NetLayer("conv", 3),
        NetLayer("conv", 5, 2, reflected=True),
        NetLayer("conv", 5, 2, reflected=True),
    )
)
SYNTHESIS = Net(
    (NetLayer("transposed", 5, 2), NetLayer("transposed", 5, 2), NetLayer("transposed", 3))
)


@dataclass(frozen=True)
class Structure:
    """Everything but widths. The defaults are those of HiFiC.

    Attributes:
        hyperprior: whether there is one; else latents are coded by their factorized density alone,
            and what follows is of no account but for ``medians`` and ``density_filters``.
        analysis: latents to hyper-latents.
        magnitudes: whether the analysis sees the latents' absolute values.
        mean: hyper-latents to means; None where all are zero.
        scale: hyper-latents to scales.
        medians: whether what the factorized density codes is rounded around the median of each
            channel, and not around zero.
        latent_units: whether each latent's usual spread is known, in units of which the nets
            compute.
        density_filters: inner widths of the factorized density.
        least_probability: of any symbol of a table, and of the escape; networks from elsewhere may
            say of their latents what is not so.
    """

    hyperprior: bool = True
    analysis: Net = ANALYSIS
    magnitudes: bool = False
    mean: Net | None = SYNTHESIS
    scale: Net = SYNTHESIS
    medians: bool = False
    latent_units: bool = True
    density_filters: tuple[int, ...] = (3, 3, 3)
    least_probability: float = 0.0

    @property
    def smallest_latents(self) -> int:
        """Latents on a side that the analysis needs: mirror images of two need more than two where
        the second convolution is."""
        return 8 if any(layer.reflected for layer in self.analysis.layers) else 4
