"""MXNet's initializers, ``mx.init``: how parameters start."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from .coverage import unknown_name

if TYPE_CHECKING:
    from .nd import NDArray

__all__ = ["Constant", "Initializer", "MSRAPrelu", "Normal", "One", "Uniform", "Xavier", "Zero", "create"]


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


class Xavier(Initializer):
    """Numbers whose spread follows from the sizes of a weight of two axes or more.

    The scale is sqrt(magnitude / factor), with `factor` the weight's inputs, its outputs, or the mean of both.

    Parameters
    ----------
    rnd_type : {"uniform", "gaussian"}
        Whether numbers are drawn evenly from [-scale, scale), or normally with `scale` for a standard deviation.
    factor_type : {"avg", "in", "out"}
    magnitude : float

    References
    ----------
    .. [1] Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """

    def __init__(self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3) -> None:
        super().__init__(rnd_type=rnd_type, factor_type=factor_type, magnitude=magnitude)
        for name, value, known in (
            ("rnd_type", rnd_type, ("uniform", "gaussian")),
            ("factor_type", factor_type, ("avg", "in", "out")),
        ):
            if value not in known:
                raise ValueError(f"`{name}` must be one of {', '.join(known)}, got {value!r}")
        self.rnd_type, self.factor_type, self.magnitude = rnd_type, factor_type, float(magnitude)

    def fill(self, arr: NDArray) -> None:
        """Fill an array of two axes or more."""
        from .nd import random

        if arr.ndim < 2:
            raise ValueError(f"{type(self).__name__} must have a weight of two axes or more, got shape {arr.shape}")
        window = math.prod(arr.shape[2:])
        fan_in, fan_out = arr.shape[1] * window, arr.shape[0] * window
        factor = {"avg": (fan_in + fan_out) / 2, "in": fan_in, "out": fan_out}[self.factor_type]
        scale = math.sqrt(self.magnitude / factor)
        if self.rnd_type == "uniform":
            random.uniform(-scale, scale, out=arr)
        else:
            random.normal(0, scale, out=arr)


class MSRAPrelu(Xavier):
    """Normal numbers for a weight whose output goes through leaky or prelu: the variance is 2 / (1 + slope²) / factor.

    Parameters
    ----------
    factor_type : {"avg", "in", "out"}
    slope : float
        The slope that the activation starts with.

    References
    ----------
    .. [1] He et al., "Delving deep into rectifiers", 2015, equation 15.
    """

    def __init__(self, factor_type: str = "avg", slope: float = 0.25) -> None:
        super().__init__("gaussian", factor_type, 2.0 / (1 + slope**2))
        self._kwargs = {"factor_type": factor_type, "slope": slope}


_NAMES: dict[str, type[Initializer]] = {
    "constant": Constant,
    "zero": Zero,
    "zeros": Zero,
    "one": One,
    "ones": One,
    "uniform": Uniform,
    "normal": Normal,
    "xavier": Xavier,
    "msraprelu": MSRAPrelu,
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
