"""What each of ONNX's operators becomes in MXNet's graphs.

The source of each row is the operator's page in ONNX's documentation (onnx.ai/onnx/operators).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper

from ..gamma import gamma_axes
from ..mx.symbol import Symbol
from ..mx.symbol_type import call_operator
from .patterns import Found

if TYPE_CHECKING:
    from .importer import GraphImport

__all__ = ["IMPORTERS", "ImportedNode", "constant_value", "spelled_out"]

Array = np.ndarray[Any, np.dtype[Any]]
Importer = Callable[["ImportedNode"], Symbol]


@dataclass
class ImportedNode:
    """One node that is read."""

    proto: NodeProto
    inputs: list[Symbol]
    name: str
    graph: GraphImport

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


def constant_value(proto: NodeProto) -> Array:
    for attribute in proto.attribute:
        if attribute.name == "value":
            return numpy_helper.to_array(attribute.t)
        if attribute.name in ("value_float", "value_floats"):
            return np.asarray(helper.get_attribute_value(attribute), np.float32)
        if attribute.name in ("value_int", "value_ints"):
            return np.asarray(helper.get_attribute_value(attribute), np.int64)
    raise ValueError(f"a constant must be a number or an array of numbers, in node {proto.name!r} (operator Constant)")


def spelled_out(node: ImportedNode, found: Found) -> Symbol:
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


def _leaky(node: ImportedNode) -> Symbol:
    return node.call("LeakyReLU", act_type="leaky", slope=_short(node.attribute("alpha", 0.01)))


def _elu(node: ImportedNode) -> Symbol:
    return node.call("LeakyReLU", act_type="elu", slope=_short(node.attribute("alpha", 1.0)))


def _short(value: float) -> float:
    """The shortest decimal that is this float32: 0.1, not 0.10000000149011612."""
    return float(str(np.float32(value)))


def _selu(node: ImportedNode) -> Symbol:
    alpha, gamma = node.attribute("alpha", 1.6732632), node.attribute("gamma", 1.0507010)
    if abs(alpha - 1.6732632) > 1e-6 or abs(gamma - 1.0507010) > 1e-6:
        raise node.refuse(f"alpha and gamma must be those of selu, got {alpha} and {gamma}")
    return node.call("LeakyReLU", act_type="selu")


def _gelu(node: ImportedNode) -> Symbol:
    approximate = node.attribute("approximate", b"none").decode()
    if approximate != "none":
        raise node.refuse(f"`approximate` must be none, since MXNet has the exact gelu only, got {approximate}")
    return node.call("LeakyReLU", act_type="gelu")


def _prelu(node: ImportedNode) -> Symbol:
    return _with_gamma(node, *node.proto.input)


def _with_gamma(node: ImportedNode, data: str, slope: str) -> Symbol:
    array = node.graph.arrays.get(slope)
    if array is None:
        return node.call("LeakyReLU", act_type="prelu")
    variable = node.graph.gamma(slope, _gamma_shape(node, array.shape, node.graph.shapes.get(data)))
    return node.call("LeakyReLU", node.inputs[0], variable, act_type="prelu")


def _gamma_shape(node: ImportedNode, slope: tuple[int, ...], data: tuple[int, ...] | None) -> tuple[int, ...]:
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

    def importer(node: ImportedNode) -> Symbol:
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


def _cast(node: ImportedNode) -> Symbol:
    dtype = helper.tensor_dtype_to_np_dtype(node.attribute("to", 1))
    return node.call("Cast", dtype=dtype.name)


def _flatten(node: ImportedNode) -> Symbol:
    if node.attribute("axis", 1) != 1:
        raise node.refuse(f"`axis` must be 1, got {node.attribute('axis', 1)}")
    return node.call("Flatten")


def _sum(node: ImportedNode) -> Symbol:
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
