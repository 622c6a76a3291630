"""A block's parameters by name."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from .. import initializer, nd
from ..context import Context
from ..initializer import Initializer
from ..nd import NDArray
from .parameter import Parameter

__all__ = ["ParameterDict", "load_into"]


class ParameterDict:
    """Parameters by name; each name begins with the prefix of its block.

    Parameters
    ----------
    prefix : str
    shared : ParameterDict, optional
        Where `get` looks first, so that blocks can share parameters.
    """

    def __init__(self, prefix: str = "", shared: ParameterDict | None = None) -> None:
        self._prefix = prefix
        self._shared = shared
        self._params: OrderedDict[str, Parameter] = OrderedDict()

    @property
    def prefix(self) -> str:
        """What all names begin with."""
        return self._prefix

    def __repr__(self) -> str:
        lines = "\n".join(f"  {parameter}" for parameter in self.values())
        return f"{self._prefix + ' ' if self._prefix else ''}(\n{lines}\n)"

    def __getitem__(self, key: str) -> Parameter:
        return self._params[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def __contains__(self, key: object) -> bool:
        return key in self._params

    def items(self) -> ItemsView[str, Parameter]:
        """Names and parameters."""
        return self._params.items()

    def keys(self) -> KeysView[str]:
        """Names."""
        return self._params.keys()

    def values(self) -> ValuesView[Parameter]:
        """Parameters."""
        return self._params.values()

    def get(self, name: str, **kwargs: Any) -> Parameter:
        """The parameter of this name after the prefix; a new one where there is none."""
        full = self._prefix + name
        found = self._params.get(full)
        if found is None and self._shared is not None:
            found = self._shared._params.get(full)
        if found is None:
            found = Parameter(full, **kwargs)
        elif kwargs.get("shape") is not None:
            shape = kwargs["shape"]
            found.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self._params[full] = found
        return found

    def update(self, other: ParameterDict | Mapping[str, Parameter]) -> None:
        """Take in other parameters; a name may stand for one parameter only."""
        for key, parameter in other.items():
            if self._params.get(key, parameter) is not parameter:
                raise ValueError(f"`other` must not hold another parameter of the name {key!r}")
            self._params[key] = parameter

    def initialize(
        self,
        init: Initializer | str | None = None,
        ctx: Context | list[Context] | None = None,
        verbose: bool = False,
        force_reinit: bool = False,
    ) -> None:
        """Initialize all of them: each by its own `init`, or by this one, which is `Uniform()` by default."""
        default = init if init is not None else initializer.Uniform()
        for parameter in self.values():
            parameter.initialize(None, ctx, default, force_reinit)

    def zero_grad(self) -> None:
        """Fill all gradients with zeros."""
        for parameter in self.values():
            parameter.zero_grad()

    def reset_ctx(self, ctx: Context | list[Context]) -> None:
        """Move all of them to another device."""
        for parameter in self.values():
            parameter.reset_ctx(ctx)

    def setattr(self, name: str, value: Any) -> None:
        """Set an attribute of all of them, such as `grad_req`."""
        for parameter in self.values():
            setattr(parameter, name, value)

    def save(self, filename: str | os.PathLike[str], strip_prefix: str = "") -> None:
        """Write them to a `.params` file, by name without the prefix."""
        wrong = next((name for name in self if not name.startswith(strip_prefix)), None)
        if wrong is not None:
            raise ValueError(f"`strip_prefix` must be what all names begin with, got {strip_prefix!r} for {wrong!r}")
        nd.save(filename, {name[len(strip_prefix) :]: p.data() for name, p in self.items()})

    def load(
        self,
        filename: str | os.PathLike[str],
        ctx: Context | None = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        restore_prefix: str = "",
    ) -> None:
        """Read them from a `.params` file, of whatever names MXNet wrote, ``arg:`` and ``aux:`` included."""
        stored = nd.load(filename)
        if isinstance(stored, list):
            raise ValueError(f"`filename` must hold names, got a list of arrays in {filename}")
        arrays = {restore_prefix + name.removeprefix("arg:").removeprefix("aux:"): a for name, a in stored.items()}
        load_into(self._params, arrays, ctx, allow_missing, ignore_extra, str(filename))


def load_into(
    parameters: Mapping[str, Parameter],
    arrays: Mapping[str, NDArray],
    ctx: Context | None,
    allow_missing: bool,
    ignore_extra: bool,
    where: str,
) -> None:
    """Give parameters the numbers of arrays of their names; nothing changes where a name is missing or left over."""
    missing = next((name for name in parameters if name not in arrays), None)
    if missing is not None and not allow_missing:
        raise ValueError(f"Parameter '{missing}' is missing in file '{where}', which has {', '.join(arrays)}")
    extra = next((name for name in arrays if name not in parameters), None)
    if extra is not None and not ignore_extra:
        raise ValueError(f"Parameter '{extra}' loaded from file '{where}' is not one of {', '.join(parameters)}")
    for name in parameters:
        if name in arrays:
            parameters[name].check_shape(arrays[name].shape)
    for name, array in arrays.items():
        if name in parameters:
            parameters[name].load_data(array, ctx)
