"""ONNX Runtime: the one that comes with the package.

What it makes of a graph on this processor (layers joined, constants folded, weights laid out for
its kernels) is kept in the cache folder, so a process that codes one picture does not wait for it:
the generator of ``hific-s`` is ready after 6 ms for 63.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from slimcodec.errors import SlimcodecError
from slimcodec.runtime.bundle import WEIGHTS, Bundle, GraphFile, check_graph
from slimcodec.runtime.bundled import BundleRuntime
from slimcodec.runtime.cache import kept_work

if TYPE_CHECKING:
    from slimcodec.graphs import ir

__all__ = ["OnnxRuntime"]

_INTEGER_KINDS = ("QLinear", "ConvInteger", "MatMulInteger", "QConv", "QGemm")
_PROBLEMS = (
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "NoSuchFile",
    "NotImplemented",
    "RuntimeException",
)
_GRAPH, _TENSORS = "graph.onnx", "tensors.bin"
_SMALL = 256
"""Bytes up to which a tensor stays inside a kept graph."""


class OnnxRuntime(BundleRuntime):
    """See ``runtime.Runtime``."""

    name = "onnx"
    dequantizes_behind_padding = True

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self.library = _imported()

    @classmethod
    def rewrites(cls) -> Sequence[Callable[[ir.Model], ir.Model]]:
        from slimcodec.runtime.graphs import rewrites

        return (
            rewrites.few_outputs_as_blocks,
            rewrites.transposed_as_convolution,
            rewrites.convolutions_as_products,
        )

    def problems(self) -> tuple[type[Exception], ...]:
        return _problems()

    def load(self, bundle: Bundle, way: GraphFile, profiled: bool) -> _Graph:
        if profiled or not bundle.kept:
            check_graph(bundle, way.file)
            return _Graph(self, bundle.folder / way.file, way, profiled)
        return self._kept(bundle, way)

    def describe(self) -> dict[str, str]:
        return {"onnxruntime": self.library.__version__}

    def _kept(self, bundle: Bundle, way: GraphFile) -> _Graph:
        """From what was made of the graph before; made now where that is not there or not whole."""

        def make(folder: Path | None) -> _Graph:
            check_graph(bundle, way.file)
            return _Graph(self, bundle.folder / way.file, way, keep=folder)

        return kept_work(
            "sessions",
            (bundle.files[way.file], bundle.files[WEIGHTS], self.library.__version__),
            lambda folder: _Graph(self, folder / _GRAPH, way, optimised=True),
            make,
        )


class _Graph:
    """A graph ready to run.

    Args:
        runtime: whose.
        path: of the graph.
        way: how it is called.
        profiled: whether it shall say what it ran.
        optimised: whether the graph is what ONNX Runtime made of another.
        keep: a folder for what it makes of this one.
    """

    def __init__(
        self,
        runtime: OnnxRuntime,
        path: Path,
        way: GraphFile,
        profiled: bool = False,
        *,
        optimised: bool = False,
        keep: Path | None = None,
    ) -> None:
        library = runtime.library
        options = library.SessionOptions()
        options.intra_op_num_threads = runtime.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Graphs come with integer products written out; what is left of quantize and dequantize
        # nodes is of weights, which fold into constants only where nobody looks for patterns.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        # Its threads wait by spinning, which is well while a graph runs; then the cores belong to
        # the integer prior.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        # Malloc keeps what it has (``tune_allocator``); an arena for each graph, or a block for
        # each size of picture, would keep it for that one alone: toderici-s took 3.9 GB for two
        # megapixels, and takes 2.0, in no more time (alternating, least of seven decodes of
        # 768x512: 0.51 s and 0.51).
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        if optimised:
            options.graph_optimization_level = library.GraphOptimizationLevel.ORT_DISABLE_ALL
        if keep is not None:
            options.optimized_model_filepath = str(keep / _GRAPH)
            prefix = "session.optimized_model_external_initializers_"
            options.add_session_config_entry(f"{prefix}file_name", _TENSORS)
            options.add_session_config_entry(f"{prefix}min_size_in_bytes", str(_SMALL))
        self.way = way
        self.folder = tempfile.TemporaryDirectory() if profiled else None
        if self.folder is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(self.folder.name) / "profile")
        self.session = library.InferenceSession(path, options, providers=["CPUExecutionProvider"])

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


def _imported() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise SlimcodecError(
            f"ONNX Runtime cannot be imported ({reason}); install it again with pip install "
            "--force-reinstall onnxruntime, or choose another --runtime"
        ) from error
    return onnxruntime


@cache
def _problems() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as problems

    # Some of what goes wrong in its C++ comes as Python's own.
    own = (getattr(problems, name) for name in _PROBLEMS)
    return (*own, RuntimeError, ValueError, TypeError, MemoryError, OSError)
