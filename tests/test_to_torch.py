"""Graphs of MXNet's as modules of PyTorch: what can be checked without MXNet."""

import copy
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest

from mx_networks import conv_net, graph, layer, params_of

torch = pytest.importorskip("torch")

from torch import fx, nn  # noqa: E402

import rectifier.torch  # noqa: E402
from rectifier import mx  # noqa: E402

SHAPE = (2, 3, 8, 8)


@pytest.fixture
def x():
    return torch.from_numpy(np.random.default_rng(3).normal(0, 1, SHAPE).astype("f"))


@pytest.fixture
def net():
    symbol = conv_net()
    return mx.to_torch(symbol, params_of(symbol, data=SHAPE))


def one(op, tensors, **attrs):
    """The outputs of one operator, all of whose inputs are inputs."""
    names = [f"in{i}" for i in range(len(tensors))]
    return mx.to_torch(graph((op, "node", attrs, names))).eval()(*map(torch.as_tensor, tensors))


def test_is_readable(net):
    assert isinstance(net, fx.GraphModule)
    assert "conv0 = self.conv0(data)" in net.code
    kinds = {name: type(child) for name, child in net.named_children()}
    assert kinds["conv0"] is nn.Conv2d
    assert kinds["act0"] is rectifier.torch.PReLU
    assert kinds["act1"] is nn.ReLU
    assert kinds["pool0"] is nn.MaxPool2d
    assert issubclass(kinds["fc"], nn.Linear)
    assert "Operator(SoftmaxOutput)" in repr(net)


@pytest.mark.parametrize(
    ("act_type", "kind"),
    [
        ("leaky", "LeakyReLU"),
        ("elu", "ELU"),
        ("selu", "SELU"),
        ("gelu", "GELU"),
        ("rrelu", "RReLU"),
        ("prelu", "PReLU"),
    ],
)
def test_activations_are_ours(act_type, kind, x):
    inputs = ("data", "act_gamma") if act_type == "prelu" else ("data",)
    attrs = {"act_type": act_type, "slope": 0.3, "lower_bound": 0.1, "upper_bound": 0.2}
    module = mx.to_torch(graph(("LeakyReLU", "act", attrs, inputs)), {"act_gamma": np.array([0.1, 0.2, 0.3], "f")})
    assert type(module.act) is getattr(rectifier.torch, kind)
    gamma = np.array([0.1, 0.2, 0.3], "f") if act_type == "prelu" else None
    expected = rectifier.leaky_relu(x.numpy(), gamma, act_type, slope=0.3, lower_bound=0.1, upper_bound=0.2)
    np.testing.assert_array_equal(module.eval()(x).detach(), expected)


def test_rrelu_is_random_in_training(x):
    module = mx.to_torch(graph(("LeakyReLU", "act", {"act_type": "rrelu"}, ("data",))))
    assert not torch.equal(module.train()(x), module(x))
    assert torch.equal(module.eval()(x), module(x))


def test_names_are_those_of_the_file(net):
    params = params_of(conv_net(), data=SHAPE)
    assert net.mxnet_names["conv0.weight"] == "arg:conv0_weight"
    assert net.mxnet_names["bn0.running_mean"] == "aux:bn0_moving_mean"
    assert net.mxnet_names["act0.weight"] == "arg:act0_gamma"
    assert sorted(net.mxnet_names) == sorted(net.state_dict())
    assert sorted(net.mxnet_names.values()) == sorted(params)
    assert net.input_names == ("data",)
    assert net.output_names == ("softmax_output",)


def test_arrays_come_back(net):
    params = params_of(conv_net(), data=SHAPE)
    params["arg:bn1_gamma"] = np.ones(6, "f")  # fix_gamma, MXNet's default, holds it at 1
    found = mx.from_torch(net)
    assert sorted(found) == sorted(params)
    for name, array in found.items():
        np.testing.assert_array_equal(array, params[name])
    again = mx.to_torch(conv_net(), found)
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), net.state_dict().values(), strict=True))


def test_files(net, x, tmp_path):
    symbol = conv_net()
    symbol.save(tmp_path / "net-symbol.json")
    mx.params_file.save(tmp_path / "net-0000.params", params_of(symbol, data=SHAPE))
    read = mx.to_torch(tmp_path / "net-symbol.json", tmp_path / "net-0000.params")
    assert torch.equal(read.eval()(x), net.eval()(x))


def test_inputs_by_name_and_order(x):
    symbol = graph(("broadcast_sub", "a", {}, ("y", "x")))
    assert mx.to_torch(symbol).input_names == ("y", "x")
    assert torch.equal(mx.to_torch(symbol)(x=x, y=x * 3), x * 3 - x)
    assert torch.equal(mx.to_torch(symbol, inputs=["x", "y"])(x, x * 3), x * 3 - x)


def test_a_training_step_moves_every_parameter(net, x):
    before = {name: tensor.clone() for name, tensor in net.named_parameters()}
    assert "bn1.weight" not in before, "gamma is held at 1"
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loss = nn.functional.nll_loss(net.train()(x).log(), torch.tensor([1, 3]))
    loss.backward()
    optimizer.step()
    # BatchNorm takes away whatever a bias adds before it.
    still = [name for name, tensor in net.named_parameters() if torch.equal(tensor, before[name])]
    assert [name for name in still if name != "conv1.bias"] == []
    assert torch.equal(net.bn1.weight, torch.ones(6))


def test_learns():
    """Loss falls over some steps: the gradients point the right way."""
    symbol = conv_net("gelu")
    module = mx.to_torch(symbol, params_of(symbol, data=(16, 3, 8, 8))).train()
    rng = np.random.default_rng(4)
    data, label = torch.from_numpy(rng.normal(0, 1, (16, 3, 8, 8)).astype("f")), torch.arange(16) % 5
    optimizer = torch.optim.SGD(module.parameters(), lr=0.3)
    losses = []
    for _ in range(30):
        loss = nn.functional.nll_loss(module(data).log(), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("axis", [1, -1, 2])
@pytest.mark.parametrize("fix_gamma", [False, True])
def test_batch_norm(axis, fix_gamma, x):
    """NumPy's own words for MXNet's rules: the moving variance takes up the variance divided by n."""
    symbol = graph(
        layer("BatchNorm", "bn", "data", "gamma", "beta", "moving_mean", "moving_var", axis=axis, fix_gamma=fix_gamma,
              momentum=0.7, eps=0.01)
    )  # fmt: skip
    params = params_of(symbol, data=SHAPE)
    gamma, beta, mean, var = (array.astype("d") for array in params.values())
    gamma = np.ones_like(gamma) if fix_gamma else gamma
    module = mx.to_torch(symbol, params)
    data = x.numpy().astype("d")
    axes = tuple(i for i in range(4) if i != axis % 4)
    shape = [-1 if i == axis % 4 else 1 for i in range(4)]

    def normal(m, v):
        m, v, g, b = (each.reshape(shape) for each in (m, v, gamma, beta))
        return (data - m) / np.sqrt(v + 0.01) * g + b

    np.testing.assert_allclose(module.eval()(x).detach(), normal(mean, var), rtol=1e-4, atol=1e-5)
    new_mean, new_var = data.mean(axes), data.var(axes)
    np.testing.assert_allclose(module.train()(x).detach(), normal(new_mean, new_var), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(module.bn.running_mean, 0.7 * mean + 0.3 * new_mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(module.bn.running_var, 0.7 * var + 0.3 * new_var, rtol=1e-5)
    assert module.bn.running_var.grad_fn is None


def test_autocast(net, x):
    symbol = graph(
        layer("Convolution", "c", "data", "weight", kernel=(1, 1), num_filter=3, no_bias=True),
        ("elemwise_add", "sum", {}, ("c", "data")),
    )
    module = mx.to_torch(symbol, params_of(symbol, data=SHAPE))
    with torch.autocast("cpu", torch.bfloat16):
        assert module(x).dtype == torch.float32
        net.train()(x).sum().backward()
    assert torch.allclose(module(x), x + nn.functional.conv2d(x, module.c.weight))


def test_batch_norm_by_global_statistics(x):
    symbol = conv_net(use_global_stats=True)
    module = mx.to_torch(symbol, params_of(symbol, data=SHAPE)).train()
    before = module.bn0.running_mean.clone()
    module(x)
    assert torch.equal(module.bn0.running_mean, before)
    assert not torch.equal(module.bn1.running_mean, before[:1].expand(6))


def test_batch_norm_of_one_element():
    symbol = graph(layer("BatchNorm", "bn", "data", "gamma", "beta", "moving_mean", "moving_var", fix_gamma=False))
    module = mx.to_torch(symbol, params_of(symbol, data=(1, 3))).train()
    assert torch.allclose(module(torch.ones(1, 3)), module.bn.bias)
    assert torch.isfinite(module.bn.running_var).all()


def test_shared_parameters_are_one(x):
    attrs = {"kernel": (1, 1), "num_filter": 3, "no_bias": True}
    symbol = graph(
        ("Convolution", "first", attrs, ("data", "shared_weight")),
        ("Convolution", "second", attrs, ("first", "shared_weight")),
        ("Convolution", "third", {**attrs, "pad": (1, 1)}, ("second", "shared_weight")),
        ("sum", "total", {}, ("shared_weight",)),
        ("broadcast_mul", "scaled", {}, ("third", "total")),
    )
    module = mx.to_torch(symbol, {"shared_weight": np.eye(3, dtype="f").reshape(3, 3, 1, 1)})
    assert len(list(module.parameters())) == 1
    assert set(module.mxnet_names.values()) == {"arg:shared_weight"}
    assert module.first.weight is module.third.weight
    assert "second = self.first(first)" in module.code, "the same call is the same child"
    module(x).sum().backward()
    assert copy.deepcopy(module).first.weight is not module.first.weight
    clone = copy.deepcopy(module)
    assert clone.first.weight is clone.third.weight


def test_fixed_gamma_that_is_read_elsewhere(x):
    states = ("gamma", "beta", "mean", "var")
    symbol = graph(("BatchNorm", "bn", {}, ("data", *states)), ("broadcast_mul", "scaled", {}, ("bn", "gamma")))
    params = {name: np.full(3, 2, "f") for name in states}
    module = mx.to_torch(symbol, params)
    y = x[:, :, 0, 0]
    expected = ((y - 2) / (2 + 1e-3) ** 0.5 + 2) * 2
    assert torch.allclose(module.eval()(y), expected)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies(net, x, again):
    other = again(net)
    assert torch.equal(other.eval()(x), net.eval()(x))
    assert (other.mxnet_names, other.input_names) == (net.mxnet_names, net.input_names)
    with torch.no_grad():
        other.fc.bias += 1
    assert not torch.equal(other.fc.bias, net.fc.bias)


def test_state_dict(net, x):
    symbol = conv_net()
    other = mx.to_torch(symbol, params_of(symbol, 1, data=SHAPE))
    assert not torch.equal(other.eval()(x), net.eval()(x))
    other.load_state_dict(dict(net.state_dict()))  # without the versions that torch stores beside it
    assert torch.equal(other(x), net(x))


@pytest.mark.parametrize(("backend", "training"), [("eager", False), ("eager", True), ("aot_eager", True)])
def test_compiles_as_one_graph(net, x, backend, training):
    net.train(training)
    plain = copy.deepcopy(net)
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend=backend)
    for batch in (x, torch.cat([x, x * 2])):
        found, expected = compiled(batch), plain(batch)
        assert torch.allclose(found, expected, atol=1e-6)
        found[:, 0].sum().backward()
        expected[:, 0].sum().backward()
    for (name, a), b in zip(net.named_parameters(), plain.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-5), name
    assert torch.allclose(net.bn0.running_var, plain.bn0.running_var)


def test_pt2_with_a_free_batch(net, x, tmp_path):
    net.train()
    program = mx.save_pt2(net, tmp_path / "net.pt2", {"data": ("N", 3, 8, 8)})
    assert net.training
    assert net.bn0.training
    loaded = torch.export.load(tmp_path / "net.pt2").module()
    net.eval()
    for size in (1, 2, 5):
        batch = x[:1].expand(size, -1, -1, -1).contiguous()
        assert torch.allclose(loaded(batch), net(batch), atol=1e-6)
    assert any("rectifier" in str(node.target) for node in program.graph.nodes)


def test_pt2_without_rectifier(net, x, tmp_path):
    program = mx.save_pt2(net, tmp_path / "net.pt2", {"data": ("N", 3, 8, 8)}, standalone=True)
    assert not any("rectifier" in str(node.target) for node in program.graph.nodes)
    assert type(net.act0) is rectifier.torch.PReLU
    np.save(tmp_path / "x.npy", x.numpy())
    code = (
        "import sys, numpy, torch\n"
        "y = torch.export.load('net.pt2').module()(torch.from_numpy(numpy.load('x.npy')))\n"
        "assert 'rectifier' not in sys.modules\n"
        "numpy.save('y.npy', y.detach().numpy())\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), net.eval()(x).detach(), atol=1e-6)


def test_pt2_of_several_inputs_and_outputs(x, tmp_path):
    symbol = graph(("broadcast_add", "a", {}, ("x", "y")), ("_mul_scalar", "b", {"scalar": 0.1}, ("x",)))
    assert len(symbol) == 2
    module = mx.to_torch(symbol)
    mx.save_pt2(module, tmp_path / "net.pt2", {"x": ("N", 3), "y": (1, 3)}, dtypes={"x": torch.float64})
    left, right = torch.ones(4, 3, dtype=torch.float64), torch.ones(1, 3)
    found = torch.export.load(tmp_path / "net.pt2").module()(left, right)
    assert [tensor.tolist() for tensor in found] == [tensor.tolist() for tensor in module(left, right)]


@pytest.mark.parametrize(
    ("shapes", "more", "message"),
    [
        ({}, {}, r"`shapes` must hold data"),
        ({"data": (1, 3), "x": (1,)}, {}, r"`shapes` must be of the inputs, data, got x"),
        ({"data": (0, 3)}, {}, r"`shapes` must have sizes of 1 and more, or names, got 0 for 'data'"),
        ({"data": (1, 3, True)}, {}, r"`shapes` must have sizes of 1 and more, or names, got True for 'data'"),
        ({"data": (1, 3)}, {"dtypes": {"y": torch.float64}}, r"`dtypes` must be of the inputs, data, got y"),
    ],
)
def test_pt2_refuses(shapes, more, message, tmp_path):
    module = mx.to_torch(graph(("Flatten", "a", {}, ("data",))))
    with pytest.raises(ValueError, match=message):
        mx.save_pt2(module, tmp_path / "net.pt2", shapes, **more)
    assert not list(tmp_path.iterdir())


def test_pt2_of_shapes_that_do_not_fit(tmp_path):
    module = mx.to_torch(graph(("Reshape", "a", {"shape": "(-1, 4)"}, ("data",))))
    with pytest.raises(ValueError, match=r"the network cannot be exported for these `shapes`: .*") as caught:
        mx.save_pt2(module, tmp_path / "net.pt2", {"data": (1, 3)})
    assert caught.value.__cause__ is not None
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_pt2_that_cannot_be_written(tmp_path):
    module = mx.to_torch(graph(("Flatten", "a", {}, ("data",))))
    with pytest.raises(OSError, match="missing"):
        mx.save_pt2(module, tmp_path / "missing" / "net.pt2", {"data": (1, 3)})
    assert not list(tmp_path.iterdir())


def test_modules_of_others_are_refused(tmp_path):
    with pytest.raises(TypeError, match="`module` must be made by `to_torch`, got ReLU"):
        mx.from_torch(nn.ReLU())
    with pytest.raises(TypeError, match="`module` must be made by `to_torch`, got ReLU"):
        mx.save_pt2(nn.ReLU(), tmp_path / "net.pt2", {})


def test_all_unsupported_operators_are_named():
    symbol = graph(
        ("Foo", "a", {}, ("data",)), ("Bar", "b", {}, ("a",)), ("relu", "r", {}, ("b",)), ("Foo", "c", {}, ("r",))
    )
    with pytest.raises(ValueError, match=r"no counterpart in PyTorch: Foo \(a, c\); Bar \(b\)"):
        mx.to_torch(symbol)


def test_all_bad_nodes_are_named():
    symbol = graph(
        layer("Convolution", "a", "data", "weight", kernel=(3, 3), num_filter=4, no_bias=True),
        layer("Pooling", "b", "a", layout="NHWC", kernel=(2, 2)),
    )
    with pytest.raises(
        ValueError, match=r"a \(Convolution\): `weight` must have shape \(4, any, 3, 3\), got .*; b \(Po"
    ):
        mx.to_torch(symbol, {"a_weight": np.zeros((4, 3, 5, 5), "f")})


def test_hidden_outputs_are_refused():
    symbol = graph(("LeakyReLU", "act", {"act_type": "rrelu"}, ("x",)), ("negative", "n", {}, ("act:1",)))
    with pytest.raises(ValueError, match=r"act \(LeakyReLU\): its output 1 is for MXNet's own gradient"):
        mx.to_torch(symbol)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["z"], "`inputs` must be variables of the graph, got z"),
        (["x"], "`params` must hold y, which `inputs` does not name"),
    ],
)
def test_inputs_are_checked(inputs, message):
    with pytest.raises(ValueError, match=message):
        mx.to_torch(graph(("broadcast_add", "a", {}, ("x", "y"))), {}, inputs)


def test_params_without_names_are_refused(tmp_path):
    mx.params_file.save(tmp_path / "list.params", [np.ones(2, "f")])
    with pytest.raises(ValueError, match="`params` must hold arrays with names, got a list"):
        mx.to_torch(graph(("relu", "a", {}, ("x",))), tmp_path / "list.params")


def test_names_become_legal(x):
    symbol = graph(
        ("Activation", "train", {"act_type": "relu"}, ("in/put.0",)),
        ("Activation", "stage1.unit-1", {"act_type": "relu"}, ("train",)),
        ("broadcast_add", "1", {}, ("stage1.unit-1", "graph")),
    )
    module = mx.to_torch(symbol, {"graph": np.ones(1, "f")})
    assert torch.equal(module(x), x.relu() + 1)
    assert torch.equal(module(in_put_0=x), x.relu() + 1)
    assert list(module.mxnet_names.values()) == ["arg:graph"]
    assert module.train().training


def test_free_weights_are_inputs(x):
    symbol = graph(layer("Convolution", "c", "data", "weight", "bias", kernel=(3, 3), num_filter=2, stride=(2, 2)))
    module = mx.to_torch(symbol)
    assert module.input_names == ("data", "c_weight", "c_bias")
    weight, bias = torch.ones(2, 3, 3, 3), torch.ones(2)
    assert torch.equal(module(x, weight, bias), nn.functional.conv2d(x, weight, bias, 2))


@pytest.mark.parametrize(
    ("op", "attrs", "expected"),
    [
        ("Reshape", {"shape": (0, -1)}, lambda a: a.reshape(2, -1)),
        ("Reshape", {"shape": (-3, -2)}, lambda a: a.reshape(6, 8, 8)),
        ("Reshape", {"shape": (0, 0, -4, 2, -1, -2)}, lambda a: a.reshape(2, 3, 2, 4, 8)),
        ("Reshape", {"shape": (-1, 0), "reverse": True}, lambda a: a.reshape(48, 8)),
        ("slice", {"begin": "(None, 2)", "end": "(None, None)", "step": "(1, -1)"}, lambda a: a[:, 2::-1]),
        ("slice", {"begin": "(1,)", "end": "(2,)"}, lambda a: a[1:2]),
        ("repeat", {"repeats": 2, "axis": -1}, lambda a: a.repeat(2, -1)),
        ("repeat", {"repeats": 3}, lambda a: a.repeat(3)),
        ("tile", {"reps": (2, 1, 1, 1, 3)}, lambda a: np.tile(a, (2, 1, 1, 1, 3))),
        ("argmax", {"axis": 1}, lambda a: a.argmax(1).astype("f")),
        ("max", {"axis": (1, 3), "keepdims": True}, lambda a: a.max((1, 3), keepdims=True)),
        ("prod", {"axis": 1}, lambda a: a.prod(1)),
        ("sum", {}, lambda a: a.sum().reshape(1)),
        ("_greater_scalar", {"scalar": 0.5}, lambda a: (a > 0.5).astype("f")),
        ("_rdiv_scalar", {"scalar": 2}, lambda a: 2 / a),
        ("Cast", {"dtype": "int32"}, lambda a: a.astype("i")),
        (
            "Pad",
            {"mode": "edge", "pad_width": (0, 0, 0, 0, 1, 2, 0, 1)},
            lambda a: np.pad(a, [(0, 0), (0, 0), (1, 2), (0, 1)], "edge"),
        ),
    ],
)  # fmt: skip
def test_values(op, attrs, expected, x):
    wanted = expected(x.numpy())
    found = one(op, [x], **attrs).numpy()
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("transposed", [False, True])
def test_dot_joins_the_last_axis_with_the_first(transposed):
    rng = np.random.default_rng(5)
    a, b = rng.normal(0, 1, (2, 3, 4)).astype("f"), rng.normal(0, 1, (4, 5, 2)).astype("f")
    expected = np.tensordot(a, b, 1)
    found = one("dot", [a, np.moveaxis(b, 0, -1).copy() if transposed else b], transpose_b=transposed)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_dropout(x):
    module = mx.to_torch(graph(("Dropout", "d", {"p": 0.5, "axes": (1, 2, 3)}, ("data",))))
    assert torch.equal(module.eval()(x), x)
    ratio = module.train()(x) / x
    assert all(len(row.unique()) == 1 and row.flatten()[0] in (0, 2) for row in ratio)
    always = mx.to_torch(graph(("Dropout", "d", {"mode": "always"}, ("data",)))).eval()
    assert (always(x) == 0).any()


@pytest.mark.parametrize("op", ["_zeros", "_ones", "_full", "_arange"])
def test_arrays_from_nothing_follow_the_module(op):
    attrs = {"start": 1, "stop": 4} if op == "_arange" else {"shape": (3,), **({"value": 2.5} if op == "_full" else {})}
    module = mx.to_torch(graph((op, "made", attrs, ()), ("broadcast_add", "sum", {}, ("data", "made"))))
    expected = {"_zeros": [0, 0, 0], "_ones": [1, 1, 1], "_full": [2.5] * 3, "_arange": [1, 2, 3]}[op]
    assert module(torch.zeros(1, 3)).tolist() == [expected]
    assert not module.state_dict()
    assert module.to("meta")(torch.zeros(1, 3, device="meta")).device.type == "meta"


def test_bfloat16_and_mxnets_arrays(x):
    symbol = graph(("broadcast_mul", "a", {}, ("x", "w")))
    wanted = x * 1.5
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for array in (mx.nd.array([1.5]), torch.tensor([1.5]), np.array([1.5], ml_dtypes.bfloat16)):
        module = mx.to_torch(symbol, {"w": array})
        assert module.w.dtype == (torch.bfloat16 if "bfloat16" in str(array.dtype) else torch.float32)
        assert torch.equal(module(x), wanted)
        np.testing.assert_array_equal(mx.from_torch(module)["arg:w"].astype("f"), [1.5])


def test_params_are_copied(x):
    array = np.ones(1, "f")
    module = mx.to_torch(graph(("broadcast_mul", "a", {}, ("x", "w"))), {"w": array})
    array[:] = 7
    assert torch.equal(module(x), x)


def test_saved_module(net, x):
    buffer = io.BytesIO()
    torch.save(net, buffer)
    buffer.seek(0)
    assert torch.equal(torch.load(buffer, weights_only=False).eval()(x), net.eval()(x))
