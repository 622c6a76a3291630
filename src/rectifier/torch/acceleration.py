"""`accelerate`: PyTorch's own activations on the kernels of rectifier, for models that stay as they are.

torch's dispatcher lets the kernel of an operator be replaced, by operator and device. What stands above the kernels
(autograd, functorch, fake tensors, subclasses, torch.compile) does not notice: it asks for ``aten::elu`` and gets it.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any, TypeVar

import torch

from . import thresholds
from .aten import KERNELS

__all__ = ["accelerate", "is_accelerated"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_lock = threading.RLock()
_switched_on = 0
_library: torch.library.Library | None = None
# A thread may be inside a kernel that another thread takes away; the latest ones are kept for it.
_retired: deque[Any] = deque(maxlen=1024)


def _untraced(function: _Function) -> _Function:
    """The function, which a call of torch.compile runs as it stands, with all that it calls.

    As `torch.compiler.disable` does, which puts 1 us around each call.
    """
    frames = torch._C._dynamo.eval_frame
    function._torchdynamo_disable = True  # type: ignore[attr-defined]
    function._torchdynamo_disable_msg = "`accelerate` stands around a compiled function"  # type: ignore[attr-defined]
    skip = frames._FrameAction.SKIP
    frames.set_code_exec_strategy(function.__code__, frames._FrameExecStrategy(skip, skip))
    return function


class accelerate(contextlib.ContextDecorator):  # a verb, as torch.no_grad is
    """Run torch's own activations on the kernels of rectifier, in models that stay as they are.

    Once called, and until the block, the decorated function or `disable` ends it, the operators ``elu``, ``selu``,
    ``gelu``, ``leaky_relu``, ``prelu`` and ``rrelu`` of torch, their gradients, in-place and ``out=`` forms run on
    these kernels where those have been measured to be faster for the size and dtype, and on torch's elsewhere.

    Notes
    -----
    It concerns the whole process: every thread, and whatever calls the operators, from ``torch.nn`` to TorchScript.
    CPU tensors of float16, bfloat16, float32 and float64 only. Everything else, autograd with what it saves
    included, remains torch's. It counts: with several in force, torch's own kernels are back when the last one ends.

    A call of one of these operators that stays with torch takes about 2.5 us more while this is on, since Python is
    asked. A model compiled by ``torch.compile`` with its default back-end writes its own code for these operators
    and is not affected. Kernels are replaced at once for all threads: switch while none is inside a model.

    Examples
    --------
    >>> import torch
    >>> from rectifier.torch import accelerate
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.PReLU(8))
    >>> with accelerate():
    ...     loss = model(torch.randn(2, 3, 64, 64)).square().mean()
    ...     loss.backward()

    As a switch:

    >>> switch = accelerate()
    >>> switch.disable()

    As a decorator:

    >>> @accelerate()
    ... def step(x):
    ...     return torch.nn.functional.elu(x)
    """

    @_untraced
    def __init__(self) -> None:
        self._depth = 0
        self.enable()
        self._fresh = True  # the first block is the one that this object was made for

    @_untraced
    def enable(self) -> None:
        """Switch on; once more where it is on already."""
        with _lock:
            _switch(+1)
            self._depth += 1
            self._fresh = False

    @_untraced
    def disable(self) -> None:
        """Take back one `enable`, or what the call did; nothing happens where it is off."""
        with _lock:
            if self._depth:
                self._depth -= 1
                self._fresh = False
                _switch(-1)

    @_untraced
    def __enter__(self) -> accelerate:
        if self._fresh:
            self._fresh = False
        else:
            self.enable()
        return self

    @_untraced
    def __exit__(self, *error: object) -> None:
        self.disable()

    def _recreate_cm(self) -> accelerate:
        return accelerate()

    def __call__(self, function: _Function) -> _Function:
        """The function, each call of which is accelerated."""
        self.disable()
        if any(kind(function) for kind in (isgeneratorfunction, iscoroutinefunction, isasyncgenfunction)):
            raise TypeError(f"`function` must be a plain function, got a generator or coroutine, {function!r}")
        return super().__call__(function)


def is_accelerated() -> bool:
    """Whether `accelerate` is in force, in this process."""
    return _switched_on > 0


def _switch(step: int) -> None:
    global _switched_on, _library
    with _lock:
        if _switched_on == 0 and step > 0:
            _library = _registered()
        _switched_on += step
        if _switched_on == 0 and _library is not None:
            _library._destroy()  # type: ignore[no-untyped-call]
            _library = None


def _registered() -> torch.library.Library:
    library = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).*Overriding a previously registered kernel", UserWarning)
            for operator, (row, compute) in KERNELS.items():
                if thresholds.SWITCHES.get(row):
                    _replace(library, operator, thresholds.SWITCHES[row], compute)
    except BaseException:
        library._destroy()  # type: ignore[no-untyped-call]
        raise
    return library


def _replace(
    library: torch.library.Library,
    operator: str,
    switches: Mapping[torch.dtype, tuple[int, ...]],
    compute: Callable[..., Any],
) -> None:
    original = torch.library.get_kernel(f"aten::{operator}", "CPU")

    @_untraced
    def kernel(keys: Any, x: torch.Tensor, *arguments: Any, **named: Any) -> Any:
        if bisect_right(switches.get(x.dtype, ()), x.numel()) & 1:
            result = compute(x, *arguments, **named)
            if result is not NotImplemented:
                return result
        return original.call_boxed(keys, x, *arguments, **named)

    library.impl(operator, kernel, "CPU", with_keyset=True, allow_override=True)  # type: ignore[no-untyped-call]
    _retired.append(torch.library.get_kernel(f"aten::{operator}", "CPU"))
