"""OpenVINO: the fast one on CPUs, and the only one with integer transposed convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from slimcodec.errors import BundleError, MissingExtraError
from slimcodec.runtime.bundle import Bundle, GraphFile, check_graph
from slimcodec.runtime.bundled import BundleRuntime
from slimcodec.runtime.cache import kept_folder

if TYPE_CHECKING:
    from slimcodec.graphs import ir

__all__ = ["OpenVinoRuntime"]


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

    def load(self, bundle: Bundle, way: GraphFile, profiled: bool) -> _Graph:
        check_graph(bundle, way.file)
        settings: dict[str, Any] = {
            # Without it, floats may become bfloat16 where the CPU has it.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self.threads,
            "PERF_COUNT": profiled,
            **_kept(),
        }
        try:
            compiled = self.core.compile_model(bundle.folder / way.file, "CPU", settings)
        except RuntimeError as error:
            raise BundleError(
                f"OpenVINO {self.library.__version__} cannot run {way.file}: "
                f"{' '.join(str(error).split())}"
            ) from error
        return _Graph(compiled, len(way.outputs), self.library)

    def describe(self) -> dict[str, Any]:
        return {"openvino": self.library.__version__, "threads": self.threads}


def _imported() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("the openvino runtime", "openvino") from error
    return openvino


def _kept() -> dict[str, str]:
    """Where compiled graphs are kept, which makes a cold decode a sixth shorter; nothing where no
    folder can be made."""
    folder = kept_folder("openvino")
    return {} if folder is None else {"CACHE_DIR": str(folder)}


class _Graph:
    """A graph for pictures of any size. One compiled for the size that comes again and again is a
    twentieth to a seventh faster, but adds floats in another order: the same picture would become
    other bytes from some call on."""

    def __init__(self, compiled: Any, outputs: int, library: Any) -> None:
        self.compiled, self.outputs, self.library = compiled, outputs, library
        self.request = compiled.create_infer_request()

    def run(self, arrays: tuple[NDArray[Any], ...]) -> list[NDArray[Any]]:
        self.request.infer(list(arrays), share_inputs=True)
        # Copied: the next call writes over them.
        return [self.request.get_output_tensor(n).data.copy() for n in range(self.outputs)]

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
            if counter.status == self.library.ProfilingInfo.Status.EXECUTED
        ]
