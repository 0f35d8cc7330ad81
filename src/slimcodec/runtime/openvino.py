"""OpenVINO: the fast one on CPUs, and the only one with integer transposed convolutions."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from slimcodec.errors import BundleError, MissingExtraError
from slimcodec.runtime.bundle import GraphFile
from slimcodec.runtime.bundled import BundleRuntime
from slimcodec.runtime.cache import cache_folder

__all__ = ["OpenVinoRuntime"]

try:
    import openvino
except ImportError as error:
    raise MissingExtraError("the openvino runtime", "openvino") from error


class OpenVinoRuntime(BundleRuntime):
    """See ``runtime.Runtime``."""

    name = "openvino"

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self.core = openvino.Core()

    def load(self, path: Path, way: GraphFile, profiled: bool) -> _Graph:
        settings: dict[str, Any] = {
            # Without it, floats may become bfloat16 where the CPU has it.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self.threads,
            "PERF_COUNT": profiled,
        }
        try:
            return _Graph(self.core, path, settings, len(way.outputs))
        except RuntimeError as error:
            raise BundleError(
                f"OpenVINO {openvino.__version__} cannot run {path.name}: "
                f"{' '.join(str(error).split())}"
            ) from error

    def describe(self) -> dict[str, Any]:
        return {"openvino": openvino.__version__, "threads": self.threads}


def _kept() -> dict[str, str]:
    """Where compiled graphs are kept, which makes a cold decode a sixth shorter; nothing where no
    folder can be made."""
    folder = cache_folder() / "openvino"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    return {"CACHE_DIR": str(folder)} if os.access(folder, os.W_OK) else {}


_REPAID = 10
"""Times that compiling has to be outweighed by calls of one size before it is done for that size: a
tenth is about what it gains (a full-size int8 encoder 102 ms to 90, generator 462 to 440)."""


class _Graph:
    """A graph for pictures of any size, and for the size that it is given again and again."""

    def __init__(self, core: Any, path: Path, settings: dict[str, Any], outputs: int) -> None:
        self.core, self.path, self.settings, self.outputs = core, path, settings, outputs
        started = time.perf_counter()
        self.compiled = core.compile_model(path, "CPU", {**settings, **_kept()})
        self.any_size = self.compiled.create_infer_request()
        self.to_repay = _REPAID * (time.perf_counter() - started)
        self.request = self.any_size
        self.shapes: tuple[tuple[int, ...], ...] = ()
        self.spent = 0.0

    def run(self, arrays: tuple[NDArray[Any], ...]) -> list[NDArray[Any]]:
        self._choose(tuple(array.shape for array in arrays))
        started = time.perf_counter()
        self.request.infer(list(arrays), share_inputs=True)
        self.spent += time.perf_counter() - started
        # Copied: the next call writes over them.
        return [self.request.get_output_tensor(n).data.copy() for n in range(self.outputs)]

    def _choose(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        if shapes != self.shapes:
            self.request, self.shapes, self.spent = self.any_size, shapes, 0.0
        elif self.request is self.any_size and self.spent > self.to_repay:
            model = self.core.read_model(self.path)
            model.reshape(dict(zip(model.inputs, map(list, shapes), strict=True)))
            self.compiled = self.core.compile_model(model, "CPU", self.settings)
            self.request = self.compiled.create_infer_request()

    def profile(self) -> list[tuple[str, str, bool, float]]:
        """Of the last call."""
        sources = {
            node.get_friendly_name(): node.get_rt_info()["originalLayersNames"].astype(str)
            for node in self.compiled.get_runtime_model().get_ops()
            if "originalLayersNames" in node.get_rt_info()
        }
        return [
            (
                counter.node_type,
                f"{counter.node_name} {sources.get(counter.node_name, '')}".strip(),
                counter.exec_type.lower().endswith(("i8", "u8")),
                counter.real_time.total_seconds() * 1000,
            )
            for counter in self.request.profiling_info
            if counter.status == openvino.ProfilingInfo.Status.EXECUTED
        ]
