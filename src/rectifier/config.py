"""How many threads to use, which CPU target, and what this installation consists of."""

from __future__ import annotations

import math
import os
import platform
import sys
from importlib.metadata import version
from typing import Any, Literal

from . import _core
from .parameters import integer

__all__ = ["get_num_threads", "release_buffers", "set_buffer_limit", "set_num_threads", "show_config"]

_MOST_THREADS = 1024


def set_num_threads(n: int) -> None:
    """Set how many threads one call may use.

    Parameters
    ----------
    n : int
        1 to 1024, the calling thread included. A call that has too little work for so many uses fewer. The results
        are the same bits for any number.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is out of range.

    Examples
    --------
    >>> import rectifier
    >>> before = rectifier.get_num_threads()
    >>> rectifier.set_num_threads(1)
    >>> rectifier.get_num_threads()
    1
    >>> rectifier.set_num_threads(before)
    """
    number = integer("n", n, "an integer")
    if not 1 <= number <= _MOST_THREADS:
        raise ValueError(f"`n` must be from 1 to {_MOST_THREADS}, got {n!r}")
    _core.set_num_threads(number)


def get_num_threads() -> int:
    """Tell how many threads one call may use.

    At import it is ``RECTIFIER_NUM_THREADS``, else ``OMP_NUM_THREADS``, else the number of CPUs that this process
    may use.

    Returns
    -------
    int
        1 or more.

    Examples
    --------
    >>> import rectifier
    >>> rectifier.get_num_threads() >= 1
    True
    """
    return _core.num_threads()


def set_buffer_limit(bytes: int | None) -> None:
    """Set how much memory of freed results to keep for the next ones.

    Results of 1 MiB and more live in buffers. When the last view on a result is gone, its buffer is kept, and the next
    result of about that size takes it over, its pages all in place. What is above the limit is freed, the buffer kept
    longest first.

    Parameters
    ----------
    bytes : int or None
        0 or more. With 0 nothing is kept, and new results live in NumPy's own memory. None is the default:
        256 MiB, or as much as the two largest results take, if that is more.

    Raises
    ------
    TypeError
        If `bytes` is neither an integer nor None.
    ValueError
        If `bytes` is negative.

    See Also
    --------
    release_buffers : frees what is kept.
    show_config : tells how much is kept and how often it was of use.

    Examples
    --------
    >>> import rectifier
    >>> rectifier.set_buffer_limit(64 * 2**20)
    >>> rectifier.show_config(mode="dicts")["buffer_limit"]
    67108864
    >>> rectifier.set_buffer_limit(None)
    """
    if bytes is None:
        return _core.set_buffer_limit(None)
    number = integer("bytes", bytes, "an integer or None")
    if number < 0:
        raise ValueError(f"`bytes` must be 0 or more, got {bytes!r}")
    return _core.set_buffer_limit(min(number, sys.maxsize))


def release_buffers() -> int:
    """Free the memory that is kept for results to come.

    Results that are still in use keep theirs. The default limit (see `set_buffer_limit`) forgets the largest results.

    Returns
    -------
    int
        How many bytes were freed.

    Examples
    --------
    >>> import numpy as np
    >>> import rectifier
    >>> y = rectifier.leaky_relu(np.ones(2**20, np.float32))
    >>> del y
    >>> rectifier.release_buffers() >= 2**22
    True
    >>> rectifier.release_buffers()
    0
    """
    return _core.release_buffers()


def show_config(mode: Literal["stdout", "dicts"] = "stdout") -> dict[str, Any] | None:
    """Show the version, the CPU target in use and those available, the number of threads and the recycled buffers.

    Where tensors of PyTorch are in use, also whether `rectifier.torch.build_nodes` has compiled their autograd node.

    Parameters
    ----------
    mode : {"stdout", "dicts"}
        Print the facts, or return them as a dict.

    Returns
    -------
    dict or None
        The facts where `mode` is "dicts".

    Raises
    ------
    ValueError
        If `mode` is neither.

    Examples
    --------
    >>> import rectifier
    >>> rectifier.show_config(mode="dicts")["num_threads"] == rectifier.get_num_threads()
    True
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"`mode` must be 'stdout' or 'dicts', got {mode!r}")
    kept, in_use, hits, misses, limit = _core.buffer_counts()
    facts = {
        "version": version("rectifier"),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "cpu_target": _core.cpu_target(),
        "cpu_targets": list(_core.cpu_targets()),
        "num_threads": get_num_threads(),
        "buffers_kept": kept,
        "buffers_in_use": in_use,
        "buffer_hits": hits,
        "buffer_misses": misses,
        "buffer_limit": limit,
    }
    nodes = sys.modules.get(f"{__package__}._torch.nodes")
    if nodes is not None:
        facts["torch_nodes"] = nodes.state()
    if mode == "dicts":
        return facts
    for name, value in facts.items():
        print(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
    return None


def _usable_cpus() -> int:
    """The CPUs of this process's affinity mask, cut to its control group's quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as limits:
            quota, period = limits.read().split()
        cpus = min(cpus, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no control group, or the quota is "max"
        pass
    return max(1, min(cpus, _MOST_THREADS))


def _threads_from_environment() -> int:
    for name in ("RECTIFIER_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").strip()
        if name == "OMP_NUM_THREADS":
            text = text.split(",")[0].strip()  # OpenMP allows a list, one number for each level of nesting
        if not text:
            continue
        if text.isdecimal() and 1 <= int(text) <= _MOST_THREADS:
            return int(text)
        if name == "RECTIFIER_NUM_THREADS":
            raise ValueError(f"`{name}` must be an integer from 1 to {_MOST_THREADS}, got {text!r}")
    return _usable_cpus()


def _target_from_environment() -> None:
    wanted = os.environ.get("RECTIFIER_ISA", "").strip()
    if not wanted:
        return
    available = list(_core.cpu_targets())
    if wanted not in available:
        raise ValueError(f"`RECTIFIER_ISA` must be one of {', '.join(available)} on this CPU, got {wanted!r}")
    _core.set_cpu_target(wanted)


def configure_from_environment() -> None:
    """Read the environment, once, at import."""
    _target_from_environment()
    _core.set_num_threads(_threads_from_environment())
