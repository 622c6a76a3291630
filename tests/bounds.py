"""The accuracy that the documentation promises, in ULP of the result's dtype; every test of accuracy reads it here."""

import math

from rectifier import dispatch

ULP = dict(dispatch.CORE_ULP)

# Around the `root` of a derivative, in the table of activations, float64 results are held to an absolute error instead.
ROOT_REACH = 2.0**-4
ROOT_ABSOLUTE = math.ldexp(1.0, -53)
# Of the Triton kernels. elu and selu have the bits of the core, and its bounds.
TRITON_ULP = dict(dispatch.TRITON_ULP)
