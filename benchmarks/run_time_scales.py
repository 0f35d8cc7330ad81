"""Layers of a generator in integers, with scales of inputs found beforehand (static quantization)
and at run time (dynamic): does a runtime multiply integers, and how long does it take?

python benchmarks/run_time_scales.py hific-s --threads 1

    float        the layer as it is
    static       what an export of an int8 model runs: the step is a constant
    computed     the same graph, its step taken from the largest input of the picture
    ConvInteger  DynamicQuantizeLinear and ConvInteger, as toolkits write dynamic quantization

Inputs are those of a picture of 768x512, random and behind a rectifier; weights are the model's, in
eight bits. A transposed layer has no integer operator, so ConvInteger gets the convolution of its
phases, as ``rewrites.transposed_as_convolution`` does it. Medians of alternating calls; which
operators multiplied, and in what, is from the runtime's own profile of one more call.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec import library, registry
from slimcodec.graphs import ir
from slimcodec.graphs.building import Builder, constant
from slimcodec.graphs.writing import save
from slimcodec.model_file import Model
from slimcodec.quantization import ActivationGrid, Quantization, WeightGrid, levels
from slimcodec.runtime.graphs.grids import write_grids
from slimcodec.runtime.graphs.rewrites import transposed_as_convolution

LAYERS = {
    "generator.trunk.0.conv1": (32, 48),
    "generator.stages.1.conv": (64, 96),
    "generator.stages.2.conv": (128, 192),
}
"""Name to rows and columns of its input, for a picture of 768x512."""
KINDS = ("float", "static", "computed", "ConvInteger")
LARGEST = 4.0
"""Of an input, about; where the static grid ends."""
MULTIPLIES = (
    "conv",
    "convinteger",
    "convolution",
    "convolutionbackpropdata",
    "matmulintegertofloat",
)
"""What operators that multiply are called, on either runtime."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--runtimes", default="onnx,openvino")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    model = library.load_model(arguments.model)
    for name in arguments.runtimes.split(","):
        runtime = registry.runtimes.get(name)(arguments.threads)
        for layer, sides in LAYERS.items():
            with tempfile.TemporaryDirectory() as folder:
                compare(runtime, model, layer, sides, Path(folder), arguments.rounds)


def compare(
    runtime: Any, model: Model, layer: str, sides: tuple[int, int], folder: Path, rounds: int
) -> None:
    """Print one line for each kind."""
    calls: dict[str, Called] = {}
    spent: dict[str, list[float]] = {kind: [] for kind in KINDS}
    channels = model.weights[f"{layer}.weight"].shape[0 if "stages" in layer else 1]
    drawn = np.random.default_rng(0).normal(0, 1, (1, channels, *sides))
    x = drawn.clip(0, LARGEST).astype(np.float32)
    for kind in KINDS:
        path = folder / f"{kind}.onnx"
        save(graph_of(runtime, model, layer, kind), path)
        calls[kind] = OPENERS[runtime.name](runtime, path)
    for number in range(rounds + 1):
        for kind, (call, _) in calls.items():
            started = time.perf_counter()
            call(x)
            if number:
                spent[kind].append(time.perf_counter() - started)
    for kind, (call, profile) in calls.items():
        ms = 1000 * statistics.median(spent[kind])
        error = np.abs(call(x) - calls["float"][0](x)).max()
        print(
            f"{runtime.name:9} {layer:24} {kind:12} {ms:7.2f} ms  off by {error:.3f}  {profile()}",
            flush=True,
        )


def graph_of(runtime: Any, model: Model, layer: str, kind: str) -> ir.Model:
    """A layer alone, from "x" to "y"."""
    names = (f"{layer}.weight", f"{layer}.bias")
    graph = layer_graph(layer, {name: model.weights[name] for name in names})
    if kind == "ConvInteger":
        return with_conv_integer(transposed_as_convolution(graph), layer)
    if kind != "float":
        grid = ActivationGrid(LARGEST / 127, 8, -128)
        grids = Quantization({names[0]: eight_bits(model.weights[names[0]], layer)}, {layer: grid})
        behind = runtime.dequantizes_behind_padding
        write_grids(graph, grids, dequantize_behind_padding=behind)
    for rewrite in runtime.rewrites():
        graph = rewrite(graph)
    return with_computed_step(graph, layer) if kind == "computed" else graph


def layer_graph(layer: str, weights: dict[str, NDArray[np.float32]]) -> ir.Model:
    """Of a transposed convolution of stride two, or of one that keeps sides."""
    weight = weights[f"{layer}.weight"]
    transposed = "stages" in layer
    build = Builder(weights, {"x": (1, weight.shape[0 if transposed else 1], "h", "w")})
    padding = weight.shape[-1] // 2
    if transposed:
        return build.finished(
            {"y": build.transposed(layer, build["x"], stride=2, padding=padding, extra=1)}
        )
    return build.finished({"y": build.conv(layer, build["x"], padding=padding)})


def eight_bits(weight: NDArray[np.float32], layer: str) -> WeightGrid:
    """Nearest levels, one step for each output."""
    axis = 1 if "stages" in layer else 0
    others = tuple(d for d in range(4) if d != axis)
    shape = [1] * 4
    shape[axis] = -1
    steps = (np.abs(weight).max(axis=others) / levels(8)[1] + 1e-9).astype(np.float32)
    integers = np.rint(weight / steps.reshape(shape)).clip(*levels(8)).astype(np.int8)
    return WeightGrid(integers, steps, axis, 8)


def with_computed_step(model: ir.Model, layer: str) -> ir.Model:
    """The step of the layer's input as the largest input over the highest level."""
    graph = model.graph
    x = graph.inputs[0]
    size = ir.node("Abs", [x])
    largest = ir.node("ReduceMax", [size.outputs[0]], {"keepdims": 0})
    highest = constant(graph, f"{layer}.highest", np.array(127, np.float32))
    computed = ir.node("Div", [largest.outputs[0], highest])
    step = graph.initializers[f"{layer}.input.step"]
    step.replace_all_uses_with(computed.outputs[0])
    first = next(iter(graph))
    graph.insert_before(first, [size, largest, computed])
    return model


def with_conv_integer(model: ir.Model, layer: str) -> ir.Model:
    """The one convolution of a graph between DynamicQuantizeLinear and two multiplications."""
    graph = model.graph
    (node,) = (node for node in graph if node.op_type == "Conv")
    x, weight, bias = node.inputs
    assert x is not None and weight is not None and bias is not None
    assert weight.const_value is not None and bias.const_value is not None
    grid = eight_bits(weight.const_value.numpy(), "conv")
    quantize = ir.node("DynamicQuantizeLinear", [x], num_outputs=3)
    integers, step, zero = quantize.outputs
    table = constant(graph, f"{layer}.integers", grid.integers)
    product = ir.node("ConvInteger", [integers, table, zero], dict(node.attributes))
    floats = ir.node("Cast", [product.outputs[0]], {"to": int(ir.DataType.FLOAT)})
    steps = constant(graph, f"{layer}.steps", grid.steps.reshape(-1, 1, 1))
    unit = ir.node("Mul", [step, steps])
    scaled = ir.node("Mul", [floats.outputs[0], unit.outputs[0]])
    added = constant(graph, f"{layer}.added", bias.const_value.numpy().reshape(-1, 1, 1))
    total = ir.node("Add", [scaled.outputs[0], added])
    graph.insert_before(node, [quantize, product, floats, unit, scaled, total])
    node.outputs[0].replace_all_uses_with(total.outputs[0], replace_graph_outputs=True)
    graph.remove(node)
    return model


Called = tuple[Callable[[NDArray[Any]], NDArray[Any]], Callable[[], str]]


def on_onnx(runtime: Any, path: Path) -> Called:
    """With the settings that bundles are run with."""

    def opened(profiled: bool) -> Any:
        options = runtime.library.SessionOptions()
        options.intra_op_num_threads = runtime.threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        options.enable_profiling = profiled
        options.profile_file_prefix = str(path.with_suffix(""))
        return runtime.library.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    session = opened(False)
    shape = [1, session.get_inputs()[0].shape[1], 32, 48]

    def profile() -> str:
        watched = opened(True)
        watched.run(None, {"x": np.ones(shape, np.float32)})
        events = json.loads(Path(watched.end_profiling()).read_text(encoding="utf-8"))
        ran = {e["args"]["op_name"] for e in events if e["name"].endswith("_kernel_time")}
        return multiplying(ran)

    return lambda x: session.run(None, {"x": x})[0], profile


def on_openvino(runtime: Any, path: Path) -> Called:
    """With the settings that bundles are run with."""
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": runtime.threads,
    }

    def opened(profiled: bool) -> Any:
        core = runtime.library.Core()
        compiled = core.compile_model(path, "CPU", {**settings, "PERF_COUNT": profiled})
        return compiled.create_infer_request()

    request = opened(False)

    def call(x: NDArray[Any]) -> NDArray[Any]:
        request.infer([x], share_inputs=True)
        found: NDArray[Any] = request.get_output_tensor(0).data.copy()
        return found

    def profile() -> str:
        watched = opened(True)
        watched.infer([np.ones(request.get_input_tensor(0).shape, np.float32)])
        done = runtime.library.ProfilingInfo.Status.EXECUTED
        ran = {f"{c.node_type} {c.exec_type}" for c in watched.profiling_info if c.status == done}
        return multiplying(ran)

    return call, profile


def multiplying(ran: set[str]) -> str:
    """Of the operators that ran, those that multiply by weights."""
    return ", ".join(sorted(name for name in ran if name.split()[0].lower() in MULTIPLIES))


OPENERS = {"onnx": on_onnx, "openvino": on_openvino}


if __name__ == "__main__":
    main()
