"""The compiled kernels; use `rectifier` instead."""

from typing import Any

import numpy.typing

def empty(shape: object, dtype: object) -> numpy.typing.NDArray[Any]:
    """As numpy.empty; a large array is on a recycled block."""

def buffer_counts() -> tuple[int, int, int, int, int]:
    """Bytes kept and in use, hits, misses, and the limit of the bytes kept."""

def set_buffer_limit(bytes: int | None) -> None:
    """Set how many bytes to keep at most; None for the default."""

def release_buffers() -> int:
    """Free the kept blocks; returns their bytes."""

def register_tensors(type: object, empty_like: object, draw_key: object, recycles: bool) -> None:
    """
    Tell a library's type of tensors, its function that makes one like another, one that draws a key, and whether
    the first takes recycled blocks.
    """

def lend_threads(parallel: int, thread: int, threads: int, most_threads: int) -> None:
    """
    Tell the addresses of GOMP_parallel and omp_get_thread_num, _num_threads and _max_threads, for work on tensors.
    """

def new_like(array: object) -> Any:
    """
    An uninitialised array or tensor like another; a large one is on a recycled block.
    """

class Pullback:
    """From the gradient of an output to those of the inputs."""

    def __call__(self, d_out: object, out: object = None) -> Any:
        """The gradient, or prelu's two."""

def register_pullback(general: object) -> None:
    """Tell the function that makes a pullback for whatever is not plain."""

def vjp(
    data: object,
    gamma: object,
    act_type: object,
    slope: object,
    lower: object,
    upper: object,
    training: object,
    rng: object,
    axis: object,
    out: object,
) -> Any:
    """The value and its pullback on plain arguments, or NotImplemented."""

def kernel_table() -> Any:
    """
    The core's verbs as a table of functions, in a capsule: see _torch/kernel_table.hpp.
    """

def register_bfloat16(number: int) -> None:
    """Tell NumPy's type number of bfloat16."""

def apply(
    formula: int,
    out: object,
    data: object,
    d_out: object | None = None,
    gamma: object | None = None,
    slope: float = 0.0,
    key: object | None = None,
    lower: float = 0.0,
    upper: float = 0.0,
    first: int = 0,
    steps: object | None = None,
) -> None:
    """Write a formula's value, or d_out times its derivative, to out."""

def register_activation(name: object, formula: int, has_gamma: bool, is_random: bool) -> None:
    """Tell a row of the table of activations to `call`."""

def call(
    data: object,
    gamma: object,
    act_type: object,
    slope: object,
    lower: object,
    upper: object,
    training: object,
    rng: object,
    axis: object,
    out: object,
) -> Any:
    """The operator on plain arguments, or NotImplemented."""

def gamma_pullback(d_data: object | None, d_gamma: object, d_out: object, data: object, gamma: object) -> None:
    """Write prelu's two gradients."""

def in_the_way(target: object, source: object) -> bool:
    """
    Whether writing to target, element after element, can change later elements of source.
    """

def pack_signs(bits: object, data: object) -> None:
    """Write one bit an element: whether it is above zero."""

def draw_slopes(out: object, key: int, lower: float, upper: float, first: int = 0) -> None:
    """Write rrelu's slopes of the elements from first on."""

def num_threads() -> int:
    """How many threads a call may use."""

def set_num_threads(n: int) -> None:
    """Set how many threads a call may use."""

def limit_own_threads(n: int) -> int:
    """
    Set how many threads a call from this thread may use, 0 for all; returns what was set before.
    """

def cpu_targets() -> list[str]:
    """The CPU targets that this processor can run, best last."""

def cpu_target() -> str:
    """The CPU target in use."""

def set_cpu_target(name: str) -> None:
    """Use another CPU target."""
