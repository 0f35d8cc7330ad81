"""The graphs that a family writes compute what its torch modules compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from slimcodec import registry
from slimcodec.codecs.graphs import on_arrays
from slimcodec.graphs.building import layers_of
from slimcodec.graphs.shapes import Side
from slimcodec.quantization.simulation import convolutions
from tests.gated_shapes import GATED_SHAPES
from tests.onnx_protos import to_proto

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "hific-s": ("hific", {}),
    "hific-s, features": ("hific", {"context_slices": (4, 8), "context_features": 6}),
    "hific, as published": (
        "hific",
        {
            "norm": "everywhere", "stem_kernel": 7, "stem_width": 6, "stage_kernel": 3,
            "generator_widths": (8, 8, 8, 6), "bounded_output": True, "input_offset": 0.0,
            "input_scale": 1.0, "linear_path": False, "negative_slope": 0.0,
            "hyper_log_input": False, "context_slices": (), "residual_blocks": 2,
        },
    ),
    "hific, norms beside a linear path": ("hific", {"norm": "everywhere", "residual_blocks": 2}),
    "hific, a picture from quarter resolution": (
        "hific", {"generator_widths": (8, 8, 3), "picture_stride": 4},
    ),
    "hific, centred norms": (
        "hific", {"norm": "everywhere", "residual_blocks": 2, "centred": ("encoder", "generator")},
    ),
    "hific, a stem": ("hific", {"stem_kernel": 5, "stem_width": 6, "negative_slope": 0.0}),
    **GATED_SHAPES,
    "toderici-s": ("toderici", {}),
    "toderici, as published": (
        "toderici",
        {
            "filter_width": 0, "gate_bias": False, "bounded_output": True, "input_scale": 1.0,
            "linear_components": 0, "linear_rounds": 0, "linear_window": 16,
            "significance": False, "decoder_hidden_kernels": (1, 1, 3, 3),
        },
    ),
    "toderici, signs alone": ("toderici", {"significance": False, "gate_bias": False}),
    "compact-s": ("compact", {}),
    "com-rec-cnn": (
        "compact",
        {
            "structure": "published", "block_widths": (),
            "published_widths": (6, 4, *(5, 7, 4) * 6, 6),
        },
    ),
    "mbt2018-mean": ("compressai", {}),
    "bmshj2018-hyperprior": ("compressai", {"architecture": "bmshj2018-hyperprior"}),
    "bmshj2018-factorized": ("compressai", {"architecture": "bmshj2018-factorized"}),
    "restore-s": ("restore", {}),
    "extreme-s": ("extreme", {}),
    "extreme, gated blocks": (
        "extreme",
        {
            "generator_widths": (8, 3), "picture_stride": 8, "up_kernel": 2, "residual_blocks": 0,
            "block": "gated", "generator_blocks": (2,),
        },
    ),
    "cas-cnn": (
        "restore",
        {
            "structure": "cas", "block_widths": (),
            "cas_widths": (4, 6, 8, 5, 7, 9, 4, 6, 5, 7, 8),
        },
    ),
    "vq-s": ("vq", {}),
    "toderici, blocks": ("toderici", {"linear_window": 16, "filter_width": 0}),
}  # fmt: skip


def network_of(family: Any, config: Any) -> Any:
    """Random weights everywhere, so that no layer and no constant is silent."""
    torch.manual_seed(0)
    network = family.build(config).eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith(("latent_scale", "spread")) or ".gdn." in name:
                tensor.uniform_(0.5, 1.5)
            elif tensor.is_floating_point():
                tensor.normal_(0, 0.3)
    return network


def sides_of(shape: tuple[int | str, ...], h: int, w: int) -> list[int]:
    named = {"h": h, "w": w}
    parsed = [Side.parse(side) if isinstance(side, str) else side for side in shape]
    return [s if isinstance(s, int) else s.factor * named[s.name] for s in parsed]


@pytest.mark.parametrize("shape", SHAPES)
def test_written_graphs_equal_the_modules(shape: str, make_config: Any) -> None:
    name, changes = SHAPES[shape]
    family, config = registry.families.get(name), make_config(name, **changes)
    network = network_of(family, config)
    weights = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
    modules = on_arrays(family.graphs(network))
    random = np.random.default_rng(1)
    layers: set[str] = set()
    signatures = family.signatures(config)
    assert set(signatures) == set(modules)
    for graph, ways in signatures.items():
        for way in ways:
            model = family.written(config, weights, graph, way)
            layers |= set(layers_of(model))
            data = to_proto(model).SerializeToString()
            session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
            assert [each.name for each in session.get_inputs()] == list(way.inputs)
            assert [each.name for each in session.get_outputs()] == list(way.outputs)
            for h, w in ((3, 5), (4, 2), (2, 33)):
                arrays = {
                    key: random.normal(0, 0.5, sides_of(own, h, w)).astype(np.float32)
                    if own
                    else np.array(config.iterations - 1)
                    for key, own in way.inputs.items()
                }
                made = session.run(None, arrays)
                wanted = modules[graph](*arrays.values())
                wanted = wanted if isinstance(wanted, tuple) else (wanted,)
                for one, other in zip(made, wanted, strict=True):
                    assert one.shape == other.shape
                    np.testing.assert_allclose(one, other, atol=2e-5 * np.abs(other).max())
    # Every layer of the network that any of its graphs runs is found again by its name.
    parts = ("scale", "features", "context", "hidden")
    silent = (*(f"probability.{part}" for part in parts), "condition.")
    found = {key for key in convolutions(network) if not key.startswith(silent)}
    assert layers <= found
    assert {key for key in found if not key.startswith("probability.")} <= layers
