"""The functions of ``mx.nd``: one for each operator of the table, and Python's arithmetic by its names."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable
from typing import Any

from ..base import MXNetError
from ..operators import callable_names, operator_of
from .arithmetic import binary
from .array import NDArray
from .invoke import invoke

__all__ = ["ARITHMETIC", "METHODS", "LeakyReLU", "names", "operator_function"]


def LeakyReLU(
    data: NDArray | None = None,
    gamma: NDArray | None = None,
    act_type: str | None = None,
    slope: float | None = None,
    lower_bound: float | None = None,
    upper_bound: float | None = None,
    out: Any = None,
    name: str | None = None,
    **kwargs: Any,
) -> Any:
    """One of the six activations of an array: MXNet's operator.

    Parameters
    ----------
    data : NDArray
        float16, float32 or float64, of any shape.
    gamma : NDArray, optional
        The slopes of prelu, and only of prelu; of data's dtype, for axis 1 and then axis 0 of `data`, from the right.
    act_type : {"leaky", "elu", "selu", "gelu", "prelu", "rrelu"}, default "leaky"
    slope : float, default 0.25
        Of leaky and elu.
    lower_bound, upper_bound : float, default 0.125 and 0.333999991
        Of rrelu: slopes are drawn from between them while `autograd.is_training()`, and are the middle otherwise.
    out : NDArray or list of NDArray, optional
        Where to write; may be `data`.
    name : str, optional
        Without effect, as in MXNet.

    Returns
    -------
    NDArray, or a list of two for rrelu
        The activation. For rrelu also the mask: the slope of each element, and 1 where `data` is above zero.

    Raises
    ------
    MXNetError
        If a parameter is unknown or out of range, or the arrays do not fit together.

    Notes
    -----
    Values, gradients and accuracy are those of `rectifier.leaky_relu`. The key of rrelu's slopes comes from the
    generator that `mx.random.seed` sets.

    Examples
    --------
    >>> from rectifier import mx
    >>> x = mx.nd.array([-2.0, 3.0])
    >>> mx.nd.LeakyReLU(x, act_type="elu", slope=1.0)
    <BLANKLINE>
    [-0.86466473  3.        ]
    <NDArray 2 @cpu(0)>
    """
    inputs = {key: value for key, value in (("data", data), ("gamma", gamma)) if value is not None}
    given = {"act_type": act_type, "slope": slope, "lower_bound": lower_bound, "upper_bound": upper_bound}
    values = {key: value for key, value in given.items() if value is not None}
    _check_arrays("LeakyReLU", inputs)
    return invoke("LeakyReLU", list(inputs.values()), {**values, **kwargs}, out)


def operator_function(called: str) -> Callable[..., Any]:
    """The function of an operator of the table, under this name."""
    row = operator_of(called)
    assert row is not None
    assert row.parameters is not None
    order = (*row.all_inputs, *(parameter.name for parameter in row.parameters))
    free = row.count is not None

    def function(*args: Any, out: Any = None, name: str | None = None, **kwargs: Any) -> Any:
        if free:
            inputs: dict[Any, Any] = dict(enumerate(args))
        else:
            if len(args) > len(order):
                raise TypeError(f"{called} takes at most {len(order)} arguments ({', '.join(order)}), got {len(args)}")
            kwargs = {**dict(zip(order, args, strict=False)), **kwargs}
            inputs = {key: kwargs.pop(key) for key in row.all_inputs if key in kwargs}
        _check_arrays(called, inputs)
        return invoke(called, list(inputs.values()), kwargs, out)

    function.__name__ = function.__qualname__ = called
    inputs = "arrays" if free else ", ".join(order)
    function.__doc__ = f"MXNet's operator {called} of {inputs}; `out` is where to write, `name` has no effect."
    return function


def method_function(called: str) -> Callable[..., Any]:
    """The function that calls a method of its first argument; it always makes a new array."""

    def function(data: NDArray, *args: Any, out: Any = None, name: str | None = None, **kwargs: Any) -> Any:
        _check_arrays(called, {"data": data})
        result = getattr(data, called)(*args, **kwargs)
        if out is None:
            return result.copy() if called == "reshape" else result
        return result.copyto(out)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"`NDArray.{called}` as a function of the array."
    return function


def names() -> list[str]:
    """The operators that have a function."""
    return [name for name in callable_names() if name[0] != "_"]


def _check_arrays(called: str, inputs: Any) -> None:
    for key, value in inputs.items():
        if not isinstance(value, NDArray):
            raise TypeError(f"`{key}` must be an NDArray, got {type(value).__name__}, in {called}")
    if not inputs:
        raise MXNetError(f"Operator {called} expects at least 1 input, but got 0 instead.")


def _python_operator(
    plain: Callable[[Any, Any], Any], both: str, scalar: str, reverse: str | None = None
) -> Callable[..., Any]:
    """A function of two arrays, an array and a number, or two numbers."""

    def function(lhs: Any, rhs: Any) -> Any:
        if isinstance(lhs, numbers.Real) and isinstance(rhs, numbers.Real):
            return plain(lhs, rhs)
        return binary(lhs, rhs, both, scalar, reverse)

    function.__doc__ = f"MXNet's {both} of two arrays, or of an array and a number."
    return function


ARITHMETIC = {
    "add": _python_operator(operator.add, "broadcast_add", "_plus_scalar"),
    "subtract": _python_operator(operator.sub, "broadcast_sub", "_minus_scalar", "_rminus_scalar"),
    "multiply": _python_operator(operator.mul, "broadcast_mul", "_mul_scalar"),
    "divide": _python_operator(operator.truediv, "broadcast_div", "_div_scalar", "_rdiv_scalar"),
    "true_divide": _python_operator(operator.truediv, "broadcast_div", "_div_scalar", "_rdiv_scalar"),
    "modulo": _python_operator(operator.mod, "broadcast_mod", "_mod_scalar", "_rmod_scalar"),
    "power": _python_operator(operator.pow, "broadcast_power", "_power_scalar", "_rpower_scalar"),
    "maximum": _python_operator(max, "broadcast_maximum", "_maximum_scalar"),
    "minimum": _python_operator(min, "broadcast_minimum", "_minimum_scalar"),
    "equal": _python_operator(operator.eq, "broadcast_equal", "_equal_scalar"),
    "not_equal": _python_operator(operator.ne, "broadcast_not_equal", "_not_equal_scalar"),
    "greater": _python_operator(operator.gt, "broadcast_greater", "_greater_scalar", "_lesser_scalar"),
    "greater_equal": _python_operator(
        operator.ge, "broadcast_greater_equal", "_greater_equal_scalar", "_lesser_equal_scalar"
    ),
    "lesser": _python_operator(operator.lt, "broadcast_lesser", "_lesser_scalar", "_greater_scalar"),
    "lesser_equal": _python_operator(
        operator.le, "broadcast_lesser_equal", "_lesser_equal_scalar", "_greater_equal_scalar"
    ),
}
METHODS = {
    name: method_function(name)
    for name in (
        "argmax", "argmin", "broadcast_to", "clip", "expand_dims", "log_softmax", "max", "min", "norm", "reshape",
        "reshape_like", "slice_axis", "softmax", "squeeze", "swapaxes", "to_dlpack_for_read", "to_dlpack_for_write",
        "transpose",
    )
}  # fmt: skip
