"""Sensitivity: what is reported is what a whole evaluation of the changed network gives."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from slimcodec import library, registry
from slimcodec.codecs.settled import coded_layers, settled
from slimcodec.errors import SlimcodecError, UnknownNameError, UsageError
from slimcodec.explore.sensitivity import (
    Asked,
    changes_of,
    measure,
    photographs_of,
    prices_with,
    setup_of,
)
from slimcodec.explore.sensitivity_rows import Change, Cost, RowFile, Setup, costs_of, read_rows
from slimcodec.images import read_image, write_image
from slimcodec.quantization.simulation import convolutions
from slimcodec.shrink import PruneChannels, Quantize
from slimcodec.types import Image

DEMO = Path(library.__file__).parent / "demo"
CHANGES = {
    "hific": [
        Change("bits", "encoder.stages.1.conv", 3),
        Change("bits", "probability.context.groups.2.mix", 2),
        Change("bits", "generator.linear", 4),
        Change("zeros", "generator.stages.0.conv", 0.5),
        Change("zeros", "probability.scale.layers.1", 0.3),
        Change("channels", "generator.trunk", 0.25),
        Change("channels", "probability.context.base", 0.5),
        Change("block", "generator.trunk.0", 1),
    ],
    "toderici": [
        Change("bits", "decoder.linear", 4),
        Change("bits", "probability.iterations.1.context", 2),
        Change("zeros", "encoder.cells.1.conv_ih", 0.5),
        Change("channels", "decoder.cells.2", 0.5),
        Change("channels", "encoder.cells.0", 0.25),
    ],
}
QUALITIES = [1, 2]


@pytest.fixture(scope="module", params=CHANGES)
def named(
    request: pytest.FixtureRequest, make_network_of: Callable[..., Any], picture: Any
) -> tuple[str, Any]:
    """A family's name, and a settled network of it in which nothing is at its start."""
    network = make_network_of(request.param, 0)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in convolutions(network).values():
            layer.weight.add_(0.03 * torch.randn(layer.weight.shape, generator=rng))
        for block in getattr(getattr(network, "generator", None), "trunk", ()):
            block.norm2.gamma.normal_(0, 0.3, generator=rng)
    family = registry.families.get(request.param)
    return request.param, settled(network, family, [picture(128, 128)])


@pytest.fixture
def photographs(picture: Callable[..., Image], tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(2):
        write_image(folder / f"{number}.png", picture(128, 128, number))
    return folder


def whole_price(network: Any, family: Any, crop: Image) -> np.ndarray:
    """Rate and distortion of a network at each quality, [2, qualities]."""
    image = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        return np.array(list(family.prices(network, image, QUALITIES)), np.float64).T


def changed_by_hand(network: Any, family: Any, change: Change) -> Any:
    """The network with a change, made by the passes or by hand."""
    if change.kind == "channels":
        ratio = {change.name: change.setting}
        return PruneChannels(ratio, multiple=1).apply(network, family)[0]
    made = copy.deepcopy(network)
    if change.kind == "block":
        made.set_submodule(change.name, nn.Identity())
    elif change.kind == "bits" and change.name not in coded_layers(family, network.config):
        bits: dict[str, Any] = {name: {"weights": "float"} for name in convolutions(network)}
        bits[change.name] = {"weights": int(change.setting)}
        made, _ = Quantize(layers=bits, rounding="nearest", bias_correction=False).apply(
            network, family
        )
    else:
        layer = made.get_submodule(change.name)
        weight = layer.weight.detach().clone()
        if change.kind == "zeros":
            order = torch.argsort(weight.flatten().abs(), stable=True)
            weight.view(-1)[order[: round(change.setting * len(order))]] = 0
        else:
            weight = rounded_by_search(weight, int(change.setting))
        if change.name in coded_layers(family, network.config):
            layer.parametrizations["weight"] = Fixed(weight)
        else:
            layer.weight.data = weight
    return made


class Fixed(nn.Module):
    """Weights that are what they are, whatever rounded them before."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self) -> torch.Tensor:
        return self.weight


def rounded_by_search(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """Rows on the symmetric grids that the package's steps say, spelled out."""
    from slimcodec.quantization.observing import least_error_steps

    most = 2 ** (bits - 1) - 1
    step = least_error_steps(weight, 0, bits)[:, None, None, None]
    return (weight / step).round().clamp(-most, most) * step


def measured(
    named: tuple[str, Any], folder: Path, path: Path, asked: Asked, **more: Any
) -> tuple[Setup, list[Cost]]:
    name, network = named
    family = registry.families.get(name)
    crops = photographs_of(folder, 2)
    setup = setup_of(network, family, ("tiny", "digest"), QUALITIES, crops)
    store = RowFile(path, setup)
    measure(network, family, list(crops.values()), asked, QUALITIES, store, setup, **more)
    held, rows = read_rows(path)
    assert held == setup
    return setup, costs_of(rows)


def asked_of(changes: list[Change]) -> Asked:
    """All settings of the changes, for the layers and groups of the changes."""

    def settings(kind: str) -> tuple[Any, ...]:
        found = {c.setting for c in changes if c.kind == kind}
        return tuple(int(s) if kind == "bits" else s for s in sorted(found))

    names = tuple(dict.fromkeys(change.name for change in changes))
    return Asked(names, settings("bits"), settings("zeros"), settings("channels"))


def test_costs_are_those_of_a_whole_evaluation(
    named: tuple[str, Any], photographs: Path, tmp_path: Path
) -> None:
    name, network = named
    family = registry.families.get(name)
    before = copy.deepcopy(network.state_dict())
    _, costs = measured(named, photographs, tmp_path / "rows.jsonl", asked_of(CHANGES[name]))
    found = {cost.change: cost for cost in costs}
    crops = list(photographs_of(photographs, 2).values())
    plain = [whole_price(network, family, crop) for crop in crops]
    rate = np.mean([price[0] for price in plain], axis=0)
    moved = 0
    for change in CHANGES[name]:
        made = changed_by_hand(network, family, change)
        after = [whole_price(made, family, crop) for crop in crops]
        growth = np.mean([a - p for a, p in zip(after, plain, strict=True)], axis=0)
        cost = found[change]
        assert cost.percent == pytest.approx((100 * growth.sum(0) / rate).mean(), 1e-3, 1e-3)
        assert cost.rate_percent == pytest.approx((100 * growth[0] / rate).mean(), 1e-3, 1e-3)
        assert cost.bpp == pytest.approx(growth.sum(0).mean(), 1e-3, 1e-5)
        assert cost.photographs == 2
        moved += abs(cost.percent) > 0.01
    assert moved > len(CHANGES[name]) / 2
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[key]), key


def test_sixteen_bits_cost_about_nothing(
    named: tuple[str, Any], photographs: Path, tmp_path: Path
) -> None:
    """Fifteen, that is: sixteen are what weights have. Behind the last bit that is sent, so that no
    sign falls the other way by chance."""
    part = {"hific": "generator", "toderici": "decoder.filter"}[named[0]]
    asked = Asked((part,), (4, 15), (), (0.5,))
    _, costs = measured(named, photographs, tmp_path / "rows.jsonl", asked)
    most = {
        bits: max(abs(c.percent) for c in costs if c.change.setting == bits) for bits in (4, 15)
    }
    assert most[15] < 0.05
    assert most[4] > 10 * most[15]
    assert all(cost.saved_bytes > 0 for cost in costs)


def test_a_layer_that_is_never_read_costs_nothing(
    make_network_of: Callable[..., Any], photographs: Path, picture: Any
) -> None:
    family = registry.families.get("toderici")
    network = settled(make_network_of("toderici", 0), family, [picture(128, 128)])
    crops = photographs_of(photographs, 1)
    setup = setup_of(network, family, ("tiny", "digest"), [0], crops)
    read = {one.name: one.read for one in setup.subjects}
    late = "probability.iterations.3.context"
    assert not read[late] and read["probability.iterations.0.context"]
    # What an iteration remembers is of no use to the first.
    assert not read["encoder.cells.0.conv_hh"] and read["encoder.cells.0.conv_ih"]
    units = dict.fromkeys(read, 8)
    tried = {change.name for change in changes_of(setup.subjects, Asked(), units)}
    assert late not in tried and "encoder.cells.0.conv_ih" in tried
    (crop,) = crops.values()
    rows = {
        name: prices_with(network, family, Change("zeros", name, 0.9), crop, [0])
        for name in (late, "probability.iterations.3.groups.0.out", "decoder.out")
    }
    assert rows[late] == rows["probability.iterations.3.groups.0.out"] != rows["decoder.out"]


def test_it_goes_on_where_it_was_stopped(
    named: tuple[str, Any], photographs: Path, tmp_path: Path
) -> None:
    asked = asked_of(CHANGES[named[0]][:3])
    _, straight = measured(named, photographs, tmp_path / "straight.jsonl", asked)
    path = tmp_path / "stopped.jsonl"

    def stop(done: int, total: int, what: str) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(named, photographs, path, asked, on_progress=stop)
    held = read_rows(path)[1]
    assert [row.kind == "unshrunk" for row in held].count(False) == 4
    with path.open("a") as file:
        file.write('{"photograph": "half of a li')
    begun: list[int] = []
    _, costs = measured(
        named, photographs, path, asked, on_progress=lambda done, total, what: begun.append(done)
    )
    assert begun[0] == 4
    assert costs == straight
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(
        (tmp_path / "straight.jsonl").read_text(encoding="utf-8").splitlines()
    )
    # All there: nothing is coded again.
    begun.clear()
    measured(named, photographs, path, asked, on_progress=lambda *told: begun.append(told[0]))
    assert len(begun) == 1


def test_rows_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    setup = Setup("a", "1", "hific", (3.0,), {"d": "a.png"}, 100, ())
    RowFile(path, setup)
    assert read_rows(path) == (setup, [])
    with pytest.raises(UsageError, match=r"rows\.jsonl holds rows of another model"):
        RowFile(path, Setup("a", "2", "hific", (3.0,), {"d": "a.png"}, 100, ()))
    path.write_text("no rows\n")
    with pytest.raises(SlimcodecError, match="holds no rows of `slimcodec sensitivity`"):
        read_rows(path)
    with pytest.raises(SlimcodecError, match="cannot be read: no such file"):
        read_rows(tmp_path / "nowhere")


# What a user may ask for


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"bits": (1,)}, "weights take 2 to 16 bits, got 1"),
        ({"bits": (17,)}, "weights take 2 to 16 bits, got 17"),
        ({"ratios": (1.0,)}, "the share of weights that goes must be above 0 and below 1, got 1"),
        ({"channels": (0.0,)}, "the share of channels that goes must be above 0"),
    ],
)
def test_what_cannot_be_asked_for(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Asked(**given)


def test_names_must_begin_something(tiny_network: Any) -> None:
    family = registry.families.get("hific")
    Asked(("generator", "generator.trunk", "encoder.stages.1")).check(tiny_network, family)
    with pytest.raises(UnknownNameError, match="did you mean generator"):
        Asked(("generatr",)).check(tiny_network, family)
    quantized, _ = Quantize(rounding="nearest", bias_correction=False).apply(tiny_network, family)
    with pytest.raises(UsageError, match="is quantized already"):
        Asked().check(quantized, family)


def test_each_of_a_few_photographs_is_looked_at_once(photographs: Path) -> None:
    assert [path.name for path in photographs_of(photographs, 8)] == ["0.png", "1.png"]
    assert [path.name for path in photographs_of(photographs, 1)] == ["0.png"]


def test_pictures_that_judge_are_refused(photographs: Path) -> None:
    write_image(photographs / "a-cat.png", read_image(DEMO / "kitten.png").pixels)
    with pytest.raises(UsageError, match=r"a-cat\.png is one of the pictures that codecs are"):
        photographs_of(photographs, 8)


def test_changes_that_change_nothing_are_left_out(
    tiny_network: Any, photographs: Path, picture: Any
) -> None:
    family = registry.families.get("hific")
    network = settled(tiny_network, family, [picture(128, 128)])
    setup = setup_of(network, family, ("tiny", "d"), [2], photographs_of(photographs, 1))
    units = {one.name: 4 for one in setup.subjects if one.kind == "group"}
    found = changes_of(setup.subjects, Asked(bits=(6, 8), channels=(0.1, 0.5, 0.9)), units)
    by_name: dict[str, list[float]] = {}
    for change in found:
        if change.kind != "zeros":
            by_name.setdefault(change.name, []).append(change.setting)
    assert by_name["encoder.head"] == [6, 8]
    assert by_name["probability.scale.layers.0"] == [6], "it has seven bits"
    assert by_name["generator.stages.0"] == [0.5], "a tenth of four is none, nine tenths are all"
    assert by_name["generator.trunk.0"] == [1]
