"""Sensitivity: what coding costs when one layer, group of channels or residual block is shrunk and
all else stays.

    bits       a layer's weights on a grid: steps of least squared error, nearest levels
    zeros      a layer's smallest weights zero, single ones (``prune`` with ``layer``)
    channels   a group's weakest channels cut out by weight energy (``prune-channels``, to the unit)
    block      a residual block cut out

Each is tried by itself, un-trained and uncorrected, so costs say where to shrink and not what is
left behind after a recipe: compensated rounding and learning get much of it back, and changes of
several layers do not simply add up. The price is the family's own (``Coded.prices``), an estimate
of the rate and no stream; what it is in percent of, ``sensitivity_rows`` says.

Photographs are gone through one after another, every change on each, so that whoever interrupts
after the first has a whole map, if a rough one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from slimcodec.codecs.layers import groups
from slimcodec.codecs.settled import coded_layers
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.explore.recall import Recall
from slimcodec.explore.sensitivity_rows import (
    UNSHRUNK,
    Change,
    Row,
    RowFile,
    Setup,
    Subject,
)
from slimcodec.explore.variants import FLOAT_BITS, Variants, left
from slimcodec.images import find_images, pad_to_multiple, spread
from slimcodec.quantization import WEIGHT_BITS
from slimcodec.quantization.settling import CODED_WEIGHT_BITS
from slimcodec.quantization.simulation import (
    convolutions,
    is_quantized,
)
from slimcodec.shrink.calibration import middle_of
from slimcodec.shrink.judges import digest_of, refuse_judges
from slimcodec.types import Image

if TYPE_CHECKING:
    from slimcodec.codecs.family import Coded

__all__ = ["Asked", "changes_of", "measure", "photographs_of", "prices_with", "setup_of"]

_MULTIPLE, _SMALLEST = 64, 128
"""Sides of a picture that networks can run on, in pixels."""


@dataclass(frozen=True)
class Asked:
    """Which changes are tried.

    Attributes:
        names: parts, layers, groups or blocks, or beginnings of their names; all when empty.
        bits: of a layer's weights.
        ratios: shares of a layer's weights that become zero.
        channels: shares of a group's channels that go.
    """

    names: tuple[str, ...] = ()
    bits: tuple[int, ...] = (2, 3, 4, 5, 6, 8)
    ratios: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7)
    channels: tuple[float, ...] = (0.125, 0.25, 0.5)

    def __post_init__(self) -> None:
        for bits in self.bits:
            if bits not in WEIGHT_BITS:
                raise UsageError(
                    f"weights take {WEIGHT_BITS.start} to {WEIGHT_BITS.stop - 1} bits, got {bits}"
                )
        for what, shares in (("weights", self.ratios), ("channels", self.channels)):
            for share in shares:
                if not 0 < share < 1:
                    raise UsageError(
                        f"the share of {what} that goes must be above 0 and below 1, got {share:g}"
                    )

    def check(self, network: Any, family: Coded) -> None:
        """Refuse a network that is quantized, and names that nothing begins with.

        Raises:
            UsageError, UnknownNameError: saying so.
        """
        if is_quantized(network):
            raise UsageError("the network is quantized already; name the float one it came from")
        known = {name for one in _subjects(network, family) for name in _beginnings(one.name)}
        for name in self.names:
            if name not in known:
                raise UnknownNameError(f"part, layer or group of {family.name}", name, known)


def photographs_of(folder: Path, count: int) -> dict[Path, Image]:
    """The middles of so many photographs, spread evenly over a folder.

    Raises:
        ImageError: when the folder is missing or empty, or one of them cannot be read.
        UsageError: when one of them judges.
    """
    paths = spread(find_images(folder), count)
    refuse_judges(paths)
    return {path: middle_of(path) for path in paths}


@torch.no_grad()
def setup_of(
    network: Any,
    family: Coded,
    model: tuple[str, str],
    qualities: Sequence[int],
    photographs: Mapping[Path, Image],
) -> Setup:
    """What will be measured; the first photograph is coded, to see which layers run.

    Args:
        network: settled, in evaluation mode.
        family: of the network.
        model: name and digest.
        qualities: places in the config's ``qualities``, rising.
        photographs: uint8 [h, w, 3] each.
    """
    recall = Recall()
    with recall.noting(network):
        _priced(network, family, next(iter(photographs.values())), qualities)
    subjects = _subjects(network, family, recall.called)
    name, digest = model
    return Setup(
        name,
        digest,
        family.name,
        tuple(network.config.qualities[place] for place in qualities),
        {digest_of(pixels): path.name for path, pixels in photographs.items()},
        sum(pixels.shape[0] * pixels.shape[1] for pixels in photographs.values()),
        tuple(subjects),
    )


def changes_of(subjects: Sequence[Subject], asked: Asked, units: Mapping[str, int]) -> list[Change]:
    """What is tried, in the order of the subjects.

    Bits that a layer has already, and shares that are less than a channel or leave none, are not;
    nor is what coding never runs, which costs nothing.

    Args:
        subjects: of a setup.
        asked: which of them, and what.
        units: group to how many there are.
    """
    found: list[Change] = []
    for one in subjects:
        begins = _beginnings(one.name)
        if not one.read or (asked.names and not begins & set(asked.names)):
            continue
        if one.kind == "layer":
            found += [Change("bits", one.name, bits) for bits in asked.bits if bits < one.bits]
            found += [Change("zeros", one.name, ratio) for ratio in asked.ratios]
        elif one.kind == "group":
            count = units[one.name]
            some = [share for share in asked.channels if 0 < left(count, share) < count]
            found += [Change("channels", one.name, share) for share in some]
        else:
            found.append(Change("block", one.name, 1))
    return found


@torch.no_grad()
def measure(
    network: Any,
    family: Coded,
    photographs: Sequence[Image],
    asked: Asked,
    qualities: Sequence[int],
    store: RowFile,
    setup: Setup,
    on_progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> None:
    """Try every change on every photograph; rows that the store has are not measured again.

    Args:
        network: as for ``setup_of``; it comes out as it was.
        family: of the network.
        photographs: uint8 [h, w, 3] each.
        asked: which changes.
        qualities: as for ``setup_of``.
        store: gets a row as soon as it is measured.
        setup: what ``setup_of`` gave.
        on_progress: called with (rows done, rows, what is next).
    """
    variants = Variants(network, family)
    changes = changes_of(setup.subjects, asked, variants.units)
    total = len(photographs) * len(changes)
    for number, crop in enumerate(photographs):
        digest = digest_of(crop)
        open_changes = [c for c in changes if (digest, c.kind, c.name, c.setting) not in store]
        done = (number + 1) * len(changes) - len(open_changes)
        if not open_changes:
            continue
        recall = Recall()
        with recall.noting(network):
            rates, distortions = _priced(network, family, crop, qualities)
        if (digest, UNSHRUNK, "", 0.0) not in store:
            store.add(Row(digest, UNSHRUNK, "", 0.0, rates, distortions))
        for change in open_changes:
            on_progress(done, total, change.name)
            with variants.of(change) as made:
                with recall.answering(made.network, made.changed):
                    prices = _priced(made.network, family, crop, qualities)
                saved = made.saved_bytes, made.saved_kmac
            store.add(Row(digest, change.kind, change.name, change.setting, *prices, *saved))
            done += 1
    on_progress(total, total, "")


@torch.no_grad()
def prices_with(
    network: Any, family: Coded, change: Change, crop: Image, qualities: Sequence[int]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Rate and distortion at each quality, in bits per pixel, with one change; everything is
    computed."""
    with Variants(network, family).of(change) as made:
        return _priced(made.network, family, crop, qualities)


def _priced(
    network: Any, family: Coded, crop: Image, qualities: Sequence[int]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    padded = pad_to_multiple(crop, _MULTIPLE, _SMALLEST)
    image = torch.from_numpy(padded).permute(2, 0, 1)[None].float() / 255
    prices = list(family.prices(network, image, qualities))
    return tuple(float(p.rate) for p in prices), tuple(float(p.distortion) for p in prices)


def _subjects(network: Any, family: Coded, called: frozenset[str] | None = None) -> list[Subject]:
    """Layers, groups and blocks, in the order of the network.

    Args:
        network: of the family.
        family: has the table.
        called: modules that coding runs; all when not given.
    """
    table = family.layers(network.config)
    layers = convolutions(network)
    multiplied = {layer.module: layer.multiplications / 1000 for layer in table}
    coded = coded_layers(family, network.config)

    def runs(names: Sequence[str]) -> bool:
        return called is None or any(name in called for name in names)

    found = [
        Subject(
            name,
            "layer",
            name.split(".")[0],
            layer.weight.numel(),
            multiplied[name],
            CODED_WEIGHT_BITS if name in coded else FLOAT_BITS,
            read=runs([name]),
        )
        for name, layer in layers.items()
    ]
    for group in groups(table).values():
        names = [layer.module for layer in (*group.made_by, *group.read_by)]
        own = [name for name in dict.fromkeys(names) if name in layers]
        makers = [layer.module for layer in group.made_by if layer.module in layers]
        found.append(
            Subject(
                group.name,
                "group",
                group.part,
                sum(layers[name].weight.numel() for name in own),
                sum(multiplied[name] for name in own),
                maker=makers[0] if len(makers) == 1 else "",
                read=runs(own),
            )
        )
    for block in family.residual_blocks(network.config):
        own = [name for name in layers if name.startswith(f"{block}.")]
        found.append(
            Subject(
                block,
                "block",
                block.split(".")[0],
                sum(layers[name].weight.numel() for name in own),
                sum(multiplied[name] for name in own),
                read=runs(own),
            )
        )
    order = {part: number for number, part in enumerate(family.parts)}
    return sorted(found, key=lambda one: order[one.part])


def _beginnings(name: str) -> set[str]:
    return {".".join(name.split(".")[:count]) for count in range(1, name.count(".") + 2)}
