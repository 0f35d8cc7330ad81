"""Networks in exact integers: what is computed (``layer``, ``windows``, ``checkerboard``), and the
engines that compute it (``engines``). Whatever decides a probability table runs here, because a
decoder that picks one table differently from the encoder decodes garbage from there on."""

from slimcodec.integers.checkerboard import Group, Known, Walk, walk
from slimcodec.integers.engines import Engine, Product, trusted
from slimcodec.integers.layer import (
    WEIGHT_LIMIT,
    CompiledLayer,
    IntegerLayer,
    IntegerNet,
    Leak,
    Output,
    Part,
    integer_layer,
)
from slimcodec.integers.windows import (
    bordered,
    corners,
    interleaved,
    taps,
    window,
    window_of_phases,
)

__all__ = [
    "WEIGHT_LIMIT",
    "CompiledLayer",
    "Engine",
    "Group",
    "IntegerLayer",
    "IntegerNet",
    "Known",
    "Leak",
    "Output",
    "Part",
    "Product",
    "Walk",
    "bordered",
    "corners",
    "integer_layer",
    "interleaved",
    "taps",
    "trusted",
    "walk",
    "window",
    "window_of_phases",
]
