"""Operators that are not offered, but occur in graphs: what loading, listing and naming need to know of them.

The facts are those of MXNet 1.6.0's operator registry. An operator that is not in any table is taken to have one output
and to write to no input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from . import shape_operators as _shape_operators  # noqa: F401 - enters its rows in the table
from .network_shapes import NETWORK_PARAMETERS
from .operators import Names, Operator, Values, register

__all__ = ["FLUENT"]

# The operators of the table that MXNet also offers as methods of symbols.
FLUENT = frozenset(
    (
        "abs",
        "ceil",
        "cos",
        "exp",
        "expm1",
        "flatten",
        "floor",
        "log",
        "log1p",
        "mean",
        "ones_like",
        "reciprocal",
        "relu",
        "rsqrt",
        "sigmoid",
        "sign",
        "sin",
        "sqrt",
        "square",
        "sum",
        "tanh",
        "zeros_like",
    )
)


def _is_true(values: Values, key: str) -> bool:
    return str(values.get(key, "False")).lower() in ("true", "1")


def _shown_if(key: str, count: int = 3) -> Callable[[Values], int]:
    """How many outputs are visible: all if the parameter is true, else one."""
    return lambda values: count if _is_true(values, key) else 1


def _optional_bias(values: Values) -> Names:
    return ("data", "weight") if _is_true(values, "no_bias") else ("data", "weight", "bias")


_NORMALIZATION = ("data", "gamma", "beta", "moving_mean", "moving_var")
_MOVING = {"moving_mean": '["zero", {}]', "moving_var": '["one", {}]'}

_ROWS = (
    *(
        Operator(
            name,
            _NORMALIZATION,
            ("output", "mean", "var"),
            visible=_shown_if("output_mean_var"),
            mutated=(3, 4),
            initial=_MOVING,
        )
        for name in ("BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "CuDNNBatchNorm")
    ),
    Operator("Convolution", _optional_bias),
    Operator("Deconvolution", _optional_bias),
    Operator("FullyConnected", _optional_bias),
    Operator("Dropout", outputs=("output", "mask"), visible=1),
    Operator("LRN", outputs=("output", "tmp_norm"), visible=1),
    Operator("L2Normalization", outputs=("output", "norm"), visible=1),
    Operator("InstanceNorm", ("data", "gamma", "beta"), ("output", "mean", "var"), visible=1),
    *(
        Operator(name, ("data", "gamma", "beta"), ("output", "mean", "std"), visible=_shown_if("output_mean_var"))
        for name in ("LayerNorm", "GroupNorm")
    ),
    Operator("SoftmaxOutput", ("data", "label"), aliases=("Softmax",)),
    *(
        Operator(name, ("data", "label"))
        for name in ("LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput", "SVMOutput")
    ),
    Operator("IdentityAttachKLSparseReg", ("data", "moving_avg"), mutated=(1,), initial={"moving_avg": '["zero", {}]'}),
    Operator("Pad", aliases=("pad",)),
    Operator("_contrib_MultiBoxTarget", ("anchor", "label", "cls_pred"), ("loc_target", "loc_mask", "cls_target")),
    *(
        Operator(
            name,
            ("cls_prob", "bbox_pred", "im_info"),
            ("output", "score"),
            visible=_shown_if("output_score", 2),
            aliases=(name.removeprefix("_contrib_"),),
        )
        for name in ("_contrib_Proposal", "_contrib_MultiProposal")
    ),
)
register(*(replace(row, parameters=NETWORK_PARAMETERS.get(row.name)) for row in _ROWS))
register(Operator("Pooling", parameters=NETWORK_PARAMETERS["Pooling"]))
