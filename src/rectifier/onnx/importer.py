"""From an ONNX model of activations and basic arithmetic to a symbol and its parameters.

The source of each row is the operator's page in ONNX's documentation (onnx.ai/onnx/operators).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper, shape_inference

from ..gamma import gamma_axes
from ..mx.symbol import Group, Symbol, Variable
from ..mx.symbol_type import call_operator
from .exporter import UnsupportedOperators
from .patterns import Found, find_activations

__all__ = ["import_model"]

Array = np.ndarray[Any, np.dtype[Any]]
Importer = Callable[["_Node"], Symbol]


def import_model(
    model: ModelProto | str | os.PathLike[str],
) -> tuple[Symbol, dict[str, Array], dict[str, Array]]:
    """The graph of an ONNX model as a symbol.

    Parameters
    ----------
    model : onnx.ModelProto or path-like
        Of the activations that `export` writes, gelu below opset 20 included, and basic arithmetic.

    Returns
    -------
    symbol : Symbol
    arguments : dict of str to ndarray
        The parameters. A slope of PRelu of shape (C, 1, 1) has become MXNet's gamma of shape (C,).
    states : dict of str to ndarray
        Auxiliary states: none, for no operator here has any.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the model fails ONNX's checker, or a parameter has no counterpart in MXNet; the message names the node.
    UnsupportedOperators
        If operators have no counterpart: all of them, with their nodes.

    Examples
    --------
    >>> from rectifier import mx
    >>> from rectifier.onnx import export, import_model
    >>> symbol = mx.sym.LeakyReLU(mx.sym.Variable("x"), act_type="gelu", name="act")
    >>> model = export(symbol, None, {"x": (2, 3)}, opset=9)
    >>> import_model(model)[0].attr_dict()
    {'act': {'act_type': 'gelu'}}
    """
    if not isinstance(model, ModelProto):
        try:
            model = onnx.load(os.fspath(model))
        except OSError:
            raise
        except Exception as error:  # protobuf's errors are of a type of its own
            raise ValueError(f"not an ONNX model: {error}") from None
    try:
        onnx.checker.check_model(model)
        model = shape_inference.infer_shapes(model)
    except (onnx.checker.ValidationError, shape_inference.InferenceError) as error:
        raise ValueError(f"not a valid ONNX model: {error}") from None
    return _Import(model).result()


@dataclass
class _Node:
    """One node that is read."""

    proto: NodeProto
    inputs: list[Symbol]
    name: str
    graph: _Import

    def attribute(self, name: str, default: Any) -> Any:
        for attribute in self.proto.attribute:
            if attribute.name == name:
                return helper.get_attribute_value(attribute)
        return default

    def constant(self, i: int) -> Array | None:
        """The array of an input that is a constant."""
        return self.graph.arrays.get(self.proto.input[i]) if i < len(self.proto.input) else None

    def call(self, operator: str, *inputs: Symbol, **values: Any) -> Symbol:
        return call_operator(operator, *(inputs or self.inputs), name=self.name, **values)

    def refuse(self, problem: str) -> ValueError:
        return ValueError(f"{problem}, in node {self.proto.name or self.name!r} (operator {self.proto.op_type})")


class _Import:
    """The state of one import."""

    def __init__(self, model: ModelProto) -> None:
        self.graph = model.graph
        self.opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        self.arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.shapes = {
            info.name: tuple(d.dim_value or -1 for d in info.type.tensor_type.shape.dim)
            for info in (*model.graph.input, *model.graph.value_info, *model.graph.output)
            if info.type.tensor_type.HasField("shape")
        }
        self._symbols: dict[str, Symbol] = {}
        self._gammas: dict[str, Symbol] = {}
        self._gamma_shapes: dict[str, tuple[int, ...]] = {}
        self.arguments: dict[str, Array] = {}
        self._found = find_activations(list(model.graph.node), self.arrays)

    def result(self) -> tuple[Symbol, dict[str, Array], dict[str, Array]]:
        nodes = self._nodes_to_read()
        self._refuse_unsupported(nodes)
        for node in nodes:
            self._read(node)
        outputs = [self.symbol(info.name) for info in self.graph.output]
        symbol = outputs[0] if len(outputs) == 1 else Group(outputs)
        used = set(symbol.list_inputs())
        return symbol, {name: array for name, array in self.arguments.items() if name in used}, {}

    def _nodes_to_read(self) -> list[NodeProto]:
        """The nodes that the outputs need, an activation that is spelled out counting as one."""
        makers = {node.output[0]: node for node in self.graph.node}
        needed: set[str] = set()
        waiting = [info.name for info in self.graph.output]
        while waiting:
            name = waiting.pop()
            if name in makers and name not in needed:
                needed.add(name)
                found = self._found.get(name)
                waiting += makers[name].input if found is None else found.inputs
        return [node for node in self.graph.node if node.output[0] in needed]

    def _refuse_unsupported(self, nodes: list[NodeProto]) -> None:
        missing: dict[str, list[str]] = {}
        for node in nodes:
            known = node.op_type in IMPORTERS and node.domain in ("", "ai.onnx")
            if not known and node.output[0] not in self._found:
                missing.setdefault(node.op_type, []).append(node.name or node.output[0])
        if missing:
            raise UnsupportedOperators(missing)

    def symbol(self, name: str) -> Symbol:
        """The symbol of a value; a parameter or an input becomes a variable."""
        if name not in self._symbols:
            if name in self.arrays:
                self.arguments[name] = self.arrays[name]
            self._symbols[name] = Variable(name)
        return self._symbols[name]

    def gamma(self, name: str, shape: tuple[int, ...]) -> Symbol:
        """The variable for a slope, under a name of its own where something else reads it in its own shape."""
        slope = self.arrays[name]
        readers = [node for node in self.graph.node if name in node.input]
        if shape == slope.shape:
            return self.symbol(name)
        alone = all(node.op_type == "PRelu" or self._is_within(node) for node in readers)
        own = name if alone and self._gamma_shapes.setdefault(name, shape) == shape else f"{name}_gamma"
        if own not in self._gammas:
            self._gammas[own] = Variable(own)
            self.arguments[own] = slope.reshape(shape)
        return self._gammas[own]

    def _is_within(self, node: NodeProto) -> bool:
        return any(node.output[0] in found.inner for found in self._found.values())

    def _read(self, proto: NodeProto) -> None:
        output = proto.output[0]
        name = output.removesuffix("_output")
        if proto.op_type == "Constant":
            self.arrays[output] = _constant_value(proto)
            return
        found = self._found.get(output)
        names = list(proto.input) if found is None else found.inputs
        node = _Node(proto, [self.symbol(each) for each in names], name, self)
        self._symbols[output] = IMPORTERS[proto.op_type](node) if found is None else _spelled_out(node, found)


def _constant_value(proto: NodeProto) -> Array:
    for attribute in proto.attribute:
        if attribute.name == "value":
            return numpy_helper.to_array(attribute.t)
        if attribute.name in ("value_float", "value_floats"):
            return np.asarray(helper.get_attribute_value(attribute), np.float32)
        if attribute.name in ("value_int", "value_ints"):
            return np.asarray(helper.get_attribute_value(attribute), np.int64)
    raise ValueError(f"a constant must be a number or an array of numbers, in node {proto.name!r} (operator Constant)")


def _spelled_out(node: _Node, found: Found) -> Symbol:
    slope = None if found.slope is None else node.graph.arrays.get(found.slope)
    if found.kind in ("gelu", "selu"):
        return node.call("LeakyReLU", act_type=found.kind)
    data = node.inputs[0]
    if slope is not None and slope.ndim == 0:
        if found.kind == "mask":
            number = _number(slope)
            return node.call("LeakyReLU", data, act_type="rrelu", lower_bound=number, upper_bound=number)[1]
        return node.call("LeakyReLU", data, act_type=found.kind, slope=_number(slope))
    if found.kind != "leaky":
        raise node.refuse("the slope must be a number")
    return _with_gamma(node, found.data, str(found.slope))


def _leaky(node: _Node) -> Symbol:
    return node.call("LeakyReLU", act_type="leaky", slope=_short(node.attribute("alpha", 0.01)))


def _elu(node: _Node) -> Symbol:
    return node.call("LeakyReLU", act_type="elu", slope=_short(node.attribute("alpha", 1.0)))


def _short(value: float) -> float:
    """The shortest decimal that is this float32: 0.1, not 0.10000000149011612."""
    return float(str(np.float32(value)))


def _selu(node: _Node) -> Symbol:
    alpha, gamma = node.attribute("alpha", 1.6732632), node.attribute("gamma", 1.0507010)
    if abs(alpha - 1.6732632) > 1e-6 or abs(gamma - 1.0507010) > 1e-6:
        raise node.refuse(f"alpha and gamma must be those of selu, got {alpha} and {gamma}")
    return node.call("LeakyReLU", act_type="selu")


def _gelu(node: _Node) -> Symbol:
    approximate = node.attribute("approximate", b"none").decode()
    if approximate != "none":
        raise node.refuse(f"`approximate` must be none, since MXNet has the exact gelu only, got {approximate}")
    return node.call("LeakyReLU", act_type="gelu")


def _prelu(node: _Node) -> Symbol:
    return _with_gamma(node, *node.proto.input)


def _with_gamma(node: _Node, data: str, slope: str) -> Symbol:
    array = node.graph.arrays.get(slope)
    if array is None:
        return node.call("LeakyReLU", act_type="prelu")
    variable = node.graph.gamma(slope, _gamma_shape(node, array.shape, node.graph.shapes.get(data)))
    return node.call("LeakyReLU", node.inputs[0], variable, act_type="prelu")


def _gamma_shape(node: _Node, slope: tuple[int, ...], data: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape by which MXNet's rule lines gamma up as ONNX lines up the slope."""
    if all(size == 1 for size in slope):
        return (1,)
    if data is None:
        raise node.refuse("the number of the data's dimensions must be known")
    full = (1,) * (len(data) - len(slope)) + slope
    known = tuple(10007 + i if size < 0 else size for i, size in enumerate(data))
    for shape in ((full[1:2]), full[:2], slope):
        try:
            if shape and gamma_axes(known, shape) == full:
                return shape
        except ValueError:
            continue
    raise node.refuse(f"a slope of shape {slope} for data of shape {data} has no counterpart among MXNet's gammas")


def _named(operator: str, **values: Any) -> Importer:
    return lambda node: node.call(operator, **values)


def _arithmetic(root: str, scalar: str, reverse: str | None) -> Importer:
    """Two tensors, or a tensor and a number where one is a constant without dimensions."""

    def importer(node: _Node) -> Symbol:
        if len(node.inputs) != 2:
            raise node.refuse(f"there must be two inputs, got {len(node.inputs)}")
        left, right = node.constant(0), node.constant(1)
        if right is not None and right.ndim == 0:
            return node.call(scalar, node.inputs[0], scalar=_number(right))
        if left is not None and left.ndim == 0:
            return node.call(reverse or scalar, node.inputs[1], scalar=_number(left))
        return node.call(f"broadcast_{root}")

    return importer


def _number(array: Array) -> float:
    return _short(array.item()) if array.dtype == np.float32 else float(array)


def _cast(node: _Node) -> Symbol:
    dtype = helper.tensor_dtype_to_np_dtype(node.attribute("to", 1))
    return node.call("Cast", dtype=dtype.name)


def _flatten(node: _Node) -> Symbol:
    if node.attribute("axis", 1) != 1:
        raise node.refuse(f"`axis` must be 1, got {node.attribute('axis', 1)}")
    return node.call("Flatten")


def _sum(node: _Node) -> Symbol:
    return node.call("add_n")


IMPORTERS: dict[str, Importer] = {
    "LeakyRelu": _leaky,
    "Elu": _elu,
    "Selu": _selu,
    "Gelu": _gelu,
    "PRelu": _prelu,
    "Softplus": _named("Activation", act_type="softrelu"),
    "Softsign": _named("Activation", act_type="softsign"),
    "Relu": _named("relu"),
    "Sigmoid": _named("sigmoid"),
    "Tanh": _named("tanh"),
    "Abs": _named("abs"),
    "Neg": _named("negative"),
    "Reciprocal": _named("reciprocal"),
    "Exp": _named("exp"),
    "Log": _named("log"),
    "Sqrt": _named("sqrt"),
    "Identity": _named("identity"),
    "Dropout": lambda node: node.call("identity", node.inputs[0]),
    "Flatten": _flatten,
    "Cast": _cast,
    "Sum": _sum,
    "Add": _arithmetic("add", "_plus_scalar", None),
    "Sub": _arithmetic("sub", "_minus_scalar", "_rminus_scalar"),
    "Mul": _arithmetic("mul", "_mul_scalar", None),
    "Div": _arithmetic("div", "_div_scalar", "_rdiv_scalar"),
    "Pow": _arithmetic("power", "_power_scalar", "_rpower_scalar"),
    "Max": _arithmetic("maximum", "_maximum_scalar", None),
    "Min": _arithmetic("minimum", "_minimum_scalar", None),
    "Constant": _named("identity"),
}
