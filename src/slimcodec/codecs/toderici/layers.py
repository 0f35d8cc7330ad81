"""The recurrent codec's layers as a table (``codecs.layers``), and its config with other widths.

    encoder.stem, encoder.cells.i       what the stem makes; what a ConvLSTM remembers, hidden and
                                        cell, in the rows of four gates
    decoder.head, decoder.cells.i       likewise; before a pixel shuffle, a unit is four channels,
                                        behind it one
    decoder.filter.i                    behind the first and the second layer of the filter

The last of the encoder's ConvLSTMs is read by the binarizer, the first of the decoder's also by the
correction of coefficients, the last also by the filter. Bits, components and the bit model stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from slimcodec.codecs.layers import Channels, Layer
from slimcodec.codecs.toderici.config import STRIDE, TodericiConfig

__all__ = ["layers", "narrowed"]

_PIXELS = Channels("pixels", 3)
_SHUFFLED = 4
"""Channels before a pixel shuffle of 2 for one behind it."""
_PLACE = 1 / STRIDE**2


def layers(config: TodericiConfig) -> list[Layer]:
    """One row per layer, and one per tensor beside them that has channels; places are those of one
    iteration."""
    return [
        *_encoder(config),
        *_binarizer(config),
        *_decoder(config),
        *_filter(config),
        *_probability(config),
    ]


def _cell(
    name: str, x: Channels, made: Channels, hidden_kernel: int, places: float, bias: bool
) -> list[Layer]:
    """A ConvLSTM: four gates, each a row of all units, from what is given and from what it
    remembers."""
    gates = (made,) * 4
    return [
        Layer(f"{name}.conv_ih", "conv", (x,), gates, 3, places, bias),
        Layer(f"{name}.conv_hh", "conv", (made,), gates, hidden_kernel, places, False),
    ]


def _encoder(config: TodericiConfig) -> list[Layer]:
    bias = config.gate_bias
    x, places = Channels("encoder.stem", config.stem_width), 1 / 4
    found = [Layer("encoder.stem", "conv", (_PIXELS,), (x,), 3, places, bias)]
    for number, width in enumerate(config.encoder_widths):
        name, places = f"encoder.cells.{number}", places / 4
        made = Channels(name, width)
        found += _cell(name, x, made, 1, places, bias)
        x = made
    if config.linear_components:
        components = (_components(config),)
        window = config.linear_window
        found.append(Layer("encoder.linear", "conv", (_PIXELS,), components, window, _PLACE, False))
    return found


def _binarizer(config: TodericiConfig) -> list[Layer]:
    last = len(config.encoder_widths) - 1
    features = Channels(f"encoder.cells.{last}", config.encoder_widths[last])
    bits = Channels("bits", config.bits)
    found = [Layer("binarizer.conv", "conv", (features,), (bits,), 1, _PLACE, False)]
    if not config.linear_components:
        return found
    moves, rounds = Channels("moves", config.moves), config.linear_rounds - 1
    return [
        *found,
        Layer("binarizer.decision", "table", (_components(config),), (moves,), 1, _PLACE),
        Layer("binarizer.feedback", "table", (moves,), (moves,), 1, rounds * _PLACE),
        Layer("binarizer.rounds", "vector", (), (moves,), axis=2),
    ]


def _decoder(config: TodericiConfig) -> list[Layer]:
    bias, components = config.gate_bias, _components(config)
    bits = Channels("bits", config.bits)
    x, places = Channels("decoder.head", config.head_width), _PLACE
    reads = (bits, components) if config.linear_components else (bits,)
    found = [Layer("decoder.head", "conv", reads, (x,), 1, places, bias)]
    for number, (kernel, made) in enumerate(
        zip(config.decoder_hidden_kernels, _decoder_cells(config), strict=True)
    ):
        found += _cell(f"decoder.cells.{number}", x, made, kernel, places, bias)
        x, places = Channels(made.group, made.count), 4 * places
    found.append(Layer("decoder.out", "conv", (x,), (_PIXELS,), 1, places, bias))
    if config.linear_components:
        first, window = _decoder_cells(config)[0], config.linear_window
        found += [
            Layer("decoder.linear", "transposed", (components,), (_PIXELS,), window, _PLACE, False),
            Layer("decoder.steps", "table", (bits,), (components,), 1, _PLACE),
            Layer("decoder.correction", "conv", (first,), (components,), 1, _PLACE, bias),
            Layer("decoder.spread", "vector", (), (components,), axis=1),
        ]
        if window > STRIDE:
            found.append(Layer("decoder.parity", "vector", (), (components,), axis=1))
    return found


def _filter(config: TodericiConfig) -> list[Layer]:
    if not config.filter_width:
        return []
    hidden, blocks = _decoder_cells(config)[-1], Channels("blocks", 4 * _PIXELS.count)
    sides: list[tuple[Channels, ...]] = [(blocks, hidden)]
    sides += [(Channels(f"decoder.filter.{i}", w),) for i, w in enumerate(config.filter_widths)]
    sides.append((blocks,))
    return [
        Layer(f"decoder.filter.layers.{i}", "conv", sides[i], sides[i + 1], 3, 1 / 4)
        for i in range(len(sides) - 1)
    ]


def _probability(config: TodericiConfig) -> list[Layer]:
    memory, bits = Channels("memory", config.memory_channels), Channels("bits", config.bits)
    context = Channels("bit_context", config.context_channels)
    hidden = Channels("bit_hidden", config.hidden_channels)
    size = config.bits // config.slices
    found = [Layer("probability.memory", "table", (bits,), (memory,), 1, _PLACE, streams=True)]

    def coded(
        name: str, reads: tuple[Channels, ...], makes: Channels, kernel: Literal[1, 3],
        places: float = _PLACE, bias: bool = True,
    ) -> Layer:  # fmt: skip
        return Layer(name, "conv", reads, (makes,), kernel, places, bias, coded=True, streams=True)

    for number in range(config.iterations):
        own = f"probability.iterations.{number}"
        found.append(coded(f"{own}.context", (memory, bits), context, 3))
        for group in range(2 * config.slices):
            name, known = f"{own}.groups.{group}", size * ((group + 1) // 2)
            found.append(coded(f"{name}.mix", (context,), hidden, 1, _PLACE / 2))
            if known:
                seen = (Channels("bits", known),)
                found.append(coded(f"{name}.seen", seen, hidden, 3, _PLACE / 2, False))
            found.append(coded(f"{name}.out", (hidden,), Channels("bits", size), 1, _PLACE / 2))
    return found


def _components(config: TodericiConfig) -> Channels:
    return Channels("components", config.linear_components)


def _decoder_cells(config: TodericiConfig) -> list[Channels]:
    return [
        Channels(f"decoder.cells.{number}", width // _SHUFFLED, _SHUFFLED)
        for number, width in enumerate(config.decoder_widths)
    ]


def narrowed(
    config: TodericiConfig,
    widths: Mapping[str, int],
    blocks: Sequence[int] | None = None,
    full_norms: bool = True,
) -> TodericiConfig:
    """The same network with fewer channels; it has no residual blocks and no norms.

    Args:
        config: what it is now.
        widths: group to the units that it shall have.
        blocks: none, or not given.
        full_norms: of no effect here.
    """
    filtered = [widths.get(f"decoder.filter.{i}", w) for i, w in enumerate(config.filter_widths)]
    first, second = filtered or (0, 0)
    return replace(
        config,
        stem_width=widths.get("encoder.stem", config.stem_width),
        encoder_widths=tuple(
            widths.get(f"encoder.cells.{i}", w) for i, w in enumerate(config.encoder_widths)
        ),
        head_width=widths.get("decoder.head", config.head_width),
        decoder_widths=tuple(
            _SHUFFLED * widths.get(own.group, own.count) for own in _decoder_cells(config)
        ),
        filter_width=first,
        filter_second_width=0 if second == first else second,
    )
