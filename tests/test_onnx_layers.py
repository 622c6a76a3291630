"""Layers of networks as ONNX: onnxruntime against PyTorch and NumPy, of every size and dtype. Needs no MXNet."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from layer_graphs import IMAGE, layer, node, numbers, run, variable
from rectifier.mx.graph import Entry
from rectifier.mx.symbol import Symbol
from rectifier.onnx import export, latest_opset
from rectifier.onnx.translators import TRANSLATORS
from torch_library import torch

sys.path.append(str(Path(__file__).parent / "mxnet"))
from layer_cases import CASES, arrays, symbol

F = torch.nn.functional

OPSETS = (9, 10, 11, 13, 17, 18, latest_opset())
BOUND = 1e-5


def close(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() <= BOUND * max(np.abs(expected).max(), 1e-30)


def test_close_fails_on_wrong_values():
    assert close(np.ones(3), np.ones(3))
    assert not close(np.array([1, 1, 1.001]), np.ones(3))
    with pytest.raises(AssertionError):
        close(np.ones(3), np.ones((3, 1)))


REFERENCES = [
    (
        ("Convolution", {"kernel": (3, 3), "num_filter": 6, "num_group": 2, "dilate": (2, 2), "pad": (1, 1)}),
        IMAGE,
        {"weight": (6, 2, 3, 3), "bias": (6,)},
        lambda x, weight, bias: F.conv2d(x, weight, bias, 1, 1, 2, 2),
    ),
    (
        ("Convolution", {"kernel": (3,), "num_filter": 6, "stride": (2,), "no_bias": True}),
        (2, 4, 9),
        {"weight": (6, 4, 3)},
        lambda x, weight: F.conv1d(x, weight, None, 2),
    ),
    (
        ("Convolution", {"kernel": (1, 2, 3), "num_filter": 6, "no_bias": True}),
        (2, 4, 3, 4, 5),
        {"weight": (6, 4, 1, 2, 3)},
        lambda x, weight: F.conv3d(x, weight),
    ),
    (
        ("Deconvolution", {"kernel": (3, 3), "num_filter": 6, "num_group": 2, "stride": (2, 2), "adj": (1, 1)}),
        IMAGE,
        {"weight": (4, 3, 3, 3)},
        lambda x, weight: F.conv_transpose2d(x, weight, None, 2, 0, 1, 2),
    ),
    (
        ("Deconvolution", {"kernel": (3, 3), "num_filter": 6, "stride": (2, 2), "dilate": (2, 2)}),
        IMAGE,
        {"weight": (4, 6, 3, 3)},
        lambda x, weight: F.conv_transpose2d(x, weight, None, 2, dilation=2),
    ),
    (
        ("FullyConnected", {"num_hidden": 5}),
        IMAGE,
        {"weight": (5, 360), "bias": (5,)},
        lambda x, weight, bias: F.linear(x.flatten(1), weight, bias),
    ),
    (
        ("FullyConnected", {"num_hidden": 5, "flatten": False, "no_bias": True}),
        (2, 3, 7),
        {"weight": (5, 7)},
        lambda x, weight: F.linear(x, weight),
    ),
    (
        ("BatchNorm", {"eps": 1e-5}),
        IMAGE,
        {"gamma": (4,), "beta": (4,), "moving_mean": (4,), "moving_var": (4,)},
        lambda x, gamma, beta, moving_mean, moving_var: F.batch_norm(x, moving_mean, moving_var, None, beta),
    ),
    (
        ("BatchNorm", {"eps": 1e-5, "fix_gamma": False, "axis": -1}),
        (2, 3, 4),
        {"gamma": (4,), "beta": (4,), "moving_mean": (4,), "moving_var": (4,)},
        lambda x, gamma, beta, moving_mean, moving_var: F.batch_norm(
            x.transpose(1, 2), moving_mean, moving_var, gamma, beta
        ).transpose(1, 2),
    ),
    (
        ("Pooling", {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "pooling_convention": "full"}),
        IMAGE,
        {},
        lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
    ),
    (
        ("Pooling", {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "pool_type": "avg"}),
        IMAGE,
        {},
        lambda x: F.avg_pool2d(x, 3, 2, 1),
    ),
    (
        (
            "Pooling",
            {"kernel": (3, 2), "stride": (2, 2), "pad": (1, 0), "pool_type": "avg", "pooling_convention": "full"},
        ),
        IMAGE,
        {},
        lambda x: F.avg_pool2d(x, (3, 2), 2, (1, 0), ceil_mode=True),
    ),
    (
        ("Pooling", {"kernel": (3, 3), "pad": (1, 1), "pool_type": "avg", "count_include_pad": False}),
        IMAGE,
        {},
        lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
    ),
    (
        ("Pooling", {"kernel": (2, 2), "stride": (2, 2), "pool_type": "lp", "p_value": 2}),
        IMAGE,
        {},
        lambda x: F.lp_pool2d(x, 2, 2, 2),
    ),
    (("Pooling", {"global_pool": True, "pool_type": "sum"}), IMAGE, {}, lambda x: x.sum((2, 3), keepdim=True)),
    (("_contrib_AdaptiveAvgPooling2D", {"output_size": (4, 3)}), IMAGE, {}, lambda x: F.adaptive_avg_pool2d(x, (4, 3))),
    (
        ("_contrib_BilinearResize2D", {"height": 5, "width": 21}),
        IMAGE,
        {},
        lambda x: F.interpolate(x, (5, 21), mode="bilinear", align_corners=True),
    ),
    (
        ("LayerNorm", {}),
        (2, 3, 7),
        {"gamma": (7,), "beta": (7,)},
        lambda x, gamma, beta: F.layer_norm(x, (7,), gamma, beta),
    ),
    (
        ("GroupNorm", {"num_groups": 2}),
        IMAGE,
        {"gamma": (2,), "beta": (2,)},
        lambda x, gamma, beta: F.group_norm(x, 2, gamma.repeat_interleave(2), beta.repeat_interleave(2)),
    ),
    (
        ("InstanceNorm", {"eps": 1e-5}),
        IMAGE,
        {"gamma": (4,), "beta": (4,)},
        lambda x, gamma, beta: F.instance_norm(x, None, None, gamma, beta),
    ),
    (("L2Normalization", {"mode": "channel"}), IMAGE, {}, lambda x: F.normalize(x, dim=1)),
    (
        ("LRN", {"nsize": 3, "alpha": 0.3, "knorm": 1}),
        IMAGE,
        {},
        lambda x: F.local_response_norm(x, 3, 0.3, 0.75, 1.0),
    ),
    (("softmax", {"axis": 1, "temperature": 2}), IMAGE, {}, lambda x: F.softmax(x / 2, 1)),
    (("log_softmax", {}), IMAGE, {}, lambda x: F.log_softmax(x, -1)),
    (("softmin", {"axis": 0}), IMAGE, {}, lambda x: F.softmin(x, 0)),
    (("SoftmaxActivation", {"mode": "channel"}), IMAGE, {}, lambda x: F.softmax(x, 1)),
    (("SoftmaxOutput", {"multi_output": True}), IMAGE, {}, lambda x: F.softmax(x, 1)),
    (("SoftmaxOutput", {}), IMAGE, {}, lambda x: F.softmax(x.flatten(1), 1).reshape(x.shape)),
    (("LogisticRegressionOutput", {}), (3, 5), {}, torch.sigmoid),
    (
        ("Pad", {"mode": "reflect", "pad_width": (0, 0, 0, 0, 1, 2, 3, 0)}),
        IMAGE,
        {},
        lambda x: F.pad(x, (3, 0, 1, 2), "reflect"),
    ),
    (("Crop", {"num_args": 1, "h_w": (3, 4), "center_crop": True}), IMAGE, {}, lambda x: x[:, :, 3:6, 3:7]),
    (
        ("UpSampling", {"scale": 3, "sample_type": "nearest", "num_args": 1}),
        IMAGE,
        {},
        lambda x: F.interpolate(x, scale_factor=3),
    ),
]


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(("call", "shape", "shapes", "reference"), REFERENCES, ids=lambda one: str(one)[:60])
def test_against_pytorch(call, shape, shapes, reference, opset):
    op, attrs = call
    data = numbers(shape)
    given = {name: numbers(each, seed) for seed, (name, each) in enumerate(shapes.items(), 1)}
    if "moving_var" in given:
        given["moving_var"] = np.abs(given["moving_var"]) + 0.5
    params = {f"layer_{name}": array for name, array in given.items()}
    model = export(layer(op, **attrs), params, {"data": ("N", *shape[1:])}, opset)
    assert [one.name for one in model.graph.input] == ["data"]
    tensors = {name: torch.from_numpy(array) for name, array in given.items()}
    assert close(run(model, data=data)[0], reference(torch.from_numpy(data), **tensors))


def test_every_layer_has_cases():
    """Each operator of the modules is in the table of cases, and so is compared with MXNet."""
    modules = ("layers", "pooling", "normalization", "outputs", "images", "detections")
    ours = {name for name, one in TRANSLATORS.items() if one.__module__.rpartition(".")[2] in modules}
    # MXNet has CuDNNBatchNorm in builds for GPUs only.
    assert ours - {case.op for case in CASES} == {"CuDNNBatchNorm"}


def needs_sizes(case):
    """Whether heights and widths must be known; the others export with every size free but that of the channels."""
    attrs = case.attrs
    if case.op == "UpSampling":
        return attrs["sample_type"] == "nearest" and attrs["num_args"] != "1"
    if case.op == "Pooling":  # strides beyond the kernel
        return (attrs["pool_type"], attrs.get("kernel"), attrs.get("stride")) == ("avg", "(3, 2)", "(2, 3)")
    setting = {"Crop": "center_crop", "Deconvolution": "target_shape", "_contrib_AdaptiveAvgPooling2D": "output_size"}
    if case.op in setting:
        return setting[case.op] in attrs or "crop_like" in case.shapes
    return case.op in ("_contrib_BilinearResize2D", "_contrib_MultiBoxPrior")


def may_be_free(case):
    """Whether no parameter of the model has the sizes of space."""
    on_space = case.op in ("FullyConnected", "LayerNorm") or (
        case.op == "BatchNorm" and case.attrs.get("axis", "1") != "1"
    )
    return (
        len(next(iter(case.shapes.values()))) > 2 and not on_space and len({"rois", "anchor"} & set(case.shapes)) == 0
    )


@pytest.mark.parametrize("case", [case for case in CASES if may_be_free(case)], ids=str)
def test_sizes_may_be_free(case):
    given = arrays(case)
    params = {name: array for name, array in given.items() if name not in case.shapes}
    fixed = export(symbol(case), params, case.shapes, 13)
    names = (f"{name}_{i}" for name in case.shapes for i in range(9))
    free = {
        name: tuple(size if i == 1 else next(names) for i, size in enumerate(shape))
        for name, shape in case.shapes.items()
    }
    if needs_sizes(case):
        with pytest.raises(ValueError, match="must be known"):
            export(symbol(case), params, free, 13)
        return
    model = export(symbol(case), params, free, 13)
    inputs = {name: given[name] for name in case.shapes}
    for one, other in zip(run(model, **inputs), run(fixed, **inputs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_network_with_its_labels():
    """The label, and what is computed from it, takes no part; its shape may be given all the same."""
    flat = Entry(node("FullyConnected", variable(), name="fc", num_hidden=3))
    odd = Entry(node("Custom", variable("label"), name="odd", op_type="mine"))
    graph = Symbol([Entry(node("SoftmaxOutput", flat, odd, name="softmax"))])
    params = {"fc_weight": numbers((3, 5)), "fc_bias": numbers(3)}
    for shapes in ({"data": ("N", 5)}, {"data": ("N", 5), "label": (2,)}):
        model = export(graph, params, shapes)
        assert [one.name for one in model.graph.input] == ["data"]
        assert [one.op_type for one in model.graph.node] == ["Gemm", "Softmax"]


def test_a_fixed_gamma_counts_as_one():
    data, params = (
        numbers(IMAGE),
        {f"layer_{name}": np.full(4, 2, "f") for name in ("gamma", "beta", "moving_mean", "moving_var")},
    )
    model = export(layer("BatchNorm", eps=0.0), params, {"data": IMAGE})
    assert "layer_gamma" not in [one.name for one in model.graph.initializer]
    assert close(run(model, data=data)[0], (data - 2) / np.sqrt(2) + 2)
    del params["layer_gamma"]  # nor need it be there
    assert close(
        run(export(layer("BatchNorm", eps=0.0), params, {"data": IMAGE}), data=data)[0], (data - 2) / np.sqrt(2) + 2
    )


@pytest.mark.parametrize("axis", [1, 2])
def test_batch_norm_of_float16(axis):
    """MXNet keeps the statistics of float16 data in float32."""
    data = numbers((2, 3, 3)).astype("e")
    params = {
        f"layer_{name}": np.abs(numbers(3, i)) + 1
        for i, name in enumerate(("gamma", "beta", "moving_mean", "moving_var"))
    }
    model = export(layer("BatchNorm", fix_gamma=False, axis=axis), params, {"data": ("N", 3, 3)}, dtype="float16")
    (found,) = run(model, data=data)
    gamma, beta, mean, var = (array.reshape((3, 1) if axis == 1 else (3,)) for array in params.values())
    expected = (data.astype("d") - mean) / np.sqrt(var + 1e-3) * gamma + beta
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("opset", [9, 11, 13, 17, latest_opset()])
def test_other_dtypes_pass_the_checker(dtype, opset):
    """onnxruntime has few of these operators in them, but ONNX has."""
    least = {"_contrib_MultiBoxDetection": 11, "Embedding": latest_opset() + 1}  # its dtype is a parameter
    for case in CASES:
        if opset >= least.get(case.op, 9):
            statistics = "float32" if dtype == "float16" and "BatchNorm" in case.op else dtype
            params = {name: array.astype(statistics) for name, array in arrays(case).items() if name not in case.shapes}
            model = export(symbol(case), params, case.shapes, opset, dtype=dtype)
            assert model.opset_import[0].version == opset


@pytest.mark.parametrize("opset", [9, 13])
@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_indices_of_every_dtype(dtype, opset):
    table = numbers((4, 2))
    graph = Symbol(
        [Entry(node("Embedding", Entry(node("Cast", variable(), name="c", dtype=dtype)), input_dim=4, output_dim=2))]
    )
    model = export(graph, {"layer_weight": table}, {"data": ("N", 3)}, opset)
    (found,) = run(model, data=np.array([[-3, 0, 1], [3, 4, 99]], "f"))
    assert (found == table[[[0, 0, 1], [3, 3, 3]]]).all()
