"""The inputs: runs of bit patterns, dense grids, and the neighbours of every point where a formula changes."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from rectifier.parameters import ACTIVATIONS

ROOTS = tuple(row.root for row in ACTIVATIONS.values() if row.root is not None)
_UNSIGNED = {"float16": np.uint16, "bfloat16": np.uint16, "float32": np.uint32, "float64": np.uint64}


def numpy_dtype(name: str) -> np.dtype:
    """NumPy's dtype of that name, bfloat16 included."""
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


def pattern_count(dtype: str) -> int:
    """How many bit patterns ``dtype`` has."""
    return int(2 ** (8 * numpy_dtype(dtype).itemsize))


def patterns(dtype: str, start: int, stop: int, step: int = 1) -> np.ndarray:
    """The numbers whose bits, read as an unsigned integer, are start, start + step, ... below stop."""
    bits = np.arange(start, stop, step, dtype=np.uint64).astype(_UNSIGNED[dtype])
    return bits.view(numpy_dtype(dtype))


def around(points: np.ndarray, dtype: str, reach: int = 3) -> np.ndarray:
    """Each finite point, rounded to ``dtype``, with ``reach`` neighbours on either side."""
    rounded = np.asarray(points, dtype=np.float64).astype(numpy_dtype(dtype))
    steps = [rounded]
    for direction in (-np.inf, np.inf):
        neighbour = rounded
        for _ in range(reach):
            neighbour = np.nextafter(neighbour, numpy_dtype(dtype).type(direction))
            steps.append(neighbour)
    return np.concatenate(steps)


def special_values(dtype: str) -> np.ndarray:
    """Zeros, infinities and NaNs of both signs, the ends of the subnormal and the normal range."""
    limits = ml_dtypes.finfo(numpy_dtype(dtype))
    ends = [0.0, np.inf, np.nan, float(limits.smallest_subnormal), float(limits.smallest_normal), float(limits.max)]
    return np.array([sign * end for end in ends for sign in (1, -1)]).astype(numpy_dtype(dtype))


def threshold_points() -> np.ndarray:
    """Where kernels of these functions switch: reduction steps, table intervals, saturation, underflow, the root."""
    reduction = np.arange(-2200, 2201) * (np.log(2) / 2)
    intervals = np.arange(-1280, 1281) / 32
    powers = np.concatenate([sign * 2.0 ** np.arange(-60, 8) for sign in (1, -1)])
    limits = np.array([*ROOTS, -17.33, -87.3365, -103.2789, -103.9721, -104.0, -708.3964, -744.4401, -745.1332])
    tails = np.array([-12.8, -13.0, -14.0, -14.2, -14.45, -14.6, -14.7, -37.5194, -38.4674, -38.5, -38.6])
    return np.concatenate([reduction, intervals, powers, limits, tails])


def chosen(dtype: str) -> np.ndarray:
    """Special values, and the thresholds with three neighbours on either side."""
    return np.concatenate([special_values(dtype), around(threshold_points(), dtype)])


def float64_grid(points: int) -> np.ndarray:
    """About ``points`` doubles: a quarter over all bit patterns, the rest where the functions are not trivial.

    Grids are jittered (fixed seed), since even spacing would give significands with few bits.
    """
    generator = np.random.default_rng(20)
    share = points // 4
    bits = generator.integers(0, 2**64, share, dtype=np.uint64).view(np.float64)
    logarithmic = -(2.0 ** generator.uniform(-60, 10, share))
    linear = [np.linspace(low, high, share // 3) for low, high in ((-40, 10), (-9, 9), (-746, 0))]
    jittered = np.concatenate(linear) + generator.uniform(0, 1e-3, 3 * (share // 3))
    roots = [root + generator.uniform(-0.1, 0.1, share // 2) for root in ROOTS]
    return np.concatenate([bits, logarithmic, -logarithmic[: share // 2], jittered, *roots])
