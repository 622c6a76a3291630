"""MXNet 1.6.0's greatest errors in float32, as a table: the figures of docs/mxnet-differences.md.

    python tests/mxnet/measure.py

The inputs are every 4096th float32 number. The true values are `rectifier.reference`'s float64 formulas, whose own
error is below 0.001 ULP of float32, except near the root of gelu's derivative.
"""

import sys
from pathlib import Path

import numpy as np
from mxnet_process import Oracle

from rectifier import reference

sys.path.insert(0, str(Path(__file__).parents[1]))

from ulp import ulp_errors

FUNCTIONS = (("elu", 1.0), ("elu", 0.25), ("elu", 0.3), ("selu", 0.25), ("gelu", 0.25))
RANGES = (("x > 0", 0.0, np.inf), ("-1 to 0", -1.0, 0.0), ("-5 to -1", -5.0, -1.0), ("below -5", -np.inf, -5.0))


def sample(step=4096):
    """Every `step`-th finite float32 number but zero, in increasing order."""
    x = np.arange(0, 2**32, step, dtype=np.uint32).view(np.float32)
    return np.sort(x[np.isfinite(x) & (x != 0)])


def worst(errors, x, low, high):
    """The greatest error between low and high, and the input that has it."""
    inside = (low < x) & (x <= high)
    at = np.argmax(np.where(inside, errors, -1))
    return errors[at], x[at]


def errors_of(oracle, x, act_type, slope):
    """MXNet's errors in ULP for each x, of the value and of the gradient."""
    value, gradient = oracle.value_and_gradient(x, act_type=act_type, slope=slope)
    rounded = float(np.float32(slope))
    true = reference.value(x, act_type, rounded), reference.derivative(x, act_type, rounded)
    return ulp_errors(value, true[0]), ulp_errors(gradient, true[1])


def row(*cells):
    print("|", " | ".join(cells), "|")


def main():
    """Print the table in Markdown."""
    row("function", *(name for name, *_ in RANGES))
    row(*["---"] * (1 + len(RANGES)))
    x = sample()
    with Oracle() as oracle:
        for act_type, slope in FUNCTIONS:
            label = f"{act_type}, slope {slope}" if act_type == "elu" else act_type
            for kind, errors in zip(("", "gradient of "), errors_of(oracle, x, act_type, slope), strict=True):
                cells = [worst(errors, x, low, high) for _, low, high in RANGES]
                row(kind + label, *(f"{ulp:.3g} at {at:.3g}" if ulp else "0" for ulp, at in cells))


if __name__ == "__main__":
    main()
