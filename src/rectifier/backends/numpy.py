"""NumPy arrays, and whatever turns into one: the C++ core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from .. import _core
from ..gamma import known_axes
from ..parameters import Call, check_call
from ..random import check_rng, key_from_rng

__all__ = ["BFLOAT16", "Layout", "check_rng", "draw_key", "float_dtype", "forward", "from_numpy", "to_numpy", "vjp"]

Array = np.ndarray[Any, np.dtype[Any]]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_core.register_bfloat16(BFLOAT16.num)
_FLOATS = (np.dtype(np.float16), BFLOAT16, np.dtype(np.float32), np.dtype(np.float64))
_FLOAT_NUMBERS = frozenset(dtype.num for dtype in _FLOATS)

draw_key = key_from_rng
from_numpy = to_numpy = np.asarray


def forward(call: Call, data: Any, gamma: Any, axis: Any, key: int | None, out: Any) -> Any:
    """The value of the operator."""
    y, *_ = _evaluate(call, data, gamma, axis, key, out)
    return _result(y, out)


def vjp(call: Call, data: Any, gamma: Any, axis: Any, key: int | None, out: Any) -> tuple[Any, Callable[..., Any]]:
    """The value, and the function that takes a gradient of the output back to the inputs."""
    y, kept, slopes, rounded = _evaluate(call, data, gamma, axis, key, out, for_gradient=True)
    if slopes is not None:
        return _result(y, out), _gamma_pullback(kept, slopes, np.shape(gamma))
    return _result(y, out), _pullback(rounded, kept, y, key)


def _pullback(call: Call, kept: Array, y: Array, key: int | None) -> Callable[..., Any]:
    shape, dtype, template = y.shape, y.dtype, Layout(y)

    def pullback(d_out: Any, out: Any = None) -> Any:
        g = _upstream(d_out, shape, dtype)
        dx = _target("out", out, shape, dtype, template)
        _apply(call, dx, _apart(kept, dx), _apart(g, dx), None, key)
        return _result(dx, out)

    return pullback


def _quick_pullback(
    kept: Array,
    gamma: Any,
    act_type: str,
    slope: float,
    lower: float,
    upper: float,
    training: bool,
    rng: Any,
    axis: Any,
) -> Callable[..., Any]:
    """The pullback of a call that took the quick path, for arguments that are not plain."""
    call = check_call(act_type, slope, lower, upper, training, has_gamma=gamma is not None, has_axis=axis is not None)
    call = call.rounded(kept.dtype == np.float64)
    if gamma is not None:
        return _gamma_pullback(kept, _aligned_gamma(kept, gamma, axis), gamma.shape)
    return _pullback(call, kept, kept, draw_key(rng) if call.draws else None)


_core.register_pullback(_quick_pullback)


def _evaluate(
    call: Call, data: Any, gamma: Any, axis: Any, key: int | None, out: Any, for_gradient: bool = False
) -> tuple[Array, Array, Array | None, Call]:
    """Compute the output; return it, what the gradient keeps in place of the input, gamma as used, and the call."""
    x = _as_floats("data", data)
    call = call.rounded(x.dtype == np.float64)
    slopes = _aligned_gamma(x, gamma, axis) if call.activation.has_gamma else None
    y = _target("out", out, x.shape, x.dtype, Layout(x))
    kept = x
    if for_gradient and call.keeps != "input":
        kept = y if call.keeps == "output" else _signs(x)
    elif for_gradient and np.may_share_memory(x, y):
        kept = x = x.copy()
    if for_gradient and slopes is not None and np.may_share_memory(slopes, y):
        slopes = slopes.copy()
    _apply(call, y, _apart(x, y), None, None if slopes is None else _apart(slopes, y), key)
    return y, kept, slopes, call


def _signs(x: Array) -> Array:
    """One bit an element, whether it is above zero."""
    bits = _core.empty((x.size + 7) // 8, np.uint8)
    _core.pack_signs(bits, x)
    return bits


def _gamma_pullback(x: Array, slopes: Array, gamma_shape: tuple[int, ...]) -> Callable[..., Any]:
    shape, dtype, template = x.shape, x.dtype, Layout(x)
    gamma_template = Layout(slopes) if slopes.shape == gamma_shape else None

    def pullback(d_out: Any, out: Any = None) -> Any:
        out = (None, None) if out is None else out
        if not isinstance(out, tuple) or len(out) != 2:
            raise TypeError(f"`out` must be a pair of arrays for 'prelu', or None, got {type(out).__name__}")
        g = _upstream(d_out, shape, dtype)
        dx = _target("out", out[0], shape, dtype, template)
        d_gamma = _target("out", out[1], gamma_shape, slopes.dtype, gamma_template)
        operands: tuple[Array, ...] = (g, x, slopes)
        if not (out[0] is None and out[1] is None):
            if np.may_share_memory(dx, d_gamma):
                raise ValueError("`out` must be two arrays apart from each other, got overlapping ones")
            operands = tuple(_apart(array, dx, d_gamma) for array in operands)
        if x.size:
            _core.gamma_pullback(dx, d_gamma.reshape(slopes.shape), *operands)  # axes of length 1 alone come or go
        else:
            d_gamma[...] = 0
        return _result(dx, out[0]), _result(d_gamma, out[1])

    return pullback


def _as_floats(name: str, value: Any) -> Array:
    """The value as an aligned native array of one of the four float types."""
    if type(value) is np.ndarray and value.dtype.num in _FLOAT_NUMBERS and value.dtype.isnative and value.flags.aligned:
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"`{name}` must be an array without a mask, got a masked array")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: a tensor that requires a gradient
        raise TypeError(f"`{name}` must be an array of real numbers, got {type(value).__name__}: {error}") from None
    return np.require(array, float_dtype(name, array.dtype), "A")


def float_dtype(name: str, given: np.dtype[Any]) -> np.dtype[Any]:
    """One of the four float types for an array of this dtype: integers and bools by NumPy's rule."""
    dtype = given if given.kind == "T" else given.newbyteorder("=")  # NumPy's StringDType has no byte order
    if dtype.kind in "biu":
        dtype = np.sqrt.resolve_dtypes((dtype, None))[-1]
    if dtype not in _FLOATS:
        raise TypeError(
            f"`{name}` must be of dtype float16, bfloat16, float32, float64, an integer or bool, got {given}"
        )
    return dtype


def _aligned_gamma(x: Array, gamma: Any, axis: Any) -> Array:
    """Gamma with as many axes as the data, in the arithmetic type or one that widens to it."""
    given = _as_floats("gamma", gamma)
    aligned = given.reshape(known_axes(x.shape, given.shape, axis))
    arithmetic = np.dtype(np.float64 if x.dtype == np.float64 else np.float32)
    if aligned.dtype == arithmetic or (arithmetic == np.float32 and aligned.dtype.itemsize == 2):
        return aligned
    with np.errstate(over="ignore"):
        return aligned.astype(arithmetic)


class Layout:
    """The memory order of an array, without the array: new results have it, and the array can be freed."""

    def __init__(self, array: Any) -> None:
        strides = array.strides
        self.axes: list[int] | None = None
        if not array.flags.c_contiguous:
            self.axes = sorted(range(array.ndim), key=lambda axis: -abs(strides[axis]))

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], make: Callable[..., Any] = _core.empty) -> Any:
        if self.axes is None:
            return make(shape, dtype)
        return make([shape[axis] for axis in self.axes], dtype).transpose(np.argsort(self.axes).tolist())


def _target(name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], layout: Layout | None = None) -> Array:
    """The array to write to: the caller's, once it is known to fit, or a new one."""
    if out is None:
        return _core.empty(shape, dtype) if layout is None else layout.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"`{name}` must be a NumPy array or None, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}, got {out.shape}")
    if out.dtype != dtype:
        raise TypeError(f"`{name}` must be of dtype {dtype}, got {out.dtype}")
    if not out.flags.writeable:
        raise ValueError(f"`{name}` must be writeable, got a read-only array")
    if any(step == 0 and size > 1 for size, step in zip(out.shape, out.strides, strict=True)):
        raise ValueError(f"`{name}` must have memory for each element, got a broadcast array")
    if not out.flags.aligned:
        raise ValueError(f"`{name}` must be aligned for its dtype, got an array off its alignment")
    return out.view(np.ndarray)


def _upstream(d_out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    g = _as_floats("d_out", d_out)
    if g.shape != shape:
        raise ValueError(f"`d_out` must have shape {shape}, got {g.shape}")
    return g if g.dtype == dtype else g.astype(dtype)


def _apart(array: Array, *targets: Array) -> Array:
    """The array, or a copy if a target overlaps it other than element on element."""
    for target in targets:
        if _core.in_the_way(target, array):
            return array.copy()
    return array


def _apply(
    call: Call,
    y: Array,
    x: Array,
    g: Array | None,
    slopes: Array | None,
    key: int | None,
    first: int = 0,
    steps: tuple[int, ...] | None = None,
) -> None:
    """The kernel; of a part of an array, `first` is the index of its first element and `steps` goes with its axes."""
    _core.apply(
        call.activation.formula, y, x, g, slopes, call.slope, key if call.draws else None,
        call.lower_bound, call.upper_bound, first, steps,
    )  # fmt: skip


def _result(array: Array, out: Any) -> Any:
    """What the caller gets: their own array, or, as from NumPy's functions, a scalar where there are no axes."""
    if out is not None:
        return out
    return array if array.ndim else array[()]
