"""OpenVINO: the fast one on CPUs, and the only one with integer transposed convolutions."""

from __future__ import annotations

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

__all__ = ["OpenVinoRuntime"]

try:
    import openvino
except ImportError as error:
    raise MissingExtraError("the openvino runtime", "openvino") from error


class OpenVinoRuntime:
    """See ``runtime.Runtime``.

    Args:
        threads: of each graph; all cores that this process may use when not given.
    """

    name = "openvino"

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or available_cores()

    def parts(self, source: Source) -> Mapping[str, Part]:
        return _parts(bundle_of(source, self.name), self._settings())

    def describe(self) -> dict[str, Any]:
        return {"openvino": openvino.__version__, "threads": self.threads}

    def operators(self, source: Source, use: Callable[[Codec], object]) -> list[Operator]:
        bundle = bundle_of(source, self.name)
        parts = _parts(bundle, {**self._settings(), "PERF_COUNT": True})
        use(glue(bundle, parts))
        return [
            operator
            for graph, part in parts.items()
            for way in part.ways.values()
            for operator in way.operators(graph)
        ]

    def _settings(self) -> dict[str, Any]:
        return {
            # Without it, floats may become bfloat16 where the CPU has it.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self.threads,
        }


def _parts(bundle: Bundle, settings: Mapping[str, Any]) -> dict[str, Ways[_Graph]]:
    core = openvino.Core()
    return {
        name: Ways({len(way.inputs): _Graph(core, bundle.folder, way, settings) for way in ways})
        for name, ways in bundle.graphs.items()
    }


class _Graph:
    """One graph, compiled when it is first called: a decoder never compiles an encoder."""

    def __init__(
        self, core: Any, folder: Path, way: GraphFile, settings: Mapping[str, Any]
    ) -> None:
        self.core, self.path, self.way, self.settings = core, folder / way.file, way, settings
        self._request: Any = None

    def __call__(self, *arrays: NDArray[Any]) -> Any:
        if self._request is None:
            self._request = self._load()
        self._request.infer(list(arrays), share_inputs=True)
        # Copied: the next call writes over them.
        out = [
            self._request.get_output_tensor(number).data.copy()
            for number in range(len(self.way.outputs))
        ]
        return out[0] if len(out) == 1 else tuple(out)

    def _load(self) -> Any:
        try:
            model = self.core.read_model(self.path)
            return self.core.compile_model(model, "CPU", self.settings).create_infer_request()
        except RuntimeError as error:
            raise BundleError(
                f"OpenVINO {openvino.__version__} cannot run {self.path.name}: "
                f"{' '.join(str(error).split())}"
            ) from error

    def operators(self, graph: str) -> list[Operator]:
        """What the last call ran."""
        if self._request is None:
            return []
        return [
            Operator(
                graph,
                counter.node_type,
                counter.node_name,
                counter.exec_type.lower().endswith(("i8", "u8")),
                counter.real_time.total_seconds() * 1000,
            )
            for counter in self._request.profiling_info
            if counter.status == openvino.ProfilingInfo.Status.EXECUTED
        ]
