"""ONNX Runtime: the portable one."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from slimcodec.errors import BundleError, MissingExtraError
from slimcodec.machine import available_cores
from slimcodec.runtime.base import Operator, Part, Source, Ways, glue
from slimcodec.runtime.bundle import Bundle, GraphFile
from slimcodec.runtime.cache import bundle_of
from slimcodec.types import Codec

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


class OnnxRuntime:
    """See ``runtime.Runtime``.

    Args:
        threads: of each graph; all cores that this process may use when not given.
    """

    name = "onnx"

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or available_cores()

    def parts(self, source: Source) -> Mapping[str, Part]:
        return _parts(bundle_of(source, self.name), self._options())

    def describe(self) -> dict[str, Any]:
        return {"onnxruntime": onnxruntime.__version__, "threads": self.threads}

    def operators(self, source: Source, use: Callable[[Codec], object]) -> list[Operator]:
        bundle = bundle_of(source, self.name)
        with tempfile.TemporaryDirectory() as folder:
            options = self._options()
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            parts = _parts(bundle, options)
            use(glue(bundle, parts))
            return [
                operator
                for graph, part in parts.items()
                for way in part.ways.values()
                for operator in way.operators(graph)
            ]

    def _options(self) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Graphs come with integer products written out; what is left of quantize and dequantize
        # nodes is of weights, which fold into constants only where nobody looks for patterns.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        return options


def _parts(bundle: Bundle, options: Any) -> dict[str, Ways[_Graph]]:
    return {
        name: Ways({len(way.inputs): _Graph(bundle.folder, way, options) for way in ways})
        for name, ways in bundle.graphs.items()
    }


class _Graph:
    """One graph, loaded when it is first called: a decoder never loads an encoder."""

    def __init__(self, folder: Path, way: GraphFile, options: Any) -> None:
        self.path, self.way, self.options = folder / way.file, way, options
        self._session: Any = None

    def __call__(self, *arrays: NDArray[Any]) -> Any:
        if self._session is None:
            self._session = self._load()
        out = self._session.run(None, dict(zip(self.way.inputs, arrays, strict=True)))
        return out[0] if len(out) == 1 else tuple(out)

    def _load(self) -> Any:
        try:
            return onnxruntime.InferenceSession(
                self.path, self.options, providers=["CPUExecutionProvider"]
            )
        except _PROBLEMS as error:
            raise BundleError(
                f"ONNX Runtime {onnxruntime.__version__} cannot run {self.path.name}: "
                f"{' '.join(str(error).split())}"
            ) from error

    def operators(self, graph: str) -> list[Operator]:
        """What ran so far; ends the profile."""
        if self._session is None:
            return []
        profile = json.loads(Path(self._session.end_profiling()).read_text(encoding="utf-8"))
        return [
            Operator(
                graph,
                event["args"]["op_name"],
                event["name"].removesuffix("_kernel_time"),
                event["args"]["op_name"].startswith(_INTEGER_KINDS),
                event["dur"] / 1000,
            )
            for event in profile
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
        ]
