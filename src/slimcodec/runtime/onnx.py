"""ONNX Runtime: the portable one."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from slimcodec.errors import BundleError, MissingExtraError
from slimcodec.runtime.bundle import GraphFile
from slimcodec.runtime.bundled import BundleRuntime

__all__ = ["OnnxRuntime"]

try:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as problems
except ImportError as error:
    raise MissingExtraError("the onnx runtime", "onnx") from error

_INTEGER_KINDS = ("QLinear", "ConvInteger", "MatMulInteger", "QConv", "QGemm")
_PROBLEMS = (
    problems.Fail,
    problems.InvalidGraph,
    problems.InvalidProtobuf,
    problems.NotImplemented,
    problems.InvalidArgument,
    problems.RuntimeException,
)


class OnnxRuntime(BundleRuntime):
    """See ``runtime.Runtime``."""

    name = "onnx"

    def load(self, path: Path, way: GraphFile, profiled: bool) -> _Graph:
        return _Graph(path, way, self.threads, profiled)

    def describe(self) -> dict[str, Any]:
        return {"onnxruntime": onnxruntime.__version__, "threads": self.threads}


class _Graph:
    def __init__(self, path: Path, way: GraphFile, threads: int, profiled: bool) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Graphs come with integer products written out; what is left of quantize and dequantize
        # nodes is of weights, which fold into constants only where nobody looks for patterns.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        # Its threads wait by spinning, which is well while a graph runs; then the cores belong to
        # the integer prior.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.way = way
        self.folder = tempfile.TemporaryDirectory() if profiled else None
        if self.folder is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(self.folder.name) / "profile")
        try:
            self.session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except _PROBLEMS as error:
            raise BundleError(
                f"ONNX Runtime {onnxruntime.__version__} cannot run {path.name}: "
                f"{' '.join(str(error).split())}"
            ) from error

    def run(self, arrays: tuple[NDArray[Any], ...]) -> list[NDArray[Any]]:
        out: list[NDArray[Any]] = self.session.run(
            None, dict(zip(self.way.inputs, arrays, strict=True))
        )
        return out

    def profile(self) -> list[tuple[str, str, bool, float]]:
        path = Path(self.session.end_profiling())
        events = json.loads(path.read_text(encoding="utf-8"))
        if self.folder is not None:
            self.folder.cleanup()
        return [
            (
                event["args"]["op_name"],
                event["name"].removesuffix("_kernel_time"),
                event["args"]["op_name"].startswith(_INTEGER_KINDS),
                event["dur"] / 1000,
            )
            for event in events
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
        ]
