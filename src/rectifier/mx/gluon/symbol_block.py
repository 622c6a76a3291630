"""A graph from a file as a block."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from .. import autograd, symbol
from ..context import Context
from ..nd import NDArray
from ..run_graph import graph_values
from ..symbol import Symbol
from .block import HybridBlock
from .parameter_dict import ParameterDict

__all__ = ["SymbolBlock"]


class SymbolBlock(HybridBlock):
    """A block that runs a graph; its other variables are its parameters.

    Parameters
    ----------
    outputs : Symbol or list of Symbol
    inputs : Symbol or list of Symbol
        The variables that stand for the inputs.
    params : ParameterDict, optional
        Parameters to share.

    Examples
    --------
    >>> from rectifier import mx
    >>> x = mx.sym.Variable("x")
    >>> block = mx.gluon.SymbolBlock(mx.sym.LeakyReLU(x, act_type="elu", slope=1), x)
    >>> block(mx.nd.array([0.0, 1.0])).asnumpy()
    array([0., 1.], dtype=float32)
    """

    def __init__(
        self, outputs: Symbol | Sequence[Symbol], inputs: Symbol | Sequence[Symbol], params: ParameterDict | None = None
    ) -> None:
        super().__init__(prefix="", params=params)
        self._outputs = outputs if isinstance(outputs, Symbol) else symbol.Group(outputs)
        listed = [inputs] if isinstance(inputs, Symbol) else list(inputs)
        self._input_names = [str(one.name) for one in listed]
        attributes = self._outputs.attr_dict()
        for name in self._outputs.list_inputs():
            if name not in self._input_names:
                init = attributes.get(name, {}).get("__init__")
                self._own[name] = self.params.get(name, allow_deferred_init=True, init=init)

    @staticmethod
    def imports(
        symbol_file: str | os.PathLike[str],
        input_names: str | Sequence[str],
        param_file: str | os.PathLike[str] | None = None,
        ctx: Context | None = None,
    ) -> SymbolBlock:
        """A block of what `HybridBlock.export` or MXNet wrote.

        Parameters
        ----------
        symbol_file : path-like
            The ``-symbol.json`` file.
        input_names : str or list of str
        param_file : path-like, optional
            The `.params` file.
        ctx : Context, optional
        """
        names = [input_names] if isinstance(input_names, str) else list(input_names)
        block = SymbolBlock(symbol.load(symbol_file), [symbol.var(name) for name in names])
        if param_file is not None:
            block.collect_params().load(param_file, ctx)
        return block

    def forward(self, x: Any, *args: Any) -> Any:
        """The graph's outputs: one, or a list."""
        if isinstance(x, Symbol):
            return self._outputs(**dict(zip(self._input_names, (x, *args), strict=True)))
        inputs = dict(zip(self._input_names, (x, *args), strict=True))
        arrays: dict[str, NDArray] = inputs | self._arrays(x, *args)
        with autograd.mode():
            tensors = {name: autograd.tensor_of(array) for name, array in arrays.items()}
            results = graph_values(self._outputs.outputs, tensors, autograd.is_training())
        self._seen = len(inputs)
        outputs = [x._wrap(tensor, x.context) for tensor in results]
        return outputs[0] if len(outputs) == 1 else outputs

    def _graph(self, count: int) -> tuple[Symbol, list[str]]:
        return self._outputs, self._input_names
