"""One parameter of a block."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import initializer, nd, symbol
from ..base import MXNetError
from ..context import Context, current_context
from ..initializer import Initializer
from ..nd import NDArray
from ..symbol import Symbol

__all__ = ["DeferredInitializationError", "Parameter"]

Shape = tuple[int, ...]


class DeferredInitializationError(MXNetError):
    """A parameter's shape waits for the first data."""


class Parameter:
    """A number or array that a block learns.

    Parameters
    ----------
    name : str
    grad_req : {"write", "add", "null"}
    shape : int or tuple of int, optional
        0 is a size that the first data decides.
    dtype : dtype, default float32
    lr_mult, wd_mult : float
        What an optimizer multiplies its learning rate and weight decay by; kept in exported graphs.
    init : Initializer or str, optional
        How it starts; the one given to `initialize` by default.
    allow_deferred_init : bool
        Whether unknown sizes may wait for the first data.
    differentiable : bool
        If False, there is no gradient.
    """

    def __init__(
        self,
        name: str,
        grad_req: str = "write",
        shape: int | Shape | None = None,
        dtype: Any = np.float32,
        lr_mult: float = 1.0,
        wd_mult: float = 1.0,
        init: Initializer | str | None = None,
        allow_deferred_init: bool = False,
        differentiable: bool = True,
    ) -> None:
        self.name = name
        self.dtype = dtype
        self.lr_mult = lr_mult
        self.wd_mult = wd_mult
        self.init = init
        self._allow_deferred_init = allow_deferred_init
        self._shape = (shape,) if isinstance(shape, int) else None if shape is None else tuple(shape)
        self._data: NDArray | None = None
        self._waiting: tuple[Initializer | None, Context] | None = None
        self._var: Symbol | None = None
        self._grad_req = grad_req if differentiable else "null"

    def __repr__(self) -> str:
        return f"Parameter {self.name} (shape={self.shape}, dtype={self.dtype})"

    @property
    def shape(self) -> Shape | None:
        """The shape; 0 is a size that is not known yet."""
        return self._shape

    @shape.setter
    def shape(self, new: Shape) -> None:
        self.check_shape(new)
        self._shape = tuple(new)

    def check_shape(self, new: Shape) -> None:
        """Raise a ValueError for a shape that contradicts what is known."""
        known = self._shape
        if known is not None and (
            len(known) != len(new) or any(a not in (0, b) for a, b in zip(known, new, strict=True))
        ):
            raise ValueError(f"`shape` must agree with {known} of parameter {self.name!r}, got {new}")

    @property
    def grad_req(self) -> str:
        """Whether a gradient is written, added, or not wanted."""
        return self._grad_req

    @grad_req.setter
    def grad_req(self, req: str) -> None:
        if req not in ("write", "add", "null"):
            raise ValueError(f"`grad_req` must be 'write', 'add' or 'null', got {req!r}")
        self._grad_req = req
        if self._data is not None:
            self._attach()

    def initialize(
        self,
        init: Initializer | str | None = None,
        ctx: Context | list[Context] | None = None,
        default_init: Initializer | str | None = None,
        force_reinit: bool = False,
    ) -> None:
        """Make the array and fill it; wait for the first data where a size is unknown and may be.

        The parameter's own `init` goes before `default_init`, and `init` before both.
        """
        if self._data is not None and not force_reinit:
            return
        chosen = initializer.create(init if init is not None else self.init if self.init is not None else default_init)
        context = (ctx[0] if isinstance(ctx, (list, tuple)) else ctx) or current_context()
        self._data, self._waiting = None, (chosen, context)
        if self._is_known():
            self._make()
        elif not self._allow_deferred_init:
            raise ValueError(f"`shape` must be known to initialize parameter {self.name!r}, got {self.shape}")

    def _is_known(self) -> bool:
        return self._shape is not None and 0 not in self._shape

    def _make(self) -> None:
        """Make the array that `initialize` asked for."""
        assert self._waiting is not None
        assert self._shape is not None
        chosen, context = self._waiting
        array = nd.zeros(self._shape, context, self.dtype)
        if chosen is not None:
            # An initializer of the parameter's own fills it whatever the name.
            chosen.fill(array) if self.init is not None else chosen(self.name, array)
        self._waiting, self._data = None, array
        self._attach()

    def infer(self, shape: Shape) -> None:
        """Take the shape that follows from the first data, and make the array that waited for it."""
        if not shape or 0 in shape:
            raise ValueError(f"Deferred initialization failed because the shape of {self.name!r} cannot be inferred")
        self.shape = shape
        self._make()

    def _attach(self) -> None:
        assert self._data is not None
        self._data.attach_grad(self._grad_req)

    def _checked(self) -> NDArray:
        if self._data is not None:
            return self._data
        if self._waiting is not None:
            raise DeferredInitializationError(
                f"Parameter '{self.name}' has not been initialized yet because initialization was deferred. Actual "
                "initialization happens during the first forward pass."
            )
        raise RuntimeError(
            f"Parameter '{self.name}' has not been initialized. Note that you should initialize parameters with "
            "Block.collect_params() instead of Block.params because the later does not include Parameters of nested "
            "child Blocks"
        )

    def data(self, ctx: Context | None = None) -> NDArray:
        """The array."""
        return self._checked()

    def list_data(self) -> list[NDArray]:
        """The array, in a list."""
        return [self._checked()]

    def grad(self, ctx: Context | None = None) -> NDArray:
        """The gradient's array."""
        found = self._checked().grad
        if found is None or self._grad_req == "null":
            raise RuntimeError(f"Cannot get gradient array for Parameter '{self.name}' because grad_req='null'")
        return found

    def list_grad(self) -> list[NDArray]:
        """The gradient's array, in a list."""
        return [self.grad()]

    def list_ctx(self) -> list[Context]:
        """The device, in a list."""
        if self._data is None and self._waiting is not None:
            return [self._waiting[1]]
        return [self._checked().context]

    def reset_ctx(self, ctx: Context | list[Context]) -> None:
        """Move the array to another device; the gradient starts anew."""
        context = ctx[0] if isinstance(ctx, (list, tuple)) else ctx
        if self._data is not None:
            self._data = self._data.detach().as_in_context(context)
            self._attach()
        elif self._waiting is not None:
            self._waiting = (self._waiting[0], context)
        else:
            raise ValueError(f"Cannot reset context for Parameter '{self.name}' because it has not been initialized.")

    def set_data(self, data: Any) -> None:
        """Write new numbers; the gradient's array stays."""
        array = data if isinstance(data, NDArray) else nd.array(data)
        self.shape = array.shape
        if self._data is None:
            if self._waiting is None:
                self._checked()
            self._make()
        assert self._data is not None
        self._data[:] = array

    def load_data(self, data: NDArray, ctx: Context | None = None) -> None:
        """Take numbers from a file; the parameter need not be initialized."""
        if self._data is None and self._waiting is None:
            self._waiting = (None, ctx or current_context())
        self.set_data(data)

    def zero_grad(self) -> None:
        """Fill the gradient's array with zeros."""
        if self._data is not None and self._data.grad is not None:
            self._data.grad[:] = 0

    def cast(self, dtype: Any) -> None:
        """Change the dtype, of the array too."""
        self.dtype = dtype
        if self._data is not None:
            self._data = self._data.detach().astype(dtype)
            self._attach()

    def var(self) -> Symbol:
        """The variable that stands for it in graphs."""
        if self._var is None:
            chosen = self.init if not isinstance(self.init, str) else initializer.create(self.init)
            self._var = symbol.var(
                self.name, shape=self.shape, dtype=self.dtype, lr_mult=self.lr_mult, wd_mult=self.wd_mult, init=chosen,
                stype="default",
            )  # fmt: skip
        return self._var
