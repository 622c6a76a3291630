"""Names and attributes in a graph: what `Symbol` inherits."""

from __future__ import annotations

from .compose import hidden_or_same
from .graph import Entry, Node, walk
from .operators import mutated_inputs, output_name, parameters_of

__all__ = ["Named"]


class Named:
    """The names and attributes of the nodes behind `outputs`."""

    outputs: list[Entry]

    @property
    def name(self) -> str | None:
        """The name of the node; None for a group."""
        return self._node.name if self._node else None

    @property
    def _node(self) -> Node | None:
        """The one node of which all outputs are, or None."""
        first = self.outputs[0].node
        return first if all(entry.node is first for entry in self.outputs) else None

    def list_outputs(self) -> list[str]:
        """The outputs' names."""
        return [output_name(entry) for entry in self.outputs]

    def list_inputs(self) -> list[str]:
        """The names of all variables, auxiliary states included, in MXNet's order."""
        return [node.name for node in self._variables()]

    def list_arguments(self) -> list[str]:
        """The names of the variables but for auxiliary states."""
        states = self._states()
        return [node.name for node in self._variables() if id(node) not in states]

    def list_auxiliary_states(self) -> list[str]:
        """The names of the variables that operators write to, such as the moving means of BatchNorm."""
        states = self._states()
        return [node.name for node in self._variables() if id(node) in states]

    def _variables(self) -> list[Node]:
        return [node for node in walk(self.outputs) if node.is_variable]

    def _states(self) -> set[int]:
        return {id(state) for node in walk(self.outputs) for state in mutated_inputs(node)}

    def attr(self, key: str) -> str | None:
        """The node's attribute or parameter of this name as a string, or None."""
        node = self._node
        if node is None:
            return None
        if key in ("name", "op_name"):
            return node.name if key == "name" else node.op
        return _with_plain_keys(node).get(key)

    def list_attr(self) -> dict[str, str]:
        """The attributes and parameters of the first output's node."""
        return _with_plain_keys(self.outputs[0].node)

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """The attributes and parameters of every node that has any, by the node's name."""
        return {node.name: _with_plain_keys(node) for node in walk(self.outputs) if node.attrs}

    def _set_attr(self, **kwargs: str) -> None:
        """Set attributes of the node; a parameter is checked as when the symbol was made."""
        node = self.outputs[0].node
        for key, value in kwargs.items():
            if not isinstance(value, str):
                raise ValueError(f"`{key}` must be a string, got {value!r}")
        changed = Node(node.op, node.name, {**node.attrs, **{hidden_or_same(k): v for k, v in kwargs.items()}})
        if node.op is not None:
            parameters_of(changed)
        node.attrs = changed.attrs


def _with_plain_keys(node: Node) -> dict[str, str]:
    """A node's attributes; those that MXNet keeps between underscores are there without them as well."""
    plain = {key[2:-2]: value for key, value in node.attrs.items() if hidden_or_same(key[2:-2]) == key}
    return {**node.attrs, **plain}
