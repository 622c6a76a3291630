"""A stand-in for CuPy in CPU memory, for the tests: what the back-end asks of CuPy, as strict, and a log of the order.

Everything that CuPy would do on a stream is logged with the stream that is current. Streams of torch come from
`FakeTorchStreams`, which replaces what a torch for CPUs cannot make.
"""

from __future__ import annotations

import contextlib
import sys
import types

import numpy as np
import pytest

LOG: list[tuple[str, int]] = []
_streams = [0]
_devices = [0]


def log(event: str) -> None:
    LOG.append((event, _streams[-1]))


class Device:
    def __init__(self, number: int | None = None):
        self.id = _devices[-1] if number is None else number

    def __enter__(self):
        _devices.append(self.id)

    def __exit__(self, *_):
        _devices.pop()


class Stream:
    """A stream that is a number, and current inside `with`."""

    def __init__(self, ptr: int):
        self.ptr = ptr

    def __enter__(self):
        _streams.append(self.ptr)

    def __exit__(self, *_):
        _streams.pop()


class MemoryPointer:
    def __init__(self, ptr: int):
        self.ptr = ptr


class ndarray:
    """An array of CuPy: numbers that NumPy may not see by itself."""

    def __init__(self, values: np.ndarray, device: int | None = None):
        self._values = values
        self.device = Device(device)
        self.shape, self.dtype, self.strides = values.shape, values.dtype, values.strides
        self.ndim, self.size, self.itemsize, self.flags = values.ndim, values.size, values.itemsize, values.flags
        self.data = MemoryPointer(values.ctypes.data)

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct one.")

    def __dlpack__(self, *, max_version=None, **_):
        if self.dtype.kind not in "biuf":
            raise BufferError("dtype is not supported for dlpack export")
        log("export")
        return self._values.__dlpack__(max_version=max_version)

    def __dlpack_device__(self):
        return (1, 0)

    def __getitem__(self, key):
        return self._like(self._values[key])

    def __setitem__(self, key, value):
        log("write")
        self._values[key] = value._values

    def fill(self, number):
        log("write")
        self._values.fill(number)

    def copy(self):
        log("copy")
        return self._like(self._values.copy())

    def astype(self, dtype, copy=True):
        if self.dtype == dtype and not copy:
            return self
        log("convert")
        with np.errstate(over="ignore"):
            return self._like(self._values.astype(dtype))

    def view(self, dtype):
        return self._like(self._values.view(dtype))

    def reshape(self, shape):
        return self._like(self._values.reshape(shape))

    def transpose(self, axes):
        return self._like(self._values.transpose(axes))

    def get(self):
        return self._values.copy()

    def _like(self, values):
        return ndarray(np.asarray(values), self.device.id)


class Generator:
    """CuPy's generator, which draws arrays."""

    def __init__(self, seed: int):
        self.words = np.random.default_rng(seed)

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False):
        log("draw")
        return ndarray(self.words.integers(low, high, size, dtype, endpoint))


def asarray(value):
    """As CuPy's, for what its types can hold."""
    if isinstance(value, ndarray):
        return value
    values = np.array(value)
    if values.dtype.kind not in "biufcV":
        raise ValueError(f"Unsupported dtype {values.dtype}")
    log("upload")
    return ndarray(values)


def empty(shape, dtype):
    log("allocate")
    return ndarray(np.empty(shape, dtype))


def may_share_memory(a, b):
    return np.may_share_memory(a._values, b._values)


class FakeTorchStreams:
    """In place of torch.cuda's: which stream of CuPy the kernels would start on."""

    def __init__(self):
        self.current = 0

    def make(self, pointer, device):
        assert device.index == _devices[-1]
        return pointer

    @contextlib.contextmanager
    def use(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before


def module() -> types.ModuleType:
    """A module that stands for `cupy`."""
    made = types.ModuleType("cupy")
    made.ndarray, made.asarray, made.asnumpy, made.empty = ndarray, asarray, lambda a: a.get(), empty
    made.may_share_memory = may_share_memory
    made.random = types.SimpleNamespace(Generator=Generator)
    made.cuda = types.SimpleNamespace(Device=Device, get_current_stream=lambda: Stream(_streams[-1]))
    return made


@contextlib.contextmanager
def installed():
    """Let `import cupy` find the stand-in, and torch make streams."""
    import torch

    streams = FakeTorchStreams()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", module())
        patch.delitem(sys.modules, "rectifier.backends.cupy", raising=False)
        patch.setattr(torch.cuda, "ExternalStream", lambda pointer, device: streams.make(pointer, device))
        patch.setattr(torch.cuda, "stream", streams.use)
        yield streams
