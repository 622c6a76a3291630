"""The table of MXNet's errors: the greatest is found, and the page states what a smaller sample shows too."""

import numpy as np
import pytest
from measure import errors_of, sample, worst


def test_worst_looks_between_its_bounds():
    x = np.array([-9.0, -6, -5, -1, 0, 2])
    errors = np.array([1.0, 3, 2, 9, 8, 7])
    assert worst(errors, x, -np.inf, -5) == (3, -6)
    assert worst(errors, x, -5, -1) == (9, -1)
    assert worst(errors, x, 0, np.inf) == (7, 2)


def test_sample_is_spread_over_all_finite_numbers():
    x = sample(1 << 16)
    assert x.dtype == np.float32
    assert (np.diff(x) > 0).all()
    assert x[0] < -3e38
    assert x[-1] > 3e38
    assert np.isfinite(x).all()
    assert (x != 0).all()


@pytest.mark.parametrize(
    ("act_type", "value", "gradient"), [("elu", 1.5, 2e7), ("selu", 2.5, 1e40), ("gelu", 1.6e7, 5e5)]
)
def test_errors_are_of_the_stated_size(mxnet, act_type, value, gradient):
    x = sample(1 << 14)
    found = errors_of(mxnet, x, act_type, 0.3)
    assert value / 2 < found[0].max() < 2 * value
    assert gradient / 2 < found[1].max() < 1e4 * gradient
