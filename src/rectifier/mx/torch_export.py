"""A module of PyTorch as a ``.pt2`` file: `rectifier.mx.save_pt2`."""

from __future__ import annotations

import copy
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from ..replacement import Replacement
from ..torch import revert
from .base import check_sizes, replacing

__all__ = ["export_program", "save_pt2"]


def save_pt2(
    module: fx.GraphModule,
    path: str | os.PathLike[str],
    shapes: Mapping[str, Sequence[int | str]],
    *,
    dtypes: Mapping[str, Any] | None = None,
    standalone: bool = False,
) -> torch.export.ExportedProgram:
    """Write a module that `to_torch` made as ``torch.export.save`` does, for inference.

    Parameters
    ----------
    module : torch.fx.GraphModule
        As made by `to_torch`. It stays in its mode, on its device.
    path : path-like
        A file that is there is replaced whole or not at all.
    shapes : mapping of str to sequence of int or str
        Of each input; a string names a size that is free, such as the batch's: ``{"data": ("N", 3, 112, 112)}``.
    dtypes : mapping of str to torch.dtype, optional
        Of inputs that are not float32.
    standalone : bool, default False
        Whether to put torch's own activations in the place of those of `rectifier.torch`, so that the file loads where
        rectifier is not installed. Where it is False, import `rectifier.torch` before ``torch.export.load``.

    Returns
    -------
    torch.export.ExportedProgram
        What was written.

    Raises
    ------
    TypeError, ValueError
        If the module was not made by `to_torch`, if shapes are missing or unknown or do not fit the network, or if
        torch's own activations cannot stand in for one.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile, torch
    >>> from rectifier import mx
    >>> module = mx.to_torch(mx.sym.LeakyReLU(mx.sym.Variable("data"), act_type="elu"))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "net.pt2"
    >>> program = mx.save_pt2(module, path, {"data": ("N", 3)})
    >>> torch.export.load(path).module()(torch.tensor([[0.0, 1.0, 2.0]]))
    tensor([[0., 1., 2.]])
    """
    program = export_program(module, shapes, dtypes=dtypes, standalone=standalone)
    with replacing(path) as file:
        torch.export.save(program, _Stream(file))
    return program


class _Stream(io.RawIOBase):
    """What torch writes to, piece by piece, so that the file is never in memory as a whole."""

    def __init__(self, file: Replacement) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """To the start, after the last byte, as if for a reader."""
        return offset

    def write(self, data: Any) -> int:
        self._file.write_bytes(data)
        return len(data)


def export_program(
    module: fx.GraphModule,
    shapes: Mapping[str, Sequence[int | str]],
    *,
    dtypes: Mapping[str, Any] | None = None,
    standalone: bool = False,
) -> torch.export.ExportedProgram:
    """What `save_pt2` writes."""
    names = getattr(module, "input_names", None)
    if names is None:
        raise TypeError(f"`module` must be made by `to_torch`, got {type(module).__name__}")
    for which, given in (("shapes", shapes), ("dtypes", dtypes or {})):
        if unknown := [name for name in given if name not in names]:
            raise ValueError(f"`{which}` must be of the inputs, {', '.join(names)}, got {', '.join(unknown)}")
    if missing := [name for name in names if name not in shapes]:
        raise ValueError(f"`shapes` must hold {', '.join(missing)}")
    for name, shape in shapes.items():
        check_sizes(name, shape)
    if standalone:
        module = copy.deepcopy(module)
        if left := revert(module).left:
            raise ValueError(f"`standalone` must be False, torch lacks {'; '.join(map(str, left))}")
    sizes = _sizes(shapes)
    device = next((tensor.device for tensor in (*module.parameters(), *module.buffers())), torch.device("cpu"))
    inputs = tuple(_example(shapes[name], sizes, (dtypes or {}).get(name, torch.float32), device) for name in names)
    modes = {part: part.training for part in module.modules()}
    try:
        module.eval()
        return torch.export.export(module, inputs, dynamic_shapes=_dynamic(module, names, shapes))
    except Exception as error:  # whatever an operator or the tracer finds wrong; the cause is kept
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"the network cannot be exported for these `shapes`: {why}") from error
    finally:
        for part, mode in modes.items():
            part.training = mode


def _sizes(shapes: Mapping[str, Sequence[int | str]]) -> dict[str, int]:
    """An example of each free size: no two alike, and none that torch takes for a fixed one."""
    free = dict.fromkeys(size for shape in shapes.values() for size in shape if isinstance(size, str))
    return {name: 2 + place for place, name in enumerate(free)}


def _example(shape: Sequence[int | str], sizes: Mapping[str, int], dtype: Any, device: torch.device) -> Tensor:
    numbers = [sizes[size] if isinstance(size, str) else size for size in shape]
    return torch.zeros(numbers, dtype=dtype, device=device)


def _dynamic(module: fx.GraphModule, names: Sequence[str], shapes: Mapping[str, Sequence[int | str]]) -> Any:
    dims = {name: torch.export.Dim(name) for name in _sizes(shapes)}
    return tuple({i: dims[s] for i, s in enumerate(shapes[name]) if isinstance(s, str)} for name in names)
