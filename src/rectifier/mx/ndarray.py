"""``mx.nd`` by its long name, for ``from rectifier.mx.ndarray import NDArray``."""

import sys

from . import nd

sys.modules[__name__] = nd  # one module, whichever way it is imported
