"""The accuracy that the documentation promises, in ULP of the result's dtype; every test of accuracy reads it here."""

import math

ULP = {"float16": 0.505, "bfloat16": 0.505, "float32": 1.0, "float64": 2.0}

# gelu's derivative is zero at this x. Next to it, float64 results are held to an absolute error instead.
GELU_ROOT = -0.75179152469356445746
GELU_ROOT_REACH = 2.0**-4
GELU_ROOT_ABSOLUTE = math.ldexp(1.0, -53)

# Of the Triton kernels. elu and selu have the bits of the core, and its bounds.
TRITON_ULP = {"float16": 0.505, "bfloat16": 0.505, "float32": 2.0, "float64": 2.0}
