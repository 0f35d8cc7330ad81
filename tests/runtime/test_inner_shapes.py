"""What a graph says of the shapes inside it holds when it runs; a runtime plans memory by it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from slimcodec.library import export_model
from slimcodec.model_file import Model

SIDES = {"h": 4, "w": 5}


def side_of(side: Any) -> int:
    """Of ``16*h``, a number, or a dimension of either kind."""
    factors = re.fullmatch(r"(?:(\d+)\*)?([hw])(?: ([+-]) (\d+))?", str(side))
    if factors is None:
        return int(side)
    more = int(f"{factors[3]}{factors[4]}") if factors[3] else 0
    return int(factors[1] or 1) * SIDES[factors[2]] + more


@pytest.mark.parametrize(
    "family", ["compact", "compressai", "extreme", "hific", "restore", "toderici", "vq"]
)
@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_shapes_inside_graphs(
    tiny_models: dict[str, Model], family: str, runtime: str, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    export_model(tiny_models[family], folder, runtime)
    checked = 0
    for path in sorted(folder.glob("*.onnx")):
        model = onnx.load(path)
        inside = list(model.graph.value_info)
        model.graph.output.extend(inside)
        onnx.save(model, folder / "all.onnx")
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(
            folder / "all.onnx", options, providers=["CPUExecutionProvider"]
        )
        given = {
            each.name: np.zeros([side_of(side) for side in each.shape], np.int64)
            if "int64" in each.type
            else np.ones([side_of(side) for side in each.shape], np.float32)
            for each in session.get_inputs()
        }
        names = [each.name for each in inside]
        for value, found in zip(inside, session.run(names, given), strict=True):
            said = [s.dim_value or s.dim_param for s in value.type.tensor_type.shape.dim]
            if all(said):
                assert [side_of(side) for side in said] == list(found.shape), value.name
                checked += 1
    assert checked > (3 if family == "vq" else 20)  # a decoder of six layers, some of them fused
