"""How many threads to use, which CPU target, and what this installation consists of."""

from __future__ import annotations

import math
import operator
import os
import platform
from importlib.metadata import version
from typing import Any, Literal

from . import _core

__all__ = ["get_num_threads", "set_num_threads", "show_config"]

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
    if isinstance(n, bool):
        raise TypeError(f"`n` must be an integer, got {n!r}")
    try:
        number = operator.index(n)
    except TypeError:
        raise TypeError(f"`n` must be an integer, got {n!r}") from None
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


def show_config(mode: Literal["stdout", "dicts"] = "stdout") -> dict[str, Any] | None:
    """Show the version, the CPU target in use and those available, and the number of threads.

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
    facts = {
        "version": version("rectifier"),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "cpu_target": _core.cpu_target(),
        "cpu_targets": list(_core.cpu_targets()),
        "num_threads": get_num_threads(),
    }
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
