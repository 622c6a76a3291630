"""The activations and their derivatives in plain float64 NumPy: the readable specification.

x = 0, -0 and NaN take the second branch everywhere. The random slopes of rrelu stand in `rectifier.random`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .gamma import gamma_axes
from .parameters import SLOPE

__all__ = ["FORMULAS", "SELU_ALPHA", "SELU_LAMBDA", "d_gamma", "derivative", "value"]

Array = npt.NDArray[np.float64]

SELU_LAMBDA = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717

# Beyond 40 the normal density and the lower tail of its integral are zero in float64; infinities stay out of 0 * inf.
_GELU_REACH = 40.0

_erfc = np.frompyfunc(math.erfc, 1, 1)


def second_branch(x: Array) -> Array:
    """x where the second branch is taken, -0 kept, and 0 elsewhere, so that exp cannot overflow."""
    return np.where(x > 0, 0.0, x)


def leaky(x: Array, slope: Array) -> Array:
    return np.where(x > 0, x, slope * x)


def leaky_derivative(x: Array, slope: Array) -> Array:
    return np.where(x > 0, 1.0, slope)


def elu(x: Array, slope: Array) -> Array:
    return np.where(x > 0, x, slope * np.expm1(second_branch(x)))


def elu_derivative(x: Array, slope: Array) -> Array:
    return np.where(x > 0, 1.0, slope * np.exp(second_branch(x)))


def selu(x: Array, _: Array) -> Array:
    return np.where(x > 0, SELU_LAMBDA * x, SELU_LAMBDA * SELU_ALPHA * np.expm1(second_branch(x)))


def selu_derivative(x: Array, _: Array) -> Array:
    return np.where(x > 0, SELU_LAMBDA, SELU_LAMBDA * SELU_ALPHA * np.exp(second_branch(x)))


def normal_integral(x: Array) -> Array:
    """Phi; its relative error in the lower tail is about x**2 * 2**-53, from the rounding of x / sqrt(2)."""
    return 0.5 * np.asarray(_erfc(-x / math.sqrt(2)), dtype=np.float64)


def normal_density(x: Array) -> Array:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def gelu(x: Array, _: Array) -> Array:
    return np.maximum(x, -_GELU_REACH) * normal_integral(x)


def gelu_derivative(x: Array, _: Array) -> Array:
    t = np.clip(x, -_GELU_REACH, _GELU_REACH)
    # Twice negated, so that the lower tail ends in -0, the sign of the true value.
    return -(-t * normal_density(t) - normal_integral(t))


def gelu_tanh_share(x: Array) -> Array:
    """(1 + tanh(u)) / 2 for u = sqrt(2 / pi) * (x + 0.044715 * x**3), by exp(-2 * |u|), which cannot overflow.

    >>> x = np.linspace(-2, 2, 9)
    >>> u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    >>> bool(np.abs(gelu_tanh_share(x) - (1 + np.tanh(u)) / 2).max() < 2**-51)
    True
    """
    e = np.exp(-math.sqrt(8 / math.pi) * np.abs(x + 0.044715 * x**3))
    return np.asarray(np.where(x > 0, 1.0, e) / (1 + e))


def gelu_tanh(x: Array, _: Array) -> Array:
    return np.maximum(x, -_GELU_REACH) * gelu_tanh_share(np.clip(x, -_GELU_REACH, _GELU_REACH))


def gelu_tanh_derivative(x: Array, _: Array) -> Array:
    t = np.clip(x, -_GELU_REACH, _GELU_REACH)
    steepness = math.sqrt(8 / math.pi) * (1 + 0.134145 * t**2)
    return gelu_tanh_share(t) * (1 + t * gelu_tanh_share(-t) * steepness)


class Formula(NamedTuple):
    value: Callable[[Array, Array], Array]
    derivative: Callable[[Array, Array], Array]


FORMULAS = {
    "leaky": Formula(leaky, leaky_derivative),
    "elu": Formula(elu, elu_derivative),
    "selu": Formula(selu, selu_derivative),
    "gelu": Formula(gelu, gelu_derivative),
    "prelu": Formula(leaky, leaky_derivative),
    "rrelu": Formula(leaky, leaky_derivative),
    "gelu_tanh": Formula(gelu_tanh, gelu_tanh_derivative),
}


def value(x: npt.ArrayLike, act_type: str = "leaky", slope: npt.ArrayLike = SLOPE) -> Array:
    """The activation of x.

    Parameters
    ----------
    x : array_like
        Data, taken to float64.
    act_type : str
        Which activation: a name in `ACTIVATIONS`.
    slope : array_like
        What multiplies the second branch: the slope of leaky and elu, the gamma of prelu in the shape that
        `rectifier.gamma.gamma_axes` gives, the drawn or middle slopes of rrelu. The others do not read it.

    Returns
    -------
    ndarray of float64, shape of `x`

    Examples
    --------
    >>> value([-4.0, 0.0, 2.0]).tolist()
    [-1.0, 0.0, 2.0]
    """
    with np.errstate(all="ignore"):
        return FORMULAS[act_type].value(np.asarray(x, np.float64), np.asarray(slope, np.float64))


def derivative(x: npt.ArrayLike, act_type: str = "leaky", slope: npt.ArrayLike = SLOPE) -> Array:
    """The activation's derivative at x; parameters as for `value`.

    Examples
    --------
    >>> derivative([-4.0, 0.0, 2.0]).tolist()
    [0.25, 0.25, 1.0]
    """
    x = np.asarray(x, np.float64)
    with np.errstate(all="ignore"):
        result = FORMULAS[act_type].derivative(x, np.asarray(slope, np.float64))
    return np.broadcast_to(result, x.shape)


def d_gamma(
    d_out: npt.ArrayLike,
    x: npt.ArrayLike,
    gamma_shape: tuple[int, ...],
    axis: int | tuple[int, ...] | None = None,
) -> Array:
    """prelu's gradient with respect to gamma: the sum of ``d_out * x`` over the x <= 0 that each gamma covers.

    Parameters
    ----------
    d_out, x : array_like of one shape
        The gradient with respect to the output, and the data.
    gamma_shape, axis
        As for `rectifier.gamma.gamma_axes`.

    Returns
    -------
    ndarray of float64, shape `gamma_shape`

    Examples
    --------
    >>> d_gamma([[1.0, 1.0], [1.0, 1.0]], [[-1.0, 2.0], [-3.0, -4.0]], (2,)).tolist()
    [-4.0, -4.0]
    """
    d_out, x = np.asarray(d_out, np.float64), np.asarray(x, np.float64)
    aligned = gamma_axes(x.shape, gamma_shape, axis)
    shared = tuple(i for i, size in enumerate(aligned) if size == 1)
    with np.errstate(all="ignore"):
        terms = np.where(x > 0, 0.0, d_out * x)
        return np.asarray(terms.sum(axis=shared, keepdims=True)).reshape(gamma_shape)
