"""Arithmetic and mathematics of MXNet's in PyTorch: the functions of `compute`, and those that modules take otherwise.

A module is traced by compilers. So a number stays a number where torch rounds it as MXNet does, and sizes stay symbols.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from .. import leaky_relu
from .. import torch as modules
from .compute import COMPUTE
from .operators import operator_of
from .torch_table import FUNCTIONS, Values, fill, function, layer

__all__ = ["cbrt", "torch_dtype"]

FUNCTIONS.update(COMPUTE)

# --- of two or more: MXNet wants one dtype, and torch's autocast makes two


def _promoted(compute: Callable[..., Any]) -> Callable[..., Any]:
    def of_one_dtype(tensors: list[Tensor], values: Values, training: bool) -> Any:
        dtype = reduce(torch.promote_types, (tensor.dtype for tensor in tensors))
        return compute([tensor.to(dtype) for tensor in tensors], values, training)

    return of_one_dtype


for _name in COMPUTE:
    _row = operator_of(_name)
    if _row is not None and (_row.count or _row.inputs == ("lhs", "rhs")):
        function(_name)(_promoted(COMPUTE[_name]))

# --- with a number

Two = Callable[[Any, Any], Any]

# By the names that MXNet gives the functions of an array and a number; exact where the dtype is float32 or float64.
_WITH_NUMBER: dict[str, Two] = {
    "plus": operator.add,
    "minus": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "power": operator.pow,
    "maximum": lambda x, number: torch.where((x >= number) | x.isnan(), x, number),
    "minimum": lambda x, number: torch.where((x <= number) | x.isnan(), x, number),
    "equal": lambda x, number: (x == number).to(x.dtype),
    "not_equal": lambda x, number: (x != number).to(x.dtype),
    "greater": lambda x, number: (x > number).to(x.dtype),
    "greater_equal": lambda x, number: (x >= number).to(x.dtype),
    "lesser": lambda x, number: (x < number).to(x.dtype),
    "lesser_equal": lambda x, number: (x <= number).to(x.dtype),
}


def _enter_with_number(name: str, compute: Two) -> None:
    rounded = COMPUTE[name]  # rounds the number to the array's dtype first

    def with_number(tensors: list[Tensor], values: Values, training: bool) -> Any:
        x = tensors[0]
        if x.dtype in (torch.float32, torch.float64):
            return compute(x, values["scalar"])
        return rounded(tensors, values, training)

    function(name)(with_number)


def _number_first(compute: Two) -> Two:
    return lambda x, number: compute(number, x)


for _name, _compute in _WITH_NUMBER.items():
    _enter_with_number(f"_{_name}_scalar", _compute)
for _name, _compute in {"minus": operator.sub, "div": operator.truediv, "power": operator.pow}.items():
    _enter_with_number(f"_r{_name}_scalar", _number_first(_compute))

# --- logic: 0 and 1 in the data's dtype

_LOGIC: dict[str, Two] = {"and": torch.logical_and, "or": torch.logical_or, "xor": torch.logical_xor}


def _enter_logic(name: str, compute: Two) -> None:
    @function(f"_logical_{name}", f"broadcast_logical_{name}")
    def of_two(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
        result: Tensor = compute(*tensors).to(tensors[0].dtype)
        return result

    @function(f"_logical_{name}_scalar")
    def with_number(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
        truth = torch.full_like(tensors[0], float(values["scalar"] != 0))
        result: Tensor = compute(tensors[0], truth).to(tensors[0].dtype)
        return result


for _name, _compute in _LOGIC.items():
    _enter_logic(_name, _compute)

# --- of one array


def _round(x: Tensor) -> Tensor:
    """Halves away from zero, in C's words."""
    return torch.where(x.abs() % 1 == 0.5, x.sign() * x.abs().ceil(), x.round())


def _rint(x: Tensor) -> Tensor:
    """The nearer of floor and ceil, and floor where both are as near."""
    return torch.where(x - x.floor() <= x.ceil() - x, x.floor(), x.ceil())


def cbrt(x: Tensor) -> Tensor:
    return x.sign() * x.abs().pow(1 / 3)


_ONE: dict[str, Callable[[Tensor], Tensor]] = {
    "rcbrt": lambda x: cbrt(x).reciprocal(),
    "cbrt": cbrt,
    "log2": torch.log2,
    "log10": torch.log10,
    "rint": _rint,
    "round": _round,
    "trunc": torch.trunc,
    "fix": torch.trunc,
    "tan": torch.tan,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "arcsin": torch.asin,
    "arccos": torch.acos,
    "arctan": torch.atan,
    "arcsinh": torch.asinh,
    "arccosh": torch.acosh,
    "arctanh": torch.atanh,
    "degrees": torch.rad2deg,
    "radians": torch.deg2rad,
    "logical_not": lambda x: (x == 0).to(x.dtype),
    "gamma": lambda x: torch.lgamma(x).exp() * _gamma_sign(x),
    "gammaln": torch.lgamma,
    "erfinv": torch.erfinv,
    # What only a gradient of MXNet's own sees.
    "make_loss": torch.clone,
    "MakeLoss": torch.clone,
    "LinearRegressionOutput": torch.clone,
    "MAERegressionOutput": torch.clone,
    "SVMOutput": torch.clone,
    "IdentityAttachKLSparseReg": torch.clone,
    "LogisticRegressionOutput": torch.sigmoid,
}


def _gamma_sign(x: Tensor) -> Tensor:
    """Below zero the function changes its sign at each integer."""
    return torch.where((x < 0) & (x.floor() % 2 != 0), -1.0, 1.0).to(x.dtype)


def _enter_one(name: str, compute: Callable[[Tensor], Tensor]) -> None:
    function(name)(lambda tensors, values, training: compute(tensors[0]))


for _name, _of_one in _ONE.items():
    _enter_one(_name, _of_one)


@function("_grad_add")
def _add(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return tensors[0] + tensors[1]


@function("clip")
def _clip(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, bounds = tensors[0], (values["a_min"], values["a_max"])
    return x.clamp(*bounds) if x.dtype.is_floating_point else x.clamp(*map(int, bounds))


@function("hard_sigmoid")
def _hard_sigmoid(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return (tensors[0] * values["alpha"] + values["beta"]).clamp(0, 1)


@function("smooth_l1")
def _smooth_l1(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, square = tensors[0], values["scalar"] ** 2
    return torch.where(x.abs() < 1 / square, 0.5 * square * x * x, x.abs() - 0.5 / square)


def torch_dtype(name: str) -> torch.dtype:
    """torch's dtype of NumPy's name."""
    result: torch.dtype = getattr(torch, name)
    return result


@function("amp_cast")
def _amp_cast(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    """Between float16 and float32 only."""
    narrow = (torch.float16, torch.float32)
    dtype = torch_dtype(values["dtype"])
    return tensors[0].to(dtype) if tensors[0].dtype in narrow and dtype in narrow else tensors[0].clone()


@function("Cast")
def _cast(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return tensors[0].to(torch_dtype(values["dtype"]))


# --- activations, which are modules

_ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "softsign": nn.Softsign}


@layer("Activation")
def _activation(values: Values, tensors: Any) -> nn.Module | None:
    kind = _ACTIVATIONS.get(values["act_type"])
    return kind() if kind else None


for _name, _kind in _ACTIVATIONS.items():
    layer(_name)(lambda values, tensors, kind=_kind: kind())


@layer("LeakyReLU")
def _leaky_relu(values: Values, tensors: Any) -> nn.Module | None:
    act_type = values["act_type"]
    if act_type == "prelu":
        gamma = tensors[0] if tensors else None
        if gamma is None or (gamma.ndim > 1 and gamma.numel() > 1):
            return None  # MXNet's rules for other shapes, which the function knows
        with torch.device("meta"):
            return fill(modules.PReLU(gamma.numel()), weight=gamma)
    make: dict[str, Callable[[], nn.Module]] = {
        "leaky": lambda: modules.LeakyReLU(values["slope"]),
        "elu": lambda: modules.ELU(values["slope"]),
        "selu": modules.SELU,
        "gelu": modules.GELU,
        "rrelu": lambda: modules.RReLU(values["lower_bound"], values["upper_bound"]),
    }
    return make[act_type]()


@function("LeakyReLU")
def _prelu(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    """With a gamma that is an input, or whose shape is none of a module's."""
    result: Tensor = leaky_relu(*tensors, **values)
    return result
