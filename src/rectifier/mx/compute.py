"""What each of MXNet's operators does to tensors: `COMPUTE`, by the name that the operator has in files.

`nd` and the executor both look here. The activations are rectifier's own; the rest is PyTorch's, by MXNet's rules for
dtypes, integers and ties. A result never shares memory with an input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import Tensor

from .. import leaky_relu
from ..parameters import ACTIVATIONS
from . import random
from .base import MXNetError

__all__ = ["COMPUTE", "DTYPES", "FLAT", "LOSSES", "apply", "axes_of", "scalar"]

Values = Mapping[str, Any]
Outputs = tuple[Tensor, ...]

DTYPES: Mapping[np.dtype[Any], torch.dtype] = {
    np.dtype(np.float32): torch.float32,
    np.dtype(np.float64): torch.float64,
    np.dtype(np.float16): torch.float16,
    np.dtype(np.uint8): torch.uint8,
    np.dtype(np.int8): torch.int8,
    np.dtype(np.int16): torch.int16,
    np.dtype(np.int32): torch.int32,
    np.dtype(np.int64): torch.int64,
    np.dtype(np.bool_): torch.bool,
    np.dtype(ml_dtypes.bfloat16): torch.bfloat16,
}

# Operators that make their own gradient, whatever the head gradient is.
LOSSES = frozenset({"make_loss", "MakeLoss"})


def apply(operator: str, tensors: list[Tensor], values: Values, training: bool) -> Outputs:
    """The outputs of an operator.

    Raises
    ------
    MXNetError
        If the operator cannot be computed here, or refuses its inputs.
    """
    compute = COMPUTE.get(operator)
    if compute is None:
        raise MXNetError(f"operator {operator} cannot be computed here, only {', '.join(sorted(COMPUTE))}")
    try:
        result = compute(tensors, values, training)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise MXNetError(f"{error}, in operator {operator}") from error
    return result if isinstance(result, tuple) else (result,)


def scalar(number: float, like: Tensor) -> Tensor:
    """A number in the dtype of a tensor: MXNet rounds it before it computes."""
    return torch.tensor(number, dtype=torch.float64).to(like.dtype).to(like.device)


def _leaky_relu(tensors: list[Tensor], values: Values, training: bool) -> Tensor | Outputs:
    data = tensors[0]
    if not data.dtype.is_floating_point:
        raise TypeError(f"This operation only support floating point types, not {_name(data)}")
    if len(tensors) == 2:
        _same_dtype(tensors)
    if not ACTIVATIONS[values["act_type"]].is_random:
        gamma = tensors[1] if len(tensors) == 2 else None
        plain: Tensor = leaky_relu(data, gamma, **values)
        return plain
    # A key of its own for each call; outside training no slope is drawn, and the generator stays where it is.
    options = {**values, "training": training, "rng": random.next_key() if training else None}
    with torch.enable_grad():
        leaf = data.detach().requires_grad_()
        (mask,) = torch.autograd.grad(leaky_relu(leaf, **options), leaf, torch.ones_like(leaf))
    return leaky_relu(data, **options), mask  # the mask is the derivative: the slope for x <= 0, and 1


def _softrelu(x: Tensor) -> Tensor:
    return torch.logaddexp(x, torch.zeros_like(x))


_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softrelu": _softrelu,
    "softsign": torch.nn.functional.softsign,
}


def _activation(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return _ACTIVATIONS[values["act_type"]](tensors[0])


def _divide(a: Tensor, b: Tensor) -> Tensor:
    return torch.div(a, b, rounding_mode=None if a.dtype.is_floating_point else "trunc")


def _modulo(a: Tensor, b: Tensor) -> Tensor:
    """The remainder with the divisor's sign; that of a division by 0 is 0."""
    zero = b == 0
    return torch.where(zero, torch.zeros_like(a), torch.remainder(a, torch.where(zero, torch.ones_like(b), b)))


def _power(a: Tensor, b: Tensor) -> Tensor:
    return torch.pow(a, b) if a.dtype.is_floating_point else torch.pow(a.double(), b.double()).to(a.dtype)


def _maximum(a: Tensor, b: Tensor) -> Tensor:
    """The left one where the two are equal, which gets all of the gradient then."""
    return torch.where((a >= b) | a.isnan(), a, b)


def _minimum(a: Tensor, b: Tensor) -> Tensor:
    return torch.where((a <= b) | a.isnan(), a, b)


def _compared(compare: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda a, b: compare(a, b).to(a.dtype)


_BINARY: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": _divide,
    "mod": _modulo,
    "power": _power,
    "maximum": _maximum,
    "minimum": _minimum,
    "hypot": torch.hypot,
    "equal": _compared(torch.eq),
    "not_equal": _compared(torch.ne),
    "greater": _compared(torch.gt),
    "greater_equal": _compared(torch.ge),
    "lesser": _compared(torch.lt),
    "lesser_equal": _compared(torch.le),
}
# Where the name of a function with a scalar is not that of the function.
_SCALAR_NAMES = {"add": "plus", "sub": "minus"}
_REVERSED = ("sub", "div", "mod", "power")

_UNARY: Mapping[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "negative": torch.neg,
    "reciprocal": torch.reciprocal,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softsign": torch.nn.functional.softsign,
    "sign": torch.sign,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "expm1": torch.expm1,
    "log1p": torch.log1p,
    "rsqrt": torch.rsqrt,
    "sin": torch.sin,
    "cos": torch.cos,
    "erf": torch.erf,
    "_copy": torch.clone,
    "BlockGrad": lambda x: x.detach().clone(),
    "zeros_like": lambda x: torch.zeros_like(x.detach()),
    "ones_like": lambda x: torch.ones_like(x.detach()),
    "Flatten": lambda x: x.reshape(x.shape[0], -1).clone(),
}

# Operators whose gradient is zero, whatever the head gradient is.
FLAT = frozenset(
    {
        *("BlockGrad", "zeros_like", "ones_like", "floor", "ceil"),
        *(
            f"{prefix}{name}{ending}"
            for name in ("equal", "not_equal", "greater", "greater_equal", "lesser", "lesser_equal")
            for prefix, ending in (("_", ""), ("_", "_scalar"), ("broadcast_", ""))
        ),
    }
)


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda tensors, values, training: function(tensors[0])


def _binary(function: Callable[[Tensor, Tensor], Tensor], *, stretch: bool) -> Callable[..., Tensor]:
    def compute(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
        _same_dtype(tensors)
        if not stretch:
            _same_shape(tensors)
        return function(*tensors)

    return compute


def _with_scalar(function: Callable[[Tensor, Tensor], Tensor], *, reverse: bool = False) -> Callable[..., Tensor]:
    def compute(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
        other = scalar(values["scalar"], tensors[0])
        return function(other.expand_as(tensors[0]), tensors[0]) if reverse else function(tensors[0], other)

    return compute


def _same_dtype(tensors: list[Tensor]) -> None:
    for i, tensor in enumerate(tensors):
        if tensor.dtype != tensors[0].dtype:
            raise TypeError(
                f"Incompatible attr in node at {i}-th input: expected {_name(tensors[0])}, got {_name(tensor)}"
            )


def _same_shape(tensors: list[Tensor]) -> None:
    for i, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            expected, got = ([*one.shape] for one in (tensors[0], tensor))
            raise ValueError(f"Incompatible attr in node at {i}-th input: expected {expected}, got {got}")


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _add_n(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    _same_dtype(tensors)
    _same_shape(tensors)
    total = tensors[0].clone()
    for tensor in tensors[1:]:
        total = total + tensor
    return total


def _cast(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return tensors[0].to(DTYPES[np.dtype(values["dtype"])], copy=True)


def axes_of(x: Tensor, values: Values) -> list[int]:
    """The axes that a reduction takes away."""
    named = values["axis"]
    if named is None or named == ():
        return list(range(x.ndim))
    for axis in named:
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"Reduction axis {axis} Exceeds input dimensions {[*x.shape]}")
    axes = {axis % x.ndim for axis in named}
    return [axis for axis in range(x.ndim) if (axis in axes) != values["exclude"]]


def _sum(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0]
    axes = axes_of(x, values)
    total = x.sum(dim=axes, keepdim=values["keepdims"], dtype=x.dtype) if axes else x.clone()
    return total if total.ndim else total.reshape(1)  # MXNet has no arrays without axes


def _mean(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0]
    count = scalar(float(np.prod([x.shape[axis] for axis in axes_of(x, values)])), torch.empty(0, dtype=x.dtype))
    return _divide(_sum(tensors, values, training), count.to(x.device))


class _MakeLoss(torch.autograd.Function):
    """The data itself, whose gradient is a constant."""

    @staticmethod
    def forward(ctx: Any, data: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return data.clone()

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> Any:
        return torch.full_like(d_out, ctx.scale), None


def _make_loss(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0]
    scale, kind = values.get("grad_scale", 1.0), values.get("normalization", "null")
    if kind == "batch":
        scale /= x.shape[0]
    elif kind == "valid":
        scale /= max(int((x.detach() > values["valid_thresh"]).sum()), 1)
    loss: Tensor = _MakeLoss.apply(x, float(scale))  # type: ignore[no-untyped-call]
    return loss


def _prefix(name: str) -> str:
    return "elemwise_" if name in ("add", "sub", "mul", "div") else "_"


COMPUTE: Mapping[str, Callable[[list[Tensor], Values, bool], Tensor | Outputs]] = {
    "LeakyReLU": _leaky_relu,
    "Activation": _activation,
    "add_n": _add_n,
    "Cast": _cast,
    "sum": _sum,
    "mean": _mean,
    "make_loss": _make_loss,
    "MakeLoss": _make_loss,
    **{name: _unary(function) for name, function in _UNARY.items()},
    **{f"{_prefix(name)}{name}": _binary(function, stretch=False) for name, function in _BINARY.items()},
    **{f"broadcast_{name}": _binary(function, stretch=True) for name, function in _BINARY.items()},
    **{f"_{_SCALAR_NAMES.get(name, name)}_scalar": _with_scalar(function) for name, function in _BINARY.items()},
    **{f"_r{_SCALAR_NAMES.get(name, name)}_scalar": _with_scalar(_BINARY[name], reverse=True) for name in _REVERSED},
}
