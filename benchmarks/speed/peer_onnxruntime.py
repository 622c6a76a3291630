"""onnxruntime: a model of one node, forward, float32."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime

from .arrays import Array, Arrays
from .cells import MIDDLE_SLOPE, SLOPE, Cell
from .subjects import Absent

Shape = tuple[int, ...]

OPERATORS: dict[str, tuple[str, dict[str, float | str]]] = {
    "leaky": ("LeakyRelu", {"alpha": SLOPE}),
    "elu": ("Elu", {"alpha": SLOPE}),
    "selu": ("Selu", {}),
    "gelu": ("Gelu", {}),
    "gelu_tanh": ("Gelu", {"approximate": "tanh"}),
    "prelu": ("PRelu", {}),
    "rrelu": ("LeakyRelu", {"alpha": MIDDLE_SLOPE}),
}
OPSET, IR_VERSION, FLOAT, STRING = 20, 9, 1, 3


def prepare(cell: Cell, arrays: Arrays) -> Callable[[], Any]:
    """The work of a cell."""
    if cell.work != "forward" or cell.case.training:
        raise Absent("onnxruntime computes values in inference")
    if cell.dtype != "float32":
        raise Absent("onnxruntime computes these operators in float32")
    if cell.layout != "contiguous":
        raise Absent("onnxruntime's arrays are contiguous")
    inputs = {"x": arrays.data}
    if arrays.gamma is not None:
        inputs["gamma"] = arrays.gamma.reshape(arrays.gamma_shape)
    session = _session(cell, inputs, arrays.out)
    if cell.out == "fresh":
        return lambda: session.run(None, inputs)
    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    binding.bind_output("y", "cpu", 0, np.float32, arrays.out.shape, arrays.out.ctypes.data)

    def run() -> Array:
        session.run_with_iobinding(binding)
        return arrays.out

    return run


def _session(cell: Cell, inputs: dict[str, Array], out: Array) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cell.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    operator, attributes = OPERATORS[cell.case.act_type]
    data = model(operator, attributes, {name: array.shape for name, array in inputs.items()}, out.shape)
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def model(operator: str, attributes: dict[str, float | str], inputs: dict[str, Shape], out: Shape) -> bytes:
    """A model of one node, in the protocol buffers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""
    node = b"".join(_field(1, name.encode()) for name in inputs) + _field(2, b"y") + _field(4, operator.encode())
    node += b"".join(_field(5, _attribute(name, value)) for name, value in attributes.items())
    graph = _field(1, node) + _field(2, b"graph")
    graph += b"".join(_field(11, _tensor(name, shape)) for name, shape in inputs.items())
    graph += _field(12, _tensor("y", out))
    return _number(1, IR_VERSION) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, OPSET))


def _attribute(name: str, value: float | str) -> bytes:
    if isinstance(value, str):
        return _field(1, name.encode()) + _field(4, value.encode()) + _number(20, STRING)
    return _field(1, name.encode()) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, FLOAT)


def _tensor(name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(_field(1, _number(1, size)) for size in shape)
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, FLOAT) + _field(2, dimensions)))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
