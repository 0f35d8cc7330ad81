"""What kernels see: neighbourhoods of 3x3 gathered into rows, so that a convolution is one product.

Inputs are bytes, channels last, with a border of one around them that holds the zero point. A
strided transposed convolution is a 3x3 window too, which gives all the outputs of a place at once
(``window_of_phases``), and ``interleaved`` puts them where they belong. Weights here are the ones
of torch's layers; their inputs' order is taps row by row, then channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["bordered", "corners", "interleaved", "taps", "window", "window_of_phases"]

_SIDE, _TAPS = 3, 9


def bordered(x: NDArray[np.uint8], zero: int) -> NDArray[np.uint8]:
    """[h, w, c] with a border of one all around, [h + 2, w + 2, c]."""
    height, width, channels = x.shape
    out = np.full((height + 2, width + 2, channels), zero, np.uint8)
    out[1:-1, 1:-1] = x
    return out


def corners(height: int, width: int) -> NDArray[np.intp]:
    """Where the windows of all positions begin in a bordered picture's rows, row by row, [h·w]."""
    return (np.arange(height)[:, None] * (width + 2) + np.arange(width)).ravel()


def taps(canvas: NDArray[np.uint8], begins: NDArray[np.intp], channels: int) -> NDArray[np.uint8]:
    """What windows see.

    Args:
        canvas: [h + 2, w + 2, c], bordered.
        begins: of the windows, of ``corners``.
        channels: how many of the first are looked at.

    Returns:
        [windows, 9 · channels].
    """
    width = canvas.shape[1]
    flat = np.ascontiguousarray(canvas[:, :, :channels]).reshape(-1, channels)
    offsets = (np.arange(_SIDE)[:, None] * width + np.arange(_SIDE)).ravel()
    seen = np.empty((len(begins), _TAPS, channels), np.uint8)
    # With a mode other than "raise", take writes straight into what it is given.
    np.take(flat, begins[:, None] + offsets, axis=0, out=seen, mode="clip")
    return seen.reshape(len(begins), -1)


def window(weight: NDArray[Any]) -> NDArray[Any]:
    """A convolution's weights [c_out, c_in, k, k] as [k · k · c_in, c_out]."""
    outputs = len(weight)
    return np.ascontiguousarray(weight.transpose(2, 3, 1, 0).reshape(-1, outputs))


def window_of_phases(weight: NDArray[Any], stride: int) -> NDArray[Any]:
    """A transposed convolution's weights [c_in, c_out, k, k] as those of a 3x3 window,
    [9 · c_in, stride · stride · c_out]; the output at (stride · i + r, stride · j + s) is phase
    (r, s) of place (i, j).

    Padding is k // 2 and output padding stride - 1, as everywhere in a hyperprior, so that sides
    grow by exactly the stride. Kernel 3 at stride 1 and 5 at stride 2 fit a window of 3x3.
    """
    inputs, outputs, kernel, _ = weight.shape
    padding = kernel // 2
    out = np.zeros((_SIDE, _SIDE, inputs, stride, stride, outputs), weight.dtype)
    # Output stride·m + r reads tap r + padding - stride·d of the input at m + d.
    places = [
        (d + 1, r, r + padding - stride * d)
        for d in (-1, 0, 1)
        for r in range(stride)
        if 0 <= r + padding - stride * d < kernel
    ]
    for i, r, tap_i in places:
        for j, s, tap_j in places:
            out[i, j, :, r, s] = weight[:, :, tap_i, tap_j]
    return out.reshape(_TAPS * inputs, stride * stride * outputs)


def interleaved(phases: NDArray[Any], height: int, width: int, stride: int) -> NDArray[Any]:
    """[h·w, stride·stride·c] of ``window_of_phases`` to [stride·h, stride·w, c]."""
    apart = phases.reshape(height, width, stride, stride, -1).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(apart).reshape(stride * height, stride * width, -1)
