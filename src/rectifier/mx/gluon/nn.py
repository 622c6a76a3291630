"""MXNet's layers, ``mx.gluon.nn``: the activations, and what puts layers in a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...parameters import finite
from .. import initializer
from ..coverage import unknown_name
from ..initializer import Initializer
from .block import Block, HybridBlock
from .function_blocks import Flatten, HybridLambda, Lambda
from .parameter_dict import ParameterDict

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "Block",
    "Flatten",
    "HybridBlock",
    "HybridLambda",
    "HybridSequential",
    "Lambda",
    "LeakyReLU",
    "PReLU",
    "Sequential",
    "Swish",
]


class Activation(HybridBlock):
    """One of the plain activations.

    Parameters
    ----------
    activation : {"relu", "sigmoid", "tanh", "softrelu", "softsign"}
    """

    def __init__(self, activation: str, **kwargs: Any) -> None:
        self._act_type = activation
        super().__init__(**kwargs)

    def _alias(self) -> str:
        return self._act_type

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """The activation of x."""
        return F.Activation(x, act_type=self._act_type, name="fwd")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._act_type})"


class LeakyReLU(HybridBlock):
    """x > 0 ? x : alpha·x.

    Parameters
    ----------
    alpha : float
        The slope, 0 or above.

    Raises
    ------
    ValueError
        If `alpha` is below 0.

    Examples
    --------
    >>> from rectifier import mx
    >>> mx.gluon.nn.LeakyReLU(0.1)(mx.nd.array([-1.0, 2.0])).asnumpy()
    array([-0.1,  2. ], dtype=float32)
    """

    def __init__(self, alpha: float, **kwargs: Any) -> None:
        if finite("alpha", alpha) < 0:
            raise ValueError(f"`alpha` must be 0 or above, got {alpha!r}")
        super().__init__(**kwargs)
        self._alpha = alpha

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """The activation of x."""
        return F.LeakyReLU(x, act_type="leaky", slope=self._alpha, name="fwd")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._alpha})"


class PReLU(HybridBlock):
    """x > 0 ? x : alpha·x with one learnt alpha, shared by all of x.

    Parameters
    ----------
    alpha_initializer : Initializer or str
        How alpha starts: at 0.25 by default.

    Examples
    --------
    >>> from rectifier import mx
    >>> layer = mx.gluon.nn.PReLU()
    >>> layer.initialize()
    >>> layer(mx.nd.array([-1.0, 2.0])).asnumpy()
    array([-0.25,  2.  ], dtype=float32)
    >>> layer.alpha.shape
    (1,)
    """

    def __init__(self, alpha_initializer: Initializer | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        chosen = initializer.Constant(0.25) if alpha_initializer is None else alpha_initializer
        with self.name_scope():
            self.alpha = self.params.get("alpha", shape=(1,), init=chosen)

    def hybrid_forward(self, F: Any, x: Any, alpha: Any) -> Any:
        """The activation of x."""
        return F.LeakyReLU(x, gamma=alpha, act_type="prelu", name="fwd")


class ELU(HybridBlock):
    """x > 0 ? x : alpha·(eˣ − 1).

    Parameters
    ----------
    alpha : float, default 1.0
        Where the operator's own `slope` is 0.25 by default.
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._alpha = alpha

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """The activation of x."""
        return F.LeakyReLU(x, act_type="elu", slope=self._alpha)


class SELU(HybridBlock):
    """λ·(x > 0 ? x : α·(eˣ − 1))."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """The activation of x."""
        return F.LeakyReLU(x, act_type="selu", name="fwd")


class GELU(HybridBlock):
    """x·Φ(x)."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """The activation of x."""
        return F.LeakyReLU(x, act_type="gelu", name="fwd")


class Swish(HybridBlock):
    """x·sigmoid(beta·x).

    Parameters
    ----------
    beta : float, default 1.0
    """

    def __init__(self, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._beta = beta

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """The activation of x."""
        return x * F.sigmoid(self._beta * x, name="fwd")


class _InARow(Block):
    """What `Sequential` and `HybridSequential` share."""

    def add(self, *blocks: Block) -> None:
        """Append layers."""
        for block in blocks:
            self.register_child(block)

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Block]:
        return iter(self._children.values())

    def __getitem__(self, key: int | slice) -> Block:
        chosen = list(self._children.values())[key]
        if isinstance(chosen, Block):
            return chosen
        part = type(self)(prefix=self._prefix)
        with part.name_scope():
            part.add(*chosen)
        return part


class Sequential(_InARow):
    """Layers one after the other."""

    def forward(self, x: Any) -> Any:
        """What the last layer returns."""
        for block in self._children.values():
            x = block(x)
        return x


class HybridSequential(_InARow, HybridBlock):
    """Hybrid layers one after the other.

    Examples
    --------
    >>> from rectifier import mx
    >>> net = mx.gluon.nn.HybridSequential(prefix="net_")
    >>> with net.name_scope():
    ...     net.add(mx.gluon.nn.PReLU(), mx.gluon.nn.SELU())
    >>> net.initialize()
    >>> net(mx.sym.Variable("data"))
    <Symbol net_selu0_fwd>
    """

    def __init__(self, prefix: str | None = None, params: ParameterDict | None = None) -> None:
        HybridBlock.__init__(self, prefix, params)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """What the last layer returns."""
        for block in self._children.values():
            x = block(x)
        return x


def __getattr__(name: str) -> Any:
    unknown_name("mx.gluon.nn", name, __all__)
