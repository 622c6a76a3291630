"""Which tensors the kernels may touch at once, without a way through torch's dispatcher."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._C import (
    DispatchKey,
    DispatchKeySet,
    _dispatch_keys,
    _dispatch_tls_local_include_set,
    _len_torch_function_stack,
)
from torch.autograd import forward_ad

__all__ = ["FLOATS", "KINDS", "PLAIN", "UNTOUCHED", "are_plain", "has_memory", "records", "transforming", "untouched"]

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
KINDS = frozenset({Tensor, torch.nn.Parameter})


def _bits(*names: str) -> int:
    keys = DispatchKeySet(getattr(DispatchKey, names[0]))
    for name in names[1:]:
        keys = keys | DispatchKeySet(getattr(DispatchKey, name))
    bits: int = keys.raw_repr()
    return bits


# The keys of a tensor with memory of its own, and of one of inference mode. A further key stands for somebody who wants
# to see the call: a transform of torch.func, a lazy negation, a subclass, a sparse or quantized layout.
PLAIN = frozenset(
    _bits(device, f"Autocast{device}", *more)
    for device in ("CPU", "CUDA")
    for more in ((), ("ADInplaceOrView", f"Autograd{device}"))
)
# What the thread includes for every call when nothing traces or transforms, outside inference mode and in it.
UNTOUCHED = frozenset({_bits("BackendSelect", "ADInplaceOrView"), _bits("BackendSelect")})


def untouched() -> bool:
    """Whether calls on this thread go straight to the kernels: no tracing, transform, mode or forward-mode level."""
    return (
        not torch.compiler.is_dynamo_compiling()
        and _dispatch_tls_local_include_set().raw_repr() in UNTOUCHED
        and not _len_torch_function_stack()
        and forward_ad._current_level < 0
    )


def has_memory(tensor: Any) -> bool:
    """Whether this is a tensor with memory of its own and no more: no subclass, wrapper or lazy view."""
    return type(tensor) in KINDS and _dispatch_keys(tensor).raw_repr() in PLAIN


def are_plain(*tensors: Tensor | None) -> bool:
    """Whether the kernels may run on the tensors at once; None counts as plain."""
    return untouched() and all(tensor is None or has_memory(tensor) for tensor in tensors)


def records(first: Tensor | None, second: Tensor | None = None) -> bool:
    """Whether autograd records what is done with one of the tensors."""
    wanted = (first is not None and first.requires_grad) or (second is not None and second.requires_grad)
    return wanted and torch.is_grad_enabled()


def transforming() -> bool:
    """Whether a transform of torch.func is at work."""
    return not torch.compiler.is_dynamo_compiling() and torch._C._are_functorch_transforms_active()
