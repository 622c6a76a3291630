"""torch's operators in terms of rectifier: the kernels that `accelerate` puts in place of ``aten``'s on the CPU.

A function here gets the arguments of the operator of its name, and returns the result, or NotImplemented, without
having written anything, for what stays with torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import _core
from .._torch import kernels as _kernels  # noqa: F401  (makes the core read tensors)
from ..parameters import ACTIVATIONS

__all__ = ["KERNELS", "dense"]

_SELU = (
    1.6732632423543772848170429916717,
    1.0507009873554804934193349852946,
)  # alpha and scale in aten's Activation.cpp
_LARGEST = 3.0e38  # parameters that float32 may not hold are left to torch


class _Work(NamedTuple):
    """What a call asks for: the value of an activation at x, or g times its derivative there."""

    act_type: str
    x: Tensor
    slope: float = 0.0
    g: Tensor | None = None


# --- elu, selu, gelu, leaky_relu: value and gradient, one tensor each


def _elu(x: Tensor, alpha: Any = 1, scale: Any = 1, input_scale: Any = 1, *, g: Tensor | None = None) -> _Work | None:
    if input_scale != 1:  # celu
        return None
    if (alpha, scale) == _SELU:
        return _Work("selu", x, g=g)
    return _Work("elu", x, float(alpha), g) if scale == 1 and abs(alpha) < _LARGEST else None


def _elu_backward(g: Tensor, alpha: Any, scale: Any, input_scale: Any, is_result: bool, x: Tensor) -> _Work | None:
    return None if is_result else _elu(x, alpha, scale, input_scale, g=g)


def _gelu(x: Tensor, *, approximate: str = "none", g: Tensor | None = None) -> _Work | None:
    act_type = "gelu" if approximate == "none" else f"gelu_{approximate}"
    return _Work(act_type, x, g=g) if act_type in ACTIVATIONS else None


def _gelu_backward(g: Tensor, x: Tensor, *, approximate: str = "none") -> _Work | None:
    return _gelu(x, approximate=approximate, g=g)


def _leaky_relu(x: Tensor, negative_slope: Any = 0.01, *, g: Tensor | None = None) -> _Work | None:
    return _Work("leaky", x, float(negative_slope), g) if abs(negative_slope) < _LARGEST else None


def _leaky_relu_backward(g: Tensor, x: Tensor, negative_slope: Any, self_is_result: bool) -> _Work | None:
    # From slope 0 on, the result is above 0 exactly where the input is.
    return None if self_is_result and negative_slope < 0 else _leaky_relu(x, negative_slope, g=g)


def _compute(work: _Work | None, target: Tensor | None = None) -> Any:
    if work is None or not dense(work.x) or not (work.g is None or _alike(work.g, work.x)):
        return NotImplemented
    if target is None:
        target = _core.new_like(work.x)
    elif target is not work.x and not (_alike(target, work.x) and dense(target) and _apart(target, work.x, work.g)):
        return NotImplemented
    _core.apply(ACTIVATIONS[work.act_type].formula, target, work.x, work.g, None, work.slope)
    return target


def _new(plan: Callable[..., _Work | None], *arguments: Any, **named: Any) -> Any:
    return _compute(plan(*arguments, **named))


def _in_place(plan: Callable[..., _Work | None], x: Tensor, *arguments: Any, **named: Any) -> Any:
    return _compute(plan(x, *arguments, **named), x)


def _to_out(plan: Callable[..., _Work | None], name: str, *arguments: Any, **named: Any) -> Any:
    target = named.pop(name)
    return _compute(plan(*arguments, **named), target)


# --- prelu


def _prelu(x: Tensor, weight: Tensor) -> Any:
    if not dense(x) or not _covers(weight, x):
        return NotImplemented
    y = _core.new_like(x)
    _core.apply(ACTIVATIONS["prelu"].formula, y, x, None, weight)
    return y


def _prelu_backward(g: Tensor, x: Tensor, weight: Tensor) -> Any:
    """Both gradients in one pass; the one of the weight summed already.

    aten returns a weight gradient of the data's size, which autograd's engine then sums to the weight's shape, as
    it does with whatever it gets. So the sum may be returned instead, but to the engine alone: everyone else, vmap
    and compiled graphs among them, counts on the full size.
    """
    if not dense(x) or not _alike(g, x) or not _covers(weight, x) or not _asked_by_engine(x):
        return NotImplemented
    d_x, d_weight = _core.new_like(x), torch.empty(weight.shape, dtype=weight.dtype, device=x.device)
    _core.gamma_pullback(d_x, d_weight, g, x, weight)
    return d_x, d_weight


def _covers(weight: Tensor, x: Tensor) -> bool:
    same = weight.dtype is x.dtype and weight.dim() == x.dim()
    return same and all(a in (1, b) for a, b in zip(weight.shape, x.shape, strict=True))


def _asked_by_engine(x: Tensor) -> bool:
    """Whether autograd's engine is at the node of a prelu of this very shape (under vmap, the node's is smaller)."""
    node = torch._C._current_autograd_node()
    if node is None or node.name() != "PreluKernelBackward0":
        return False
    of_output = node._input_metadata[0]
    return list(of_output.shape) == list(x.shape)


# --- rrelu


def _rrelu(x: Tensor, noise: Tensor, lower: Any = 0.125, upper: Any = 1 / 3, training: bool = False,
           generator: Any = None, *, target: Tensor | None = None) -> Any:  # fmt: skip
    """torch's contract: the noise is filled with the slopes, 1 where x is above 0; the result is x times the noise."""
    usual = training and -_LARGEST < lower <= upper < _LARGEST
    if not usual or not (dense(x) and dense(noise) and _alike(noise, x) and _apart(noise, x)):
        return NotImplemented
    if target is None:
        target = _core.new_like(x)
    elif target is not x and not (_alike(target, x) and dense(target) and _apart(target, x, noise)):
        return NotImplemented
    word = torch.empty((), dtype=torch.int64, device=x.device).random_(-(2**63), None, generator=generator)
    key = word.item() % 2**64
    ones = torch.ones((), dtype=x.dtype, device=x.device).expand(x.shape)
    formula = ACTIVATIONS["rrelu"].formula
    _core.apply(formula, noise, x, ones, None, 0.0, key, float(lower), float(upper))
    _core.apply(formula, target, x, None, noise)
    return target


def _rrelu_in_place(x: Tensor, *arguments: Any, **named: Any) -> Any:
    return _rrelu(x, *arguments, **named, target=x)


def _rrelu_to_out(*arguments: Any, out: Tensor, **named: Any) -> Any:
    return _rrelu(*arguments, **named, target=out)


# --- memory


def dense(tensor: Tensor) -> bool:
    """Whether the elements stand side by side, in C order or with the channels last."""
    if tensor.is_contiguous():
        return True
    form = {4: torch.channels_last, 5: torch.channels_last_3d}.get(tensor.dim())
    return form is not None and tensor.is_contiguous(memory_format=form)


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.dtype is b.dtype and a.shape == b.shape and a.device == b.device


def _apart(target: Tensor, *sources: Tensor | None) -> bool:
    return not any(source is not None and _core.in_the_way(target, source) for source in sources)


def _overloads(name: str, plan: Callable[..., _Work | None], backward: Callable[..., _Work | None]) -> dict[str, Any]:
    return {
        name: (name, partial(_new, plan)),
        f"{name}_": (name, partial(_in_place, plan)),
        f"{name}.out": (name, partial(_to_out, plan, "out")),
        f"{name}_backward": (f"{name}_backward", partial(_new, backward)),
        f"{name}_backward.grad_input": (f"{name}_backward", partial(_to_out, backward, "grad_input")),
    }


# aten's operator -> the row of the table of thresholds, and the kernel.
KERNELS: Mapping[str, tuple[str, Callable[..., Any]]] = {
    **_overloads("elu", _elu, _elu_backward),
    **_overloads("gelu", _gelu, _gelu_backward),
    **_overloads("leaky_relu", _leaky_relu, _leaky_relu_backward),
    "_prelu_kernel": ("prelu", _prelu),
    "_prelu_kernel_backward": ("prelu_backward", _prelu_backward),
    "rrelu_with_noise": ("rrelu", _rrelu),
    "rrelu_with_noise_": ("rrelu", _rrelu_in_place),
    "rrelu_with_noise.out": ("rrelu", _rrelu_to_out),
}
