"""The layers of networks, those on images apart: the rows of MXNet 1.6.0's registry, none of which is offered."""

from __future__ import annotations

from collections.abc import Callable

from .operators import (
    Names,
    Operator,
    Parameter,
    Values,
    boolean,
    choice,
    integer,
    integers,
    number,
    optional,
    register,
)

_LAYOUT = Parameter("layout", optional(choice("NCW", "NCHW", "NCDHW", "NWC", "NHWC", "NDHWC")), None)
_CUDNN_OFF = Parameter("cudnn_off", optional(boolean), False)
_CONVENTION = Parameter("pooling_convention", choice("full", "same", "valid"), "valid")
_AXIS = Parameter("axis", integer, -1)
_GRAD_SCALE = Parameter("grad_scale", number, 1.0)
_TYPE = optional(choice("float16", "float32", "float64"))


def _filters(workspace: int, *more: Parameter, no_bias: bool = False) -> tuple[Parameter, ...]:
    return (
        Parameter("kernel", integers),
        Parameter("stride", integers, ()),
        Parameter("dilate", integers, ()),
        Parameter("pad", integers, ()),
        *more,
        Parameter("num_filter", integer),
        Parameter("num_group", integer, 1),
        Parameter("workspace", integer, workspace),
        Parameter("no_bias", boolean, no_bias),
        Parameter("cudnn_tune", optional(choice("fastest", "limited_workspace", "off")), None),
        _CUDNN_OFF,
        _LAYOUT,
    )


_POOLING = (
    Parameter("kernel", integers, ()),
    Parameter("pool_type", choice("avg", "lp", "max", "sum"), "max"),
    Parameter("global_pool", boolean, False),
    _CUDNN_OFF,
    _CONVENTION,
    Parameter("stride", integers, ()),
    Parameter("pad", integers, ()),
    Parameter("p_value", optional(integer), None),
    Parameter("count_include_pad", optional(boolean), None),
    _LAYOUT,
)
_BATCH_NORM = (
    Parameter("eps", number, 0.001),
    Parameter("momentum", number, 0.9),
    Parameter("fix_gamma", boolean, True),
    Parameter("use_global_stats", boolean, False),
    Parameter("output_mean_var", boolean, False),
)
_SOFTMAX = (
    _AXIS,
    Parameter("temperature", optional(number), None),
    Parameter("dtype", _TYPE, None),
    Parameter("use_length", optional(boolean), False),
)
_BATCH_NORM_PARAMETERS = {
    "BatchNorm": (
        *_BATCH_NORM,
        Parameter("axis", integer, 1),
        _CUDNN_OFF,
        Parameter("min_calib_range", optional(number), None),
        Parameter("max_calib_range", optional(number), None),
    ),
    "BatchNorm_v1": _BATCH_NORM,
    "CuDNNBatchNorm": (*_BATCH_NORM, Parameter("axis", integer, 1), _CUDNN_OFF),
    "_contrib_SyncBatchNorm": (*_BATCH_NORM, Parameter("ndev", integer, 1), Parameter("key", str)),
}
_MOVING = {"moving_mean": '["zero", {}]', "moving_var": '["one", {}]'}


def _shown_if(key: str, shown: int = 3) -> Callable[[Values], int]:
    """How many outputs are visible: all if the parameter is true, else one."""
    return lambda values: shown if values[key] else 1


def _optional_bias(values: Values) -> Names:
    return ("data", "weight") if values["no_bias"] else ("data", "weight", "bias")


def _optional_length(values: Values) -> Names:
    return ("data", "length") if values["use_length"] else ("data",)


def _gamma_if_fixed(values: Values) -> tuple[int, ...]:
    return (1,) if values["fix_gamma"] else ()


_ROWS = (
    Operator("Convolution", _optional_bias, parameters=_filters(1024)),
    Operator("Convolution_v1", _optional_bias, parameters=_filters(1024)),
    Operator(
        "Deconvolution",
        _optional_bias,
        parameters=_filters(512, Parameter("adj", integers, ()), Parameter("target_shape", integers, ()), no_bias=True),
    ),
    Operator(
        "FullyConnected",
        _optional_bias,
        parameters=(
            Parameter("num_hidden", integer),
            Parameter("no_bias", boolean, False),
            Parameter("flatten", boolean, True),
        ),
    ),
    Operator("Pooling", parameters=_POOLING),
    Operator("Pooling_v1", parameters=(*_POOLING[:3], _CONVENTION, *_POOLING[5:7])),
    *(
        Operator(
            name,
            ("data", "gamma", "beta", "moving_mean", "moving_var"),
            ("output", "mean", "var"),
            visible=_shown_if("output_mean_var"),
            parameters=parameters,
            mutated=(3, 4),
            initial=_MOVING,
            unread=_gamma_if_fixed,
        )
        for name, parameters in _BATCH_NORM_PARAMETERS.items()
    ),
    Operator(
        "Dropout",
        outputs=("output", "mask"),
        visible=1,
        parameters=(
            Parameter("p", number, 0.5),
            Parameter("mode", choice("always", "training"), "training"),
            Parameter("axes", integers, ()),
            _CUDNN_OFF,
        ),
    ),
    Operator(
        "LRN",
        outputs=("output", "tmp_norm"),
        visible=1,
        parameters=(
            Parameter("alpha", number, 0.0001),
            Parameter("beta", number, 0.75),
            Parameter("knorm", number, 2.0),
            Parameter("nsize", integer),
        ),
    ),
    Operator(
        "L2Normalization",
        outputs=("output", "norm"),
        visible=1,
        parameters=(
            Parameter("eps", number, 1e-10),
            Parameter("mode", choice("channel", "instance", "spatial"), "instance"),
        ),
    ),
    Operator(
        "InstanceNorm",
        ("data", "gamma", "beta"),
        ("output", "mean", "var"),
        visible=1,
        parameters=(Parameter("eps", number, 0.001),),
    ),
    *(
        Operator(
            name,
            ("data", "gamma", "beta"),
            ("output", "mean", "std"),
            visible=_shown_if("output_mean_var"),
            parameters=(first, Parameter("eps", number, 1e-5), Parameter("output_mean_var", boolean, False)),
        )
        for name, first in (("LayerNorm", _AXIS), ("GroupNorm", Parameter("num_groups", integer, 1)))
    ),
    *(Operator(name, _optional_length, parameters=_SOFTMAX) for name in ("softmax", "softmin", "log_softmax")),
    Operator("SoftmaxActivation", parameters=(Parameter("mode", choice("channel", "instance"), "instance"),)),
    Operator(
        "SoftmaxOutput",
        ("data", "label"),
        aliases=("Softmax",),
        parameters=(
            _GRAD_SCALE,
            Parameter("ignore_label", number, -1.0),
            Parameter("multi_output", boolean, False),
            Parameter("use_ignore", boolean, False),
            Parameter("preserve_shape", boolean, False),
            Parameter("normalization", choice("batch", "null", "valid"), "null"),
            Parameter("out_grad", boolean, False),
            Parameter("smooth_alpha", number, 0.0),
        ),
        unread=(1,),
    ),
    *(
        Operator(name, ("data", "label"), parameters=(_GRAD_SCALE,), unread=(1,))
        for name in ("LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput")
    ),
    Operator(
        "SVMOutput",
        ("data", "label"),
        parameters=(
            Parameter("margin", number, 1.0),
            Parameter("regularization_coefficient", number, 1.0),
            Parameter("use_linear", boolean, False),
        ),
        unread=(1,),
    ),
    Operator(
        "IdentityAttachKLSparseReg",
        ("data", "moving_avg"),
        parameters=(
            Parameter("sparseness_target", number, 0.1),
            Parameter("penalty", number, 0.001),
            Parameter("momentum", number, 0.9),
        ),
        mutated=(1,),
        initial={"moving_avg": '["zero", {}]'},
        unread=(1,),
    ),
    Operator(
        "Embedding",
        ("data", "weight"),
        parameters=(
            Parameter("input_dim", integer),
            Parameter("output_dim", integer),
            Parameter("dtype", choice("float16", "float32", "float64", "int32", "int64", "int8", "uint8"), "float32"),
            Parameter("sparse_grad", boolean, False),
        ),
    ),
)
register(*_ROWS)
