"""Repairs PRelu nodes whose slope stands on the wrong axis, as MXNet's own exporter writes them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from ..mx.base import check_path
from .scopes import Scope, light_copy, scopes_of

__all__ = ["MXNET_GRAPH_NAME", "SlopeFound", "fix_prelu"]

# What MXNet's exporter of releases 1.3 to 1.9 calls every graph; it leaves the producer's name empty.
MXNET_GRAPH_NAME = "mxnet_converted_model"
# Before, PRelu itself took a slope of shape (C,) for one slope for each channel.
_BROADCASTS_SINCE = 7

Shape = tuple[int, ...]


@dataclass(frozen=True)
class SlopeFound:
    """What `fix_prelu` says about one PRelu node.

    Attributes
    ----------
    node : str
        The node's name, or the name of its output where it has none.
    slope : str
        The name of the slope.
    verdict : {"repaired", "right", "undecided"}
    reason : str
        Why, in a few words.
    """

    node: str
    slope: str
    verdict: str
    reason: str


class _Decision(NamedTuple):
    verdict: str
    reason: str
    shape: Shape = ()  # what the slope's shall be, if repaired


def fix_prelu(
    model: ModelProto | str | os.PathLike[str], *, axis: int | None = None
) -> tuple[ModelProto, list[SlopeFound]]:
    """A copy of a model in which every slope of PRelu stands on the axis that it is meant for.

    MXNet lines a slope of shape (C,) up with axis 1 of the data, ONNX with the last axis. MXNet's own exporter writes
    the (C,) as it is, so that the model fails, or, where C is the data's last size too, gives wrong results.

    Parameters
    ----------
    model : ModelProto or path-like
        The model, which stays as it is. From a path, external data are not read.
    axis : {None, 1, -1}
        Which axis a slope of shape (C,) belongs to where the sizes allow both. By default 1 in a model of MXNet's
        exporter, whose graphs are named ``mxnet_converted_model``; elsewhere such nodes are left as they are and
        reported as undecided.

    Returns
    -------
    model : ModelProto
        Slopes of shape (C,) have become (C, 1, 1) for data of four dimensions, and so on.
    found : list of SlopeFound
        One for each PRelu node, those in the bodies of If, Loop and Scan included.

    Raises
    ------
    ValueError
        If `axis` is something else, or the file is no ONNX model.

    Notes
    -----
    Shape inference decides. A slope that cannot be read against the last axis, but fits axis 1, is repaired whoever
    made the model. One that fits the last axis alone, that has a single element, or as many dimensions as line it up,
    is right. Without the number of the data's dimensions a node is undecided, unless the slope has one element. What is
    repaired is right: a second call changes nothing. An array that only repaired nodes read gets the new shape, also as
    an input of the model; otherwise the nodes get a copy, or an operator Reshape where the slope is computed.

    Examples
    --------
    >>> from onnx import TensorProto, helper
    >>> from rectifier.onnx import fix_prelu
    >>> ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, 3, 3)) for name in "xy"]
    >>> slope = helper.make_tensor("slope", TensorProto.FLOAT, [3], [0.1, 0.2, 0.3])
    >>> node = helper.make_node("PRelu", ["x", "slope"], ["y"])
    >>> graph = helper.make_graph([node], "mxnet_converted_model", ends[:1], ends[1:], [slope])
    >>> model, found = fix_prelu(helper.make_model(graph))
    >>> list(model.graph.initializer[0].dims), found[0].verdict
    ([3, 1, 1], 'repaired')
    """
    if axis not in (None, 1, -1) or isinstance(axis, bool):
        raise ValueError(f"`axis` must be None, 1 or -1, got {axis!r}")
    result = ModelProto()
    result.CopyFrom(_loaded(model))
    if axis is None and result.graph.name == MXNET_GRAPH_NAME:
        axis = 1
    opset = next((entry.version for entry in result.opset_import if entry.domain in ("", "ai.onnx")), 0)
    decided = []
    for scope in scopes_of(result):
        for node in scope.graph.node:
            if node.op_type == "PRelu" and node.domain in ("", "ai.onnx") and len(node.input) == 2:
                decided.append((scope, node, _decide(scope, node, opset, axis)))
    _repair([(scope, node, one.shape) for scope, node, one in decided if one.verdict == "repaired"], result, opset)
    found = [
        SlopeFound(node.name or node.output[0], node.input[1], one.verdict, one.reason) for _, node, one in decided
    ]
    found += _in_functions(result)
    _check(result, model)
    return result, found


def _loaded(model: ModelProto | str | os.PathLike[str]) -> ModelProto:
    if isinstance(model, ModelProto):
        return model
    check_path("model", model, "an onnx.ModelProto or ")
    try:
        loaded = onnx.load(model, load_external_data=False)
    except OSError:
        raise
    except Exception as error:  # protobuf's own, of no public type
        raise ValueError(f"{os.fspath(model)}: not an ONNX model ({error})") from None
    if not loaded.graph.node:
        raise ValueError(f"{os.fspath(model)}: not an ONNX model (it has no nodes)")
    return loaded


def _decide(scope: Scope, node: NodeProto, opset: int, axis: int | None) -> _Decision:
    data, slope = (scope.shape(name) for name in node.input)
    if opset < _BROADCASTS_SINCE:
        return _Decision("right", f"PRelu of opset {opset} reads a slope of shape (C,) against axis 1")
    if slope is None:
        return _Decision("undecided", "the slope's shape is unknown")
    if all(size == 1 for size in slope):
        return _Decision("right", "one slope for all elements")
    if data is None:
        return _Decision("undecided", f"the number of the data's dimensions is unknown, slope of shape {_words(slope)}")
    shapes = f"slope of shape {_words(slope)} for data of shape {_words(data)}"
    if len(slope) == 1:
        return _decide_vector(slope[0], data, axis, shapes)
    if _fits(slope, data[-len(slope) :]) and len(slope) <= len(data):
        return _Decision("right", shapes)
    if len(slope) < len(data) and _fits(slope, data[: len(slope)]) and -1 not in slope:
        return _Decision("repaired", shapes, (*slope, *(1,) * (len(data) - len(slope))))
    return _Decision("undecided", f"it fits no axis, {shapes}")


def _decide_vector(size: int, data: Shape, axis: int | None, shapes: str) -> _Decision:
    """For a slope of one dimension."""
    if len(data) < 3:
        return _Decision("right" if _fits((size,), data[-1:]) else "undecided", shapes)
    on_channels, on_last = _fits((size,), data[1:2]), _fits((size,), data[-1:])
    if not on_channels:
        return _Decision("right" if on_last else "undecided", shapes if on_last else f"it fits no axis, {shapes}")
    if on_last and axis is None:
        return _Decision("undecided", f"it fits axis 1 and the last axis: `axis` says which, {shapes}")
    if on_last and axis == -1:
        return _Decision("right", f"{shapes}, taken for the last axis")
    return _Decision("repaired", shapes, (size, *(1,) * (len(data) - 2)))


def _fits(slope: Shape, data: Shape) -> bool:
    """Whether sizes go together; one that is unknown goes with any."""
    return all(one in (1, -1, other) or other == -1 for one, other in zip(slope, data, strict=False))


def _words(shape: Shape) -> str:
    return f"({', '.join('?' if size < 0 else str(size) for size in shape)}{',' if len(shape) == 1 else ''})"


def _repair(repaired: list[tuple[Scope, NodeProto, Shape]], model: ModelProto, opset: int) -> None:
    wanted: dict[tuple[int, str], set[Shape]] = {}
    counts: Counter[tuple[int, str]] = Counter()
    for scope, node, shape in repaired:
        key = _key(scope, node.input[1])
        wanted.setdefault(key, set()).add(shape)
        counts[key] += 1
    readers = _readers(model)
    for scope, node, shape in repaired:
        name, key = node.input[1], _key(scope, node.input[1])
        owner = scope.owner(name)
        array = None if owner is None else owner.initializer(name)
        if owner is None or array is None or -1 in shape:
            _reshape(scope.graph, node, shape, opset, scope)
        elif wanted[key] == {shape} and readers[key] == counts[key]:
            _set_shape(owner.graph, array, shape)
        else:
            node.input[1] = _copy(owner, array, shape, model.ir_version)


def _key(scope: Scope, name: str) -> tuple[int, str]:
    owner = scope.owner(name)
    return -1 if owner is None else owner.number, name


def _readers(model: ModelProto) -> Counter[tuple[int, str]]:
    """How often each value is read, as a node's input or a graph's output."""
    result: Counter[tuple[int, str]] = Counter()
    for scope in scopes_of(model, infer=False):
        result.update(_key(scope, name) for node in scope.graph.node for name in node.input)
        result.update(_key(scope, end.name) for end in scope.graph.output)
    return result


def _set_shape(graph: GraphProto, array: TensorProto, shape: Shape) -> None:
    array.dims[:] = shape
    for info in (*graph.input, *graph.value_info):
        if info.name == array.name:
            info.CopyFrom(helper.make_tensor_value_info(info.name, array.data_type, shape))


def _copy(owner: Scope, array: TensorProto, shape: Shape, ir_version: int) -> str:
    """The name of the array in another shape, which an earlier node may have asked for."""
    name = f"{array.name}_slope_{'x'.join(map(str, shape))}"
    if owner.initializer(name) is None:
        new = owner.graph.initializer.add()
        new.CopyFrom(array)
        new.name = name
        new.dims[:] = shape
        if ir_version < 4:  # in which each array is an input too
            owner.graph.input.append(helper.make_tensor_value_info(name, array.data_type, shape))
    return name


def _reshape(graph: GraphProto, node: NodeProto, shape: Shape, opset: int, scope: Scope) -> None:
    """Put an operator Reshape between the slope and the node."""
    target, result = (scope.unique(f"{node.output[0]}/{what}") for what in ("slope_shape", "slope"))
    value = helper.make_tensor(target, TensorProto.INT64, [len(shape)], shape)
    made = [
        helper.make_node("Constant", [], [target], name=target, value=value),
        helper.make_node("Reshape", [node.input[1], target], [result], name=result),
    ]
    node.input[1] = result
    place = next(i for i, other in enumerate(graph.node) if other is node)
    for i, new in enumerate(made):
        graph.node.insert(place + i, new)


def _in_functions(model: ModelProto) -> Iterator[SlopeFound]:
    """PRelu in the model's own functions, whose shapes are those of each call."""
    for function in model.functions:
        for node in function.node:
            if node.op_type == "PRelu":
                name = f"{function.name}/{node.name or node.output[0]}"
                yield SlopeFound(name, node.input[1], "undecided", "it stands in a function, which may be called often")


def _check(result: ModelProto, before: ModelProto | str | os.PathLike[str]) -> None:
    """The repaired model must pass ONNX's checker where the model that was given does."""
    try:
        onnx.checker.check_model(light_copy(result), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        try:
            onnx.checker.check_model(light_copy(_loaded(before)), full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
            return
        raise
