"""Layers of networks in many settings: one node each, with arrays for it. Needs no MXNet.

`CASES` is what the tests of every converter run. `symbol(case)` is the graph, whose JSON MXNet reads too, and
`arrays(case)` are numbers for all its variables.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rectifier.mx.graph import Entry, Node
from rectifier.mx.operators import operator_of, parameters_of, visible_count
from rectifier.mx.symbol import Symbol

__all__ = ["CASES", "Case", "arrays", "labels", "random_window", "symbol"]


class Case(NamedTuple):
    """One operator with one setting.

    Attributes
    ----------
    op : str
    attrs : dict of str to str
        The parameters, as a graph holds them.
    shapes : dict of str to tuple of int
        The shapes of what is no parameter of the model: its inputs.
    """

    op: str
    attrs: dict[str, str]
    shapes: dict[str, tuple[int, ...]]

    def __str__(self) -> str:
        settings = ",".join(f"{key}={value.replace(' ', '')}" for key, value in self.attrs.items())
        return f"{self.op}({settings}){'x'.join(map(str, next(iter(self.shapes.values()))))}"


def _case(op: str, shape: tuple[int, ...], _others: dict[str, tuple[int, ...]] | None = None, **attrs: object) -> Case:
    row = operator_of(op)
    assert row is not None
    first = row.input_names(parameters_of(Node(op, "n", {key: str(value) for key, value in attrs.items()})))[0]
    return Case(op, {key: str(value) for key, value in attrs.items()}, {first: shape, **(_others or {})})


def symbol(case: Case) -> Symbol:
    """The graph: inputs by the operator's names, parameters as ``layer_weight`` and so on."""
    node = Node(case.op, "layer", case.attrs)
    row = operator_of(case.op)
    assert row is not None
    for name in row.input_names(parameters_of(node)):
        node.inputs.append(Entry(Node(None, name if name in case.shapes else f"layer_{name}")))
    return Symbol([Entry(node, i) for i in range(visible_count(node))])


def labels(case: Case) -> list[str]:
    """The names of variables that inference does not read."""
    return ["layer_label"] if "label" in operator_of(case.op).all_inputs else []


def arrays(case: Case) -> dict[str, np.ndarray]:
    """Numbers for every variable: variances are positive, indices and regions are what they must be."""
    rng = np.random.default_rng(sum(map(ord, str(case))))
    graph = symbol(case)
    shapes, _, states = graph.infer_shape(**case.shapes)
    pairs = [
        *zip(graph.list_arguments(), shapes, strict=True),
        *zip(graph.list_auxiliary_states(), states, strict=True),
    ]
    return {name: _numbers(case, name, shape, rng) for name, shape in pairs}


def _numbers(case: Case, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if name == "layer_moving_var":
        return rng.uniform(0.5, 2, shape).astype("f")
    if name == "layer_label":
        return np.zeros(shape, "f")
    if case.op == "Embedding" and name == "data":
        return rng.integers(-2, int(case.attrs["input_dim"]) + 3, shape).astype("f") + np.float32(0.25)
    if name == "rois":
        corner = rng.integers(0, 8, (shape[0], 2))
        size = rng.integers(1, 8, (shape[0], 2))
        return np.concatenate([rng.integers(0, 2, (shape[0], 1)), corner, corner + size], 1).astype("f")
    if name == "cls_prob":
        return rng.dirichlet(np.ones(shape[1]), (shape[0], shape[2])).transpose(0, 2, 1).astype("f")
    if name == "anchor":
        corner = rng.uniform(0, 0.7, (*shape[:2], 2))
        return np.concatenate([corner, corner + rng.uniform(0.1, 0.5, (*shape[:2], 2))], 2).astype("f")
    return rng.normal(0, 1, shape).astype("f")


_IMAGE, _ROW, _BLOCK = (2, 4, 9, 11), (2, 4, 13), (2, 4, 6, 7, 8)

_CONVOLUTIONS = [
    _case("Convolution", _IMAGE, kernel=(3, 3), num_filter=6),
    _case("Convolution", _IMAGE, kernel=(3, 2), num_filter=6, stride=(2, 1), pad=(1, 0), no_bias=True),
    _case("Convolution", _IMAGE, kernel=(3, 3), num_filter=4, num_group=2, pad=(2, 2), dilate=(2, 2)),
    _case("Convolution", _IMAGE, kernel=(3, 3), num_filter=4, num_group=4, pad=(1, 1), layout="NCHW", workspace=256),
    _case("Convolution", _ROW, kernel=(3,), num_filter=5, stride=(2,), pad=(1,)),
    _case("Convolution", _ROW, kernel=(5,), num_filter=6, dilate=(2,), num_group=2, layout="NCW"),
    _case("Convolution", _BLOCK, kernel=(3, 2, 3), num_filter=4, stride=(1, 2, 2), pad=(1, 0, 1)),
    _case("Convolution_v1", _IMAGE, kernel=(3, 3), num_filter=6, num_group=2, stride=(2, 2)),
    _case("Deconvolution", _IMAGE, kernel=(4, 4), num_filter=3, stride=(2, 2), pad=(1, 1)),
    _case("Deconvolution", _IMAGE, kernel=(3, 3), num_filter=3, stride=(2, 2), pad=(1, 1), adj=(1, 1), no_bias=False),
    _case("Deconvolution", _IMAGE, kernel=(3, 3), num_filter=3, stride=(2, 3), adj=(1, 2)),
    _case("Deconvolution", _IMAGE, kernel=(3, 3), num_filter=6, num_group=2, dilate=(2, 1), pad=(1, 0)),
    _case("Deconvolution", _IMAGE, kernel=(4, 4), num_filter=4, num_group=4, stride=(2, 2), pad=(1, 1), layout="NCHW"),
    _case("Deconvolution", _IMAGE, kernel=(4, 4), num_filter=3, stride=(2, 2), target_shape=(18, 22)),
    _case("Deconvolution", _IMAGE, kernel=(3, 4), num_filter=3, stride=(2, 2), target_shape=(17, 21), adj=(0, 0)),
    _case("Deconvolution", _IMAGE, kernel=(3, 3), num_filter=3, stride=(2, 2), target_shape=(19, 22)),
    _case("Deconvolution", _ROW, kernel=(4,), num_filter=3, stride=(2,), pad=(1,)),
]
_DENSE = [
    _case("FullyConnected", (3, 7), num_hidden=5),
    _case("FullyConnected", (3, 7), num_hidden=5, no_bias=True),
    _case("FullyConnected", (3, 2, 4, 5), num_hidden=5),
    _case("FullyConnected", (3, 2, 4), num_hidden=5, flatten=False),
    _case("FullyConnected", (3, 2, 4, 5), num_hidden=6, flatten=False, no_bias=True),
    _case("FullyConnected", (3, 7), num_hidden=5, flatten=False),
    _case("Embedding", (3, 5), input_dim=6, output_dim=4),
    _case("Embedding", (7,), input_dim=3, output_dim=2, dtype="float32", sparse_grad=False),
]
_POOLS = [
    _case("Pooling", _IMAGE, pool_type=kind, kernel=(3, 2), **more)
    for kind in ("max", "avg", "sum")
    for more in (
        {},
        {"stride": (2, 2), "pad": (1, 1)},
        {"stride": (2, 2), "pooling_convention": "full"},
        {"stride": (2, 3), "pad": (1, 1), "pooling_convention": "full"},
    )
]
_POOLS += [
    _case("Pooling", _IMAGE, pool_type="avg", kernel=(3, 3), stride=(2, 2), pad=(1, 1), count_include_pad=False),
    _case(
        "Pooling",
        (2, 4, 8, 10),
        pool_type="avg",
        kernel=(3, 3),
        stride=(2, 2),
        pad=(1, 1),
        pooling_convention="full",
        count_include_pad=False,
    ),
    _case(
        "Pooling", (2, 4, 8, 10), pool_type="avg", kernel=(3, 3), stride=(2, 2), pad=(1, 1), pooling_convention="full"
    ),
    _case(
        "Pooling", (2, 4, 8, 10), pool_type="sum", kernel=(3, 3), stride=(2, 2), pad=(1, 1), pooling_convention="full"
    ),
    _case(
        "Pooling", (2, 4, 8, 10), pool_type="max", kernel=(3, 3), stride=(2, 2), pad=(1, 1), pooling_convention="full"
    ),
    _case("Pooling", (2, 4, 4, 4), pool_type="max", kernel=(2, 2), pad=(2, 2)),
    _case("Pooling", (2, 4, 4, 4), pool_type="avg", kernel=(2, 2), pad=(2, 2)),
    _case("Pooling", (2, 4, 4, 4), pool_type="sum", kernel=(2, 2), pad=(2, 2)),
    _case("Pooling", (2, 4, 5, 5), pool_type="max", kernel=(1, 1), stride=(3, 3), pooling_convention="full"),
    *(_case("Pooling", _IMAGE, pool_type="lp", p_value=p, kernel=(2, 2), stride=(2, 2)) for p in (1, 2, 3)),
    _case("Pooling", _IMAGE, pool_type="lp", p_value=2, kernel=(3, 3), pad=(1, 1), stride=(2, 2)),
    *(_case("Pooling", _IMAGE, pool_type=kind, global_pool=True) for kind in ("max", "avg", "sum")),
    *(_case("Pooling", _IMAGE, pool_type="lp", p_value=p, global_pool=True) for p in (1, 2)),
    _case("Pooling", _IMAGE, pool_type="avg", global_pool=True, kernel=(7, 7), pad=(1, 1), stride=(2, 2)),
    _case("Pooling", _ROW, pool_type="max", kernel=(3,), stride=(2,), pooling_convention="full"),
    _case("Pooling", _ROW, pool_type="avg", kernel=(4,), stride=(3,), pad=(1,), pooling_convention="full"),
    *(
        _case("Pooling", (2, 4, 7), pool_type=k, kernel=(3,), stride=(2,), pad=(0, 0, 0), pooling_convention="same")
        for k in ("max", "avg", "sum")
    ),
    _case("Pooling", _BLOCK, pool_type="max", kernel=(3, 3, 2), stride=(2, 2, 2), pad=(1, 1, 0)),
    _case(
        "Pooling", _BLOCK, pool_type="avg", kernel=(3, 3, 3), stride=(2, 2, 2), pad=(1, 1, 1), pooling_convention="full"
    ),
    _case("Pooling", _BLOCK, pool_type="avg", global_pool=True, kernel=(1, 1, 1)),
    *(
        _case(
            "Pooling_v1", _IMAGE, pool_type=kind, kernel=(3, 2), stride=(2, 2), pad=(1, 1), pooling_convention=rounding
        )
        for kind in ("max", "avg", "sum")
        for rounding in ("valid", "full")
    ),
    _case("Pooling_v1", _IMAGE, pool_type="avg", kernel=(2, 2), global_pool=True),
    _case("_contrib_AdaptiveAvgPooling2D", _IMAGE),
    _case("_contrib_AdaptiveAvgPooling2D", _IMAGE, output_size=(3,)),
    _case("_contrib_AdaptiveAvgPooling2D", _IMAGE, output_size=(4, 13)),
    _case("ROIPooling", (2, 3, 16, 16), {"rois": (5, 5)}, pooled_size=(3, 2), spatial_scale=1.0),
    _case("ROIPooling", (2, 3, 8, 8), {"rois": (6, 5)}, pooled_size=(2, 2), spatial_scale=0.5),
]
_NORMS = [
    _case("BatchNorm", _IMAGE),
    _case("BatchNorm", _IMAGE, fix_gamma=False, eps=2e-5, momentum=0.9, use_global_stats=True),
    _case("BatchNorm", _IMAGE, fix_gamma=False, axis=3),
    _case("BatchNorm", _IMAGE, fix_gamma=True, axis=-1),
    _case("BatchNorm", _ROW, fix_gamma=False, axis=0),
    _case("BatchNorm", (3, 5), fix_gamma=False),
    _case("BatchNorm", _BLOCK, fix_gamma=False, axis=2),
    _case("BatchNorm", _IMAGE, fix_gamma=False, output_mean_var=True),
    _case("BatchNorm_v1", _IMAGE),
    _case("BatchNorm_v1", _IMAGE, fix_gamma=False, eps=1e-4),
    _case("_contrib_SyncBatchNorm", _IMAGE, fix_gamma=False, key="bn", ndev=1),
    _case("LayerNorm", (3, 4, 6)),
    _case("LayerNorm", (3, 4, 6), axis=1, eps=1e-3),
    _case("LayerNorm", (3, 4, 6), axis=0),
    _case("LayerNorm", (3, 4, 6), axis=-1, output_mean_var=True),
    _case("LayerNorm", (3, 5)),
    _case("GroupNorm", _IMAGE, num_groups=2),
    _case("GroupNorm", _IMAGE),
    _case("GroupNorm", _ROW, num_groups=4, eps=1e-3, output_mean_var=True),
    _case("InstanceNorm", _IMAGE),
    _case("InstanceNorm", _ROW, eps=0.1),
    _case("InstanceNorm", _BLOCK, eps=1e-5),
    *(_case("L2Normalization", _IMAGE, mode=mode) for mode in ("instance", "channel", "spatial")),
    *(_case("L2Normalization", _ROW, mode=mode, eps=0.5) for mode in ("instance", "channel", "spatial")),
    _case("L2Normalization", (3, 5)),
    _case("LRN", _IMAGE, nsize=3),
    _case("LRN", (2, 9, 5, 5), nsize=5, alpha=0.5, beta=0.5, knorm=1),
]
_OUTPUTS = [
    *(
        _case(op, (3, 4, 5), **more)
        for op in ("softmax", "softmin", "log_softmax")
        for more in ({}, {"axis": 1}, {"axis": 0, "temperature": 2.5}, {"axis": -2, "dtype": "float32"})
    ),
    _case("softmax", (3, 5)),
    _case("softmax", (2, 3, 4, 5), axis=1),
    _case("softmax", (2, 3, 4), dtype="float64"),
    *(_case("SoftmaxActivation", shape) for shape in ((3, 5), (2, 3, 4, 5))),
    _case("SoftmaxActivation", (2, 3, 4, 5), mode="channel"),
    _case("SoftmaxOutput", (3, 5)),
    _case("SoftmaxOutput", (3, 5), use_ignore=True, ignore_label=255, grad_scale=2, normalization="valid"),
    _case("SoftmaxOutput", (2, 3, 4)),
    _case("SoftmaxOutput", (2, 3, 4), preserve_shape=True),
    _case("SoftmaxOutput", (2, 3, 4), multi_output=True),
    _case("SoftmaxOutput", (2, 3, 4, 5), multi_output=True, preserve_shape=True),
    *(
        _case(op, shape)
        for op in ("LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput")
        for shape in ((3, 5), (3, 1))
    ),
    _case("SVMOutput", (3, 5), margin=0.5, use_linear=True),
    _case("MakeLoss", (3, 5), grad_scale=2, normalization="batch"),
    _case("make_loss", (3, 5)),
    _case("BlockGrad", (3, 5)),
    _case("IdentityAttachKLSparseReg", (3, 5)),
    _case("_copy", (3, 5)),
    _case("Dropout", (3, 5)),
    _case("Dropout", (3, 4, 5), p=0.3, axes=(1,)),
]
_IMAGES = [
    _case("UpSampling", _IMAGE, scale=2, sample_type="nearest", num_args=1),
    _case("UpSampling", _IMAGE, scale=3, sample_type="nearest", num_args=1),
    _case("UpSampling", (2, 3, 4, 6), {"arg1": (2, 2, 8, 12)}, scale=2, sample_type="nearest", num_args=2),
    _case(
        "UpSampling",
        (2, 3, 4, 6),
        {"arg1": (2, 3, 2, 3), "arg2": (2, 3, 4, 6)},
        scale=2,
        sample_type="nearest",
        num_args=3,
        multi_input_mode="sum",
    ),
    *(_case("UpSampling", _IMAGE, scale=s, sample_type="bilinear", num_args=2, num_filter=4) for s in (2, 3, 4)),
    _case("Crop", _IMAGE, num_args=1, h_w=(4, 5), offset=(2, 3)),
    _case("Crop", _IMAGE, num_args=1, h_w=(4, 5), center_crop=True),
    _case("Crop", _IMAGE, {"crop_like": (2, 3, 6, 7)}, num_args=2),
    _case("Crop", _IMAGE, {"crop_like": (2, 3, 6, 8)}, num_args=2, center_crop=True),
    _case("Crop", _IMAGE, {"crop_like": (2, 3, 6, 7)}, num_args=2, offset=(1, 2)),
    _case("Pad", _IMAGE, mode="constant", pad_width=(0, 0, 0, 0, 1, 2, 3, 4), constant_value=1.5),
    _case("Pad", _IMAGE, mode="edge", pad_width=(0, 0, 0, 0, 1, 2, 3, 4)),
    _case("Pad", _IMAGE, mode="reflect", pad_width=(0, 0, 0, 0, 1, 2, 3, 0)),
    _case("Pad", _BLOCK, mode="constant", pad_width=(0, 0, 0, 0, 1, 2, 3, 4, 0, 1)),
    _case("Pad", _BLOCK, mode="edge", pad_width=(0, 0, 0, 0, 1, 2, 3, 4, 0, 1)),
    _case("Pad", _BLOCK, mode="reflect", pad_width=(0, 0, 0, 0, 1, 2, 3, 4, 0, 1)),
    _case("_contrib_BilinearResize2D", _IMAGE, height=5, width=22),
    _case("_contrib_BilinearResize2D", _IMAGE, height=1, width=11),
    _case("_contrib_BilinearResize2D", _IMAGE, scale_height=2, scale_width=0.5),
    _case("_contrib_BilinearResize2D", _IMAGE, scale_height=2, scale_width=0.5, mode="odd_scale"),
    *(
        _case("_contrib_BilinearResize2D", (2, 3, 8, 9), mode=mode)
        for mode in ("to_even_down", "to_even_up", "to_odd_down", "to_odd_up")
    ),
    _case("_contrib_BilinearResize2D", _IMAGE, {"like": (2, 4, 6, 20)}, mode="like"),
    _case("_contrib_MultiBoxPrior", (2, 3, 4, 6)),
    _case("_contrib_MultiBoxPrior", (2, 3, 4, 6), sizes=(0.3, 0.5), ratios=(1, 2, 0.5), clip=True),
    _case(
        "_contrib_MultiBoxPrior", (2, 3, 5, 3), sizes=(0.3,), ratios=(2, 0.5), steps=(0.1, 0.2), offsets=(0.25, 0.75)
    ),
]

_DETECTIONS = [
    _case("_contrib_MultiBoxDetection", (2, 4, 50), {"loc_pred": (2, 200), "anchor": (1, 50, 4)}, **more)
    for more in (
        {},
        {"nms_threshold": 0.3, "threshold": 0.4},
        {"nms_threshold": 0.2, "force_suppress": True, "clip": False, "variances": (0.2, 0.1, 0.3, 0.1)},
        {"nms_threshold": 0.4, "background_id": 1, "threshold": 0.6},
        {"nms_topk": 9, "nms_threshold": 0.3},
    )
]

CASES = [*_CONVOLUTIONS, *_DENSE, *_POOLS, *_NORMS, *_OUTPUTS, *_IMAGES, *_DETECTIONS]


def random_window(rng: np.random.Generator) -> Case:
    """Pooling or a convolution of random size, stride, padding and dilation, in one to three dimensions."""
    count = int(rng.integers(1, 4))

    def numbers(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(one) for one in rng.integers(low, high, count))

    op = str(rng.choice(["Pooling", "Pooling", "Convolution", "Deconvolution"]))
    attrs: dict[str, object] = {"kernel": numbers(1, 5), "stride": numbers(1, 4), "pad": numbers(0, 3)}
    attrs = {key: value for key, value in attrs.items() if key == "kernel" or rng.random() < 0.8}
    if op == "Pooling":
        attrs["pool_type"] = rng.choice(["max", "avg", "sum"])
        attrs["pooling_convention"] = rng.choice(["valid", "full"])
        attrs["count_include_pad"] = rng.choice(["True", "False", "None"])
    else:
        attrs.update(num_filter=4, num_group=rng.choice([1, 2, 4]), no_bias=rng.random() < 0.5)
        # MXNet's transposed convolution on the CPU is wrong where both stride and dilation are above 1.
        if rng.random() < 0.5 and (op == "Convolution" or max(attrs.get("stride", (1,))) == 1):  # type: ignore[call-overload]
            attrs["dilate"] = numbers(1, 3)
    return _case(op, (2, 4, *numbers(4, 9)), **attrs)
