"""The activations of `torch.nn` on rectifier's kernels: their names, arguments, defaults, representations and state.

Each class is a subclass of torch's of the same name, so that whatever looks for those finds it, and differs from it in
what `forward` calls.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, fx, nn

from .._torch.plain import FLOATS
from ..gamma import named_axes
from ..operator import leaky_relu
from ..parameters import check_bounds, finite, integer

__all__ = ["ELU", "GELU", "MODULES", "SELU", "LeakyReLU", "PReLU", "RReLU"]


def _activate(x: Tensor, inplace: bool, act_type: str, **parameters: Any) -> Tensor:
    result: Tensor = leaky_relu(x, act_type=act_type, **parameters, out=x if inplace else None)
    return result


def _prelu(x: Tensor, weight: Tensor, axis: int | tuple[int, ...] | None) -> Tensor:
    if axis is None and weight.numel() != 1:
        axis = tuple(range(1, 1 + weight.dim()))
    result: Tensor = leaky_relu(x, weight, "prelu", axis=axis)
    return result


# One node each in a graph of torch.fx, whose proxies nothing can look into.
fx.wrap("_activate")
fx.wrap("_prelu")


class _NoScript:
    """What TorchScript asks a module for first."""

    def __prepare_scriptable__(self) -> Any:
        raise TypeError(
            f"`{self}` must be torch's own for TorchScript: call `rectifier.torch.revert(model)` first, "
            "or use torch.jit.trace, torch.compile or torch.export"
        )


class LeakyReLU(nn.LeakyReLU, _NoScript):
    """x where x > 0, and negative_slope · x elsewhere.

    Parameters
    ----------
    negative_slope : float, default 0.01
        Any finite number.
    inplace : bool, default False
        Whether to overwrite the input. Right for every slope, the gradient included; torch refuses negative ones.

    Raises
    ------
    TypeError, ValueError
        If `negative_slope` is not a finite number.

    Notes
    -----
    For the gradient it keeps its output where the slope is not negative, and one bit an element otherwise. Input of
    any shape, of dtype float16, bfloat16, float32 or float64; the output is like it. Errors and their bounds are
    those of `leaky_relu`. The default of the slope is torch's; that of `leaky_relu` is MXNet's.

    Examples
    --------
    >>> import torch
    >>> from rectifier.torch import LeakyReLU
    >>> LeakyReLU(0.1)(torch.tensor([-1.0, 2.0]))
    tensor([-0.1000,  2.0000])
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        finite("negative_slope", negative_slope)
        super().__init__(negative_slope, inplace)

    def forward(self, input: Tensor) -> Tensor:
        return _activate(input, self.inplace, "leaky", slope=self.negative_slope)


class ELU(nn.ELU, _NoScript):
    """x where x > 0, and alpha · (exp(x) − 1) elsewhere (Clevert et al., arXiv:1511.07289).

    Parameters
    ----------
    alpha : float, default 1.0
        Any finite number.
    inplace : bool, default False
        Whether to overwrite the input. Right for every alpha, the gradient included; torch refuses negative ones. A
        copy of the input is kept for the gradient, which loses digits when it is formed from the output.

    Raises
    ------
    TypeError, ValueError
        If `alpha` is not a finite number.

    Notes
    -----
    Input of any shape, of dtype float16, bfloat16, float32 or float64; the output is like it. Errors and their bounds
    are those of `leaky_relu`.

    Examples
    --------
    >>> import torch
    >>> from rectifier.torch import ELU
    >>> ELU()(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        finite("alpha", alpha)
        super().__init__(alpha, inplace)

    def forward(self, input: Tensor) -> Tensor:
        return _activate(input, self.inplace, "elu", slope=self.alpha)


class SELU(nn.SELU, _NoScript):
    """λ · x where x > 0, and λ · α · (exp(x) − 1) elsewhere (Klambauer et al., arXiv:1706.02515).

    Parameters
    ----------
    inplace : bool, default False
        Whether to overwrite the input; a copy of it is kept for the gradient, as by `ELU`.

    Notes
    -----
    Input of any shape, of dtype float16, bfloat16, float32 or float64; the output is like it. Errors and their bounds
    are those of `leaky_relu`.

    Examples
    --------
    >>> import torch
    >>> from rectifier.torch import SELU
    >>> SELU()(torch.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """

    def forward(self, input: Tensor) -> Tensor:
        return _activate(input, self.inplace, "selu")


class GELU(nn.GELU, _NoScript):
    """x · Φ(x), Φ the normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415).

    Parameters
    ----------
    approximate : {"none", "tanh"}, default "none"
        The exact function, or its approximation by tanh, which is the operator's activation ``gelu_tanh``.

    Raises
    ------
    ValueError
        For another word.

    Notes
    -----
    Input of any shape, of dtype float16, bfloat16, float32 or float64; the output is like it. The lower tail keeps its
    digits, which torch's loses. Errors and their bounds are those of `leaky_relu`.

    Examples
    --------
    >>> import torch
    >>> from rectifier.torch import GELU
    >>> GELU()(torch.tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """

    def __init__(self, approximate: str = "none") -> None:
        gelu_act_type(approximate)
        super().__init__(approximate)

    def forward(self, input: Tensor) -> Tensor:
        return _activate(input, False, gelu_act_type(self.approximate))


def gelu_act_type(approximate: str) -> str:
    """The operator's name for torch's word."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"`approximate` must be 'none' or 'tanh', got {approximate!r}")
    return "gelu" if approximate == "none" else "gelu_tanh"


class PReLU(nn.PReLU, _NoScript):
    """x where x > 0, and weight · x elsewhere, the weight learnt (He et al., arXiv:1502.01852).

    Parameters
    ----------
    num_parameters : int or tuple of int, default 1
        1 for a slope that all elements share; the number of channels, axis 1, for one slope each. A tuple is the
        shape of the weight, whose dimensions stand for the axes from 1 on: ``(C, H, W)`` for a slope of each element.
    init : float, default 0.25
        The slopes before training.
    device, dtype
        Of the weight.
    axis : int or tuple of int, optional
        The axes of the input that the weight's dimensions stand for, negative ones counted from the end; for channels
        that come last, -1.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; from a call, if the weight does not fit the input.

    Notes
    -----
    Both gradients come from one pass, without a temporary of the input's size; the weight's is summed in float64 and
    rounded once, whatever the number of threads. Input of any shape, of dtype float16, bfloat16, float32 or float64;
    the output is like it. Only the input is kept for the gradient.

    Examples
    --------
    >>> import torch
    >>> from rectifier.torch import PReLU
    >>> PReLU(2).requires_grad_(False)(torch.tensor([[-1.0, 2.0], [3.0, -4.0]]))
    tensor([[-0.2500,  2.0000],
            [ 3.0000, -1.0000]])
    >>> PReLU(3, axis=-1)
    PReLU(num_parameters=3, axis=-1)
    """

    axis: int | tuple[int, ...] | None = None  # of the class, for modules made by torch or an older pickle

    def __init__(
        self,
        num_parameters: int | tuple[int, ...] = 1,
        init: float = 0.25,
        device: Any = None,
        dtype: Any = None,
        *,
        axis: int | tuple[int, ...] | None = None,
    ) -> None:
        _check_weight(num_parameters, dtype)
        finite("init", init)
        if axis is not None:
            named_axes(axis)
        super().__init__(num_parameters, init, device=device, dtype=dtype)  # type: ignore[arg-type]
        if axis is not None:
            self.axis = axis

    def forward(self, input: Tensor) -> Tensor:
        return _prelu(input, self.weight, self.axis)

    def extra_repr(self) -> str:
        return super().extra_repr() + (f", axis={self.axis}" if self.axis is not None else "")


def _check_weight(num_parameters: Any, dtype: Any) -> None:
    wanted = "an integer or a tuple of integers, 0 or more"
    for size in num_parameters if isinstance(num_parameters, tuple) else (num_parameters,):
        if integer("num_parameters", size, wanted) < 0:
            raise ValueError(f"`num_parameters` must be {wanted}, got {num_parameters!r}")
    if dtype is not None and dtype not in FLOATS:
        raise TypeError(f"`dtype` must be float16, bfloat16, float32, float64 or None, got {dtype}")


class RReLU(nn.RReLU, _NoScript):
    """x where x > 0, and s · x elsewhere, s random in training (Xu et al., arXiv:1505.00853).

    Parameters
    ----------
    lower, upper : float, default 1/8 and 1/3
        s is uniform in [lower, upper) while training, and (lower + upper)/2 in evaluation.
    inplace : bool, default False
        Whether to overwrite the input; right for slopes of any sign, the gradient included.

    Raises
    ------
    TypeError, ValueError
        If the bounds are not finite numbers, or `lower` is above `upper`.

    Notes
    -----
    ``torch.manual_seed`` repeats the slopes, which are not those of torch's own module. They are not stored: the
    gradient draws them again, and keeps the output where no slope is negative, one bit an element otherwise. Input of
    any shape, of dtype float16, bfloat16, float32 or float64; the output is like it.

    Examples
    --------
    >>> import torch
    >>> from rectifier.torch import RReLU
    >>> RReLU(0.1, 0.3).eval()(torch.tensor([-1.0, 2.0]))
    tensor([-0.2000,  2.0000])
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        check_bounds(lower, upper, names=("lower", "upper"))
        super().__init__(lower, upper, inplace)

    def forward(self, input: Tensor) -> Tensor:
        bounds = {"lower_bound": self.lower, "upper_bound": self.upper}
        return _activate(input, self.inplace, "rrelu", training=self.training, **bounds)


# torch's class -> ours.
MODULES = {ours.__bases__[0]: ours for ours in (LeakyReLU, ELU, SELU, GELU, PReLU, RReLU)}
