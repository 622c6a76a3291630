"""The process that runs MXNet: what goes in comes out, and a crash is told from a refusal."""

import io

import numpy as np
import pytest
from mxnet_process import MXNetDied, MXNetError, Oracle, receive, send

from ulp import assert_same_bits


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_message_round_trip(shape, dtype):
    array = np.full(shape, -0.3, dtype)
    strided = np.arange(6.0, dtype=dtype)[::-2]
    stream = io.BytesIO()
    send(stream, {"slope": 0.1}, {"a": array, "b": strided})
    stream.seek(0)
    header, arrays = receive(stream)
    assert header == {"slope": 0.1}
    assert list(arrays) == ["a", "b"]
    assert_same_bits(arrays["a"], array)
    assert_same_bits(arrays["b"], strided)


@pytest.mark.parametrize("cut", [0, 2, 20, -1])
def test_receive_refuses_a_cut_message(cut):
    stream = io.BytesIO()
    send(stream, {}, {"a": np.ones(4)})
    with pytest.raises(EOFError):
        receive(io.BytesIO(stream.getvalue()[:cut]))


def test_oracle_passes_every_argument_on(mxnet):
    data = np.array([[-2.0, 4.0], [-1.0, -8.0]], np.float32)
    head = np.array([[1.0, 10.0], [100.0, 1000.0]], np.float32)
    found = mxnet.gradients(data, gamma=np.array([0.5, 0.25], np.float32), head=head, act_type="prelu")
    assert {name: array.tolist() for name, array in found.items()} == {
        "output": [[-1.0, 4.0], [-0.5, -2.0]],
        "d_data": [[0.5, 10.0], [50.0, 250.0]],
        "d_gamma": [-102.0, -8000.0],
    }
    assert mxnet.value(data, slope=0.5).tolist() == [[-1.0, 4.0], [-0.5, -4.0]]
    assert mxnet.value(data, act_type="rrelu", lower_bound=0.0, upper_bound=0.5).tolist() == [[-0.5, 4], [-0.25, -2]]


@pytest.mark.parametrize("what", ["value", "gradients"])
@pytest.mark.parametrize("out", [False, True])
def test_oracle_counts_the_repeats(mxnet, what, out):
    assert len(mxnet.seconds(what, 3, np.ones(10, np.float32), act_type="rrelu", out=out)) == 3


def test_oracle_outlives_a_refusal(mxnet):
    with pytest.raises(MXNetError, match=r"valid values are: \{'elu', 'gelu', 'leaky', 'prelu', 'rrelu', 'selu'\}"):
        mxnet.value(np.ones(2, np.float32), act_type="relu")
    assert mxnet.value(np.ones(2, np.float32)).tolist() == [1, 1]


def test_oracle_reports_a_crash(mxnet_installed):
    with Oracle() as oracle:
        oracle.value(np.ones(2, np.float32))
        oracle._process.kill()
        with pytest.raises(MXNetDied, match="ended with status -9"):
            oracle.value(np.ones(2, np.float32))
