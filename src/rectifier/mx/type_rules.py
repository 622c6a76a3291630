"""How the dtypes of an operator's inputs and outputs follow from each other, as MXNet's numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .base import DTYPE_NUMBERS, DTYPES
from .operators import Values

__all__ = ["TYPE_RULES", "merge_types", "same_type"]

Types = list[int | None]


def merge_types(first: int | None, second: int | None) -> int | None:
    """What both say; a ValueError if they contradict each other."""
    if first is not None and second is not None and first != second:
        raise ValueError(f"dtypes {DTYPES[first]} and {DTYPES[second]} do not agree")
    return second if first is None else first


def same_type(values: Values, inputs: Types, outputs: Types) -> None:
    """One dtype for all."""
    shared: int | None = None
    for number in (*inputs, *outputs):
        shared = merge_types(shared, number)
    inputs[:] = [shared] * len(inputs)
    outputs[:] = [shared] * len(outputs)


def cast(values: Values, inputs: Types, outputs: Types) -> None:
    wanted = next(number for dtype, number in DTYPE_NUMBERS.items() if dtype.name == values["dtype"])
    outputs[0] = merge_types(outputs[0], wanted)


def batch_norm(values: Values, inputs: Types, outputs: Types) -> None:
    """Statistics and parameters of float16 data are float32."""
    data = merge_types(inputs[0], outputs[0] if outputs else None)
    inputs[0] = data
    outputs[:1] = [data]
    if data is None:
        return
    wide = DTYPE_NUMBERS[np.dtype(np.float32)] if DTYPES[data] == np.float16 else data
    inputs[1:] = [merge_types(number, wide) for number in inputs[1:]]
    outputs[1:] = [merge_types(number, wide) for number in outputs[1:]]


def softmax(values: Values, inputs: Types, outputs: Types) -> None:
    """The result's dtype can be asked for; a length has a dtype of its own."""
    if values["dtype"] is not None:
        cast(values, inputs, outputs)
    else:
        inputs[0] = outputs[0] = merge_types(inputs[0], outputs[0])


def embedding(values: Values, inputs: Types, outputs: Types) -> None:
    """Weight and result are of one dtype, and indices of any."""
    cast(values, inputs, outputs)
    inputs[1] = merge_types(inputs[1], outputs[0])


_BATCH_NORMS = ("BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_contrib_SyncBatchNorm")
TYPE_RULES: dict[str, Callable[[Values, Types, Types], None]] = {
    "Cast": cast,
    **dict.fromkeys(_BATCH_NORMS, batch_norm),
    **dict.fromkeys(("softmax", "softmin", "log_softmax"), softmax),
    "Embedding": embedding,
}
