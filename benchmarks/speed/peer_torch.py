"""PyTorch on the CPU, on the same memory.

With ``out`` given, the kernels behind the functions write there; they are called directly. Fresh results come from the
functions that users call, gradients from the kernels behind autograd, and forward and gradient together from autograd.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from .arrays import Array, Arrays
from .cells import LOWER_BOUND, MIDDLE_SLOPE, SLOPE, UPPER_BOUND, Cell
from .plain_numpy import ALPHA, SCALE, gamma_axes
from .subjects import Absent

aten = torch.ops.aten
native = torch._C._nn


class Tensors(NamedTuple):
    """The arrays of a cell as tensors."""

    x: torch.Tensor
    g: torch.Tensor
    w: torch.Tensor | None
    y: torch.Tensor | None
    dx: torch.Tensor | None


class Functions(NamedTuple):
    """An activation in torch: a fresh value, one into `out`, and the gradient from the kernel, into `out` or not."""

    value: Callable[[torch.Tensor], torch.Tensor]
    value_into: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    gradient: Callable[[], Any]


def prepare(cell: Cell, arrays: Arrays) -> Callable[[], Any]:
    """The work of a cell."""
    torch.set_num_threads(cell.threads)
    tensors = _tensors(arrays, cell.out == "given")
    act = functions(cell, arrays, tensors)
    x, y, g, w = tensors.x, tensors.y, tensors.g, tensors.w
    forward = (lambda: act.value(x)) if y is None else (lambda: act.value_into(x, y))
    if cell.work == "forward":
        return forward
    if cell.work == "gradient":
        return act.gradient
    if y is not None:
        return lambda: (forward(), act.gradient())
    inputs = [x.detach().requires_grad_()] + ([] if w is None else [w.requires_grad_()])

    def both() -> Any:
        value = act.value(inputs[0])
        return value.detach(), torch.autograd.grad(value, inputs, g)

    return both


def _tensors(arrays: Arrays, given: bool) -> Tensors:
    w = None if arrays.gamma is None else as_tensor(arrays.gamma.reshape(_weight_shape(arrays)))
    targets = (as_tensor(arrays.out), as_tensor(arrays.d_data)) if given else (None, None)
    return Tensors(as_tensor(arrays.data), as_tensor(arrays.head), w, *targets)


def _weight_shape(arrays: Arrays) -> tuple[int, ...]:
    shape = arrays.gamma_shape
    return (1,) * arrays.data.ndim if shape == (1,) else shape


def as_tensor(array: Array) -> torch.Tensor:
    """A tensor on the same memory."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def functions(cell: Cell, arrays: Arrays, tensors: Tensors) -> Functions:
    """The functions of a cell's activation."""
    act_type = cell.case.act_type
    if act_type == "prelu":
        return _prelu(arrays, tensors)
    if cell.case.training:
        return _rrelu_training(tensors)
    if act_type in ("leaky", "rrelu"):
        return _leaky(tensors, act_type)
    if act_type in ("elu", "selu"):
        return _elu(tensors, act_type)
    if act_type in ("gelu", "gelu_tanh"):
        return _gelu(tensors, "none" if act_type == "gelu" else "tanh")
    raise Absent(f"torch has no {act_type}")


def _leaky(t: Tensors, act_type: str) -> Functions:
    slope = SLOPE if act_type == "leaky" else MIDDLE_SLOPE
    value = lambda x: functional.leaky_relu(x, slope)  # noqa: E731
    if act_type == "rrelu":
        value = lambda x: functional.rrelu(x, LOWER_BOUND, UPPER_BOUND)  # noqa: E731
    into = lambda x, y: native.leaky_relu(x, slope, out=y)  # noqa: E731
    x, g, dx = t.x, t.g, t.dx
    if dx is None:
        return Functions(value, into, lambda: aten.leaky_relu_backward.default(g, x, slope, False))
    return Functions(value, into, lambda: aten.leaky_relu_backward.grad_input(g, x, slope, False, grad_input=dx))


def _elu(t: Tensors, act_type: str) -> Functions:
    alpha, scale = (SLOPE, 1.0) if act_type == "elu" else (ALPHA, SCALE)
    value = (lambda x: functional.elu(x, SLOPE)) if act_type == "elu" else functional.selu
    x, g, dx = t.x, t.g, t.dx
    into = lambda x, y: native.elu(x, alpha, scale, 1.0, out=y)  # noqa: E731
    if dx is None:
        return Functions(value, into, lambda: aten.elu_backward.default(g, alpha, scale, 1.0, False, x))
    return Functions(value, into, lambda: aten.elu_backward.grad_input(g, alpha, scale, 1.0, False, x, grad_input=dx))


def _gelu(t: Tensors, approximate: str) -> Functions:
    kind = {"approximate": approximate}
    x, g, dx = t.x, t.g, t.dx
    value = lambda x: functional.gelu(x, **kind)  # noqa: E731
    into = lambda x, y: native.gelu(x, out=y, **kind)  # noqa: E731
    if dx is None:
        return Functions(value, into, lambda: aten.gelu_backward.default(g, x, **kind))
    return Functions(value, into, lambda: aten.gelu_backward.grad_input(g, x, grad_input=dx, **kind))


def _prelu(arrays: Arrays, t: Tensors) -> Functions:
    """The kernels: the public function takes neither gamma for each element nor one for the last axis; no ``out``."""
    x, g, w, axes = t.x, t.g, t.w, gamma_axes(arrays)
    value = lambda x: torch._prelu_kernel(x, w)  # noqa: E731

    def gradient() -> Any:
        dx, terms = aten._prelu_kernel_backward.default(g, x, w)
        return dx, terms.sum(axes) if axes else terms

    return Functions(value, lambda x, _: value(x), gradient)


def _rrelu_training(t: Tensors) -> Functions:
    bounds = LOWER_BOUND, UPPER_BOUND
    noise = torch.empty_like(t.x)
    native.rrelu_with_noise(t.x, noise, *bounds, True)
    x, g, dx = t.x, t.g, t.dx
    value = lambda x: functional.rrelu(x, *bounds, training=True)  # noqa: E731
    into = lambda x, y: native.rrelu_with_noise(x, noise, *bounds, True, out=y)  # noqa: E731
    backward = aten.rrelu_with_noise_backward
    if dx is None:
        return Functions(value, into, lambda: backward.default(g, x, noise, *bounds, True, False))
    return Functions(value, into, lambda: backward.out(g, x, noise, *bounds, True, False, out=dx))
