"""``mx.model``: a symbol and its parameters in a pair of files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import params_file, symbol
from .coverage import need_torch
from .symbol_type import Symbol

need_torch("`rectifier.mx.model`")

from . import nd  # noqa: E402

if TYPE_CHECKING:
    from .nd import NDArray

__all__ = ["load_checkpoint", "save_checkpoint"]


def load_checkpoint(
    prefix: str | os.PathLike[str], epoch: int
) -> tuple[Symbol, dict[str, NDArray], dict[str, NDArray]]:
    """The symbol in ``prefix-symbol.json``, and the arguments and auxiliary states in ``prefix-0000.params``.

    Raises
    ------
    OSError, ValueError
        If a file cannot be read, or is no such file.

    See Also
    --------
    rectifier.mx.symbol.load, rectifier.mx.params_file.load : the same without PyTorch.
    """
    arrays = nd.load(f"{os.fspath(prefix)}-{epoch:04d}.params")
    if isinstance(arrays, list):
        raise ValueError("`prefix` must be of files with names, got a list of arrays")
    arguments, states = params_file.split_names(arrays)
    return symbol.load(f"{os.fspath(prefix)}-symbol.json"), arguments, states


def save_checkpoint(
    prefix: str | os.PathLike[str],
    epoch: int,
    symbol: Symbol | None,
    arg_params: Mapping[str, NDArray],
    aux_params: Mapping[str, NDArray],
    remove_amp_cast: bool = True,
) -> None:
    """Write the pair of files that `load_checkpoint` reads, here and in MXNet.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from rectifier import mx
    >>> prefix = pathlib.Path(tempfile.mkdtemp()) / "net"
    >>> net = mx.sym.LeakyReLU(mx.sym.Variable("data"), act_type="prelu", name="act")
    >>> mx.model.save_checkpoint(prefix, 0, net, {"act_gamma": mx.nd.ones((3,)) / 4}, {})
    >>> mx.model.load_checkpoint(prefix, 0)[1]["act_gamma"].asnumpy()
    array([0.25, 0.25, 0.25], dtype=float32)
    """
    if symbol is not None:
        symbol.save(f"{os.fspath(prefix)}-symbol.json")
    nd.save(f"{os.fspath(prefix)}-{epoch:04d}.params", params_file.join_names(arg_params, aux_params))
