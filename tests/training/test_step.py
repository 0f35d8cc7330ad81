"""One update of codec and adversary, and the same as a CUDA graph."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn

from slimcodec.training.objectives import Draw, Loss
from slimcodec.training.step import Recorded, Step

fabric_module = pytest.importorskip("lightning_fabric")


class Squares:
    """Brings a network's output to the image plus what was drawn; its adversary learns a mean."""

    def __init__(self, adversary: nn.Module | None = None) -> None:
        self.adversary = adversary

    def to(self, device: torch.device) -> None:
        """It has nothing that is anywhere."""

    def describe(self) -> str:
        return "squares"

    def draw(self, count: int, rng: torch.Generator) -> Draw:
        raise NotImplementedError("tests draw themselves")

    def coded(self, network: Any, image: Any, most: int | None = None) -> Sequence[Any]:
        raise NotImplementedError("nothing is coded here")

    def training_loss(self, network: Any, image: Any, draw: Any) -> Loss:
        decoded = image
        for _ in range(draw.control.get("times", 1)):
            decoded = network(decoded)
        error = decoded - image - draw.data["shift"][:, None, None, None]
        loss = error.square().mean()
        return Loss(loss, loss.detach() * 2, loss.detach() * 3, (image,))

    def adversary_loss(self, pictures: tuple[torch.Tensor, ...]) -> torch.Tensor:
        assert self.adversary is not None
        return (self.adversary(pictures[0]).mean() - 1).square()


def step_of(adversary: bool, device: str = "cpu") -> tuple[Step, nn.Module, Squares]:
    torch.manual_seed(0)
    fabric = fabric_module.Fabric(accelerator=device, devices=1)
    network = nn.Conv2d(3, 3, 1)
    objective = Squares(nn.Conv2d(3, 1, 1) if adversary else None)
    on_gpu = device == "cuda"
    optimizers: list[Any] = [
        torch.optim.Adam(module.parameters(), 0.05, fused=True, capturable=on_gpu)
        for module in (network, objective.adversary)
        if module is not None
    ]
    network, optimizer = fabric.setup(network, optimizers[0])
    judge = None
    if objective.adversary is not None:
        objective.adversary, judge = fabric.setup(objective.adversary, optimizers[1])
    for each in optimizers:
        for group in each.param_groups:
            group["lr"] = torch.tensor(0.05, device=device) if on_gpu else 0.05
    step = Step(
        network, objective, optimizer, judge, fabric=fabric, mixed=nullcontext, clip_norm=1.0
    )  # fmt: skip
    return step, network, objective


@pytest.mark.parametrize("adversary", [False, True])
def test_steps_descend(adversary: bool) -> None:
    step, _, objective = step_of(adversary)
    image, draw = torch.rand(2, 3, 8, 8), Draw({"shift": torch.tensor([0.1, -0.1])})
    found = torch.stack([step(image, draw) for _ in range(60)])
    assert found[-1, 0] < 0.2 * found[0, 0]
    torch.testing.assert_close(found[:, 1:], found[:, :1] * torch.tensor([2.0, 3.0]))
    if adversary:
        assert float(objective.adversary_loss((image,)).detach()) < 0.05


class Noted(Recorded):
    """Says what would be run as it is, recorded and replayed; it needs no GPU."""

    def __init__(self) -> None:
        self.linear = False
        super().__init__(step_of(False)[0], lambda: self.linear)
        self.done: list[tuple[str, dict[str, int]]] = []

    def _aside(self, image: torch.Tensor, draw: Draw) -> torch.Tensor:
        self.done.append(("run", dict(draw.control)))
        return torch.zeros(3)

    def _record(self, image: torch.Tensor, draw: Draw) -> Any:
        made = dict(draw.control)
        self.done.append(("record", made))

        def replay(image: torch.Tensor, draw: Draw) -> torch.Tensor:
            assert dict(draw.control) == made
            self.done.append(("replay", made))
            return torch.zeros(3)

        return replay

    def take(self, image: torch.Tensor, skip: int, linear: bool = False) -> list[str]:
        """What one step did."""
        before, self.linear = len(self.done), linear
        self(image, Draw({}, {"skip": skip}))
        return [what for what, _ in self.done[before:]]


def test_each_control_value_is_recorded_once() -> None:
    """The first steps count together; after them a value runs as it is once and is recorded."""
    run, image = Noted(), torch.zeros(2, 3, 8, 8)
    for skip in (0, 1, 0, 0, 1):
        assert run.take(image, skip) == ["run"]
    assert run.take(image, 0) == ["record", "replay"]
    assert run.take(image, 2) == ["run"]
    assert run.take(image, 2) == ["record", "replay"]
    assert run.take(image, 1) == ["record", "replay"]
    for skip in (2, 0, 1):
        assert run.take(image, skip) == ["replay"]


def test_another_shape_or_mode_warms_up_again() -> None:
    run, image = Noted(), torch.zeros(2, 3, 8, 8)
    for other in (image, image[:1]):
        for linear in (True, False):
            assert [run.take(other, 0, linear) for _ in range(5)] == [["run"]] * 5
            assert run.take(other, 0, linear) == ["record", "replay"]
    assert run.take(image, 0) == ["replay"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("adversary", [False, True])
@pytest.mark.parametrize("ways", [1, 4])
def test_a_recorded_step_is_the_step(adversary: bool, ways: int) -> None:
    """With control values too, whose graphs share memory and are replayed in any order."""
    runs = []
    for record in (False, True):
        step, network, _ = step_of(adversary, "cuda")
        run = Recorded(step) if record else step
        torch.manual_seed(1)
        losses = []
        for number in range(60):
            image = torch.rand(2, 3, 8, 8).cuda()
            control = {"times": 1 + number * number % 7 % ways} if ways > 1 else {}
            data = {"shift": torch.full((2,), number / 60).cuda()}
            losses.append(run(image, Draw(data, control)).cpu())
        if isinstance(run, Recorded):
            assert len(run._recordings) == len(run._met) == (3 if ways > 1 else 1)
        runs.append([torch.stack(losses), *(p.detach().cpu() for p in network.parameters())])
    for one, other in zip(*runs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
