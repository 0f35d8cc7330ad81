"""Each operator of the builder, run by ONNX Runtime, makes what torch makes of the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from slimcodec.errors import ModelFileError
from slimcodec.graphs.building import Builder, layers_of
from slimcodec.graphs.ir import Value
from slimcodec.graphs.shapes import Side, strided
from tests.onnx_protos import to_proto

Floats = NDArray[np.float32]
random = np.random.default_rng(0)


def drawn(*shape: int) -> Floats:
    return random.normal(size=shape).astype(np.float32)


WEIGHTS = {
    "conv.weight": drawn(6, 4, 3, 5),
    "conv.bias": drawn(6),
    "plain.weight": drawn(2, 4, 3, 3),
    "up.weight": drawn(4, 3, 5, 5),
    "up.bias": drawn(3),
    "norm.gamma": drawn(1, 4, 1, 1),
    "norm.beta": drawn(1, 4, 1, 1),
    "table": drawn(3, 5, 4),
}
TORCH = {name: torch.from_numpy(array) for name, array in WEIGHTS.items()}


def normed(x: torch.Tensor) -> torch.Tensor:
    centred = x - x.mean(1, keepdim=True)
    variance = centred.square().sum(1, keepdim=True) / 3
    return centred * torch.rsqrt(variance + 1e-3) * TORCH["norm.gamma"] + TORCH["norm.beta"]


Written = Callable[[Builder, Value], Value]
OPERATORS: dict[str, tuple[Written, Callable[[torch.Tensor], torch.Tensor]]] = {
    "conv": (
        lambda b, x: b.conv("conv", x, stride=2, padding=2),
        lambda x: F.conv2d(x, TORCH["conv.weight"], TORCH["conv.bias"], stride=2, padding=2),
    ),
    "conv without bias": (
        lambda b, x: b.conv("plain", x), lambda x: F.conv2d(x, TORCH["plain.weight"])
    ),
    "transposed": (
        lambda b, x: b.transposed("up", x, stride=2, padding=2, extra=1),
        lambda x: F.conv_transpose2d(x, TORCH["up.weight"], TORCH["up.bias"], 2, 2, 1),
    ),
    "channel norm": (lambda b, x: b.channel_norm("norm", x), normed),
    "reflected": (
        lambda b, x: b.reflected(x, 1, 2, 0, 3), lambda x: F.pad(x, (1, 2, 0, 3), "reflect")
    ),
    "relu": (lambda b, x: b.relu(x), F.relu),
    "leaky relu": (lambda b, x: b.relu(x, 0.2), lambda x: F.leaky_relu(x, 0.2)),
    "sigmoid": (lambda b, x: b.sigmoid(x), torch.sigmoid),
    "tanh": (lambda b, x: b.tanh(x), torch.tanh),
    "log": (lambda b, x: b.log(b.add(b.absolute(x), 0.5)), lambda x: (x.abs() + 0.5).log()),
    "sign": (
        lambda b, x: b.sign(b.relu(x)), lambda x: torch.where(F.relu(x) >= 0, 1.0, -1.0)
    ),
    "arithmetic": (
        lambda b, x: b.div(b.sub(b.mul(x, 3), x), b.add(b.mul(x, x), 1.0)),
        lambda x: (x * 3 - x) / (x * x + 1),
    ),
    "first row": (lambda b, x: b.slice(x, 2, 0, 1), lambda x: x[:, :, :1]),
    "last column": (lambda b, x: b.slice(x, 3, -1, None), lambda x: x[..., -1:]),
    "some channels": (lambda b, x: b.slice(x, 1, 1, 3), lambda x: x[:, 1:3]),
    "channels": (lambda b, x: b.channels(x, [3, 0, 0]), lambda x: x[:, [3, 0, 0]]),
    "concat": (
        lambda b, x: b.concat([b.slice(x, 2, 0, 1), x, x], 2),
        lambda x: torch.cat([x[:, :, :1], x, x], 2),
    ),
    "split": (lambda b, x: b.split(x, 2)[1], lambda x: x.chunk(2, 1)[1]),
    "shuffle": (lambda b, x: b.pixel_shuffle(x, 2), lambda x: F.pixel_shuffle(x, 2)),
    "unshuffle": (lambda b, x: b.pixel_unshuffle(x, 2), lambda x: F.pixel_unshuffle(x, 2)),
    "by row": (
        lambda b, x: b.by_row("table", b["number"], x),
        lambda x: F.conv2d(x, TORCH["table"][2][:, :, None, None]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator(name: str) -> None:
    written, reference = OPERATORS[name]
    build = Builder(WEIGHTS, {"x": (1, 4, "2h", "2w"), "number": ()})
    out = written(build, build["x"])
    shape = tuple(out.shape or ())
    data = to_proto(build.finished({"out": out})).SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for h, w in ((3, 5), (8, 4)):
        x = drawn(1, 4, 2 * h, 2 * w)
        made = session.run(None, {"x": x, "number": np.array(2)})[0]
        wanted = reference(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(made, wanted, rtol=1e-5, atol=2e-6 * np.abs(wanted).max())
        # What the builder says of sides holds.
        sides = {"h": h, "w": w}
        for said, real in zip(shape, made.shape, strict=True):
            if isinstance(said, Side):
                said = said.factor * sides[said.name] + said.more
            assert said in (None, real)


def test_sides() -> None:
    side = Side.parse("16h")
    assert (str(side), str(side + 4), str(side * 2), str(Side.parse("w") + -2)) == (
        "16*h", "16*h + 4", "32*h", "w - 2"
    )  # fmt: skip
    assert strided(side + 3, 2) == Side(8, "h", 1)
    assert strided(Side(1, "h"), 2) is None and strided(None, 2) is None and strided(7, 2) == 3
    with pytest.raises(ValueError, match="a side is"):
        Side.parse("h16")


def test_layers_and_what_follows_them_have_names() -> None:
    build = Builder(WEIGHTS, {"x": (1, 4, "h", "w")})
    x = build.relu(build.add(build.conv("plain", build["x"]), 1.0))
    model = build.finished({"out": build.tanh(x)})
    assert list(layers_of(model)) == ["plain"]
    names = [node.name for node in model.graph]
    assert names[:3] == ["plain.weight.layer", "plain.after.0", "plain.after.1"]


def test_a_value_that_comes_out_twice() -> None:
    build = Builder({}, {"x": (1, 4, "h", "w")})
    y = build.tanh(build["x"])
    model = build.finished({"a": y, "b": y, "c": build["x"]})
    assert [out.name for out in model.graph.outputs] == ["a", "b", "c"]
    to_proto(model)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({}, r"no plain\.weight"),
        ({"plain.weight": drawn(2, 3, 3, 3)}, r"plain has \(2, 3, 3, 3\)"),
        ({"plain.weight": drawn(2, 4)}, "plain has"),
        ({"plain.weight": drawn(2, 4, 3, 3), "plain.bias": drawn(3)}, "plain has"),
    ],
)
def test_weights_that_do_not_fit(weights: dict[str, Floats], words: str) -> None:
    build = Builder(weights, {"x": (1, 4, "h", "w")})
    with pytest.raises(ModelFileError, match=f"do not fit the network: .*{words}"):
        build.conv("plain", build["x"])
