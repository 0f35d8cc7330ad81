"""OpenVINO: the fast one on CPUs, and the only one with integer transposed convolutions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from slimcodec.errors import MissingExtraError
from slimcodec.runtime.bundle import WEIGHTS, Bundle, GraphFile, check_graph
from slimcodec.runtime.bundled import BundleRuntime
from slimcodec.runtime.cache import kept_work

if TYPE_CHECKING:
    from slimcodec.graphs import ir

__all__ = ["OpenVinoRuntime"]

_KEEPING = threading.Lock()
"""While it reads or writes its cache, OpenVINO sets the locale of the process to C and then back to
what it found. Two at once find each other's, and the process stays in C: Python then reads and
writes text as ASCII."""


class OpenVinoRuntime(BundleRuntime):
    """See ``runtime.Runtime``."""

    name = "openvino"
    dequantizes_behind_padding = False
    multiplies_wide_weights = True

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self.library = _imported()
        self.core = self.library.Core()

    @classmethod
    def rewrites(cls) -> Sequence[Callable[[ir.Model], ir.Model]]:
        from slimcodec.runtime.graphs import blocks, rewrites, wide

        return (
            rewrites.gates_apart,
            rewrites.few_outputs_as_blocks,
            partial(rewrites.transposed_as_convolution, most=4),
            wide.lifts_as_biases,
            partial(blocks.blocks_laid_out_late, sums=False),
            blocks.few_outputs_over_blocks,
            blocks.blocks_laid_out_late,
            wide.wide_as_integers,
            blocks.patches_as_channels,
        )

    def problems(self) -> tuple[type[Exception], ...]:
        return (RuntimeError, ValueError, TypeError, MemoryError, OSError)

    def load(self, bundle: Bundle, way: GraphFile, profiled: bool) -> _Graph:
        check_graph(bundle, way.file)
        settings: dict[str, Any] = {
            # Without it, floats may become bfloat16 where the CPU has it.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self.threads,
            "PERF_COUNT": profiled,
        }
        path = bundle.folder / way.file

        def compiled_in(folder: Path | None) -> Any:
            if folder is None:
                return self.core.compile_model(path, "CPU", settings)
            with _KEEPING:
                return self.core.compile_model(path, "CPU", {**settings, "CACHE_DIR": str(folder)})

        # It knows a graph again by its path and time of change.
        facts = (str(path.resolve()), path.stat().st_mtime_ns, self.threads, profiled)
        digests = bundle.files[way.file], bundle.files[WEIGHTS], self.library.__version__
        # A folder for each graph, complete before anyone reads it: OpenVINO maps files of its cache
        # into memory, and another core or process that writes one anew ends those that have it.
        compiled = kept_work("openvino", (*facts, *digests), compiled_in, compiled_in)
        return _Graph(compiled, len(way.outputs), self.library)

    def describe(self) -> dict[str, str]:
        return {"openvino": self.library.__version__}


def _imported() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("the openvino runtime", "openvino") from error
    return openvino


class _Graph:
    """A graph for pictures of any size. One compiled for the size that comes again and again is a
    twentieth to a seventh faster, but adds floats in another order: the same picture would become
    other bytes from some call on.

    A request holds what it was given and what it made, so it belongs to one call at a time: a call
    takes an idle one, or makes one more, and lays it back. There are as many as calls ran at once.
    """

    def __init__(self, compiled: Any, outputs: int, library: Any) -> None:
        self.compiled, self.outputs, self.library = compiled, outputs, library
        self._idle: list[Any] = []
        self._making = threading.Lock()

    def run(self, arrays: tuple[NDArray[Any], ...]) -> list[NDArray[Any]]:
        request = self._request()
        request.infer(list(arrays), share_inputs=True)
        # Copied: the next call writes over them.
        out = [request.get_output_tensor(n).data.copy() for n in range(self.outputs)]
        # One that failed does not come here and is used no more.
        self._idle.append(request)
        return out

    def _request(self) -> Any:
        try:
            return self._idle.pop()  # by one thread alone, as Python's lists go
        except IndexError:
            with self._making:
                return self.compiled.create_infer_request()

    def profile(self) -> list[tuple[str, str, bool, float]]:
        """Of the last call; none where it was never called."""
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
            for request in self._idle[-1:]
            for counter in request.profiling_info
            if counter.status == self.library.ProfilingInfo.Status.EXECUTED
        ]
