"""Shapes of the operators of `shape_operators`.

The source of each rule is the operator's page in the documentation of MXNet 1.6.0 (mxnet.symbol).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .operators import Values
from .reshape_codes import requested_sizes, size_in
from .shape_rules import Rule, Shape, Shapes, merge, words

__all__ = [
    "ARRAY_RULES",
    "axis_in",
    "blocks",
    "length",
    "one_shape",
    "permutation",
    "product",
    "reshape_like_parts",
    "split_sizes",
]


def axis_in(axis: int, ndim: int, name: str = "axis") -> int:
    """The axis counted from 0."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"`{name}` must lie between {-ndim} and {ndim - 1}, got {axis}")
    return axis % ndim


def product(sizes: Sequence[int]) -> int:
    """-1 if a size is unknown."""
    return -1 if -1 in sizes else math.prod(sizes)


def _learn(outputs: Shapes, found: Shape | None, place: int = 0) -> None:
    outputs[place] = merge(outputs[place], found)


def one_shape(function: Callable[[Values, Shape], Shape | None]) -> Rule:
    """A rule for operators whose result depends on the first input's shape alone: ``function(values, shape)``."""

    def rule(values: Values, inputs: Shapes, outputs: Shapes) -> None:
        if inputs[0] is not None:
            _learn(outputs, function(values, inputs[0]))

    return rule


def _reshape(values: Values, data: Shape) -> Shape:
    sizes = [size_in(data, size) for size in requested_sizes(values, data)]
    total = product(data)
    if total >= 0 and sizes.count(-1) == 1:
        rest = math.prod(size for size in sizes if size >= 0)
        if rest and total % rest == 0:
            sizes[sizes.index(-1)] = total // rest
    if total >= 0 and product(sizes) != total:
        raise ValueError(f"`shape` must keep the number of elements of {words(data)}, got {words(tuple(sizes))}")
    return tuple(sizes)


def reshape_like_parts(values: Values, left: int, right: int) -> tuple[range, range]:
    """The axes of the first input that are replaced, and those of the second that stand in for them."""
    ranges = []
    for side, ndim in (("lhs", left), ("rhs", right)):
        begin, end = values[f"{side}_begin"], values[f"{side}_end"]
        begin = 0 if begin is None else begin + ndim * (begin < 0)
        end = ndim if end is None else end + ndim * (end < 0)
        if not 0 <= begin <= end <= ndim:
            raise ValueError(f"`{side}_begin` and `{side}_end` must be places in {ndim} axes, got {begin} and {end}")
        ranges.append(range(begin, end))
    return ranges[0], ranges[1]


def _reshape_like(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    left, right = inputs
    if left is None or right is None:
        return
    old, new = reshape_like_parts(values, len(left), len(right))
    _learn(outputs, (*left[: old.start], *right[new.start : new.stop], *left[old.stop :]))


def permutation(values: Values, ndim: int) -> tuple[int, ...]:
    """The order of axes that transpose asks for."""
    given = values["axes"] or range(ndim - 1, -1, -1)
    axes = tuple(axis_in(axis, ndim, "axes") for axis in given)
    if sorted(axes) != list(range(ndim)):
        raise ValueError(f"`axes` must be an order of {ndim} axes, got {values['axes']}")
    return axes


def _transpose(values: Values, data: Shape) -> Shape:
    return tuple(data[axis] for axis in permutation(values, len(data)))


def _swap_axes(values: Values, data: Shape) -> Shape:
    sizes = list(data)
    first, second = (axis_in(values[name], len(data), name) for name in ("dim1", "dim2"))
    sizes[first], sizes[second] = sizes[second], sizes[first]
    return tuple(sizes)


def _expand_dims(values: Values, data: Shape) -> Shape:
    axis = axis_in(values["axis"], len(data) + 1)
    return (*data[:axis], 1, *data[axis:])


def _squeeze(values: Values, data: Shape) -> Shape | None:
    if values["axis"] is None:
        return None if -1 in data else tuple(size for size in data if size != 1) or (1,)
    gone = {axis_in(axis, len(data)) for axis in values["axis"]}
    if any(data[axis] not in (1, -1) for axis in gone):
        raise ValueError(f"`axis` must name axes of size 1 of shape {words(data)}, got {values['axis']}")
    return tuple(size for i, size in enumerate(data) if i not in gone) or (1,)


def length(size: int, begin: int | None, end: int | None, step: int | None) -> int:
    """How many elements a slice takes from an axis; -1 if its size is unknown and the slice is not all of it."""
    if step == 0:
        raise ValueError("`step` must not be 0")
    if size < 0:
        return -1
    count = len(range(*slice(begin, end, step).indices(size)))
    if count == 0:
        raise ValueError(f"a slice of {size} elements must not be empty, got {begin} to {end} in steps of {step or 1}")
    return count


def _slice(values: Values, data: Shape) -> Shape:
    begin, end, step = values["begin"], values["end"], values["step"] or (None,) * len(values["begin"])
    if not len(begin) == len(end) == len(step) <= len(data):
        raise ValueError(
            f"`begin`, `end` and `step` must be equally long, up to {len(data)}, got {begin}, {end} and {step}"
        )
    cut = (length(*each) for each in zip(data, begin, end, step, strict=False))
    return (*cut, *data[len(begin) :])


def _slice_axis(values: Values, data: Shape) -> Shape:
    axis, begin, end = axis_in(values["axis"], len(data)), values["begin"], values["end"]
    size = length(data[axis], begin, end, 1)
    if data[axis] >= 0 and (max(begin, end or 0) > data[axis] or min(begin, end or 0) < -data[axis]):
        raise ValueError(f"`begin` and `end` must lie within an axis of {data[axis]} elements, got {begin} and {end}")
    if size < 0 and end is not None and (begin >= 0) == (end >= 0) and end > begin:
        size = end - begin  # the axis must be at least so long
    return (*data[:axis], size, *data[axis + 1 :])


def _slice_like(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data, like = inputs
    if data is None or like is None:
        return
    axes = values["axes"] or range(len(data))
    sizes = list(data)
    for axis in axes:
        sizes[axis_in(axis, len(data), "axes")] = like[axis_in(axis, len(like), "axes")]
    if any(-1 < size < wanted for size, wanted in zip(data, sizes, strict=True)):
        raise ValueError(f"the first shape {words(data)} must not be smaller than {words(like)}")
    _learn(outputs, tuple(sizes))


def _split_v2(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data = inputs[0]
    if data is None:
        return
    axis = axis_in(values["axis"], len(data))
    for place, size in enumerate(split_sizes(values, data[axis])):
        part = () if values["squeeze_axis"] else (size,)
        _learn(outputs, (*data[:axis], *part, *data[axis + 1 :]), place)


def split_sizes(values: Values, size: int) -> list[int]:
    """The lengths of the parts of an axis; -1 where unknown."""
    sections = values["sections"]
    if sections:
        if size >= 0 and size % sections:
            raise ValueError(f"`sections` must divide a size of {size}, got {sections}")
        return [-1 if size < 0 else size // sections] * sections
    begins = values["indices"]
    ends = (*begins[1:], size)
    sizes = [-1 if end < 0 else end - begin for begin, end in zip(begins, ends, strict=True)]
    if any(one == 0 or one < -1 for one in sizes):
        raise ValueError(f"`indices` must increase within a size of {size}, got {begins}")
    return sizes


def _stack(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    shared: Shape | None = None
    for shape in inputs:
        shared = merge(shared, shape)
    if shared is not None:
        inputs[:] = [shared] * len(inputs)
        axis = axis_in(values["axis"], len(shared) + 1)
        _learn(outputs, (*shared[:axis], len(inputs), *shared[axis:]))


def _tile(values: Values, data: Shape) -> Shape:
    reps = values["reps"]
    if min(reps, default=1) < 1:
        raise ValueError(f"`reps` must be positive, got {reps}")
    ndim = max(len(reps), len(data))
    pairs = zip((1,) * (ndim - len(data)) + data, (1,) * (ndim - len(reps)) + reps, strict=True)
    return tuple(product((size, times)) for size, times in pairs)


def _repeat(values: Values, data: Shape) -> Shape:
    times = values["repeats"]
    if times < 1:
        raise ValueError(f"`repeats` must be positive, got {times}")
    if values["axis"] is None:
        return (product((*data, times)),)
    axis = axis_in(values["axis"], len(data))
    return (*data[:axis], product((data[axis], times)), *data[axis + 1 :])


def blocks(values: Values, data: Shape) -> int:
    """The block's size, where the data is (batch, channels, height, width)."""
    if len(data) != 4 or values["block_size"] < 1:
        raise ValueError(f"`block_size` must be positive, and the data have 4 dimensions, got {words(data)}")
    return int(values["block_size"])


def _part(size: int, divisor: int) -> int:
    if size >= 0 and size % divisor:
        raise ValueError(f"`block_size` must fit into a size of {size}, which {divisor} does not divide")
    return -1 if size < 0 else size // divisor


def _space_to_depth(values: Values, data: Shape) -> Shape:
    block = blocks(values, data)
    return data[0], product((data[1], block, block)), _part(data[2], block), _part(data[3], block)


def _depth_to_space(values: Values, data: Shape) -> Shape:
    block = blocks(values, data)
    return data[0], _part(data[1], block * block), product((data[2], block)), product((data[3], block))


ARRAY_RULES: dict[str, Rule] = {
    "Reshape": one_shape(_reshape),
    "reshape_like": _reshape_like,
    "transpose": one_shape(_transpose),
    "SwapAxis": one_shape(_swap_axes),
    "expand_dims": one_shape(_expand_dims),
    "squeeze": one_shape(_squeeze),
    "slice": one_shape(_slice),
    "slice_axis": one_shape(_slice_axis),
    "slice_like": _slice_like,
    "_split_v2": _split_v2,
    "stack": _stack,
    "tile": one_shape(_tile),
    "repeat": one_shape(_repeat),
    "space_to_depth": one_shape(_space_to_depth),
    "depth_to_space": one_shape(_depth_to_space),
}
