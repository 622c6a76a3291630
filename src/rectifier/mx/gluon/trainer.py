"""MXNet's ``gluon.Trainer``: steps of gradient descent on the parameters of blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import autograd, nd
from ..nd import NDArray
from .parameter import Parameter
from .parameter_dict import ParameterDict

__all__ = ["Trainer"]

# What each optimizer takes beside what all of them take, with MXNet's defaults.
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "sgd": {"learning_rate": 0.01, "momentum": 0.0},
    "adam": {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
}
_COMMON: Mapping[str, Any] = {"wd": 0.0, "rescale_grad": 1.0, "clip_gradient": None, "lr_scheduler": None}
_State = dict[str, NDArray]


class Trainer:
    """Moves parameters down their gradients.

    Parameters
    ----------
    params : ParameterDict, dict or list of Parameter
        What to train; those whose `grad_req` is "null" stay.
    optimizer : {"sgd", "adam"}
    optimizer_params : dict, optional
        `learning_rate` (0.01 for sgd, 0.001 for adam), `wd`, `rescale_grad`, `clip_gradient`, `lr_scheduler`, which is
        a function of the number of the step; `momentum` for sgd; `beta1`, `beta2`, `epsilon` for adam.
    kvstore, compression_params, update_on_kvstore
        For compatibility: there is one process and one device.

    Raises
    ------
    ValueError, TypeError
        If the optimizer or a setting is unknown, or `params` holds something else.

    Examples
    --------
    >>> from rectifier import mx
    >>> layer = mx.gluon.nn.PReLU()
    >>> layer.initialize()
    >>> trainer = mx.gluon.Trainer(layer.collect_params(), "sgd", {"learning_rate": 0.5})
    >>> with mx.autograd.record():
    ...     loss = layer(mx.nd.array([-1.0, 2.0])).sum()
    >>> loss.backward()
    >>> trainer.step(batch_size=2)
    >>> layer.alpha.data().asscalar() == 0.5
    np.True_
    """

    def __init__(
        self,
        params: ParameterDict | Mapping[str, Parameter] | Iterable[Parameter],
        optimizer: str,
        optimizer_params: Mapping[str, Any] | None = None,
        kvstore: Any = "device",
        compression_params: Any = None,
        update_on_kvstore: bool | None = None,
    ) -> None:
        listed = params.values() if isinstance(params, (ParameterDict, Mapping)) else params
        if not isinstance(listed, Iterable):
            raise TypeError(f"`params` must hold Parameters, got {type(params).__name__}")
        self._params = list(listed)
        for one in self._params:
            if not isinstance(one, Parameter):
                raise TypeError(f"`params` must hold Parameters, got {type(one).__name__}")
        self._optimizer = str(optimizer).lower()
        if self._optimizer not in _SETTINGS:
            raise ValueError(f"`optimizer` must be one of {', '.join(_SETTINGS)}, got {optimizer!r}")
        known = {**_SETTINGS[self._optimizer], **_COMMON}
        unknown = next((name for name in optimizer_params or {} if name not in known), None)
        if unknown is not None:
            raise ValueError(f"`optimizer_params` must be of {', '.join(known)}, got {unknown!r}")
        self._settings = {**known, **(optimizer_params or {})}
        self._states: dict[str, _State] = {}
        self._steps = 0

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        scheduler: Callable[[int], float] | None = self._settings["lr_scheduler"]
        return float(self._settings["learning_rate"] if scheduler is None else scheduler(self._steps))

    def set_learning_rate(self, lr: float) -> None:
        """Take another learning rate."""
        if self._settings["lr_scheduler"] is not None:
            raise UserWarning("LRScheduler of the optimizer has already been defined.")
        self._settings["learning_rate"] = lr

    def step(self, batch_size: int, ignore_stale_grad: bool = False) -> None:
        """Move each parameter by its gradient, divided by `batch_size`."""
        self._steps += 1
        update = {"sgd": self._sgd, "adam": self._adam}[self._optimizer]
        rate = self.learning_rate
        with autograd.pause():
            for parameter in self._params:
                if parameter.grad_req != "null":
                    state = self._states.setdefault(parameter.name, {})
                    gradient = parameter.grad() * (self._settings["rescale_grad"] / batch_size)
                    decay = self._settings["wd"] * parameter.wd_mult
                    update(parameter.data(), gradient, state, rate * parameter.lr_mult, decay)

    update = step

    def _clipped(self, gradient: NDArray) -> NDArray:
        limit = self._settings["clip_gradient"]
        return gradient if limit is None or limit < 0 else nd.clip(gradient, -limit, limit)

    def _sgd(self, weight: NDArray, gradient: NDArray, state: _State, rate: float, decay: float) -> None:
        change = -rate * (self._clipped(gradient) + decay * weight)
        momentum = self._settings["momentum"]
        if momentum:
            change = state["momentum"] = change + momentum * state.get("momentum", nd.zeros_like(weight))
        weight += change

    def _adam(self, weight: NDArray, gradient: NDArray, state: _State, rate: float, decay: float) -> None:
        beta1, beta2, epsilon = (self._settings[name] for name in ("beta1", "beta2", "epsilon"))
        gradient = self._clipped(gradient + decay * weight)
        zeros = nd.zeros_like(weight)
        state["mean"] = beta1 * state.get("mean", zeros) + (1 - beta1) * gradient
        state["variance"] = beta2 * state.get("variance", zeros) + (1 - beta2) * gradient.square()
        rate *= math.sqrt(1 - beta2**self._steps) / (1 - beta1**self._steps)
        weight -= rate * state["mean"] / (state["variance"].sqrt() + epsilon)
