"""MXNet's initializers, ``mx.init``: how parameters start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .coverage import unknown_name

if TYPE_CHECKING:
    from .nd import NDArray

__all__ = ["Constant", "Initializer", "Normal", "One", "Uniform", "Zero", "create"]


class Initializer:
    """What fills an array when a parameter is made; called with a name and the array.

    A name that ends in bias, beta or mean is filled with zeros, one in var with ones; any other as the subclass says.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs

    def dumps(self) -> str:
        """The initializer as the text that a symbol's ``__init__`` holds.

        Examples
        --------
        >>> Constant(0.25).dumps()
        '["constant", {"value": 0.25}]'
        """
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, desc: str, arr: NDArray) -> None:
        """Fill an array; the end of the name decides."""
        if desc.endswith(("bias", "beta", "mean")):
            arr[:] = 0.0
        elif desc.endswith("var"):
            arr[:] = 1.0
        else:
            self.fill(arr)

    def fill(self, arr: NDArray) -> None:
        """Fill an array whatever its name is."""
        raise NotImplementedError(f"{type(self).__name__} must say how it fills an array, in `fill`")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self._kwargs.items())})"


class Constant(Initializer):
    """One number everywhere.

    Parameters
    ----------
    value : float
    """

    def __init__(self, value: float = 0.0) -> None:
        super().__init__(value=value)
        self.value = value

    def fill(self, arr: NDArray) -> None:
        """Fill an array."""
        arr[:] = self.value


class Zero(Initializer):
    """Zeros."""

    def fill(self, arr: NDArray) -> None:
        """Fill an array."""
        arr[:] = 0.0


class One(Initializer):
    """Ones."""

    def fill(self, arr: NDArray) -> None:
        """Fill an array."""
        arr[:] = 1.0


class Uniform(Initializer):
    """Numbers drawn evenly from [-scale, scale), from the generator that `mx.random.seed` sets."""

    def __init__(self, scale: float = 0.07) -> None:
        super().__init__(scale=scale)
        self.scale = scale

    def fill(self, arr: NDArray) -> None:
        """Fill an array."""
        from .nd import random

        random.uniform(-self.scale, self.scale, out=arr)


class Normal(Initializer):
    """Numbers drawn from the normal distribution of standard deviation `sigma`."""

    def __init__(self, sigma: float = 0.01) -> None:
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def fill(self, arr: NDArray) -> None:
        """Fill an array."""
        from .nd import random

        random.normal(0, self.sigma, out=arr)


_NAMES: dict[str, type[Initializer]] = {
    "constant": Constant,
    "zero": Zero,
    "zeros": Zero,
    "one": One,
    "ones": One,
    "uniform": Uniform,
    "normal": Normal,
}


def create(init: Initializer | str | None) -> Initializer | None:
    """The initializer that a name, or the text of `Initializer.dumps`, stands for.

    Raises
    ------
    ValueError
        If there is none of this name.

    Examples
    --------
    >>> create("zeros"), create('["Constant", {"value": 0.25}]')
    (Zero(), Constant(value=0.25))
    """
    if init is None or isinstance(init, Initializer):
        return init
    if not isinstance(init, str):
        raise TypeError(f"`init` must be an initializer, a name or None, got {init!r}")
    name, kwargs = json.loads(init) if init.startswith("[") else (init, {})
    if name.lower() not in _NAMES:
        raise ValueError(f"`init` must be one of {', '.join(_NAMES)}, got {name!r}")
    return _NAMES[name.lower()](**kwargs)


def __getattr__(name: str) -> Any:
    unknown_name("mx.init", name, __all__)
