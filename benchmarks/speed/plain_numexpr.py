"""The activations as expressions of numexpr: float32 and float64, no gelu (it has no erf), no random slopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numexpr
import numpy as np

from .arrays import Array, Arrays
from .cells import MIDDLE_SLOPE, SLOPE, Cell
from .plain_numpy import ALPHA, SCALE, gamma_axes
from .subjects import Absent

FORMULAS = {
    "leaky": ("where(x > 0, x, s * x)", "where(x > 0, g, s * g)"),
    "elu": ("where(x > 0, x, s * expm1(x))", "where(x > 0, g, g * s * exp(x))"),
    "selu": ("where(x > 0, c * x, s * expm1(x))", "g * where(x > 0, c, s * exp(x))"),
}
FORMULAS["prelu"] = FORMULAS["rrelu"] = FORMULAS["leaky"]
PRODUCTS = "where(x > 0, z, g * x)"


def prepare(cell: Cell, arrays: Arrays) -> Callable[[], Any]:
    """The work of a cell."""
    if cell.dtype not in ("float32", "float64"):
        raise Absent("numexpr has float32 and float64")
    if cell.case.act_type not in FORMULAS or cell.case.training:
        raise Absent("numexpr has neither erf nor random numbers")
    numexpr.set_num_threads(cell.threads)
    forward, gradient = FORMULAS[cell.case.act_type]
    names = _names(cell, arrays)
    y, dx = (arrays.out, arrays.d_data) if cell.out == "given" else (None, None)

    def run_forward() -> Any:
        return numexpr.evaluate(forward, names, out=y, order="K")

    def run_gradient() -> Any:
        result = numexpr.evaluate(gradient, names, out=dx, order="K")
        return result if arrays.gamma is None else (result, _d_gamma(arrays, names))

    both: Callable[[], Any] = lambda: (run_forward(), run_gradient())  # noqa: E731
    return {"forward": run_forward, "gradient": run_gradient, "both": both}[cell.work]


def _names(cell: Cell, arrays: Arrays) -> dict[str, Any]:
    number = arrays.data.dtype.type
    slope: Any = {"rrelu": MIDDLE_SLOPE, "selu": SCALE * ALPHA}.get(cell.case.act_type, SLOPE)
    s = number(slope) if arrays.gamma is None else arrays.gamma.reshape(arrays.gamma_shape)
    return {"x": arrays.data, "g": arrays.head, "s": s, "c": number(SCALE), "z": number(0)}


def _d_gamma(arrays: Arrays, names: dict[str, Any]) -> Array:
    # numexpr's own sum keeps to one thread and one axis.
    products = numexpr.evaluate(PRODUCTS, names, order="K")
    axes = gamma_axes(arrays)
    return np.sum(products, axes) if axes else products
