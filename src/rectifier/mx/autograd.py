"""MXNet's ``autograd``: what is recorded, in which mode operators run, and gradients. The record is PyTorch's."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .base import MXNetError
from .coverage import need_torch, unknown_name

need_torch("`rectifier.mx.autograd`")

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

if TYPE_CHECKING:
    from .nd import NDArray

__all__ = [
    "backward",
    "grad",
    "is_recording",
    "is_training",
    "mark_variables",
    "pause",
    "predict_mode",
    "record",
    "set_recording",
    "set_training",
    "train_mode",
]

_CLEARED = "rectifier.mx: cleared"  # a note on the nodes of torch's record
_NOT_IN_GRAPH = (
    "Cannot differentiate node because it is not in a computational graph. You need to set is_recording to true or use "
    "autograd.record() to save computational graphs for backward. If you want to differentiate the same graph twice, "
    "you need to pass retain_graph=True to backward."
)
_CHANGED = (
    "an array that the gradient needs was changed after it was recorded; change it after backward, or change a copy"
)


class _State(threading.local):
    recording = False
    training = False


_state = _State()


class _Scope:
    """A block in which arrays are recorded or not, and operators train or not; None leaves a setting as it is."""

    def __init__(self, recording: bool | None, training: bool | None) -> None:
        self._wanted = (recording, training)
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        recording, training = self._wanted
        self._before.append((_state.recording, _state.training))
        if recording is not None:
            _state.recording = recording
        if training is not None:
            _state.training = training

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _state.recording, _state.training = self._before.pop()


def record(train_mode: bool = True) -> _Scope:
    """A ``with`` block whose calls are recorded for gradients, in training mode unless told otherwise.

    Examples
    --------
    >>> from rectifier import mx
    >>> x = mx.nd.array([-2.0, 3.0])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = mx.nd.LeakyReLU(x)
    >>> y.backward()
    >>> x.grad.asnumpy()
    array([0.25, 1.  ], dtype=float32)
    """
    return _Scope(True, train_mode)


def pause(train_mode: bool = False) -> _Scope:
    """A ``with`` block whose calls are not recorded."""
    return _Scope(False, train_mode)


def train_mode() -> _Scope:
    """A ``with`` block in which operators behave as in training: rrelu draws its slopes."""
    return _Scope(None, True)


def predict_mode() -> _Scope:
    """A ``with`` block in which operators behave as in inference."""
    return _Scope(None, False)


def is_recording() -> bool:
    """Whether calls are recorded."""
    return _state.recording


def is_training() -> bool:
    """Whether operators behave as in training."""
    return _state.training


def set_recording(is_record: bool) -> bool:
    """Switch recording, and tell what it was."""
    before, _state.recording = _state.recording, bool(is_record)
    return before


def set_training(train_mode: bool) -> bool:
    """Switch training, and tell what it was."""
    before, _state.training = _state.training, bool(train_mode)
    return before


def mark_variables(
    variables: NDArray | Sequence[NDArray],
    gradients: NDArray | Sequence[NDArray],
    grad_reqs: str | Sequence[str] = "write",
) -> None:
    """Name arrays that gradients are wanted for, and the arrays where they go.

    Parameters
    ----------
    variables, gradients : NDArray or list of NDArray
        Pairs of one shape and dtype.
    grad_reqs : {"write", "add", "null"} or a list of these
        Whether a gradient replaces what is there, adds to it, or is not wanted.
    """
    variables, gradients = _list(variables), _list(gradients)
    reqs = [grad_reqs] * len(variables) if isinstance(grad_reqs, str) else list(grad_reqs)
    for variable, gradient, req in zip(variables, gradients, reqs, strict=True):
        variable._watch(gradient, req)


def backward(
    heads: NDArray | Sequence[NDArray],
    head_grads: NDArray | Sequence[NDArray | None] | None = None,
    retain_graph: bool = False,
    train_mode: bool = True,
) -> None:
    """Write the gradients of `heads` to the arrays with `attach_grad` that they were made of.

    Parameters
    ----------
    heads : NDArray or list of NDArray
        What was recorded.
    head_grads : NDArray, list of NDArray or None
        The gradient of each head, of its shape and dtype; None is ones.
    retain_graph : bool, default False
        Whether the record is needed again.
    train_mode : bool, default True
        For the gradient: without effect, since an operator's mode was fixed when it was recorded.

    Raises
    ------
    MXNetError
        If a head was not recorded, or its record is used up.
    """
    heads = _list(heads)
    tensors = [_recorded(head) for head in heads]
    with _torch_errors():
        torch.autograd.backward(tensors, _head_gradients(heads, head_grads), retain_graph=retain_graph)
    if not retain_graph:
        _clear(tensors)


def grad(
    heads: NDArray | Sequence[NDArray],
    variables: NDArray | Sequence[NDArray],
    head_grads: NDArray | Sequence[NDArray | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    train_mode: bool = True,
) -> list[NDArray]:
    """The gradients of `heads` with respect to `variables`, in new arrays.

    Parameters
    ----------
    heads, head_grads, train_mode
        As in `backward`.
    variables : NDArray or list of NDArray
        Arrays with `attach_grad`, or recorded ones.
    retain_graph : bool, optional
        Whether the record is needed again; by default as `create_graph`.
    create_graph : bool, default False
        Whether to record the gradients too, for gradients of gradients.

    Returns
    -------
    list of NDArray
        One for each variable.

    Raises
    ------
    MXNetError
        As in `backward`, and if a variable has no part in the heads.
    """
    heads, variables = _list(heads), _list(variables)
    if not variables:
        raise ValueError("`variables` must be at least one array, got an empty list")
    tensors, inputs = [_recorded(head) for head in heads], [_recorded(variable) for variable in variables]
    gradients = _head_gradients(heads, head_grads)
    retain = create_graph if retain_graph is None else retain_graph
    with _torch_errors():
        found = torch.autograd.grad(
            tensors, inputs, gradients, retain_graph=retain, create_graph=create_graph, allow_unused=True
        )
    for i, one in enumerate(found):
        if one is None:
            raise MXNetError(
                f"Cannot differentiate with respect to the {i + 1}-th variable because it is unreachable from the "
                "outputs."
            )
    if not retain:
        _clear(tensors)
    return [array._wrap(one, array.context) for one, array in zip(found, variables, strict=True)]


def tensor_of(array: NDArray) -> Tensor:
    """The array as torch's record knows it, if calls are recorded and it is part of the record; else its numbers."""
    node = array._node
    return array._data if node is None or not _state.recording or _is_cleared(node) else node


def in_graph(array: NDArray) -> bool:
    """Whether a record that can still be used has this array."""
    return array._node is not None and not _is_cleared(array._node)


@contextmanager
def mode() -> Iterator[None]:
    """torch's recording, switched as ours is."""
    with torch.set_grad_enabled(_state.recording):
        yield


def _list(arrays: Any) -> list[Any]:
    return list(arrays) if isinstance(arrays, (list, tuple)) else [arrays]


def _recorded(array: NDArray) -> Tensor:
    node = array._node
    if node is None or _is_cleared(node):
        raise MXNetError(_NOT_IN_GRAPH)
    return node


def _head_gradients(heads: list[NDArray], given: Any) -> list[Tensor]:
    gradients = [None] * len(heads) if given is None else _list(given)
    if len(gradients) != len(heads):
        raise ValueError(f"`head_grads` must have one array for each of the {len(heads)} heads, got {len(gradients)}")
    return [_head_gradient(head, gradient) for head, gradient in zip(heads, gradients, strict=True)]


def _head_gradient(head: NDArray, gradient: Any) -> Tensor:
    if gradient is None:
        return torch.ones_like(head._data)
    if not isinstance(gradient, type(head)):
        raise TypeError(f"`head_grads` must be NDArray or None, got {type(gradient).__name__}")
    if gradient.shape != head.shape or gradient.dtype != head.dtype:
        raise MXNetError(
            f"`head_grads` must have shape {head.shape} and dtype {head.dtype.__name__}, "
            f"got {gradient.shape} and {gradient.dtype.__name__}"
        )
    return tensor_of(gradient)


def _clear(tensors: list[Tensor]) -> None:
    """Mark all of the record behind these tensors as used up, as MXNet does; variables stay."""
    stack = [tensor.grad_fn for tensor in tensors]
    while stack:
        node = stack.pop()
        if node is None or hasattr(node, "variable") or _CLEARED in _notes(node):
            continue
        _notes(node)[_CLEARED] = True
        stack.extend(following for following, _ in node.next_functions)


def _is_cleared(tensor: Tensor) -> bool:
    return tensor.grad_fn is not None and _CLEARED in _notes(tensor.grad_fn)


def _notes(node: Any) -> dict[Any, Any]:
    """The dictionary that torch keeps with a node of its record."""
    notes: dict[Any, Any] = node.metadata
    return notes


@contextmanager
def _torch_errors() -> Iterator[None]:
    """What torch refuses, in MXNet's words."""
    try:
        yield
    except RuntimeError as error:
        raise MXNetError(_CHANGED if "inplace operation" in str(error) else str(error)) from error


def __getattr__(name: str) -> Any:
    if name == "Function":  # it needs arrays, which need this module
        return importlib.import_module(".function", __package__).Function
    return unknown_name("mx.autograd", name, [*__all__, "Function"])
