"""The graphs of a model, those within its nodes too, and what is known of the names in each."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from ..replacement import Replacement, publish_together

__all__ = ["Scope", "light_copy", "save_beside", "scopes_of"]

Shape = tuple[int, ...]
# Shape inference reads small arrays, such as the target of a Reshape.
_SMALL = 1024


class Scope:
    """One graph and those that it stands in.

    Parameters
    ----------
    graph : GraphProto
    inferred : GraphProto
        The same graph after shape inference.
    outer : Scope or None
    number : int
        Its place among the graphs of the model.
    """

    def __init__(self, graph: GraphProto, inferred: GraphProto, outer: Scope | None, number: int) -> None:
        self.graph = graph
        self.number = number
        self._outer = outer
        self._arrays = {array.name: array for array in graph.initializer}
        self._made = {name for node in graph.node for name in node.output if name}
        self._inputs = {one.name for one in graph.input}
        infos = (*inferred.value_info, *inferred.output, *inferred.input)
        self._shapes = {info.name: _shape(info) for info in infos}
        self._shapes.update({array.name: tuple(array.dims) for array in graph.initializer})
        self._shapes.update(_constants(graph.node))

    def owner(self, name: str) -> Scope | None:
        """The graph in which the name is made."""
        if name in self._arrays or name in self._made or name in self._inputs:
            return self
        return None if self._outer is None else self._outer.owner(name)

    def shape(self, name: str) -> Shape | None:
        """A value's shape, with -1 for unknown sizes; None if the number of dimensions is unknown."""
        owner = self.owner(name)
        return None if owner is None else owner._shapes.get(name)

    def initializer(self, name: str) -> TensorProto | None:
        """The array of this name in this very graph."""
        return next((array for array in self.graph.initializer if array.name == name), None)

    def unique(self, wanted: str) -> str:
        """A name that nothing has, here and further out."""
        name, number = wanted, 0
        while self.owner(name) is not None:
            number += 1
            name = f"{wanted}_{number}"
        self._made.add(name)
        return name


def scopes_of(model: ModelProto, *, infer: bool = True) -> Iterator[Scope]:
    """All graphs of a model, the outermost first."""
    inferred = model
    if infer:
        try:
            inferred = onnx.shape_inference.infer_shapes(light_copy(model), data_prop=True)
        except onnx.shape_inference.InferenceError as error:
            raise ValueError(f"`model` must be one that ONNX can infer shapes of: {error}") from None
    return _scopes(model.graph, inferred.graph, None, count())


def _scopes(graph: GraphProto, inferred: GraphProto, outer: Scope | None, numbers: Iterator[int]) -> Iterator[Scope]:
    scope = Scope(graph, inferred, outer, next(numbers))
    yield scope
    for node, other in zip(list(graph.node), list(inferred.node), strict=True):
        for body, inferred_body in zip(_bodies(node), _bodies(other), strict=True):
            yield from _scopes(body, inferred_body, scope, numbers)


def _bodies(node: NodeProto) -> list[GraphProto]:
    result = []
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            result.append(attribute.g)
        elif attribute.type == AttributeProto.GRAPHS:
            result.extend(attribute.graphs)
    return result


def light_copy(model: ModelProto) -> ModelProto:
    """The model with its large arrays as inputs of the graph: enough for the checker, however large they are."""
    result = ModelProto(ir_version=model.ir_version)
    result.opset_import.extend(model.opset_import)
    result.functions.extend(model.functions)
    _copy_lightly(model.graph, result.graph)
    return result


def _copy_lightly(graph: GraphProto, result: GraphProto) -> None:
    result.name = graph.name
    for field in ("node", "input", "output", "value_info", "sparse_initializer"):
        getattr(result, field).extend(getattr(graph, field))
    known = {one.name for one in graph.input}
    for array in graph.initializer:
        if array.data_location == TensorProto.DEFAULT and array.ByteSize() < _SMALL:
            result.initializer.append(array)
        elif array.name not in known:
            result.input.append(helper.make_tensor_value_info(array.name, array.data_type, array.dims))


def _shape(info: ValueInfoProto) -> Shape | None:
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not kind.HasField("shape"):
        return None
    return tuple(one.dim_value if one.HasField("dim_value") else -1 for one in kind.shape.dim)


def _constants(nodes: Iterable[NodeProto]) -> dict[str, Shape]:
    """The shapes of what Constant nodes hold, whatever inference says."""
    result = {}
    for node in nodes:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    result[node.output[0]] = tuple(attribute.t.dims)
    return result


def save_beside(model: ModelProto, source: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Write a model that came from a file, and with it the files that it keeps arrays in, if the folder is another.

    Raises
    ------
    OSError
        If a file cannot be read or written. A file of arrays is not written over one that is there.
    """
    before, after = Path(source).resolve().parent, Path(path).resolve().parent
    names = sorted(set(_data_files(model))) if before != after else []
    for name in names:
        if (after / name).exists():
            raise FileExistsError(
                errno.EEXIST, "the model's arrays must go there, but it is there already", after / name
            )
    files = [Replacement(after / name) for name in names] + [Replacement(path)]
    try:
        for file in files:
            file.open()
        for name, file in zip(names, files, strict=False):
            with (before / name).open("rb") as data:
                while piece := data.read(1 << 24):
                    file.write_bytes(piece)
        files[-1].write_bytes(model.SerializeToString())
        for file in files:
            file.finish()
        publish_together(files)
    finally:
        for file in files:
            file.discard()


def _data_files(model: ModelProto) -> Iterator[str]:
    for scope in scopes_of(model, infer=False):
        held = [attribute for node in scope.graph.node for attribute in node.attribute]
        tensors = [*scope.graph.initializer, *(one.t for one in held), *(t for one in held for t in one.tensors)]
        for tensor in tensors:
            yield from (entry.value for entry in tensor.external_data if entry.key == "location")
