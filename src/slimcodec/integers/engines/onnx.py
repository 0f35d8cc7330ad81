"""ONNX Runtime's integer matrix product as an engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import MissingExtraError
from slimcodec.integers.engines import Product
from slimcodec.machine import available_cores

__all__ = ["OnnxEngine"]

try:
    import onnxruntime
except ImportError as error:
    raise MissingExtraError("the onnx engine", "onnx") from error


class OnnxEngine:
    """One session multiplies for all layers: weights come in as an input, which costs a tenth of a
    millisecond where they are largest, and a session of its own for each would cost one to make."""

    name, version = "onnx", onnxruntime.__version__

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = available_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait by spinning would take the cores from numpy, which comes next.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session = onnxruntime.InferenceSession(
            _MATMUL, options, providers=["CPUExecutionProvider"]
        )

    def product(self, weights: NDArray[np.int8]) -> Product:
        own = np.ascontiguousarray(weights)

        def call(x: NDArray[np.uint8]) -> NDArray[np.int32]:
            (sums,) = self._session.run(None, {"x": x, "w": own})
            out: NDArray[np.int32] = sums
            return out

        return call


def _field(number: int, content: bytes | str) -> bytes:
    """A length-delimited field of a protobuf message; all here are shorter than 128 bytes."""
    data = content.encode() if isinstance(content, str) else content
    return bytes([number << 3 | 2, len(data)]) + data


def _matrix(name: str, kind: int) -> bytes:
    """A ``ValueInfoProto``: a matrix of unknown sides."""
    shape = _field(1, b"") * 2
    return _field(1, name) + _field(2, _field(1, bytes([1 << 3, kind]) + _field(2, shape)))


_UINT8, _INT8, _INT32 = 2, 3, 6
_MATMUL = b"".join(
    (
        bytes([1 << 3, 8]),
        _field(
            7,
            _field(1, _field(1, "x") + _field(1, "w") + _field(2, "y") + _field(4, "MatMulInteger"))
            + _field(2, "product")
            + _field(11, _matrix("x", _UINT8))
            + _field(11, _matrix("w", _INT8))
            + _field(12, _matrix("y", _INT32)),
        ),
        _field(8, bytes([2 << 3, 17])),
    )
)
"""``y = MatMulInteger(x, w)`` as an ONNX model: IR version 8, opset 17, one node."""
