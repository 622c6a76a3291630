"""The operators in torch's registry, `torch.ops.rectifier`: what tracing, export and subclasses see of a call.

========================  =============================================================================================
``leaky_relu``            the activation's value; gamma has as many axes as the data
``pullback``              d_out times the derivative; `kept` is the data, or what stands for them: see `Call.keeps`
``gamma_pullback``        prelu's two gradients
``pack_signs``            one bit an element, in C order: whether it is above zero
========================  =============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import batching, functions, kernels
from .kernels import Settings

__all__: list[str] = []

_SETTINGS = "str act_type, float slope, float lower_bound, float upper_bound, SymInt first=0, SymInt[]? steps=None"
_LIBRARY: Any = torch.library.Library("rectifier", "DEF")  # type: ignore[no-untyped-call]


def _define(
    schema: str, kernel: Callable[..., Any], fake: Callable[..., Any], autograd: Any = None, vmap: Any = None
) -> None:
    name = schema.partition("(")[0]
    _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
    for device in ("CPU", "CUDA"):
        _LIBRARY.impl(name, kernel, device)
    torch.library.register_fake(f"rectifier::{name}", fake, lib=_LIBRARY)
    if autograd is not None:
        _LIBRARY.impl(name, autograd, "Autograd")
        torch.library.register_vmap(f"rectifier::{name}", vmap, lib=_LIBRARY)


def _value(data: Tensor, gamma: Tensor | None, key: Tensor | None, *settings: Any) -> Tensor:
    return kernels.value(data, gamma, key, Settings(*settings))


def _pullback(d_out: Tensor, kept: Tensor, gamma: Tensor | None, key: Tensor | None, *settings: Any) -> Tensor:
    return kernels.pullback(d_out, kept, gamma, key, Settings(*settings))


def _fake_pullback(d_out: Tensor, kept: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(d_out if kept.dtype == torch.uint8 else kept)


def _autograd(function: Any) -> Callable[..., Any]:
    def kernel(*arguments: Any) -> Any:
        tensors, settings = arguments[: function.tensors], arguments[function.tensors :]
        return functions.apply(function, False, *tensors, *([Settings(*settings)] if settings else []))

    return kernel


_define(
    f"leaky_relu(Tensor data, Tensor? gamma, Tensor? key, {_SETTINGS}) -> Tensor",
    _value,
    lambda data, *_: torch.empty_like(data),
    _autograd(functions.Value),
    batching.value,
)
_define(
    f"pullback(Tensor d_out, Tensor kept, Tensor? gamma, Tensor? key, {_SETTINGS}) -> Tensor",
    _pullback,
    _fake_pullback,
    _autograd(functions.Pullback),
    batching.pullback,
)
_define(
    "gamma_pullback(Tensor d_out, Tensor data, Tensor gamma) -> (Tensor, Tensor)",
    kernels.gamma_pullback,
    lambda d_out, data, gamma: (torch.empty_like(data), torch.empty_like(gamma)),
    _autograd(functions.GammaPullback),
    batching.gamma_pullback,
)
_define(
    "pack_signs(Tensor data) -> Tensor",
    kernels.pack_signs,
    lambda data: data.new_empty((data.numel() + 7) // 8, dtype=torch.uint8),
)
