"""MXNet's products of matrices, in ONNX's MatMul."""

from __future__ import annotations

from collections.abc import Sequence

from ..mx.number_rules import gemm_axes
from ..mx.reshape_codes import Size
from .opsets import Part, Value, known_shape, reshape, shape_tensor, transpose
from .translators import Call, translator

__all__: list[str] = []


@translator("dot")
def _dot(call: Call) -> Sequence[str]:
    """Sums over the last axis of the first input and the first of the second; transposed, the first and the last."""
    b, (left, right) = call.b, call.inputs
    left_ndim, right_ndim = len(known_shape(left)), len(known_shape(right))
    first, second = call.values["transpose_a"], call.values["transpose_b"]
    rows: Value = transpose(b, left, (*range(1, left_ndim), 0)) if first else left
    columns: Value = transpose(b, right, (right_ndim - 1, *range(right_ndim - 1))) if second else right
    if right_ndim <= 2:
        result = b.op("MatMul", rows, columns)
        return [reshape(b, result, [1]) if left_ndim == right_ndim == 1 else result]
    result = b.op("MatMul", rows, b.op("Flatten", columns, axis=1))
    kept: list[Part] = [(left, Size((i,))) for i in range(left_ndim)]
    rest: list[Part] = [(right, Size((i,))) for i in range(right_ndim)]
    parts = (kept[1:] if first else kept[:-1]) + (rest[:-1] if second else rest[1:])
    return [b.op("Reshape", result, shape_tensor(b, parts, infer=True))]


def _transposed(call: Call, data: Value, ndim: int, name: str) -> Value:
    """The matrices' rows and columns, which come last, exchanged."""
    order = (*range(ndim - 2), ndim - 1, ndim - 2) if call.values[name] else range(ndim)
    return transpose(call.b, data, order)


@translator("batch_dot")
def _batch_dot(call: Call) -> Sequence[str]:
    ndim = len(known_shape(call.inputs[0]))
    left = _transposed(call, call.inputs[0], ndim, "transpose_a")
    right = _transposed(call, call.inputs[1], ndim, "transpose_b")
    return [call.op("MatMul", left, right)]


@translator("_linalg_gemm2")
def _gemm2(call: Call) -> Sequence[str]:
    ndim = len(known_shape(call.inputs[0]))
    order = gemm_axes(call.values["axis"], ndim)
    left, right = (transpose(call.b, one, order) for one in call.inputs)
    left, right = _transposed(call, left, ndim, "transpose_a"), _transposed(call, right, ndim, "transpose_b")
    result: Value = call.op("MatMul", left, right)
    if call.values["alpha"] != 1:
        result = call.op("Mul", result, call.constant(call.values["alpha"]))
    back = transpose(call.b, result, [order.index(i) for i in range(ndim)])
    assert isinstance(back, str)
    return [back]
