"""CuPy arrays: the Triton kernels, on CuPy's current stream, in CuPy's own memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import cupy
import numpy as np

try:
    import torch

    from ..kernels import triton as kernels
    from ..kernels.triton.launch import on_stream
    from ..kernels.triton.mirrored import Mirrored
except ImportError as error:
    # Triton's launcher asks torch for the device and the stream, and torch brings the Triton that fits.
    raise ImportError(
        f"CuPy arrays need Triton and a torch for CUDA, `pip install 'rectifier[cupy]'`: {error}"
    ) from error
from ..gamma import known_axes
from ..parameters import Call
from ..random import check_rng as check_seed
from ..random import key_from_rng
from .numpy import BFLOAT16, Layout, float_dtype

__all__ = ["check_rng", "draw_key", "forward", "from_numpy", "to_numpy", "vjp"]

_GENERATORS = "a cupy.random.Generator, a numpy.random.Generator"

from_numpy, to_numpy = cupy.asarray, cupy.asnumpy


def check_rng(rng: Any) -> None:
    """Raise what `draw_key` raises, but leave a generator where it is."""
    if not isinstance(rng, cupy.random.Generator):
        check_seed(rng, _GENERATORS)


def draw_key(rng: Any) -> int:
    """The key of the slopes. A generator of CuPy draws four words of 16 bits, the lowest first, and is waited for."""
    if isinstance(rng, cupy.random.Generator):
        words = cupy.asnumpy(rng.integers(0, 2**16, size=4, dtype=np.uint32)).tolist()
        return sum(word << 16 * i for i, word in enumerate(words))
    return key_from_rng(rng, _GENERATORS)


def forward(call: Call, data: Any, gamma: Any, axis: Any, key: int | None, out: Any) -> Any:
    """The value of the operator."""
    with _in_order(data):
        y, *_ = _evaluate(call, data, gamma, axis, key, out)
        return y


def vjp(call: Call, data: Any, gamma: Any, axis: Any, key: int | None, out: Any) -> tuple[Any, Callable[..., Any]]:
    """The value, and the function that takes a gradient of the output back to the inputs."""
    with _in_order(data):
        y, kept, slopes, rounded = _evaluate(call, data, gamma, axis, key, out, for_gradient=True)
    if slopes is not None:
        return y, _gamma_pullback(kept, slopes, np.shape(gamma))

    def pullback(d_out: Any, out: Any = None) -> Any:
        with _in_order(y):
            g = _upstream(d_out, y)
            dx = _target("out", out, y.shape, y.dtype, y)
            _apply(rounded, dx, _apart(kept, dx), _apart(g, dx), None, key)
            return dx

    return y, pullback


@contextlib.contextmanager
def _in_order(array: Any) -> Iterator[None]:
    """Work on the array's device and on CuPy's current stream there, CuPy's own work and the kernels alike."""
    with array.device, on_stream(cupy.cuda.get_current_stream().ptr, array.device.id):
        yield


def _evaluate(
    call: Call, data: Any, gamma: Any, axis: Any, key: int | None, out: Any, for_gradient: bool = False
) -> tuple[Any, Any, Any, Call]:
    """Compute the output; return it, what the gradient keeps in place of the input, gamma as used, and the call."""
    x = _as_floats("data", data)
    call = call.rounded(x.dtype == np.float64)
    slopes = _aligned_gamma(x, gamma, axis) if call.activation.has_gamma else None
    y = _target("out", out, x.shape, x.dtype, x)
    kept = x
    if for_gradient and call.keeps != "input":
        kept = y if call.keeps == "output" else _signs(x)
    elif for_gradient and cupy.may_share_memory(x, y):
        kept = x = x.copy()
    if for_gradient and slopes is not None and cupy.may_share_memory(slopes, y):
        slopes = slopes.copy()
    _apply(call, y, _apart(x, y), None, None if slopes is None else _apart(slopes, y), key)
    return y, kept, slopes, call


def _apply(call: Call, y: Any, x: Any, g: Any, slopes: Any, key: int | None) -> None:
    if y.size:
        kernels.apply(
            call.activation.formula, _tensor(y), _tensor(x), None if g is None else _tensor(g),
            None if slopes is None else _tensor(slopes), call.slope, key if call.draws else None,
            call.lower_bound, call.upper_bound,
        )  # fmt: skip


def _signs(x: Any) -> Any:
    """One bit an element, whether it is above zero."""
    bits = cupy.empty((x.size + 7) // 8, np.uint8)
    if x.size:
        kernels.pack_signs(_tensor(bits), _tensor(x))
    return bits


def _gamma_pullback(x: Any, slopes: Any, gamma_shape: tuple[int, ...]) -> Callable[..., Any]:
    def pullback(d_out: Any, out: Any = None) -> Any:
        out = (None, None) if out is None else out
        if not isinstance(out, tuple) or len(out) != 2:
            raise TypeError(f"`out` must be a pair of arrays for 'prelu', or None, got {type(out).__name__}")
        with _in_order(x):
            g = _upstream(d_out, x)
            dx = _target("out", out[0], x.shape, x.dtype, x)
            sums = cupy.empty(slopes.shape, slopes.dtype)
            d_gamma = sums.reshape(gamma_shape)
            if out[1] is not None:
                d_gamma = _target("out", out[1], gamma_shape, slopes.dtype)
                if cupy.may_share_memory(dx, d_gamma):
                    raise ValueError("`out` must be two arrays apart from each other, got overlapping ones")
            if x.size:
                tensors = (_tensor(_apart(a, dx)) for a in (g, x, slopes))
                kernels.gamma_pullback(_tensor(dx), _tensor(sums), *tensors)
            else:
                sums.fill(0)
            if out[1] is not None:
                d_gamma[...] = sums.reshape(gamma_shape)
            return dx, d_gamma

    return pullback


def _tensor(array: Any) -> Any:
    """The same memory as a tensor, by DLPack: under `_in_order`, producer and consumer have one stream."""
    mirrored = tuple(axis for axis, step in enumerate(array.strides) if step < 0)
    if mirrored:
        array = array[tuple(slice(None, None, -1 if step < 0 else 1) for step in array.strides)]
    if array.dtype == BFLOAT16:  # CuPy exports it to nobody
        tensor = torch.from_dlpack(array.view(np.int16)).view(torch.bfloat16)
    else:
        tensor = torch.from_dlpack(array)
    return Mirrored(tensor, mirrored) if mirrored else tensor


def _as_floats(name: str, value: Any) -> Any:
    """The value as a CuPy array of one of the four float types, on the current device."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"`{name}` must be an array without a mask, got a masked array")
    try:
        array = cupy.asarray(value)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise TypeError(f"`{name}` must be an array of real numbers, got {type(value).__name__}: {error}") from None
    _check_device(name, array)
    array = array.astype(float_dtype(name, array.dtype), copy=False)
    return array if _is_aligned(array) else array.copy()


def _is_aligned(array: Any) -> bool:
    """Whether all elements lie at multiples of their size; DLPack has no word for others."""
    return not any(place % array.itemsize for place in (array.data.ptr, *array.strides))


def _check_device(name: str, array: Any) -> None:
    here = cupy.cuda.Device().id
    if array.device.id != here:
        raise ValueError(f"`{name}` must be on the device of `data`, {here}, got {array.device.id}")


def _aligned_gamma(x: Any, gamma: Any, axis: Any) -> Any:
    """Gamma with as many axes as the data, in the arithmetic type or one that widens to it."""
    given = _as_floats("gamma", gamma)
    aligned = given.reshape(known_axes(x.shape, given.shape, axis))
    arithmetic = np.dtype(np.float64 if x.dtype == np.float64 else np.float32)
    if arithmetic == np.float32 and aligned.dtype.itemsize == 2:
        return aligned
    return aligned.astype(arithmetic, copy=False)


def _target(name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], like: Any = None) -> Any:
    """The array to write to: the caller's, once it is known to fit, or a new one."""
    if out is None:
        return cupy.empty(shape, dtype) if like is None else Layout(like).empty(shape, dtype, cupy.empty)
    if not isinstance(out, cupy.ndarray):
        raise TypeError(f"`{name}` must be a CuPy array or None, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}, got {out.shape}")
    if out.dtype != dtype:
        raise TypeError(f"`{name}` must be of dtype {dtype}, got {out.dtype}")
    _check_device(name, out)
    if any(step == 0 and size > 1 for size, step in zip(out.shape, out.strides, strict=True)):
        raise ValueError(f"`{name}` must have memory for each element, got a broadcast array")
    if not _is_aligned(out):
        raise ValueError(f"`{name}` must be aligned for its dtype, got an array off its alignment")
    return out


def _upstream(d_out: Any, like: Any) -> Any:
    g = _as_floats("d_out", d_out)
    if g.shape != like.shape:
        raise ValueError(f"`d_out` must have shape {like.shape}, got {g.shape}")
    return g.astype(like.dtype, copy=False)


def _apart(array: Any, target: Any) -> Any:
    """The array, or a copy if the target overlaps it other than element on element."""
    same = (array.data.ptr, array.shape, array.strides) == (target.data.ptr, target.shape, target.strides)
    return array if same or not cupy.may_share_memory(target, array) else array.copy()
