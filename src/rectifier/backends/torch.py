"""Tensors of PyTorch: the operator and its gradient, differentiable by torch's own means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import torch
from torch import Tensor

from .. import _core
from .._torch import compute, functions, nodes, onnx_nodes, operators, outputs  # noqa: F401  (registers the operators)
from .._torch.arguments import check_rng_for_tensors as check_rng
from .._torch.arguments import (
    checked_data,
    checked_gamma,
    checked_out,
    checked_upstream,
    draw_key,
    drawn_key,
    from_numpy,
    may_be_written,
)
from .._torch.kernels import Settings
from .._torch.plain import are_plain, has_memory, records, untouched
from ..parameters import ACTIVATIONS, Call

__all__ = ["check_rng", "draw_key", "forward", "from_numpy", "quick", "to_numpy", "vjp"]


def quick(
    data: Any,
    gamma: Any,
    act_type: Any,
    slope: Any,
    lower: Any,
    upper: Any,
    training: Any,
    rng: Any,
    axis: Any,
    out: Any,
) -> Any:
    """The operator on plain tensors and arguments, or NotImplemented."""
    if nodes.call is not None and not torch.compiler.is_dynamo_compiling():
        result = nodes.call(data, gamma, act_type, slope, lower, upper, training, rng, axis, out)
        if result is not NotImplemented:
            return result
    if gamma is not None and not isinstance(gamma, Tensor):
        return NotImplemented
    if not untouched() or not (has_memory(data) and (gamma is None or has_memory(gamma))):
        return NotImplemented
    recorded = records(data, gamma)
    if out is None:
        result = _core.call(data, gamma, act_type, slope, lower, upper, training, rng, axis, None)
        if result is NotImplemented or not recorded:
            return result
        # The core has found the arguments to be right.
        call = Call(ACTIVATIONS[act_type], float(slope), float(lower), float(upper), bool(training)).rounded(wide=True)
        aligned = None if gamma is None else checked_gamma(data, gamma, axis)
        key = None if not call.draws else drawn_key() if rng is None else draw_key(rng)
        return functions.record(result, data, aligned, key, _settings(call))
    if recorded:
        return NotImplemented
    # An expanded one has yet to be refused.
    if not has_memory(out) or records(out) or not out.is_contiguous() or not may_be_written(out):
        return NotImplemented
    result = _core.call(data, gamma, act_type, slope, lower, upper, training, rng, axis, out)
    if result is not NotImplemented:
        outputs.count_change(out)
    return result


def forward(call: Call, data: Tensor, gamma: Any, axis: Any, key: Tensor | None, out: Any) -> Tensor:
    """The value of the operator."""
    x, aligned, settings = _checked(call, data, gamma, axis)
    if torch.onnx.is_in_onnx_export():
        return onnx_nodes.node(x, aligned, key, settings)
    if out is None:
        return _value(x, aligned, key, settings)
    return outputs.write_value(checked_out(out, x), x, aligned, key, settings)


def vjp(
    call: Call, data: Tensor, gamma: Any, axis: Any, key: Tensor | None, out: Any
) -> tuple[Tensor, Callable[..., Any]]:
    """The value, and the function that takes a gradient of the output back to the inputs."""
    x, aligned, settings = _checked(call, data, gamma, axis)
    input_kept, gamma_kept = x, aligned
    if out is None:
        y = _value(x, aligned, key, settings)
    else:
        checked_out(out, x)
        input_kept = outputs.kept_apart(out, x)
        gamma_kept = None if aligned is None else outputs.kept_apart(out, aligned)
        y = outputs.write_value(out, x, aligned, key, settings)
    if gamma_kept is not None:
        return y, _gamma_pullback(input_kept, gamma_kept, gamma if isinstance(gamma, Tensor) else gamma_kept)
    kept = compute.kept(are_plain(input_kept), input_kept, y, key, settings)

    def pullback(d_out: Any, out: Any = None) -> Tensor:
        g, target = checked_upstream(d_out, y), checked_out(out, y)
        return outputs.write(target, _pullback(g, kept, key, settings))

    return y, pullback


def _value(x: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
    if type(x).__name__ != "DTensor":
        return functions.value(x, gamma, key, settings)
    from .._torch import distributed  # which imports torch.distributed

    return distributed.value(x, gamma, key, settings)


def _pullback(d_out: Tensor, kept: Tensor, key: Tensor | None, settings: Settings) -> Tensor:
    if type(kept).__name__ != "DTensor":
        return functions.pullback(d_out, kept, None, key, settings)
    from .._torch import distributed

    return distributed.pullback(d_out, kept, key, settings)


def _gamma_pullback(x: Tensor, aligned: Tensor, gamma: Tensor) -> Callable[..., Any]:
    def pullback(d_out: Any, out: Any = None) -> tuple[Tensor, Tensor]:
        out = (None, None) if out is None else out
        if not isinstance(out, tuple) or len(out) != 2:
            raise TypeError(f"`out` must be a pair of tensors for 'prelu', or None, got {type(out).__name__}")
        g = checked_upstream(d_out, x)
        targets = checked_out(out[0], x), checked_out(out[1], gamma)
        d_data, d_gamma = functions.gamma_pullback(g, x, aligned)
        results = d_data, d_gamma.reshape(gamma.shape).to(gamma.dtype)
        d_data, d_gamma = (outputs.write(target, result) for target, result in zip(targets, results, strict=True))
        return d_data, d_gamma

    return pullback


def _checked(call: Call, data: Tensor, gamma: Any, axis: Any) -> tuple[Tensor, Tensor | None, Settings]:
    """The data as floats, gamma lined up with them, and the numbers as the operators take them."""
    x = checked_data(data)
    call = call.rounded(x.dtype == torch.float64)
    aligned = checked_gamma(x, gamma, axis) if call.activation.has_gamma else None
    return x, aligned, _settings(call)


def _settings(call: Call) -> Settings:
    return Settings(call.activation.name, call.slope, call.lower_bound, call.upper_bound)


def to_numpy(tensor: Tensor) -> Any:
    """An array of the same numbers."""
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()
