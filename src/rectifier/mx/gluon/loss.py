"""MXNet's ``gluon.loss``: the distances between what a block says and what it should say."""

from __future__ import annotations

from typing import Any

from ..coverage import unknown_name
from ..nd import NDArray
from .block import HybridBlock

__all__ = ["L1Loss", "L2Loss", "Loss"]


class Loss(HybridBlock):
    """What a loss is: a number for each sample, the mean over the other axes.

    Parameters
    ----------
    weight : float or None
        A factor.
    batch_axis : int
        The axis of the samples.
    """

    def __init__(self, weight: float | None, batch_axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._weight = weight
        self._batch_axis = batch_axis

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch_axis={self._batch_axis}, w={self._weight})"

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        """The loss of each sample; `sample_weight` broadcasts to the prediction."""
        label = label.reshape(pred.shape) if isinstance(label, NDArray) else label
        loss = self._distance(F, label - pred)
        if sample_weight is not None:
            loss = F.broadcast_mul(loss, sample_weight)
        if self._weight is not None:
            loss = loss * self._factor()
        return F.mean(loss, axis=self._batch_axis, exclude=True)

    def _factor(self) -> float:
        assert self._weight is not None
        return self._weight

    def _distance(self, F: Any, difference: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must say what the loss of a difference is, in `_distance`")


class L2Loss(Loss):
    """Half the squared difference.

    Examples
    --------
    >>> from rectifier import mx
    >>> mx.gluon.loss.L2Loss()(mx.nd.array([[1.0, 3.0]]), mx.nd.array([[0.0, 0.0]])).asnumpy()
    array([2.5], dtype=float32)
    """

    def __init__(self, weight: float | None = 1.0, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)

    def _factor(self) -> float:
        return super()._factor() / 2

    def _distance(self, F: Any, difference: Any) -> Any:
        return F.square(difference)


class L1Loss(Loss):
    """The absolute difference."""

    def __init__(self, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)

    def _distance(self, F: Any, difference: Any) -> Any:
        return F.abs(difference)


def __getattr__(name: str) -> Any:
    unknown_name("mx.gluon.loss", name, __all__)
