"""One update of the weights, the same recorded as a CUDA graph, and the moving average of weights.

A step of a small codec is some thousand small kernels; launching them one by one takes a GPU longer
than running them. So the first steps run as they are, then one is recorded, and from then on a step
is one launch. Where chance decides about control flow too, there is a recording for each of its
ways.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec.training.objectives import Draw, Objective

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Recorded", "Recording", "Step", "average_weights", "inputs", "parameter_groups"]


def inputs(batch: Mapping[str, Tensor], drawn: Draw) -> tuple[Float[Tensor, "b 3 h w"], Draw]:
    """Image and draw of a step, all where the network is.

    Args:
        batch: see ``data.Samples``.
        drawn: by the objective; what samples bring with them takes its place.
    """
    brought = {name: _values(tensor) for name, tensor in batch.items()}
    image = brought.pop("image")
    return image, replace(drawn, data={**drawn.data, **brought})


def _values(tensor: Tensor) -> Tensor:
    """What is computed with: float32, bytes being pixels, maps with their channels last."""
    values = tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor.float()
    return values.to(memory_format=torch.channels_last) if values.ndim == 4 else values


def average_weights(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    """Move the exponential moving average one step towards the network's weights, in place."""
    pairs = [
        (average[name], p.detach()) for name, p in network.named_parameters() if p.requires_grad
    ]
    torch._foreach_lerp_([a for a, _ in pairs], [p for _, p in pairs], 1 - decay)


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

    def __call__(self, image: Float[Tensor, "b 3 h w"], draw: Draw) -> Float[Tensor, " 3"]:
        """Loss, bits per pixel and dB, where the network is; a loss that is not finite is the
        caller's to see."""
        with self.mixed():
            loss = self.objective.training_loss(self.network, image, draw)
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


class Recording:
    """A step as a CUDA graph, with the memory that it reads its input from.

    Args:
        step: what is recorded.
        image: of the step.
        draw: of the step; a replay takes other data and the same control.
        pool: memory that the graph computes in.
    """

    def __init__(self, step: Step, image: Float[Tensor, "b 3 h w"], draw: Draw, pool: Any) -> None:
        self.image = image.clone(memory_format=torch.preserve_format)
        self.data = {name: value.clone() for name, value in draw.data.items()}
        self.graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        # The loader's thread may pin memory meanwhile.
        with torch.cuda.graph(self.graph, pool=pool, capture_error_mode="thread_local"):
            self.found = step(self.image, Draw(self.data, draw.control))

    def __call__(self, image: Float[Tensor, "b 3 h w"], draw: Draw) -> Float[Tensor, " 3"]:
        self.image.copy_(image)
        for name, value in draw.data.items():
            self.data[name].copy_(value)
        self.graph.replay()
        return self.found.clone()


class Recorded:
    """A step that is launched whole: one graph for each way that control flow can take.

    Learning rates must be tensors on the device, noise comes from the device's generator.

    Args:
        step: what is launched.
        mode: what else than ``Draw.control`` decides which computation a step is, such as a switch
            of the network. Another answer warms up and records anew.
    """

    WARM_UPS = 5
    """Steps that run as they are before any is recorded, of one image shape."""

    def __init__(self, step: Step, mode: Callable[[], Hashable] = lambda: None) -> None:
        self.step, self.mode = step, mode
        self._runs: Counter[Hashable] = Counter()
        self._met: set[Hashable] = set()
        self._recordings: dict[Hashable, Recording] = {}
        self._pool: Any = None

    def __call__(self, image: Float[Tensor, "b 3 h w"], draw: Draw) -> Float[Tensor, " 3"]:
        """As ``Step``."""
        kind = (image.shape, self.mode())
        way = (kind, *sorted(draw.control.items()))
        # Each way runs as it is once: what is made at a first time, such as an optimizer's moments
        # of a weight that no other way reaches, or the choice of a kernel, must not be recorded.
        if self._runs[kind] < self.WARM_UPS or way not in self._met:
            self._runs[kind] += 1
            self._met.add(way)
            return self._aside(image, draw)
        if way not in self._recordings:
            self._recordings[way] = self._record(image, draw)
        return self._recordings[way](image, draw)

    def _aside(self, image: Tensor, draw: Draw) -> Tensor:
        """On a stream of its own, as recording asks for."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            found = self.step(image, draw)
        torch.cuda.current_stream().wait_stream(stream)
        return found

    def _record(self, image: Tensor, draw: Draw) -> Recording:
        # All graphs compute in the same memory, or each would hold a step's worth of its own. They
        # run one after another and none reads what another left there: images, weights and the
        # optimizer's state lie outside, and what a step found is copied before the next begins.
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        return Recording(self.step, image, draw, self._pool)


def parameter_groups(network: Any, learning_rate: float) -> list[dict[str, Any]]:
    """Of the optimizer: the network's own, or all of it at one rate."""
    if hasattr(network, "parameter_groups"):
        groups: list[dict[str, Any]] = network.parameter_groups(learning_rate)
        return groups
    return [{"params": list(network.parameters()), "lr": learning_rate}]
