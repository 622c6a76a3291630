"""`rectifier.mx` executors and blocks of graphs against MXNet 1.6.0: random graphs, grad_req per argument."""

import numpy as np
import pytest
from number_programs import assert_agree, graph_program, run_ours

from torch_library import torch  # noqa: F401 - skips without it

DTYPES = ("float16", "float32", "float64")


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_graphs(mxnet, dtype):
    rng = np.random.default_rng(23)
    differences = {}
    for _ in range(100):
        code, arrays = graph_program(rng, dtype)
        assert_agree(mxnet, code, arrays, dtype, differences)
    print(f"{dtype}: largest relative difference {max(differences[dtype]):.2g} of {len(differences[dtype])} arrays")


def test_mxnet_executors_multiply_the_gradient_of_gamma_by_gamma(mxnet):
    """MXNet writes the gradient of the data over that of the output where it can, and then reads it for gamma's."""
    code = """
s = mx.sym.LeakyReLU(mx.sym.Variable('x') + 1, act_type='prelu', name='p') * 2
e = s.simple_bind(mx.cpu(), x=(2, 3))
e.forward(is_train=True, x=mx.nd.array(arrays['x']), p_gamma=mx.nd.array(arrays['gamma']))
e.backward(mx.nd.ones((2, 3)))
found.update({key: value.asnumpy() for key, value in e.grad_dict.items()})
"""
    x, gamma = np.float32([[-1, 2, -3], [4, -5, 6]]), np.float32([0.1, 0.2, 0.3])
    _, theirs = mxnet.run(code, x=x, gamma=gamma)
    found = run_ours(code, x=x, gamma=gamma)
    true = 2 * np.minimum(x + 1, 0).sum(0)
    np.testing.assert_allclose(found["p_gamma"], true, rtol=1e-6)
    np.testing.assert_allclose(theirs["p_gamma"], true * gamma, rtol=1e-6)
    np.testing.assert_array_equal(found["x"], theirs["x"])
