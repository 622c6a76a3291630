"""Rows of the table for what `nd` and executors compute beyond the arithmetic that `sym` documents."""

from __future__ import annotations

from .operators import Operator, Parameter, number, register

__all__: list[str] = []

_UNARY = ("zeros_like", "ones_like", "sign", "floor", "ceil", "expm1", "log1p", "rsqrt", "sin", "cos", "erf")

register(
    *(Operator(name, parameters=()) for name in _UNARY),
    Operator("make_loss", outputs=("loss",), parameters=()),
    Operator("MakeLoss", parameters=(Parameter("grad_scale", number, 1.0),)),
)
