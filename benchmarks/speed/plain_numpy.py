"""The activations as one writes them in NumPy, with temporaries; gelu needs SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .arrays import Array, Arrays
from .cells import KEY, LOWER_BOUND, MIDDLE_SLOPE, SLOPE, UPPER_BOUND, Cell

SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772


def prepare(cell: Cell, arrays: Arrays) -> Callable[[], Any]:
    """The work of a cell; `where` has no ``out``, so the results are always fresh."""
    x, head = arrays.data, arrays.head
    number = x.dtype.type
    if cell.case.act_type == "prelu":
        return _prelu(cell.work, arrays)
    if cell.case.training:
        return _rrelu(cell.work, x, head)
    forward, gradient = _FORMULAS[cell.case.act_type](number)
    return {
        "forward": lambda: forward(x),
        "gradient": lambda: gradient(x, head),
        "both": lambda: (forward(x), gradient(x, head)),
    }[cell.work]


Formulas = tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]


def _leaky(slope: float) -> Callable[[Any], Formulas]:
    def formulas(number: Any) -> Formulas:
        s = number(slope)
        return lambda x: np.where(x > 0, x, s * x), lambda x, g: np.where(x > 0, g, s * g)

    return formulas


def _elu(number: Any) -> Formulas:
    s = number(SLOPE)
    return lambda x: np.where(x > 0, x, s * np.expm1(x)), lambda x, g: np.where(x > 0, g, g * (s * np.exp(x)))


def _selu(number: Any) -> Formulas:
    scale, both = number(SCALE), number(SCALE * ALPHA)
    return (
        lambda x: np.where(x > 0, scale * x, both * np.expm1(x)),
        lambda x, g: g * np.where(x > 0, scale, both * np.exp(x)),
    )


def _gelu(number: Any) -> Formulas:
    from scipy.special import ndtr

    half, root = number(0.5), number(1 / np.sqrt(2 * np.pi))
    return (
        lambda x: (x * ndtr(x)).astype(x.dtype, copy=False),
        lambda x, g: (g * (ndtr(x) + x * np.exp(-half * x * x) * root)).astype(x.dtype, copy=False),
    )


def _gelu_tanh(number: Any) -> Formulas:
    half, one, c, cube = number(0.5), number(1), number(np.sqrt(2 / np.pi)), number(0.044715)

    def gradient(x: Array, g: Array) -> Array:
        t = np.tanh(c * (x + cube * x * x * x))
        return g * (half * (one + t) + half * x * (one - t * t) * c * (one + 3 * cube * x * x))

    return lambda x: half * x * (one + np.tanh(c * (x + cube * x * x * x))), gradient


_FORMULAS: dict[str, Callable[[Any], Formulas]] = {
    "leaky": _leaky(SLOPE),
    "elu": _elu,
    "selu": _selu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "rrelu": _leaky(MIDDLE_SLOPE),
}


def _prelu(work: str, arrays: Arrays) -> Callable[[], Any]:
    x, head = arrays.data, arrays.head
    assert arrays.gamma is not None
    gamma = arrays.gamma.reshape(arrays.gamma_shape)
    summed = gamma_axes(arrays)

    def forward() -> Array:
        return np.where(x > 0, x, gamma * x)

    def gradient() -> tuple[Array, Array]:
        positive = x > 0
        terms = np.where(positive, x.dtype.type(0), head * x)
        return np.where(positive, head, gamma * head), terms.sum(summed) if summed else terms

    return {"forward": forward, "gradient": gradient, "both": lambda: (forward(), gradient())}[work]


def gamma_axes(arrays: Arrays) -> tuple[int, ...]:
    """The axes of the data that gamma does not have, over which its gradient is a sum."""
    shape = (1,) * arrays.data.ndim if arrays.gamma_shape == (1,) else arrays.gamma_shape
    return tuple(i for i, (wide, size) in enumerate(zip(shape, arrays.data.shape, strict=True)) if wide != size)


def _rrelu(work: str, x: Array, head: Array) -> Callable[[], Any]:
    generator = np.random.default_rng(KEY)

    def slopes() -> Array:
        drawn = generator.uniform(LOWER_BOUND, UPPER_BOUND, x.shape)
        return np.where(x > 0, 1, drawn).astype(x.dtype)

    kept = slopes()

    def both() -> tuple[Array, Array]:
        drawn = slopes()
        return x * drawn, head * drawn

    return {"forward": lambda: x * slopes(), "gradient": lambda: head * kept, "both": both}[work]
