"""JAX on the CPU: jitted functions on arrays of its own, always fresh results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax import nn
from jax import numpy as jnp

from .arrays import Arrays
from .cells import KEY, LOWER_BOUND, MIDDLE_SLOPE, SLOPE, THREADS, UPPER_BOUND, Cell
from .subjects import Absent

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "leaky": lambda x: nn.leaky_relu(x, SLOPE),
    "elu": lambda x: nn.elu(x, SLOPE),
    "selu": nn.selu,
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: nn.gelu(x, approximate=True),
    "prelu": lambda x, gamma: jnp.where(x > 0, x, gamma * x),
    "rrelu": lambda x: nn.leaky_relu(x, MIDDLE_SLOPE),
}


def _rrelu_training(x: Any, key: Any) -> Any:
    bounds = (jnp.asarray(bound, x.dtype) for bound in (LOWER_BOUND, UPPER_BOUND))
    return jnp.where(x > 0, x, x * jax.random.uniform(key, x.shape, x.dtype, *bounds))


def prepare(cell: Cell, arrays: Arrays) -> Callable[[], Any]:
    """The work of a cell."""
    if cell.threads != max(THREADS):
        raise Absent("JAX's number of threads is fixed at its start")
    if cell.layout != "contiguous":
        raise Absent("JAX's arrays are contiguous")
    function = _rrelu_training if cell.case.training else FUNCTIONS[cell.case.act_type]
    inputs = [jnp.asarray(arrays.data)]
    if arrays.gamma is not None:
        inputs.append(jnp.asarray(arrays.gamma.reshape(arrays.gamma_shape)))
    # Random keys are an input that has no gradient.
    keys = [jax.random.key(KEY)] if cell.case.training else []
    if cell.work == "forward":
        run = jax.jit(function)
        return lambda: jax.block_until_ready(run(*inputs, *keys))
    pulled = jax.jit(_pulled(function, len(inputs), value_too=cell.work == "both"))
    head = jnp.asarray(arrays.head)
    return lambda: jax.block_until_ready(pulled(head, *inputs, *keys))


def _pulled(function: Callable[..., Any], count: int, value_too: bool) -> Callable[..., Any]:
    def run(head: Any, *arguments: Any) -> Any:
        value, pullback = jax.vjp(lambda *inputs: function(*inputs, *arguments[count:]), *arguments[:count])
        return (value, pullback(head)) if value_too else pullback(head)

    return run
