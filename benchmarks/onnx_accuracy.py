"""The errors of exported activations in onnxruntime, as the table of docs/onnx.md.

    python -m benchmarks.onnx_accuracy

The inputs are every 1024th float32 number and every float16 number, finite and not zero; in float64, 4000 numbers of
each sign from 1e-8 to 37. True values are those of mpmath for float64, and of `rectifier.reference` in float64 for the
others. Only results that are normal numbers count.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import mpmath
import numpy as np
import onnxruntime

from rectifier import mx, reference
from rectifier.onnx import export

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from ulp import ulp_errors

KINDS = (("native", 20, False), ("gelu below 20", 17, False), ("exact", 17, True))


def inputs(dtype):
    """The numbers of this dtype at which errors are measured."""
    if dtype == "float16":
        x = np.arange(2**16, dtype=np.uint16).view(np.float16)
    elif dtype == "float32":
        x = np.arange(0, 2**32, 1024, dtype=np.uint64).astype(np.uint32).view(np.float32)
    else:
        size = np.geomspace(1e-8, 37, 4000)
        x = np.concatenate([size, -size])
    return x[np.isfinite(x) & (x != 0)]


@mpmath.workdps(40)
def true_values(act_type, x):
    """The true values as two float64: rounded, and the rest in units of its last place."""
    if x.dtype != np.float64:
        return reference.value(x.astype(np.float64), act_type), 0.0
    true = [_value(act_type, mpmath.mpf(float(one))) for one in x]
    high = np.array([float(one) for one in true])
    return high, np.array(
        [float((t - mpmath.mpf(h)) / mpmath.mpf(math.ulp(h))) for t, h in zip(true, high, strict=True)]
    )


def _value(act_type, x):
    scale = mpmath.mpf("1.0507009873554804934193349852946")
    alpha = mpmath.mpf("1.6732632423543772848170429916717")
    if act_type == "gelu":
        return x * mpmath.ncdf(x)
    linear, factor = (scale, scale * alpha) if act_type == "selu" else (1, mpmath.mpf("0.25"))
    return linear * x if x > 0 else factor * mpmath.expm1(x)


def worst(act_type, dtype, opset, exact):
    """The greatest error in ULP and its input."""
    x = inputs(dtype)
    symbol = mx.sym.LeakyReLU(mx.sym.Variable("x"), act_type=act_type)
    model = export(symbol, None, {"x": x.shape}, opset, dtype=dtype, exact=exact)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": x})
    high, low = true_values(act_type, x)
    errors = np.where(np.abs(high) >= np.finfo(dtype).tiny, ulp_errors(found, high, low), 0)
    at = np.argmax(np.nan_to_num(errors, posinf=1e99))
    return errors[at], x[at]


def main():
    """Print the table in Markdown."""
    print(
        "| | " + " | ".join(f"{act_type} {dtype}" for act_type in ("elu", "selu", "gelu") for dtype in _DTYPES) + " |"
    )
    for label, opset, exact in KINDS:
        cells = [worst(act_type, dtype, opset, exact) for act_type in ("elu", "selu", "gelu") for dtype in _DTYPES]
        print(f"| {label} | " + " | ".join(f"{ulp:.3g} at {at:.3g}" for ulp, at in cells) + " |")


_DTYPES = ("float16", "float32", "float64")


if __name__ == "__main__":
    main()
