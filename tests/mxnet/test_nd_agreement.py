"""`rectifier.mx.nd` and `autograd` against MXNet 1.6.0: random calls, and random chains of recorded steps."""

import numpy as np
import pytest
from number_programs import array_program, assert_agree, call_program, random_shape, relative_difference, run_ours

from torch_library import torch  # noqa: F401 - skips without it

DTYPES = ("float16", "float32", "float64")


@pytest.mark.parametrize(
    ("found", "expected", "difference"),
    [
        (np.float32([1, 2]), np.float32([1, 2]), 0.0),
        (np.float32([1, 2]), np.float32([1, 2.5]), 0.2),
        (np.float32([1, np.nan]), np.float32([1, np.nan]), 0.0),
        (np.float32([1, np.nan]), np.float32([1, 2]), np.inf),
        (np.float32([np.inf]), np.float32([-np.inf]), np.inf),
    ],
)
def test_relative_difference(found, expected, difference):
    assert relative_difference(found, expected) == difference


def test_relative_difference_compares_dtype_and_shape():
    with pytest.raises(AssertionError, match="float32, not float64"):
        relative_difference(np.float32([1]), np.float64([1]))
    with pytest.raises(AssertionError, match=r"\(1,\), not \(1, 1\)"):
        relative_difference(np.float32([1]), np.float32([[1]]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_calls(mxnet, dtype):
    rng = np.random.default_rng(21)
    differences = {}
    for _ in range(150):
        code, arrays = call_program(rng, dtype, random_shape(rng))
        assert_agree(mxnet, code, arrays, dtype, differences)
    print(f"{dtype}: largest relative difference {max(differences[dtype]):.2g} of {len(differences[dtype])} arrays")


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_chains(mxnet, dtype):
    rng = np.random.default_rng(22)
    differences = {}
    for _ in range(100):
        code, arrays = array_program(rng, dtype)
        assert_agree(mxnet, code, arrays, dtype, differences)
    print(f"{dtype}: largest relative difference {max(differences[dtype]):.2g} of {len(differences[dtype])} arrays")


@pytest.mark.parametrize(("uses", "wrong"), [(4, 4), (5, 31), (6, 63), (7, 127), (8, 8)])
def test_mxnet_adds_wrong_gradients_of_a_variable_with_five_to_seven_uses(mxnet, uses, wrong):
    code = f"""
x = mx.nd.ones((1,))
x.attach_grad('add')
with mx.autograd.record():
    y = {" + ".join(["x"] * uses)}
y.backward()
found['gradient'] = x.grad.asnumpy()
"""
    _, theirs = mxnet.run(code)
    assert theirs["gradient"] == wrong
    assert run_ours(code)["gradient"] == uses
