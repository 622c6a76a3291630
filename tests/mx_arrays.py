"""What the tests of `rectifier.mx` share."""

import numpy as np

from rectifier import mx
from torch_library import torch  # noqa: F401 - skips without it
from ulp import assert_same_bits


def assert_array(array, expected, dtype=np.float32):
    """Assert an NDArray of this dtype with these bits."""
    assert isinstance(array, mx.nd.NDArray)
    assert array.dtype is dtype
    assert_same_bits(array.asnumpy(), np.array(expected, dtype))
