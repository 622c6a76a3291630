"""`rectifier.mx.gluon`: the activations as blocks, blocks of one's own, their parameters and files."""

import numpy as np
import pytest

import rectifier
from mx_arrays import assert_array
from rectifier import mx

nd, gluon, nn = mx.nd, mx.gluon, mx.gluon.nn


@pytest.fixture
def x():
    return nd.array([[-1, 2, -3], [4, -5, 6]])


class Scaled(gluon.HybridBlock):
    """A prelu and a factor for each channel, whose number the first data decides."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.act = nn.PReLU()
            self.gamma = self.params.get("gamma", init=mx.init.Constant(0.5), allow_deferred_init=True)

    def hybrid_forward(self, F, x, gamma):
        return F.LeakyReLU(self.act(x), gamma, act_type="prelu")


@pytest.mark.parametrize(
    ("block", "options"),
    [
        (lambda: nn.LeakyReLU(0.1), {"act_type": "leaky", "slope": 0.1}),
        (lambda: nn.PReLU(), {"act_type": "prelu", "gamma": [0.25]}),
        (lambda: nn.PReLU("ones"), {"act_type": "prelu", "gamma": [1.0]}),
        (lambda: nn.ELU(), {"act_type": "elu", "slope": 1.0}),
        (lambda: nn.ELU(0.5), {"act_type": "elu", "slope": 0.5}),
        (lambda: nn.SELU(), {"act_type": "selu"}),
        (lambda: nn.GELU(), {"act_type": "gelu"}),
    ],
)
def test_activations(x, block, options):
    layer = block()
    layer.initialize()
    expected = rectifier.leaky_relu(x.asnumpy(), **options)
    assert_array(layer(x), expected)
    layer.hybridize()
    assert_array(layer(x), expected)


def test_plain_activations(x):
    assert_array(nn.Activation("relu")(x), [[0, 2, 0], [4, 0, 6]])
    np.testing.assert_allclose(nn.Swish()(x).asnumpy(), (x * x.sigmoid()).asnumpy(), rtol=1e-6)
    np.testing.assert_allclose(nn.Activation("softrelu")(x).asnumpy(), np.logaddexp(x.asnumpy(), 0), rtol=1e-6)
    with pytest.raises(mx.MXNetError, match="`act_type` must be one of relu, sigmoid, tanh, softrelu, softsign"):
        nn.Activation("foo")(x)


def test_repr_and_names():
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.LeakyReLU(0.1), nn.PReLU(), nn.Activation("relu"))
    assert repr(net) == "HybridSequential(\n  (0): LeakyReLU(0.1)\n  (1): PReLU(\n  \n  )\n  (2): Activation(relu)\n)"
    assert [layer.name for layer in net] == ["net_leakyrelu0", "net_prelu0", "net_relu0"]
    assert list(net.collect_params()) == ["net_prelu0_alpha"]
    assert (
        repr(net.collect_params())
        == "net_ (\n  Parameter net_prelu0_alpha (shape=(1,), dtype=<class 'numpy.float32'>)\n)"
    )
    assert len(net.collect_params(".*beta")) == 0
    assert (len(net), net[1].name, len(net[1:])) == (3, "net_prelu0", 2)
    assert nn.PReLU(prefix="own_").collect_params().keys() == {"own_alpha"}


def test_training_steps(x):
    layer = nn.PReLU()
    layer.initialize()
    with mx.autograd.record():
        y = layer(x)
    y.backward()
    assert_array(layer.alpha.grad(), [-9])
    layer.alpha.set_data(layer.alpha.data() - 0.1 * layer.alpha.grad())
    assert_array(layer.alpha.data(), [np.float32(0.25) - np.float32(0.1) * np.float32(-9)])
    layer.alpha.zero_grad()
    assert_array(layer.alpha.grad(), [0])
    layer.alpha.grad_req = "add"
    for _ in range(2):
        with mx.autograd.record():
            y = layer(x)
        y.backward()
    assert_array(layer.alpha.grad(), [-18])


def test_sizes_that_the_first_data_decides(x):
    block = Scaled()
    block.initialize()
    with pytest.raises(gluon.DeferredInitializationError, match="initialization was deferred"):
        block.gamma.data()
    assert block.gamma.list_ctx() == [mx.cpu()]
    assert_array(block(x), [[-0.125, 2, -0.375], [4, -0.625, 6]])
    assert block.gamma.shape == (3,)
    assert block.gamma.list_data()[0].shape == block.gamma.list_grad()[0].shape == (3,)


def test_a_size_that_the_data_does_not_decide(x):
    class Broadcast(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.w = self.params.get("w", shape=(0,), allow_deferred_init=True)

        def hybrid_forward(self, F, x, w):
            return F.broadcast_mul(x, w)

    block = Broadcast()
    block.initialize()
    with pytest.raises(ValueError, match=r"the shape of 'broadcast0_w' cannot be inferred"):
        block(x)


def test_symbols_go_through_blocks(x):
    block = Scaled(prefix="s_")
    symbol = block(mx.sym.Variable("data"))
    assert symbol.list_arguments() == ["data", "s_prelu0_alpha", "s_gamma"]
    assert symbol.list_outputs() == ["s_leakyrelu0_output"]
    block.initialize()
    expected = block(x)
    arrays = {name: parameter.data() for name, parameter in block.collect_params().items()}
    assert_array(symbol.eval(data=x, **arrays)[0], expected.asnumpy())


def test_export_and_import(tmp_path, x):
    block = Scaled()
    block.initialize()
    with pytest.raises(RuntimeError, match=r"Please first call block.hybridize\(\) and then run forward"):
        block.export(tmp_path / "net")
    block.hybridize()
    expected = block(x).asnumpy()
    block.export(tmp_path / "net", epoch=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net-0003.params", "net-symbol.json"]
    imported = gluon.SymbolBlock.imports(tmp_path / "net-symbol.json", "data", tmp_path / "net-0003.params")
    imported.hybridize()
    with mx.autograd.record():
        y = imported(x)
    assert_array(y, expected)
    y.backward()
    assert imported.collect_params()[block.gamma.name].grad().shape == (3,)
    imported.export(tmp_path / "again")
    assert (tmp_path / "again-symbol.json").read_bytes() == (tmp_path / "net-symbol.json").read_bytes()
    symbol, arguments, states = mx.model.load_checkpoint(tmp_path / "net", 3)
    assert_array(symbol.eval(data=x, **arguments)[0], expected)
    assert states == {}
    assert_array(imported(mx.sym.Variable("new")).eval(new=x, **arguments)[0], expected)


def test_blocks_of_several_inputs_and_outputs(tmp_path, x):
    class Pair(gluon.HybridBlock):
        def hybrid_forward(self, F, a, b):
            return F.LeakyReLU(a) + b, a * b

    block = Pair()
    block.hybridize()
    block(x, x)
    block.export(tmp_path / "pair")
    imported = gluon.SymbolBlock.imports(tmp_path / "pair-symbol.json", ["data0", "data1"])
    found = imported(x, x)
    for one, other in zip(found, block(x, x), strict=True):
        assert_array(one, other.asnumpy())


def test_parameter_files(tmp_path, x):
    net = nn.Sequential()
    net.add(nn.PReLU(), nn.PReLU("ones"))
    net.initialize()
    net.save_parameters(tmp_path / "net.params")
    assert nd.load(tmp_path / "net.params").keys() == {"0.alpha", "1.alpha"}
    other = nn.Sequential()
    other.add(nn.PReLU(), nn.PReLU())
    other.load_parameters(tmp_path / "net.params")
    assert_array(other[1].alpha.data(), [1])
    net.collect_params().save(tmp_path / "all.params")
    net.collect_params().load(tmp_path / "all.params")
    net.load_parameters(tmp_path / "all.params")
    with pytest.raises(ValueError, match=r"Parameter 'prelu\d+_alpha' is missing in file"):
        other.collect_params().load(tmp_path / "all.params")
    with pytest.raises(ValueError, match=r"Parameter '1.alpha' loaded from file '.*' is not one of"):
        other[0:1].load_parameters(tmp_path / "net.params")
    with pytest.raises(ValueError, match="`strip_prefix` must be what all names begin with"):
        net.collect_params().save(tmp_path / "no.params", strip_prefix="x")
    nd.save(tmp_path / "wide.params", {"0.alpha": nd.ones((2,)), "1.alpha": nd.zeros((1,))})
    with pytest.raises(ValueError, match=r"`shape` must agree with \(1,\) of parameter"):
        other.load_parameters(tmp_path / "wide.params")
    assert_array(other[1].alpha.data(), [1])
    nd.save(tmp_path / "list.params", [nd.ones((1,))])
    with pytest.raises(ValueError, match="must hold names, got a list of arrays"):
        other.load_parameters(tmp_path / "list.params")


def test_parameters_by_many_ways():
    parameters = gluon.ParameterDict("net_")
    shared = gluon.ParameterDict("net_", parameters)
    weight = parameters.get("weight", shape=(2, 0))
    assert shared.get("weight") is weight
    assert parameters.get("weight", shape=(2, 3)) is weight
    assert weight.shape == (2, 3)
    parameters.get("bias", shape=2)
    parameters.get("var", shape=2, dtype="float64")
    parameters.initialize()
    assert abs(weight.data().asnumpy()).max() <= 0.07
    assert_array(parameters["net_bias"].data(), [0, 0])
    assert_array(parameters["net_var"].data(), [1, 1], np.float64)
    before = weight.data().asnumpy()
    parameters.initialize(mx.init.One())
    assert_array(weight.data(), before)
    parameters.initialize(mx.init.One(), force_reinit=True)
    assert_array(weight.data(), np.ones((2, 3)))
    parameters.setattr("grad_req", "null")
    with pytest.raises(RuntimeError, match="because grad_req='null'"):
        weight.grad()
    assert "net_bias" in parameters
    assert [len(parameters), next(iter(parameters.keys()))] == [3, "net_weight"]
    parameters.zero_grad()
    with pytest.raises(ValueError, match="must not hold another parameter of the name 'net_bias'"):
        parameters.update({"net_bias": gluon.Parameter("net_bias")})


def test_cast_apply_and_children(x):
    net = nn.HybridSequential()
    net.add(nn.PReLU(), nn.GELU())
    net.initialize()
    net.cast("float16")
    assert net(x.astype("float16")).dtype is np.float16
    seen = []
    assert net.apply(lambda block: seen.append(type(block).__name__)) is net
    assert seen == ["PReLU", "GELU", "HybridSequential"]

    class Plain(gluon.Block):
        def __init__(self):
            super().__init__()
            self.act = nn.ELU()

        def forward(self, x):
            return self.act(x) * 2

    plain = Plain()
    plain.hybridize()
    assert plain(x).shape == (2, 3)
    with pytest.raises(ValueError, match="children of a HybridBlock must be HybridBlocks, got Plain"):
        net.add(plain)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.LeakyReLU(-1), ValueError, "`alpha` must be 0 or above, got -1"),
        (lambda: nn.LeakyReLU("a"), TypeError, "^`alpha` must be a number, got 'a'$"),
        (lambda: nn.LeakyReLU(float("nan")), ValueError, "^`alpha` must be a finite number, got nan$"),
        (lambda: nn.PReLU()(nd.ones((1,))), RuntimeError, r"Parameter 'prelu\d+_alpha' has not been initialized"),
        (lambda: nn.GELU()(1), ValueError, "must have an NDArray or a Symbol for its input, got int"),
        (lambda: gluon.Block()(1), NotImplementedError, "Block must say what it does, in `forward`"),
        (lambda: gluon.HybridBlock()(nd.ones((1,))), NotImplementedError, "in `hybrid_forward`"),
        (lambda: gluon.Parameter("p", shape=(0,)).initialize(), ValueError, "`shape` must be known to initialize"),
        (lambda: mx.init.create("foo"), ValueError, "`init` must be one of constant, zero, .*, got 'foo'"),
        (lambda: mx.init.create(3), TypeError, "`init` must be an initializer, a name or None, got 3"),
        (lambda: mx.init.Initializer()("weight", None), NotImplementedError, "must say how it fills an array"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_initializers():
    x = nd.zeros((1000,))
    mx.init.Normal(2.0)("weight", x)
    assert 1.8 < x.asnumpy().std() < 2.2
    mx.init.Uniform(0.5)("weight", x)
    assert 0.4 < abs(x.asnumpy()).max() <= 0.5
    assert [mx.init.create(name).dumps() for name in ("zeros", "uniform")] == [
        '["zero", {}]',
        '["uniform", {"scale": 0.07}]',
    ]
    assert mx.initializer is mx.init
