"""MXNet's blocks: layers with parameters, for arrays and for symbols alike."""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType
from typing import Any

from .. import name as naming
from .. import nd, symbol
from ..context import Context
from ..initializer import Initializer
from ..nd import NDArray
from ..symbol import Symbol
from .parameter import DeferredInitializationError, Parameter
from .parameter_dict import ParameterDict, load_into

__all__ = ["Block", "HybridBlock"]


class _Scope:
    """The names of the blocks that are made inside another."""

    _state = threading.local()

    def __init__(self, block: Block) -> None:
        self._block = block
        self._counter: dict[str, int] = {}
        self._outer: list[tuple[_Scope | None, naming.Prefix]] = []

    @classmethod
    def create(cls, prefix: str | None, params: ParameterDict | None, hint: str) -> tuple[str, ParameterDict]:
        """The prefix and the parameters of a new block."""
        scope: _Scope | None = getattr(cls._state, "scope", None)
        if scope is None:
            prefix = naming.current().get(None, hint) + "_" if prefix is None else prefix
            return prefix, ParameterDict(prefix) if params is None else ParameterDict(params.prefix, params)
        prefix = scope._next(hint) if prefix is None else prefix
        parent = scope._block.params
        if params is None:
            own = ParameterDict(parent.prefix + prefix, parent._shared)
        else:
            own = ParameterDict(params.prefix, params)
        return scope._block.prefix + prefix, own

    def _next(self, hint: str) -> str:
        number = self._counter.get(hint, 0)
        self._counter[hint] = number + 1
        return f"{hint}{number}_"

    def __enter__(self) -> _Scope:
        names = naming.Prefix(self._block.prefix)
        self._outer.append((getattr(self._state, "scope", None), names))
        self._state.scope = self
        names.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._state.scope, names = self._outer.pop()
        names.__exit__(kind, error, at)


class Block:
    """A layer, or several; subclasses say in `forward` what it does to arrays.

    Blocks and parameters that are set as attributes belong to it.

    Parameters
    ----------
    prefix : str, optional
        What the names of its parameters begin with; automatic by default, as ``prelu0_``.
    params : ParameterDict, optional
        Parameters to share.
    """

    def __init__(self, prefix: str | None = None, params: ParameterDict | None = None) -> None:
        self._children: OrderedDict[str, Block] = OrderedDict()
        self._own: dict[str, Parameter] = {}
        self._prefix, self._params = _Scope.create(prefix, params, self._alias())
        self._name = self._prefix.removesuffix("_")
        self._scope = _Scope(self)

    def _alias(self) -> str:
        return type(self).__name__.lower()

    def __repr__(self) -> str:
        lines = "\n".join(f"  ({key}): {_indented(block)}" for key, block in self._children.items())
        return f"{type(self).__name__}(\n{lines}\n)"

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Block):
            self.register_child(value, name)
        elif isinstance(value, Parameter):
            self._own[name] = value
        super().__setattr__(name, value)

    @property
    def name(self) -> str:
        """The prefix without its last underscore."""
        return self._name

    @property
    def prefix(self) -> str:
        """What the names of its parameters begin with."""
        return self._prefix

    @property
    def params(self) -> ParameterDict:
        """Its own parameters, without its children's."""
        return self._params

    def name_scope(self) -> _Scope:
        """A ``with`` block in which new blocks and parameters get this block's prefix."""
        return self._scope

    def register_child(self, block: Block, name: str | None = None) -> None:
        """Make a block a part of this one."""
        self._children[str(len(self._children)) if name is None else name] = block

    def collect_params(self, select: str | None = None) -> ParameterDict:
        """The parameters of this block and its children, or those whose name the regular expression fits."""
        found = ParameterDict(self._params.prefix)
        wanted = re.compile(select or "")
        found.update({key: value for key, value in self._params.items() if wanted.match(key)})
        for child in self._children.values():
            found.update(child.collect_params(select))
        return found

    def initialize(
        self,
        init: Initializer | str | None = None,
        ctx: Context | list[Context] | None = None,
        verbose: bool = False,
        force_reinit: bool = False,
    ) -> None:
        """Make all parameters and fill them: see `ParameterDict.initialize`."""
        self.collect_params().initialize(init, ctx, verbose, force_reinit)

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Let hybrid blocks note their graph for `export`; results are the same."""
        for child in self._children.values():
            child.hybridize(active, **kwargs)

    def cast(self, dtype: Any) -> None:
        """Change the dtype of all parameters."""
        for child in self._children.values():
            child.cast(dtype)
        for parameter in self._params.values():
            parameter.cast(dtype)

    def apply(self, fn: Callable[[Block], Any]) -> Block:
        """Call a function with every child and then with the block itself."""
        for child in self._children.values():
            child.apply(fn)
        fn(self)
        return self

    def _structure(self, prefix: str = "") -> dict[str, Parameter]:
        """The parameters by their place in the tree of blocks."""
        found = {prefix + key: value for key, value in self._own.items()}
        for key, child in self._children.items():
            found.update(child._structure(f"{prefix}{key}."))
        return found

    def save_parameters(self, filename: str | os.PathLike[str], deduplicate: bool = False) -> None:
        """Write all parameters to a `.params` file, by their place in the tree of blocks."""
        nd.save(filename, {key: value.data() for key, value in self._structure().items()})

    def load_parameters(
        self,
        filename: str | os.PathLike[str],
        ctx: Context | None = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Read what `save_parameters` or `export` wrote, here or in MXNet."""
        arrays = nd.load(filename)
        if isinstance(arrays, dict) and any("." in key for key in arrays):
            load_into(self._structure(), arrays, ctx, allow_missing, ignore_extra, str(filename))
        else:
            self.collect_params().load(filename, ctx, allow_missing, ignore_extra)

    def __call__(self, *args: Any) -> Any:
        return self.forward(*args)

    def forward(self, *args: Any) -> Any:
        """What the block does to its inputs; subclasses say it."""
        raise NotImplementedError(f"{type(self).__name__} must say what it does, in `forward`")


class HybridBlock(Block):
    """A block for arrays and symbols; subclasses say in `hybrid_forward` what it does with either's functions.

    Examples
    --------
    >>> from rectifier import mx
    >>> class Scaled(mx.gluon.HybridBlock):
    ...     def __init__(self, **kwargs):
    ...         super().__init__(**kwargs)
    ...         with self.name_scope():
    ...             self.act = mx.gluon.nn.PReLU()
    ...
    ...     def hybrid_forward(self, F, x):
    ...         return self.act(x) * 2
    >>> block = Scaled(prefix="net_")
    >>> block.initialize()
    >>> block(mx.nd.array([-1.0, 1.0])).asnumpy()
    array([-0.5,  2. ], dtype=float32)
    >>> block(mx.sym.Variable("x")).list_arguments()
    ['x', 'net_prelu0_alpha']
    """

    def __init__(self, prefix: str | None = None, params: ParameterDict | None = None) -> None:
        super().__init__(prefix, params)
        self._active = False
        self._seen = 0  # how many inputs the block had when it ran hybridized

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Note the graph for `export`; results are the same."""
        self._active = active
        super().hybridize(active, **kwargs)

    def register_child(self, block: Block, name: str | None = None) -> None:
        """Make a hybrid block a part of this one."""
        if not isinstance(block, HybridBlock):
            raise ValueError(f"children of a HybridBlock must be HybridBlocks, got {type(block).__name__}")
        super().register_child(block, name)

    def forward(self, x: Any, *args: Any) -> Any:
        """Call `hybrid_forward` with the functions and parameters that fit the input: arrays', or symbols'."""
        if isinstance(x, NDArray):
            self._seen = 1 + len(args) if self._active else self._seen
            return self.hybrid_forward(nd, x, *args, **self._arrays(x, *args))
        if isinstance(x, Symbol):
            variables = {key: parameter.var() for key, parameter in self._own.items()}
            with self.name_scope():
                return self.hybrid_forward(symbol, x, *args, **variables)
        raise ValueError(f"a HybridBlock must have an NDArray or a Symbol for its input, got {type(x).__name__}")

    def _arrays(self, *inputs: NDArray) -> dict[str, NDArray]:
        try:
            return {key: parameter.data() for key, parameter in self._own.items()}
        except DeferredInitializationError:
            self._infer_shapes(*inputs)
            return {key: parameter.data() for key, parameter in self._own.items()}

    def _infer_shapes(self, *inputs: NDArray) -> None:
        """Give the parameters the sizes that follow from the inputs, and make their arrays."""
        graph, names = self._graph(len(inputs))
        known = {key: array.shape for key, array in zip(names, inputs, strict=True)}
        arguments, _, states = graph.infer_shape_partial(**known)
        found = dict(zip(graph.list_arguments(), arguments or [], strict=True))
        found.update(zip(graph.list_auxiliary_states(), states or [], strict=True))
        for parameter in self.collect_params().values():
            if parameter._waiting is not None and parameter.name in found:
                parameter.infer(found[parameter.name])

    def _graph(self, count: int) -> tuple[Symbol, list[str]]:
        """The block's graph, and the names of its inputs."""
        names = ["data"] if count == 1 else [f"data{i}" for i in range(count)]
        outputs = self(*(symbol.var(key) for key in names))
        return (outputs if isinstance(outputs, Symbol) else symbol.Group(outputs)), names

    def export(self, path: str | os.PathLike[str], epoch: int = 0, remove_amp_cast: bool = True) -> None:
        """Write the graph to ``path-symbol.json`` and the parameters to ``path-0000.params``, which MXNet loads.

        Parameters
        ----------
        path : path-like
            Where the names of the two files begin.
        epoch : int
            The number in the second name.

        Raises
        ------
        RuntimeError
            If the block has not run hybridized.
        """
        if not self._seen:
            raise RuntimeError(
                "Please first call block.hybridize() and then run forward with this block at least once before calling "
                "export."
            )
        graph, _ = self._graph(self._seen)
        states = set(graph.list_auxiliary_states())
        wanted = states | set(graph.list_arguments())
        arrays = {
            f"{'aux' if key in states else 'arg'}:{key}": parameter.data()
            for key, parameter in self.collect_params().items()
            if key in wanted
        }
        graph.save(f"{os.fspath(path)}-symbol.json")
        nd.save(f"{os.fspath(path)}-{epoch:04d}.params", arrays)

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """What the block does, in terms of `F`, which is `mx.nd` or `mx.sym`; subclasses say it."""
        raise NotImplementedError(f"{type(self).__name__} must say what it does, in `hybrid_forward`")


def _indented(block: Block) -> str:
    return "\n  ".join(repr(block).split("\n"))
