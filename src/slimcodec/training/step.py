"""One update of the weights, and the same recorded as a CUDA graph.

A step of a small codec is some thousand small kernels; launching them one by one takes a GPU longer
than running them. Where everything that chance decides about a step is data and not control flow,
the first steps run as they are, then one is recorded, and from then on a step is one launch.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec.training.objectives import Draw, Objective

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Recorded", "Step"]


class Step:
    """Loss, gradient, clipping, update: of the network, then of the objective's adversary.

    Args:
        network: as the objective calls it.
        objective: what is minimised.
        optimizer: of the network.
        adversary_optimizer: of the objective's adversary, where it has one.
        fabric: how gradients are computed and clipped.
        mixed: makes the context of the precision.
        clip_norm: largest norm of a gradient.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        optimizer: Any,
        adversary_optimizer: Any,
        *,
        fabric: Fabric,
        mixed: Callable[[], AbstractContextManager[Any]],
        clip_norm: float,
    ) -> None:
        self.network, self.objective = network, objective
        self.optimizer, self.adversary_optimizer = optimizer, adversary_optimizer
        self.fabric, self.mixed, self.clip_norm = fabric, mixed, clip_norm

    def __call__(
        self, image: Float[Tensor, "b 3 h w"], draw: Draw, learned: bool
    ) -> Float[Tensor, " 3"]:
        """Loss, bits per pixel and dB, where the network is; a loss that is not finite is the
        caller's to see."""
        with self.mixed():
            loss = self.objective.training_loss(self.network, image, draw, learned)
        self._descend(loss.total, self.network, self.optimizer)
        if self.objective.adversary is not None:
            with self.mixed():
                judged = self.objective.adversary_loss(loss.pictures)
            self._descend(judged, self.objective.adversary, self.adversary_optimizer)
        return torch.stack([v.detach().float() for v in (loss.total, loss.bpp, loss.psnr_db)])

    def _descend(self, loss: Tensor, network: nn.Module, optimizer: Any) -> None:
        optimizer.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(
            network, optimizer, max_norm=self.clip_norm, error_if_nonfinite=False
        )
        optimizer.step()


class Recorded:
    """A step that is launched whole. Learning rates must be tensors on the device, noise comes from
    the device's generator."""

    WARM_UPS = 5

    def __init__(self, step: Step) -> None:
        self.step = step
        self._of: Any = None
        self._runs = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    @staticmethod
    def fits(draw: Draw) -> bool:
        """Whether what chance decides is data alone."""
        return not draw.control

    def __call__(
        self, image: Float[Tensor, "b 3 h w"], draw: Draw, learned: bool
    ) -> Float[Tensor, " 3"]:
        """As ``Step``."""
        of = (image.shape, learned)
        if of != self._of:
            self._of, self._runs, self._graph = of, 0, None
        if self._runs < self.WARM_UPS:
            self._runs += 1
            return self._aside(image, draw, learned)
        if self._graph is None:
            self._record(image, draw, learned)
        assert self._graph is not None
        self._image.copy_(image)
        for name, value in draw.data.items():
            self._draw.data[name].copy_(value)
        self._graph.replay()
        return self._found.clone()

    def _aside(self, image: Tensor, draw: Draw, learned: bool) -> Tensor:
        """On a stream of its own, as recording asks for."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            found = self.step(image, draw, learned)
        torch.cuda.current_stream().wait_stream(stream)
        return found

    def _record(self, image: Tensor, draw: Draw, learned: bool) -> None:
        self._image = image.clone(memory_format=torch.preserve_format)
        self._draw = Draw({name: value.clone() for name, value in draw.data.items()})
        self._graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        # The loader's thread may pin memory meanwhile.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._found = self.step(self._image, self._draw, learned)
