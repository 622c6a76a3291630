"""Models with our modules through `torch.onnx.export`: standard nodes, the checker, and onnxruntime's values."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
from torch._subclasses.fake_tensor import FakeTensorMode

from torch_library import torch

if not os.environ.get("CI"):  # there, a missing library is a failure
    for library in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(library)

import onnx
import onnxruntime

import rectifier.torch as rt

nn = torch.nn

MODULES = {
    "leaky": (lambda: rt.LeakyReLU(0.3), "LeakyRelu", {"alpha": 0.3}),
    "negative leaky": (lambda: rt.LeakyReLU(-0.3), "LeakyRelu", {"alpha": -0.3}),
    "elu": (lambda: rt.ELU(0.7), "Elu", {"alpha": 0.7}),
    "selu": (lambda: rt.SELU(), "Selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "gelu": (lambda: rt.GELU(), "Gelu", {"approximate": "none"}),
    "prelu": (lambda: slopes(rt.PReLU(3)), "PRelu", {}),
    "shared prelu": (lambda: slopes(rt.PReLU()), "PRelu", {}),
    "prelu, channels last": (lambda: slopes(rt.PReLU(5, axis=-1)), "PRelu", {}),
    "prelu, each element": (lambda: slopes(rt.PReLU((3, 4, 5))), "PRelu", {}),
    "rrelu": (lambda: rt.RReLU(0.1, 0.3), "LeakyRelu", {"alpha": 0.2}),
    "elu in place": (lambda: nn.Sequential(rt.ELU(0.5, inplace=True)), "Elu", {"alpha": 0.5}),
    "gelu by tanh": (lambda: rt.GELU("tanh"), "Gelu", {"approximate": "tanh"}),
}


def slopes(module):
    with torch.no_grad():
        module.weight.copy_(torch.linspace(-0.5, 0.8, module.weight.numel()).reshape(module.weight.shape))
    return module


def data(shape=(2, 3, 4, 5)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def exported(module, x, **options):
    return checked(module.eval(), (x,), **options)


def checked(*model, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(*model, dynamo=True, verbose=False, **options)
    onnx.checker.check_model(program.model_proto, full_check=True)
    return program.model_proto


def run(model, x):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]


@pytest.mark.parametrize("name", MODULES)
def test_one_standard_node_with_our_values(name):
    make, op_type, attributes = MODULES[name]
    module, x = make(), data()
    model = exported(module, x)
    (node,) = model.graph.node
    assert (node.domain, node.op_type) == ("", op_type)
    actual = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    actual = {k: v.decode() if isinstance(v, bytes) else pytest.approx(v, rel=1e-7) for k, v in actual.items()}
    if op_type != "Selu" or actual:  # whose attributes may be left to their defaults, which are these
        assert {k: actual.get(k) for k in attributes} == attributes
    # onnxruntime computes the exponential and the error function less exactly than we do.
    np.testing.assert_allclose(run(model, x), module(x.clone()).detach().numpy(), rtol=2e-6, atol=3e-7)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch's own
@pytest.mark.parametrize("name", [name for name in MODULES if "in place" not in name])
def test_a_program_of_torch_export_becomes_the_same_model(name):
    make, _, _ = MODULES[name]
    module, x = make().eval(), data()
    program = torch.export.export(module, (x,))
    model, direct = checked(rt.for_onnx(program)), exported(module, x)
    assert [(n.op_type, n.attribute) for n in model.graph.node] == [(n.op_type, n.attribute) for n in direct.graph.node]
    np.testing.assert_array_equal(run(model, x), run(direct, x))
    assert torch.equal(program.module()(x), module(x))  # the program itself stays ours


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_a_program_with_a_layer_in_place():
    module = nn.Sequential(nn.Linear(5, 5), rt.ELU(0.5, inplace=True), rt.RReLU(0.1, 0.3)).eval()
    model = checked(rt.for_onnx(torch.export.export(module, (data(),))))
    assert [n.op_type for n in model.graph.node][-2:] == ["Elu", "LeakyRelu"]
    np.testing.assert_allclose(run(model, data()), module(data()).detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_a_program_with_a_batch_of_any_size():
    module = nn.Sequential(slopes(rt.PReLU(3)), rt.SELU(), rt.GELU()).eval()
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(module, (data(),), dynamic_shapes=({0: batch},))
    model = checked(rt.for_onnx(program))
    assert [n.op_type for n in model.graph.node] == ["PRelu", "Selu", "Gelu"]
    for size in (1, 5):
        x = data((size, 3, 4, 5))
        np.testing.assert_allclose(run(model, x), module(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    old = checked(rt.for_onnx(program), opset_version=18)
    assert "Erf" in [n.op_type for n in old.graph.node]
    np.testing.assert_allclose(run(old, x), module(x).detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_random_slopes_in_a_program_are_refused():
    program = torch.export.export(rt.RReLU().train(), (data(),))
    with pytest.raises(ValueError, match="`training` must be False in an export to ONNX"):
        rt.for_onnx(program)


def test_what_is_no_program_is_refused():
    with pytest.raises(TypeError, match=r"`program` must be a torch\.export\.ExportedProgram, got ELU"):
        rt.for_onnx(rt.ELU())


def test_a_batch_of_any_size():
    module = nn.Sequential(nn.Conv2d(3, 3, 3), slopes(rt.PReLU(3)), rt.GELU()).eval()
    batch = torch.export.Dim("batch", min=1)
    model = exported(module, data((2, 3, 8, 8)), dynamic_shapes=({0: batch},))
    assert [n.op_type for n in model.graph.node] == ["Conv", "PRelu", "Gelu"]
    for size in (1, 5):
        x = data((size, 3, 8, 8))
        np.testing.assert_allclose(run(model, x), module(x).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_prelu_with_as_many_columns_as_channels():
    # A slope of shape (C,) would be taken for one of the last axis.
    module, x = slopes(rt.PReLU(4)), data((2, 4, 4, 4))
    np.testing.assert_array_equal(run(exported(module, x), x), module(x).detach().numpy())


def test_a_converted_model_and_the_operator_itself():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.activation = nn.ELU()

        def forward(self, x):
            return rt.leaky_relu(self.activation(x), slope=0.125)

    model = Model()
    rt.convert(model)
    assert [n.op_type for n in exported(model, data()).graph.node] == ["Elu", "LeakyRelu"]


def test_opset_18_has_no_gelu_and_gets_a_formula():
    x = data()
    model = exported(rt.GELU(), x, opset_version=18)
    assert "Erf" in [n.op_type for n in model.graph.node]
    np.testing.assert_allclose(run(model, x), rt.GELU()(x).numpy(), rtol=1e-5, atol=1e-6)


def test_random_slopes_are_refused(monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(torch.onnx.OnnxExporterError):
            torch.onnx.export(rt.RReLU().train(), (data(),), dynamo=True, verbose=False)
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    with FakeTensorMode(), pytest.raises(ValueError, match="`training` must be False in an export to ONNX"):
        rt.RReLU().train()(torch.empty(2, 3))
