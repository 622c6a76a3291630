"""JAX on the CPU: these activations beside jax.nn's, jitted, in one run.

Run: python -m benchmarks.speed.jax_functions [SIZE ...], for a table in Markdown. Calls of the two alternate, and so
does which of them comes first; a cell is the median time of ours in microseconds, and in brackets that of jax.nn
divided by it. jax.nn has no prelu and no rrelu: theirs are the same product written out, with slopes by
jax.random.uniform.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import nn
from jax import numpy as jnp

import rectifier.jax as ours

Function = Callable[..., Any]

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)

KEY = jax.random.key(0)
ELEMENTS = 150_000_000  # in all calls of a cell together, but for the least number of calls


def prelu(x: Any, gamma: Any) -> Any:
    return jnp.where(x > 0, x, gamma * x)


def rrelu(x: Any) -> Any:
    slopes = jax.random.uniform(KEY, x.shape, x.dtype, jnp.asarray(0.125, x.dtype), jnp.asarray(0.334, x.dtype))
    return jnp.where(x > 0, x, slopes * x)


# name -> (ours, the other)
PAIRS: dict[str, tuple[Function, Function]] = {
    "leaky": (lambda x: ours.leaky_relu(x, 0.25), lambda x: nn.leaky_relu(x, 0.25)),
    "elu": (lambda x: ours.elu(x, 0.25), lambda x: nn.elu(x, 0.25)),
    "selu": (ours.selu, nn.selu),
    "gelu": (ours.gelu, lambda x: nn.gelu(x, approximate=False)),
    "gelu_tanh": (lambda x: ours.gelu(x, approximate=True), lambda x: nn.gelu(x, approximate=True)),
    "prelu": (lambda x: ours.prelu(x, gamma_of(x), axis=-1), lambda x: prelu(x, gamma_of(x))),
    "rrelu, training": (lambda x: ours.rrelu(x, KEY), rrelu),
}


def gamma_of(x: Any) -> Any:
    return jnp.full(x.shape[-1], 0.25, x.dtype)


def gradient(function: Function) -> Function:
    return lambda x, g: jax.vjp(function, x)[1](g)[0]


def medians(functions: tuple[Function, ...], arguments: tuple[Any, ...]) -> list[float]:
    """Median times in seconds; calls alternate, so that what slows the machine down slows all."""
    compiled = [jax.jit(function) for function in functions]
    times: list[list[float]] = [[] for _ in functions]
    for run in compiled:
        jax.block_until_ready(run(*arguments))
    for turn in range(max(10, ELEMENTS // arguments[0].size)):
        # The same program may take longer in one of the two places.
        for run, kept in list(zip(compiled, times, strict=True))[:: 1 if turn % 2 else -1]:
            start = time.perf_counter()
            jax.block_until_ready(run(*arguments))
            kept.append(time.perf_counter() - start)
    return [statistics.median(kept) for kept in times]


def cell(pair: tuple[Function, ...], arguments: tuple[Any, ...]) -> str:
    mine, theirs = medians(pair, arguments)
    return f"{mine * 1e6:,.0f} ({theirs / mine:.2f})"


def main(sizes: list[int]) -> None:
    print(f"jax {jax.__version__}, {jax.devices()}")
    for size in sizes:
        for dtype in (jnp.float32, jnp.bfloat16, jnp.float64) if size <= 1_000_000 else (jnp.float32,):
            x = jnp.asarray(np.random.default_rng(0).normal(size=(size // 1000, 1000)) * 3, dtype)
            print(f"\n| {size:.3g} elements, {dtype.__name__} | forward, µs | gradient, µs |\n|---|---|---|")
            for name, pair in PAIRS.items():
                backward = gradient(pair[0]), gradient(pair[1])
                print(f"| {name} | {cell(pair, (x,))} | {cell(backward, (x, x[::-1]))} |", flush=True)


if __name__ == "__main__":
    main([int(float(size)) for size in sys.argv[1:]] or [1_000_000, 16_000_000])
