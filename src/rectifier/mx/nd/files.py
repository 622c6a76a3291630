"""``mx.nd.save`` and ``mx.nd.load``: `.params` files of arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from .. import params_file
from .array import NDArray
from .creation import array

__all__ = ["load", "load_frombuffer", "save"]

Arrays = list[NDArray] | dict[str, NDArray]


def load(fname: str | os.PathLike[str]) -> Arrays:
    """The arrays of a `.params` file, of any release of MXNet; sparse ones as ordinary ones.

    Parameters
    ----------
    fname : path-like

    Returns
    -------
    dict of str to NDArray, or list of NDArray
        Whichever was saved.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, or is no such file.

    See Also
    --------
    rectifier.mx.params_file.load : the same as NumPy arrays, without PyTorch.
    """
    return _arrays(params_file.load(fname))


def load_frombuffer(buf: bytes) -> Arrays:
    """As `load`, from the content of a file."""
    return _arrays(params_file.load_frombuffer(buf))


def save(fname: str | os.PathLike[str], data: NDArray | Sequence[NDArray] | Mapping[str, NDArray]) -> None:
    """Write arrays to a `.params` file, which MXNet reads; a file that is there is replaced whole or not at all.

    Parameters
    ----------
    fname : path-like
    data : NDArray, list of NDArray, or dict of str to NDArray

    Raises
    ------
    TypeError
        If `data` holds something else.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from rectifier import mx
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "x.params"
    >>> mx.nd.save(path, {"x": mx.nd.ones((2,))})
    >>> mx.nd.load(path)["x"].asnumpy()
    array([1., 1.], dtype=float32)
    """
    if isinstance(data, NDArray):
        data = [data]
    if isinstance(data, Mapping):
        params_file.save(fname, {key: _numbers(value) for key, value in data.items()})
    elif isinstance(data, (list, tuple)):
        params_file.save(fname, [_numbers(value) for value in data])
    else:
        _numbers(data)


def _arrays(stored: dict[str, np.ndarray] | list[np.ndarray]) -> Arrays:
    if isinstance(stored, dict):
        return {name: array(numbers, dtype=numbers.dtype) for name, numbers in stored.items()}
    return [array(numbers, dtype=numbers.dtype) for numbers in stored]


def _numbers(value: object) -> object:
    if not isinstance(value, NDArray):
        raise TypeError(f"`data` must be an NDArray, or a list or a dictionary of these, got {type(value).__name__}")
    return value.asnumpy()
