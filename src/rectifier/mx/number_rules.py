"""Shapes of the operators of `number_operators`: products, reductions, choices by index, made arrays.

The source of each rule is the operator's page in the documentation of MXNet 1.6.0 (mxnet.symbol).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .array_rules import axis_in, one_shape, product
from .number_operators import ARRAY_UNARY
from .operators import Values
from .shape_rules import Rule, Shape, Shapes, broadcast, merge, reduce, reduced_axes, same, words

__all__ = ["NUMBER_RULES", "arange_count", "dot_parts", "gemm_axes"]

TwoShapes = Callable[[Values, Shape, Shape], Shape]


def _learn(outputs: Shapes, found: Shape | None, place: int = 0) -> None:
    if place < len(outputs):
        outputs[place] = merge(outputs[place], found)


def _two_shapes(function: TwoShapes) -> Rule:
    """A rule for operators whose result depends on the first two inputs' shapes."""

    def rule(values: Values, inputs: Shapes, outputs: Shapes) -> None:
        if inputs[0] is not None and inputs[1] is not None:
            _learn(outputs, function(values, inputs[0], inputs[1]))

    return rule


def _equal(first: Shape, second: Shape, what: str) -> None:
    if product(first) != product(second) and -1 not in (*first, *second):
        raise ValueError(f"the {what} must agree, got {words(first)} and {words(second)}")


def dot_parts(values: Values, left: Shape, right: Shape) -> tuple[Shape, Shape, Shape, Shape]:
    """What dot keeps of the first shape, sums in it, sums in the second, and keeps of the second."""
    kept, summed = (left[1:], left[:1]) if values["transpose_a"] else (left[:-1], left[-1:])
    other, rest = (right[-1:], right[:-1]) if values["transpose_b"] else (right[:1], right[1:])
    _equal(summed, other, "sizes that are summed over")
    return kept, summed, other, rest


def _dot(values: Values, left: Shape, right: Shape) -> Shape:
    kept, _, _, rest = dot_parts(values, left, right)
    return (*kept, *rest) or (1,)


def _matrices(values: Values, left: Shape, right: Shape) -> Shape:
    """Of stacks of matrices, whose rows and columns come last."""
    if len(left) != len(right) or len(left) < 2:
        raise ValueError(f"there must be stacks of matrices, got shapes {words(left)} and {words(right)}")
    stack = merge(left[:-2], right[:-2])
    assert stack is not None
    rows, summed = reversed(left[-2:]) if values["transpose_a"] else left[-2:]
    other, columns = reversed(right[-2:]) if values["transpose_b"] else right[-2:]
    _equal((summed,), (other,), "sizes that are summed over")
    return (*stack, rows, columns)


def gemm_axes(axis: int, ndim: int) -> tuple[int, ...]:
    """The order of axes in which the one of the matrices' rows stands before the last."""
    rows = axis_in(axis, ndim)
    if rows == ndim - 1:
        raise ValueError(f"`axis` must not be the last of {ndim}, got {axis}")
    return (*(i for i in range(ndim) if i not in (rows, ndim - 1)), rows, ndim - 1)


def _gemm2(values: Values, left: Shape, right: Shape) -> Shape:
    if len(left) != len(right) or len(left) < 2:
        raise ValueError(f"there must be stacks of matrices, got shapes {words(left)} and {words(right)}")
    order = gemm_axes(values["axis"], len(left))
    stacked = _matrices(values, tuple(left[i] for i in order), tuple(right[i] for i in order))
    return tuple(stacked[order.index(i)] for i in range(len(left)))


def _without_axis(axis: int | None, keepdims: bool, data: Shape) -> Shape:
    if axis is None:
        return (1,) * len(data) if keepdims else (1,)
    place = axis_in(axis, len(data))
    return (*data[:place], *((1,) if keepdims else ()), *data[place + 1 :]) or (1,)


def _argument(values: Values, data: Shape) -> Shape:
    return _without_axis(values["axis"], values["keepdims"], data)


def _norm(values: Values, data: Shape) -> Shape:
    axes = reduced_axes(values["axis"], False, len(data))
    if values["keepdims"]:
        return tuple(1 if i in axes else size for i, size in enumerate(data))
    return tuple(size for i, size in enumerate(data) if i not in axes) or (1,)


def _take(values: Values, data: Shape, indices: Shape) -> Shape:
    axis = axis_in(values["axis"], len(data))
    return (*data[:axis], *indices, *data[axis + 1 :])


def _gather_nd(values: Values, data: Shape, indices: Shape) -> Shape:
    if not 1 <= indices[0] <= len(data):
        raise ValueError(f"the indices must have a first size from 1 to {len(data)}, got shape {words(indices)}")
    return (*indices[1:], *data[indices[0] :])


def _pick(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data = inputs[0]
    if data is None:
        return
    _learn(outputs, _without_axis(values["axis"], values["keepdims"], data))
    kept = inputs[1] is not None and len(inputs[1]) == len(data) > 1
    inputs[1] = merge(inputs[1], _without_axis(values["axis"], kept, data))


def _where(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    """The condition is of the same shape, or has one element for each along the first axis."""
    branches = inputs[1:]
    same(values, branches, outputs)
    inputs[1:] = branches
    condition, data = inputs[0], branches[0]
    if condition is not None and data is not None:
        merge(condition, data if len(condition) == len(data) else data[:1])


def _topk(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data = inputs[0]
    if data is None:
        return
    if values["axis"] is None:
        data = (product(data),)
    axis = axis_in(-1 if values["axis"] is None else values["axis"], len(data))
    count = values["k"] if values["k"] >= 1 else data[axis]
    if data[axis] >= 0 and count > data[axis]:
        raise ValueError(f"`k` must be at most {data[axis]}, the size of the axis, got {count}")
    shape = inputs[0] if values["ret_typ"] == "mask" else (*data[:axis], count, *data[axis + 1 :])
    for place in range(len(outputs)):
        _learn(outputs, shape, place)


def _sorted(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    for place in range(len(outputs)):
        if inputs[0] is not None:
            _learn(outputs, (product(inputs[0]),) if values["axis"] is None else inputs[0], place)


def _broadcast_to(values: Values, data: Shape) -> Shape:
    wanted = values["shape"]
    if len(wanted) != len(data):
        raise ValueError(f"`shape` must have {len(data)} sizes, got {wanted}")
    sizes = tuple(old if new == 0 else new for old, new in zip(data, wanted, strict=True))
    return _stretched(data, sizes)


def _stretched(data: Shape, sizes: Shape) -> Shape:
    if any(old not in (1, new) and -1 not in (old, new) for old, new in zip(data, sizes, strict=True)):
        raise ValueError(f"shape {words(data)} must broadcast to {words(sizes)}")
    return sizes


def _broadcast_like(values: Values, data: Shape, like: Shape) -> Shape:
    left, right = values["lhs_axes"], values["rhs_axes"]
    if (left is None) != (right is None) or len(left or ()) != len(right or ()):
        raise ValueError(f"`lhs_axes` and `rhs_axes` must be given for the same number of axes, got {left} and {right}")
    if left is None:
        left = right = range(len(data))
        merge((-1,) * len(data), (-1,) * len(like))
    sizes = list(data)
    for old, new in zip(left, right, strict=True):
        sizes[axis_in(old, len(data), "lhs_axes")] = like[axis_in(new, len(like), "rhs_axes")]
    return _stretched(data, tuple(sizes))


def _broadcast_axis(values: Values, data: Shape) -> Shape:
    axes, wanted = values["axis"], values["size"]
    if len(axes) != len(wanted):
        raise ValueError(f"`axis` and `size` must be equally long, got {axes} and {wanted}")
    sizes = list(data)
    for axis, size in zip(axes, wanted, strict=True):
        sizes[axis_in(axis, len(data))] = size
    return _stretched(data, tuple(sizes))


def arange_count(values: Values) -> int:
    """How many numbers _arange makes, before each is repeated."""
    start, stop, step = arange_range(values)
    if step == 0 or (stop - start) / step <= 0:
        raise ValueError(f"`start`, `stop` and `step` must make at least one number, got {start}, {stop} and {step}")
    return math.ceil((stop - start) / step)


def arange_range(values: Values) -> tuple[float, float, float]:
    """Start, stop and step; with one number given, it is the stop."""
    start, stop = values["start"], values["stop"]
    return (0.0, start, values["step"]) if stop is None else (start, stop, values["step"])


def _arange(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    if not (values["infer_range"] and values["stop"] is None):
        _learn(outputs, (arange_count(values) * values["repeat"],))


def _made(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    if values["shape"]:
        _learn(outputs, tuple(size if size > 0 else -1 for size in values["shape"]))


_PLAIN_TWO = ("_grad_add", "_logical_and", "_logical_or", "_logical_xor")
_PLAIN_ONE = (
    *ARRAY_UNARY,
    "reverse",
    "clip",
    "hard_sigmoid",
    "smooth_l1",
    "amp_cast",
    "_logical_and_scalar",
    "_logical_or_scalar",
    "_logical_xor_scalar",
)

NUMBER_RULES: dict[str, Rule] = {
    **dict.fromkeys((*_PLAIN_ONE, *_PLAIN_TWO), same),
    **dict.fromkeys(("broadcast_logical_and", "broadcast_logical_or", "broadcast_logical_xor"), broadcast),
    **dict.fromkeys(("max", "min", "prod", "nansum", "nanprod"), reduce),
    **dict.fromkeys(("argmax", "argmin"), one_shape(_argument)),
    **dict.fromkeys(("_zeros", "_ones", "_full"), _made),
    **dict.fromkeys(("sort", "argsort"), _sorted),
    "argmax_channel": one_shape(lambda values, data: _without_axis(1, False, data)),
    "norm": one_shape(_norm),
    "dot": _two_shapes(_dot),
    "batch_dot": _two_shapes(_matrices),
    "_linalg_gemm2": _two_shapes(_gemm2),
    "take": _two_shapes(_take),
    "batch_take": _two_shapes(lambda values, data, indices: indices),
    "pick": _pick,
    "gather_nd": _two_shapes(_gather_nd),
    "one_hot": one_shape(lambda values, indices: (*indices, values["depth"])),
    "where": _where,
    "topk": _topk,
    "broadcast_to": one_shape(_broadcast_to),
    "broadcast_like": _two_shapes(_broadcast_like),
    "broadcast_axis": one_shape(_broadcast_axis),
    "shape_array": one_shape(lambda values, data: (len(data),)),
    "size_array": one_shape(lambda values, data: (1,)),
    "_arange": _arange,
}
