"""CuPy arrays: CuPy's streams, memory and layouts. On a GPU where CuPy has one, else a stand-in in the interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import fake_cupy
from gpu_or_interpreter import on_the_device, torch
from rectifier import leaky_relu, rrelu_slopes, vjp
from rectifier.kernels.triton import launch, verbs
from test_errors import CALLS, DATA, GRADIENTS, X, unaligned
from test_layouts import numbers
from ulp import assert_same_bits

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("quiet_numpy", "core_with_fma")]

HERE = Path(__file__).parent
OWN_STREAMS = torch.cuda.ExternalStream
CONSTANT = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def cp():
    """CuPy, or what stands for it."""
    if on_the_device():
        cupy = pytest.importorskip("cupy")
        yield cupy
        return
    with fake_cupy.installed():
        yield sys.modules["cupy"]


@pytest.fixture
def fake(monkeypatch):
    """The log of the stand-in, in which starts of kernels stand with the stream that torch would start them on."""
    with fake_cupy.installed() as streams:
        start = launch.start

        def logged(kernel, *arguments, **keywords):
            fake_cupy.LOG.append((kernel.fn.__name__, streams.current))
            start(kernel, *arguments, **keywords)

        monkeypatch.setattr(verbs, "start", logged)
        fake_cupy.LOG.clear()
        yield sys.modules["cupy"]


@pytest.mark.skipif(on_the_device(), reason="the conformance suite runs on CuPy itself here")
def test_conformance_of_the_stand_in():
    # tests/test_triton_values.py holds the kernels to all numbers of 16 bits, and `make backends` runs those here too.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", "-k"]
    command += ["cupy and not every_number_of_16_bits and not 33", str(HERE / "test_conformance.py")]
    done = subprocess.run(
        command, env={**os.environ, "RECTIFIER_FAKE_CUPY": "1"}, cwd=HERE.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert "skipped" not in done.stdout


LAYOUTS = ["C", "permuted", "reversed", "every other", "every other, reversed", "repeated"]


def laid_out(a, layout, seed):
    """The numbers as a view with this layout, a repeated one with the first row's; NumPy's and CuPy's are alike."""
    axes = np.random.default_rng(seed).permutation(a.ndim).tolist()
    if layout == "permuted":
        return a.transpose(axes).copy().transpose(np.argsort(axes).tolist())
    if layout == "repeated" and a.ndim:
        return np.lib.stride_tricks.as_strided(a, a.shape, (0, *a.strides[1:]))
    if layout == "C" or not a.ndim:
        return a
    step = (2 if "other" in layout else 1) * (-1 if "reversed" in layout else 1)
    room = np.zeros([abs(step) * n for n in a.shape], a.dtype)
    view = room[(slice(None, None, step),) * a.ndim]
    view[...] = a
    return view


def moved(cp, view):
    """A CuPy array with the strides of a NumPy one."""
    if not on_the_device():
        return cp.ndarray(view)
    low, high = np.lib.array_utils.byte_bounds(view)
    room = cp.empty(high - low, np.uint8)
    offset = view.ctypes.data - low
    made = cp.ndarray(view.shape, view.dtype, memptr=room.data + offset, strides=view.strides)
    if 0 not in view.strides:
        made[...] = cp.asarray(view)
    elif view.size:
        made[:1] = cp.asarray(view[:1])
    return made


@st.composite
def cases(draw):
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 5, 16, 33]), max_size=3)))
    dtype = np.dtype(draw(st.sampled_from([np.float16, ml_dtypes.bfloat16, np.float32, np.float64])))
    act_type = draw(st.sampled_from(["leaky", "elu", "prelu", "rrelu"]))
    parameters = {"act_type": act_type}
    if act_type in ("leaky", "elu"):
        parameters["slope"] = draw(st.sampled_from([0.25, -0.5]))
    if act_type == "prelu":
        parameters["gamma"] = numbers(1, tuple(n if draw(st.booleans()) else 1 for n in shape), dtype)
    if act_type == "rrelu":
        parameters.update(
            training=True, rng=draw(st.integers(0, 2**64 - 1)), lower_bound=draw(st.sampled_from([-1, 0]))
        )
    return shape, dtype, parameters, [draw(st.sampled_from(LAYOUTS)) for _ in range(4)]


@given(case=cases(), seed=st.integers(0, 99))
@CONSTANT
def test_any_layout(cp, case, seed):
    """NumPy's bits for any strides, negative ones too, of data, gradient and result."""
    shape, dtype, parameters, layouts = case
    x, g = (laid_out(numbers(seed + i, shape, dtype), layouts[i], seed) for i in range(2))
    out, dx_out = (laid_out(np.zeros(shape, dtype), layout, seed) for layout in layouts[2:])
    outs = [moved(cp, a) if "repeated" not in layouts[2 + i] else None for i, a in enumerate((out, dx_out))]
    ours = {**parameters, **({"gamma": cp.asarray(parameters["gamma"])} if "gamma" in parameters else {})}
    y, pullback = vjp(moved(cp, x), **ours, out=outs[0])
    expected, pull = vjp(x, **parameters)
    pair = parameters["act_type"] == "prelu"
    dx = pullback(moved(cp, g), out=(outs[1], None) if pair else outs[1])
    assert y is outs[0] or outs[0] is None
    wanted = pull(g)
    if pair:
        assert_same_bits(cp.asnumpy(dx[1]).shape, np.shape(wanted[1]))
        dx, wanted = dx[0], wanted[0]
    assert_same_bits(cp.asnumpy(y), np.asarray(expected))
    assert_same_bits(cp.asnumpy(dx), np.asarray(wanted))
    made = leaky_relu(moved(cp, x), **ours)
    assert_same_bits(cp.asnumpy(made), np.asarray(expected))
    # Memory order is kept: what the result's strides are in NumPy, they are here.
    steps = zip(shape, made.strides, np.asarray(leaky_relu(x, **parameters)).strides, strict=True)
    assert all(ours == numpys for size, ours, numpys in steps if size > 1)


def test_results_lie_in_memory_of_cupy_and_kernels_write_there(fake, monkeypatch):
    pointers = []
    start = verbs.start

    def seen(kernel, grid, *arguments, **keywords):
        pointers.extend(a.data_ptr() for a in arguments if isinstance(a, torch.Tensor))
        start(kernel, grid, *arguments, **keywords)

    monkeypatch.setattr(verbs, "start", seen)
    x = fake.asarray(np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4))
    for data in (x, x.transpose([1, 0]), x[:, ::2], fake.asarray(x.get().astype(ml_dtypes.bfloat16))):
        for act_type in ("leaky", "elu"):
            pointers.clear()
            fake_cupy.LOG.clear()
            y, pullback = vjp(data, act_type=act_type, slope=0.5)
            assert pointers[:2] == [y.data.ptr, data.data.ptr]
            pointers.clear()
            dx = pullback(y)
            assert pointers[:3] == [dx.data.ptr, (y if act_type == "leaky" else data).data.ptr, y.data.ptr]
            events = [event for event, _ in fake_cupy.LOG]
            assert events.count("allocate") == 2
            assert not {"copy", "convert", "upload"} & set(events)


def test_a_reversed_array_is_not_copied(fake):
    x = fake.asarray(np.arange(-6, 6, dtype=np.float32).reshape(3, 4))
    fake_cupy.LOG.clear()
    y = leaky_relu(x[::-1, ::-1])
    assert "copy" not in dict(fake_cupy.LOG)
    assert_same_bits(y.get(), leaky_relu(x.get()[::-1, ::-1]))


@pytest.mark.parametrize("act_type", ["leaky", "gelu", "prelu", "rrelu"])
def test_everything_happens_on_the_stream_that_is_current(fake, act_type):
    x = fake.asarray(np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4))
    head = fake.asarray(np.ones((3, 4)))
    extra = {"prelu": {"gamma": [0.1, 0.2, 0.3, 0.4]}, "rrelu": {"training": True, "lower_bound": -1.0}}
    with fake_cupy.Stream(7):
        fake_cupy.LOG.clear()
        y, pullback = vjp(x, act_type=act_type, **extra.get(act_type, {}))
    forward = list(fake_cupy.LOG)
    assert {stream for _, stream in forward} == {7}
    with fake_cupy.Stream(9):
        fake_cupy.LOG.clear()
        pullback(head)
    assert {stream for _, stream in fake_cupy.LOG} == {9}
    kernel = "gamma_kernel" if act_type == "prelu" else "flat_kernel"
    events = [event for event, _ in fake_cupy.LOG]
    assert events.index("convert") < events.index("export") < events.index(kernel)
    fake_cupy.LOG.clear()
    leaky_relu(y)
    assert {stream for _, stream in fake_cupy.LOG} == {0}


def test_the_arrays_device_is_made_current(fake):
    x = fake.ndarray(np.array([-2.0, 4.0], np.float32), device=3)
    y, pullback = vjp(x, act_type="prelu", gamma=0.5)
    assert y.device.id == 3
    with fake_cupy.Device(1):
        dx, d_gamma = pullback(x)
    assert (dx.device.id, d_gamma.device.id, d_gamma.shape) == (3, 3, ())
    other = fake.ndarray(np.ones(2, np.float32))
    for call, name in (
        (lambda: leaky_relu(x, other, "prelu"), "gamma"),
        (lambda: leaky_relu(x, out=other), "out"),
        (lambda: pullback(other), "d_out"),
    ):
        with pytest.raises(ValueError, match=f"`{name}` must be on the device of `data`, 3, got 0"):
            call()


@pytest.mark.parametrize("gamma", [0.25, np.float16(0.25), [0.25], np.array(0.25)], ids=repr)
@pytest.mark.parametrize("moves", [False, True])
def test_gamma_may_be_a_number_or_an_array(cp, gamma, moves):
    x = cp.asarray(X)
    y, pullback = vjp(x, cp.asarray(gamma) if moves else gamma, "prelu")
    assert_same_bits(cp.asnumpy(y), leaky_relu(X, slope=0.25))
    _, d_gamma = pullback(x)
    assert d_gamma.shape == np.shape(gamma)


def test_a_generator_of_cupy_draws_a_key(cp):
    if on_the_device():
        rng, same = (cp.random.Generator(cp.random.XORWOW(5)) for _ in range(2))
    else:
        rng, same = (cp.random.Generator(5) for _ in range(2))
    x = cp.asarray(-np.ones(9, np.float32))
    for _ in range(2):
        words = [int(word) for word in cp.asnumpy(same.integers(0, 2**16, size=4, dtype=np.uint32))]
        key = words[0] | words[1] << 16 | words[2] << 32 | words[3] << 48
        y = leaky_relu(x, act_type="rrelu", training=True, rng=rng)
        assert_same_bits(cp.asnumpy(y), -rrelu_slopes(9, key))
        leaky_relu(x, act_type="rrelu", rng=rng)


def test_out_may_be_the_data_and_may_overlap_them(cp):
    x = np.linspace(-3, 2, 40, dtype=np.float32)
    first = slice(0, 30)
    for act_type in ("leaky", "elu", "gelu"):
        for source, target in ((first, first), (first, slice(7, 37)), (slice(30, 0, -1), first)):
            room = cp.asarray(x.copy())
            apart, pull = vjp(cp.asarray(x[source].copy()), act_type=act_type)
            y, pullback = vjp(room[source], act_type=act_type, out=room[target])
            assert_same_bits(cp.asnumpy(y), cp.asnumpy(apart))
            assert_same_bits(cp.asnumpy(room[target]), cp.asnumpy(apart))
            # What the gradient needs is kept apart from what was overwritten.
            head = cp.asarray(x[:30].copy())
            assert_same_bits(cp.asnumpy(pullback(head, out=head)), cp.asnumpy(pull(cp.asarray(x[:30].copy()))))


def test_in_place_with_gamma_in_the_way(cp):
    x, gamma = np.float32([-4, -2, 2]), np.float32([0.5, 0.25, 1])
    room = cp.asarray(np.concatenate([x, gamma]))
    y, pullback = vjp(room[:3], room[3:], "prelu", axis=0, out=room[2:5])
    assert_same_bits(cp.asnumpy(y), np.float32([-2, -0.5, 2]))
    dx, d_gamma = pullback(np.float32([1, 1, 1]), out=(room[:3], room[3:]))
    assert_same_bits(cp.asnumpy(dx), np.float32([0.5, 0.25, 1]))
    assert_same_bits(cp.asnumpy(d_gamma), np.float32([-4, -2, 0]))


def test_off_its_alignment(cp):
    if on_the_device():
        pytest.skip("CuPy cannot make such a view of bytes")
    x = unaligned()
    x[...] = X
    assert_same_bits(leaky_relu(cp.ndarray(x)).get(), leaky_relu(X))
    with pytest.raises(ValueError, match="`out` must be aligned for its dtype, got an array off its alignment"):
        leaky_relu(cp.asarray(X), out=cp.ndarray(x))


def of_cupy(cp, value):
    """NumPy arrays as CuPy's, in errors too."""
    if isinstance(value, tuple):
        return tuple(of_cupy(cp, v) for v in value)
    plain = isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray) and value.dtype.isnative
    return cp.asarray(value) if plain else value


def in_words_of_cupy(words):
    words = words.replace("a NumPy array", "a CuPy array")
    return words.replace("a numpy.random.Generator", "a cupy.random.Generator, a numpy.random.Generator")


@pytest.mark.parametrize("function", [leaky_relu, vjp])
@pytest.mark.parametrize(("keywords", "error", "words"), CALLS, ids=range(len(CALLS)))
def test_bad_argument(cp, function, keywords, error, words):
    if "writeable" in words or "alignment" in words or ">f4" in words:
        return  # no array of CuPy is so, or see above
    out = cp.asarray(np.full_like(X, 77))
    with pytest.raises(error) as caught:
        function(cp.asarray(X), **{"out": out, **{k: of_cupy(cp, v) for k, v in keywords.items()}})
    assert in_words_of_cupy(words) in str(caught.value)
    assert (cp.asnumpy(out) == 77).all()


@pytest.mark.parametrize(("data", "error", "words"), [row for row in DATA if isinstance(row[0], np.ndarray)][:1])
def test_bad_data(cp, data, error, words):
    with pytest.raises(error) as caught:
        leaky_relu(cp.asarray(data))
    assert words in str(caught.value)


@pytest.mark.parametrize(("act_type", "d_out", "out", "error", "words"), GRADIENTS, ids=range(len(GRADIENTS)))
def test_bad_gradient(cp, act_type, d_out, out, error, words):
    gamma = cp.asarray(np.array([0.1, 0.2, 0.3], np.float32)) if act_type == "prelu" else None
    _, pullback = vjp(cp.asarray(X), gamma=gamma, act_type=act_type)
    if isinstance(d_out, str):
        words = "`d_out` must be an array of real numbers, got str"  # CuPy cannot hold any
    with pytest.raises(error) as caught:
        pullback(of_cupy(cp, d_out), out=of_cupy(cp, out))
    assert in_words_of_cupy(words) in str(caught.value)


def test_gradients_that_overlap_each_other(cp):
    room = cp.asarray(np.zeros(6, np.float32))
    _, pullback = vjp(cp.asarray(X), gamma=np.ones(3, np.float32), act_type="prelu")
    with pytest.raises(ValueError, match="`out` must be two arrays apart from each other, got overlapping ones"):
        pullback(X, out=(room.reshape((2, 3)), room[:3]))


def test_masks_and_broadcast_results_are_refused(cp):
    x = cp.asarray(X)
    with pytest.raises(TypeError, match="`gamma` must be an array without a mask, got a masked array"):
        leaky_relu(x, np.ma.masked_less(X[0], 0), "prelu")
    flat = moved(cp, np.lib.stride_tricks.as_strided(np.zeros(3, np.float32), (2, 3), (0, 4)))
    with pytest.raises(ValueError, match="`out` must have memory for each element, got a broadcast array"):
        leaky_relu(x, out=flat)


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch can make streams")
def test_a_torch_for_cpus_says_what_it_lacks(monkeypatch):
    monkeypatch.setattr(torch.cuda, "ExternalStream", OWN_STREAMS)
    with pytest.raises(RuntimeError, match=r"Triton starts kernels where torch says, and torch .*: "):
        launch.on_stream(0, 0)


def test_without_triton_the_error_names_the_extra():
    code = """
import sys
sys.path.insert(0, "tests")
import fake_cupy, numpy, rectifier
sys.modules["cupy"] = fake_cupy.module()
sys.modules["triton"] = None
try:
    rectifier.leaky_relu(fake_cupy.ndarray(numpy.ones(3)))
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE.parent, check=True, capture_output=True, text=True)
    assert "CuPy arrays need Triton and a torch for CUDA, `pip install 'rectifier[cupy]'`" in done.stdout
