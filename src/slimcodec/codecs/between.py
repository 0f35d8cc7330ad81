"""Qualities between the steps that a codec's decoder knows.

A decoder knows whole steps: gains, or how many stages there are. In between there is only the
encoder, which weighs bits against squared error when it rounds: a stream of a quality below a step
is one of that step for which bits weigh more, in proportion to how far below it is. So one number,
the quality, says which stream it is. How much more they weigh, a codec measures: about what brings
a stream of one step down to the length of the step below.
"""

from __future__ import annotations

import math

__all__ = ["step_above"]

_NEARLY = 1e-9
"""Of a step: what arithmetic leaves of a quality that is meant to be one."""


def step_above(place: float) -> tuple[int, float]:
    """The first step that is not below a place, and how far below it that is.

    Args:
        place: in steps from the first, which is 0; below it, the first is what there is.

    Returns:
        the number of a step, from 0 on, and from 0 on, what is missing to it.
    """
    step = max(math.ceil(place - _NEARLY), 0)
    return step, max(step - place, 0.0)
