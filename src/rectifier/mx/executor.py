"""MXNet's executors: a graph bound to arrays, run forward and backward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .base import MXNetError
from .coverage import need_torch
from .graph import Node
from .symbol_type import Symbol

need_torch("an executor")

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from . import autograd, compute, nd  # noqa: E402
from .context import Context  # noqa: E402
from .nd import NDArray  # noqa: E402
from .run_graph import graph_values  # noqa: E402

__all__ = ["Executor", "is_known"]

_NEEDS_HEAD = (
    "Because the last operator is not Loss function, head_gradient is required when calling backward. If you are "
    "attempting to minimize the output as an objective, please modify your network and pass it through the make_loss "
    "symbol."
)


class Executor:
    """A graph and its arrays; made by `Symbol.bind` and `Symbol.simple_bind`.

    Attributes
    ----------
    arg_dict, grad_dict, aux_dict : dict of str to NDArray
        The arguments, their gradients (None where there is none) and the auxiliary states, by name.
    arg_arrays, grad_arrays, aux_arrays : list of NDArray
        The same, in the symbol's order.
    outputs : list of NDArray
        What the last `forward` gave.
    output_dict : dict of str to NDArray

    Examples
    --------
    >>> from rectifier import mx
    >>> y = mx.sym.LeakyReLU(mx.sym.Variable("x"), act_type="prelu", name="act")
    >>> executor = y.simple_bind(mx.cpu(), x=(2, 2))
    >>> executor.arg_dict["act_gamma"][:] = 0.5
    >>> executor.forward(is_train=True, x=mx.nd.array([[-2, 1], [3, -4]]))[0].asnumpy()
    array([[-1.,  1.],
           [ 3., -2.]], dtype=float32)
    >>> executor.backward(mx.nd.ones((2, 2)))
    >>> executor.grad_dict["act_gamma"].asnumpy()
    array([-2., -4.], dtype=float32)
    """

    def __init__(
        self,
        symbol: Symbol,
        ctx: Context,
        arguments: Mapping[str, NDArray],
        gradients: Mapping[str, NDArray | None],
        reqs: Mapping[str, str],
        states: Mapping[str, NDArray],
    ) -> None:
        self._symbol = symbol
        self._ctx = ctx
        self._reqs = dict(reqs)
        self.arg_dict = dict(arguments)
        self.grad_dict = {name: gradients.get(name) for name in arguments}
        self.aux_dict = dict(states)
        self._outputs: list[NDArray] | None = None
        self._leaves: dict[str, Tensor] = {}
        self._results: list[Tensor] = []
        self._training = False

    @property
    def arg_arrays(self) -> list[NDArray]:
        """The arguments in order."""
        return list(self.arg_dict.values())

    @property
    def grad_arrays(self) -> list[NDArray | None]:
        """The gradients in order."""
        return list(self.grad_dict.values())

    @property
    def aux_arrays(self) -> list[NDArray]:
        """The auxiliary states in order."""
        return list(self.aux_dict.values())

    @property
    def outputs(self) -> list[NDArray]:
        """What the last `forward` gave; one is run if there was none."""
        return self.forward() if self._outputs is None else list(self._outputs)

    @property
    def output_dict(self) -> dict[str, NDArray]:
        """The outputs by name."""
        return dict(zip(self._symbol.list_outputs(), self.outputs, strict=True))

    def forward(self, is_train: bool = False, **kwargs: Any) -> list[NDArray]:
        """Compute the outputs.

        Parameters
        ----------
        is_train : bool, default False
            Whether operators behave as in training. `backward` is possible after either.
        **kwargs : NDArray or array_like
            New numbers for arguments; they are written to the bound arrays.

        Returns
        -------
        list of NDArray
            `outputs`. The arrays of an earlier call hold the new numbers too.

        Raises
        ------
        TypeError, ValueError
            If a name or shape is wrong. Nothing has been written then.
        MXNetError
            If an operator refuses its inputs, or cannot be computed here.
        """
        given = {name: self._new_numbers(name, value) for name, value in kwargs.items()}
        for name, value in given.items():
            self.arg_dict[name]._assign(value._data)
        self._run(bool(is_train), record=bool(is_train))
        return self.outputs

    def _new_numbers(self, name: str, value: Any) -> NDArray:
        if name not in self.arg_dict:
            raise TypeError(f"Unknown argument {name}, which must be one of {', '.join(self.arg_dict)}")
        bound = self.arg_dict[name]
        array = value if isinstance(value, NDArray) else nd.array(value, dtype=bound.dtype)
        if array.shape != bound.shape:
            raise ValueError(f"Shape not match! Argument {name}, need: {bound.shape}, received: {array.shape}")
        return array

    def _run(self, training: bool, *, record: bool) -> None:
        wanted = [name for name, gradient in self.grad_dict.items() if gradient is not None] if record else []
        tensors = {name: array._data for name, array in (self.arg_dict | self.aux_dict).items()}
        self._leaves = {
            name: tensors[name].detach().requires_grad_()
            for name in wanted
            if self._reqs[name] != "null" and tensors[name].is_floating_point()
        }
        with torch.set_grad_enabled(bool(self._leaves)):
            self._results = graph_values(self._symbol.outputs, tensors | self._leaves, training)
        self._training = training
        if self._outputs is None:
            self._outputs = [NDArray(one.detach(), self._ctx) for one in self._results]
        for array, result in zip(self._outputs, self._results, strict=True):
            array._data = result.detach()

    def backward(self, out_grads: Any = None, is_train: bool = True) -> None:
        """Write the gradients of the last `forward`, as `grad_req` says.

        Parameters
        ----------
        out_grads : NDArray, list of NDArray, or dict of str to NDArray, optional
            The gradient of each output; not needed for those of `make_loss`, nor where it is without effect, as for
            `BlockGrad`.
        is_train : bool
            Without effect: the mode was fixed by `forward`.

        Raises
        ------
        MXNetError
            If a gradient is missing or does not fit its output.
        """
        heads = self._heads(out_grads)
        if not any(req != "null" and self.grad_dict[name] is not None for name, req in self._reqs.items()):
            return
        if not self._leaves:
            self._run(self._training, record=True)
        pairs = [(result, head) for result, head in zip(self._results, heads, strict=True) if result.requires_grad]
        found: Iterable[Tensor | None] = [None] * len(self._leaves)
        if pairs:
            with autograd._torch_errors():
                found = torch.autograd.grad(
                    [result for result, _ in pairs],
                    list(self._leaves.values()),
                    [head for _, head in pairs],
                    retain_graph=True,
                    allow_unused=True,
                )
        for name, value in zip(self._leaves, found, strict=True):
            self._deliver(name, value)

    def _deliver(self, name: str, value: Tensor | None) -> None:
        gradient = self.grad_dict[name]
        assert gradient is not None
        if self._reqs[name] == "write":
            gradient._data.copy_(torch.zeros_like(gradient._data) if value is None else value)
        elif value is not None:
            gradient._data.add_(value)

    def _heads(self, given: Any) -> list[Tensor]:
        names = self._symbol.list_outputs()
        if isinstance(given, Mapping):
            given = [given.get(name) for name in names]
        elif given is None or isinstance(given, NDArray):
            given = [given]
        if not isinstance(given, (list, tuple)):
            raise TypeError(
                f"`out_grads` must be an NDArray, or a list or a dictionary of these, got {type(given).__name__}"
            )
        outputs = self.outputs
        heads = [*given, *[None] * (len(outputs) - len(given))][: len(outputs)]
        return [
            _head(head, output, entry.node)
            for head, output, entry in zip(heads, outputs, self._symbol.outputs, strict=True)
        ]

    def copy_params_from(
        self,
        arg_params: Mapping[str, NDArray],
        aux_params: Mapping[str, NDArray] | None = None,
        allow_extra_params: bool = False,
    ) -> None:
        """Copy numbers into the arguments and auxiliary states.

        Raises
        ------
        ValueError
            If a name is unknown and `allow_extra_params` is False.
        MXNetError
            If a shape differs. Nothing has been written in either case.
        """
        pairs = []
        for given, bound, kind in (
            (arg_params, self.arg_dict, "arguments"),
            (aux_params or {}, self.aux_dict, "auxiliary states"),
        ):
            for name, array in given.items():
                if name in bound:
                    pairs.append((array, bound[name], name))
                elif not allow_extra_params:
                    raise ValueError(f'Find name "{name}" that is not in the {kind}')
        for array, target, name in pairs:
            if array.shape != target.shape:
                raise MXNetError(f"`{name}` must have shape {target.shape}, got {array.shape}")
        for array, target, _ in pairs:
            target[:] = array

    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **kwargs: Any) -> Executor:
        """An executor for other shapes of the data, with the same parameters.

        Arguments whose shape stays are shared with this one; the others, and their gradients, are new.
        """
        shapes, _, _ = self._symbol.infer_shape_partial(**kwargs)
        arguments, gradients = {}, {}
        for (name, array), shape in zip(self.arg_dict.items(), shapes or [], strict=True):
            kept = tuple(shape) == array.shape
            if not is_known(shape):
                raise MXNetError(f"`{name}` must have a shape, which does not follow from those given")
            arguments[name] = array if kept else nd.zeros(shape, self._ctx, array.dtype)
            if (gradient := self.grad_dict[name]) is not None:
                gradients[name] = gradient if kept else nd.zeros(shape, self._ctx, array.dtype)
        return Executor(self._symbol, self._ctx, arguments, gradients, self._reqs, self.aux_dict)


def _head(given: Any, output: NDArray, node: Node) -> Tensor:
    if node.op in compute.LOSSES:
        return torch.ones_like(output._data)
    if given is None:
        if node.op in compute.FLAT:
            return torch.zeros_like(output._data)
        raise MXNetError(_NEEDS_HEAD)
    if not isinstance(given, NDArray):
        raise TypeError(f"`out_grads` must hold NDArrays, got {type(given).__name__}")
    if given.shape != output.shape:
        raise MXNetError(f"operands shape mismatch from.shape = {given.shape} to.shape={output.shape}")
    return given._data.to(output._data.dtype)


def is_known(shape: Sequence[int]) -> bool:
    """Whether a shape has no size that is still to be found."""
    return bool(shape) and 0 not in shape
