"""MXNet's LeakyReLU operator as a library: leaky, elu, selu, gelu, prelu and rrelu, exact and at memory speed."""

from importlib.metadata import version as _version

from .config import configure_from_environment as _configure
from .config import get_num_threads, release_buffers, set_buffer_limit, set_num_threads, show_config
from .operator import LeakyReLU, leaky_relu, rrelu_slopes, vjp

__all__ = [
    "LeakyReLU",
    "get_num_threads",
    "leaky_relu",
    "release_buffers",
    "rrelu_slopes",
    "set_buffer_limit",
    "set_num_threads",
    "show_config",
    "vjp",
]

__version__ = _version("rectifier")
_configure()
