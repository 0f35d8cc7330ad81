"""Shapes of tiny HiFiC networks with gated blocks, for tests that go over shapes."""

from __future__ import annotations

from typing import Any

__all__ = ["GATED_SHAPES"]

GATED_SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "hific, gated blocks": (
        "hific",
        {
            "generator_widths": (8, 10, 3), "picture_stride": 4, "up_kernel": 2, "head_kernel": 1,
            "block": "gated", "generator_blocks": (1, 2), "block_widths": (9, 20, 6, 20),
        },
    ),
    "hific, a picture from an eighth": (
        "hific",
        {
            "generator_widths": (8, 3), "picture_stride": 8, "up_kernel": 2, "residual_blocks": 0,
            "block": "gated", "generator_blocks": (2,),
        },
    ),
}  # fmt: skip
"""By what is peculiar to each: its family, and changes to the tiny network's config."""
