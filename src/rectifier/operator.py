"""The operator: the one signature, its checks, and the hand-over to a back-end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core
from .dispatch import QUICK, backend_of
from .parameters import (
    ACTIVATIONS,
    LOWER_BOUND,
    SLOPE,
    UPPER_BOUND,
    Call,
    check_bounds,
    check_call,
    definitions,
    finite_as_float32,
)
from .random import key_from_rng

__all__ = ["LeakyReLU", "leaky_relu", "rrelu_slopes", "vjp"]

for _row in ACTIVATIONS.values():
    _core.register_activation(sys.intern(_row.name), _row.formula, _row.has_gamma, _row.is_random)


def _check(
    data: Any,
    gamma: Any,
    act_type: str,
    slope: float,
    lower_bound: float,
    upper_bound: float,
    training: bool,
    rng: Any,
    axis: Any,
) -> tuple[Call, ModuleType, Any]:
    """The checked call, the back-end for the data, and the key of the slopes where they are drawn."""
    backend = backend_of(data)
    call = check_call(
        act_type, slope, lower_bound, upper_bound, training, has_gamma=gamma is not None, has_axis=axis is not None,
        traced=getattr(backend, "TRACED", ()),
    )  # fmt: skip
    # The generator is checked in any case, and moves on only where slopes are drawn.
    if call.draws:
        return call, backend, backend.draw_key(rng)
    backend.check_rng(rng)
    return call, backend, None


def leaky_relu(
    data: Any,
    gamma: Any = None,
    act_type: str = "leaky",
    slope: float = SLOPE,
    lower_bound: float = LOWER_BOUND,
    upper_bound: float = UPPER_BOUND,
    *,
    training: bool = False,
    rng: int | np.random.Generator | None = None,
    axis: int | tuple[int, ...] | None = None,
    out: Any = None,
) -> Any:
    """Leaky rectifier activations: MXNet's LeakyReLU operator.

    ::

        {definitions}

    Phi and phi are the normal distribution's function and density; s is random in training.

    Parameters
    ----------
    data : array_like, any shape
        float16, bfloat16, float32 or float64; integers and bools become floats by NumPy's rule for its own functions.
    gamma : array_like, optional
        The slopes of prelu, required there and refused elsewhere. Its dimensions align, from the last, with axis 1 and
        then axis 0 of `data`: ``(C,)``, ``(1,)``, ``()``, ``(N, C)``; other shapes broadcast against `data` as in
        NumPy. `axis` overrides this.
    act_type : str, default "leaky"
        Which activation: one of the names above.
    slope : float, default 0.25
        Of leaky and elu: any finite number.
    lower_bound, upper_bound : float, default 0.125 and 0.333999991
        Of rrelu: slopes are uniform in [lower_bound, upper_bound) in training and the middle of the two otherwise.
    training : bool, default False
        Whether rrelu draws its slopes.
    rng : int, numpy.random.Generator or None
        Where rrelu's slopes come from: a key of 64 bits, a generator from which a key is drawn, or fresh entropy. The
        slope of an element is a function of the key and of the element's index in C order alone.
    axis : int or tuple of int, optional
        The axes of `data` that gamma's dimensions belong to.
    out : ndarray, optional
        Where to write the result; may be `data` itself or overlap it.

    Returns
    -------
    ndarray
        Of the shape, dtype and layout of `data`; a scalar where `data` has no dimensions.

    Raises
    ------
    TypeError
        If an argument is of the wrong type or dtype.
    ValueError
        If an argument is out of range or arrays do not fit together. Nothing has been written then.

    Notes
    -----
    Zero, minus zero and NaN take the second branch. Errors are at most 1 ULP in float32 for every input, 0.505 ULP in
    the 16-bit types and 2 ULP in float64. Parameters are rounded once to the arithmetic type, which is float64 for
    float64 and float32 for all else. The source of the formulas is MXNet 1.6.0's documentation; of gelu, Hendrycks
    and Gimpel (arXiv:1606.08415); of selu, Klambauer et al. (arXiv:1706.02515); of rrelu, Xu et al. (arXiv:1505.00853).

    Examples
    --------
    >>> import numpy as np
    >>> from rectifier import leaky_relu
    >>> x = np.array([-2.0, -1.0, 0.0, 3.0], dtype=np.float32)
    >>> leaky_relu(x)
    array([-0.5 , -0.25,  0.  ,  3.  ], dtype=float32)
    >>> leaky_relu(x, act_type="elu", slope=1.0)
    array([-0.86466473, -0.63212055,  0.        ,  3.        ], dtype=float32)
    >>> leaky_relu(x.reshape(2, 2), gamma=[0.5, 0.1], act_type="prelu")
    array([[-1. , -0.1],
           [ 0. ,  3. ]], dtype=float32)
    """
    quick = QUICK.get(type(data))
    if quick is not None:
        result = quick(data, gamma, act_type, slope, lower_bound, upper_bound, training, rng, axis, out)
        if result is not NotImplemented:
            return result
    call, backend, key = _check(data, gamma, act_type, slope, lower_bound, upper_bound, training, rng, axis)
    return backend.forward(call, data, gamma, axis, key, out)


if leaky_relu.__doc__:  # not under python -OO
    leaky_relu.__doc__ = leaky_relu.__doc__.replace("{definitions}", definitions(" " * 8))
LeakyReLU = leaky_relu


def vjp(
    data: Any,
    gamma: Any = None,
    act_type: str = "leaky",
    slope: float = SLOPE,
    lower_bound: float = LOWER_BOUND,
    upper_bound: float = UPPER_BOUND,
    *,
    training: bool = False,
    rng: int | np.random.Generator | None = None,
    axis: int | tuple[int, ...] | None = None,
    out: Any = None,
) -> tuple[Any, Callable[..., Any]]:
    """The operator's value and its pullback, the product of a vector with the Jacobian.

    Parameters
    ----------
    data, gamma, act_type, slope, lower_bound, upper_bound, training, rng, axis, out
        As in `leaky_relu`.

    Returns
    -------
    out : ndarray
        What `leaky_relu` returns.
    pullback : callable
        ``pullback(d_out, out=None)`` takes the gradient with respect to the output, of the output's shape, to
        ``d_data``, or to ``(d_data, d_gamma)`` for prelu; ``out`` is an array to write to, for prelu a pair. It may
        be called any number of times, and is right as long as the caller changes neither `data` nor `out`.

    Raises
    ------
    TypeError, ValueError
        As `leaky_relu`; the pullback, for a `d_out` or `out` that does not fit.

    Notes
    -----
    leaky and rrelu keep their output, not their input, where no slope is negative; the others keep the input. rrelu
    draws its slopes again. ``d_gamma`` is summed in float64 in an order that depends on the shapes alone and is
    rounded once. Derivatives have the accuracy that `leaky_relu` states.

    Examples
    --------
    >>> import numpy as np
    >>> from rectifier import vjp
    >>> x = np.array([[-2.0, 1.0], [-4.0, -8.0]])
    >>> y, pullback = vjp(x, gamma=[0.5, 0.25], act_type="prelu")
    >>> d_x, d_gamma = pullback(np.ones_like(x))
    >>> d_x
    array([[0.5 , 1.  ],
           [0.5 , 0.25]])
    >>> d_gamma
    array([-6., -8.])
    """
    result: tuple[Any, Callable[..., Any]]
    if type(data) is np.ndarray:
        result = _core.vjp(data, gamma, act_type, slope, lower_bound, upper_bound, training, rng, axis, out)
        if result is not NotImplemented:
            return result
    call, backend, key = _check(data, gamma, act_type, slope, lower_bound, upper_bound, training, rng, axis)
    result = backend.vjp(call, data, gamma, axis, key, out)
    return result


def rrelu_slopes(
    shape: int | tuple[int, ...],
    rng: int | np.random.Generator | None,
    lower_bound: float = LOWER_BOUND,
    upper_bound: float = UPPER_BOUND,
    dtype: npt.DTypeLike = np.float32,
) -> npt.NDArray[Any]:
    """The slopes that rrelu draws in training for data of this shape.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the data.
    rng : int, numpy.random.Generator or None
        As in `leaky_relu`.
    lower_bound, upper_bound : float, default 0.125 and 0.333999991
        As in `leaky_relu`.
    dtype : float32 or float64, default float32
        Of the result. The slopes are float32 numbers with 24 random bits in either.

    Returns
    -------
    ndarray of `dtype`
        Uniform in [lower_bound, upper_bound), the bounds rounded to float32.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    Notes
    -----
    The slope of element i in C order comes from word i mod 4 of Philox4x32-10 with counter i div 4 (Salmon et al.,
    "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

    Examples
    --------
    >>> import numpy as np
    >>> from rectifier import leaky_relu, rrelu_slopes
    >>> y = leaky_relu(-np.ones(5, np.float32), act_type="rrelu", training=True, rng=7)
    >>> bool((y == -rrelu_slopes(5, 7)).all())
    True
    """
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"`dtype` must be float32 or float64, got {dtype!r}") from None
    if wanted not in (np.float32, np.float64):
        raise TypeError(f"`dtype` must be float32 or float64, got {wanted}")
    lower, upper = check_bounds(lower_bound, upper_bound)
    finite_as_float32("lower_bound", lower)
    finite_as_float32("upper_bound", upper)
    try:
        slopes = np.empty(shape, np.float32)
    except (TypeError, ValueError) as error:
        expected = "`shape` must be an integer or a tuple of integers, 0 or more"
        raise type(error)(f"{expected}, got {shape!r}") from None
    _core.draw_slopes(slopes, key_from_rng(rng), lower, upper)
    return slopes if wanted == np.float32 else slopes.astype(wanted)
