"""The accuracy that the documentation promises, in ULP of the result's dtype; every test of accuracy reads it here."""

import math

from rectifier.dispatch import CORE_ULP

ULP = dict(CORE_ULP)

# gelu's derivative is zero at this x. Next to it, float64 results are held to an absolute error instead.
GELU_ROOT = -0.75179152469356445746
GELU_ROOT_REACH = 2.0**-4
GELU_ROOT_ABSOLUTE = math.ldexp(1.0, -53)
