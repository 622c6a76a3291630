"""Who is measured: each CPU target of rectifier, and the same functions of other libraries where they are installed."""

from __future__ import annotations

import atexit
import importlib.metadata
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .cases import Case

# Value and gradient (head gradient one) of a case, or None where the library lacks it.
Results = tuple[np.ndarray, np.ndarray] | None
Subject = Callable[[Case, np.ndarray], Results]


def cpu_targets() -> list[str]:
    """The CPU targets that this machine can run, plainest first."""
    from rectifier import _core

    available = list(_core.cpu_targets())
    return sorted(available, key=["baseline", "v3", "v4"].index)


def peers() -> list[str]:
    """The other libraries installed here."""
    found = [name for name in ("torch", "jax") if importlib.util.find_spec(name)]
    return [*found, "mxnet"] if _mxnet_process().PYTHON.exists() else found


def title(name: str) -> str:
    """A subject's name as a reader should see it, with the version of a library."""
    if name == "mxnet":
        return "mxnet 1.6.0"  # the one that its environment is made for
    return f"{name} {importlib.metadata.version(name)}" if name in _LIBRARIES else name


def is_library(name: str) -> bool:
    """Whether the subject is another library."""
    return name in _LIBRARIES


@cache
def subject(name: str) -> Subject:
    """The callable behind a name from `cpu_targets` or `peers`."""
    return _LIBRARIES[name]() if name in _LIBRARIES else _target(name)


def _target(name: str) -> Subject:
    import rectifier
    from rectifier import _core

    def run(case: Case, x: np.ndarray) -> Results:
        _core.set_cpu_target(name)
        value, pullback = rectifier.vjp(x, **case.arguments)
        pulled = pullback(np.ones_like(x))
        return value, pulled[0] if case.act_type == "prelu" else pulled

    rectifier.set_num_threads(1)
    return run


def _torch() -> Subject:
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    functions: dict[str, Callable[..., Any]] = {
        "leaky": lambda x, case: functional.leaky_relu(x, case.slope),
        "elu": lambda x, case: functional.elu(x, case.slope),
        "selu": lambda x, case: functional.selu(x),
        "gelu": lambda x, case: functional.gelu(x),
        "gelu_tanh": lambda x, case: functional.gelu(x, approximate="tanh"),
        "prelu": lambda x, case: functional.prelu(x, torch.tensor([case.slope], dtype=x.dtype)),
        "rrelu": lambda x, case: functional.rrelu(x, 0.125, 0.333999991, training=False),
    }

    def run(case: Case, x: np.ndarray) -> Results:
        if case.act_type not in functions:
            return None
        wide = x.astype(np.float32) if x.dtype.name == "bfloat16" else x
        data = torch.from_numpy(wide.copy()).to(getattr(torch, x.dtype.name)).requires_grad_()
        value = functions[case.act_type](data, case)
        value.backward(torch.ones_like(value))
        return tuple(t.detach().double().numpy().astype(wide.dtype) for t in (value, data.grad))

    return run


def _jax() -> Subject:
    import jax
    from jax import nn

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    functions: dict[str, Callable[..., Any]] = {
        "leaky": lambda x, case: nn.leaky_relu(x, case.slope),
        "elu": lambda x, case: nn.elu(x, case.slope),
        "selu": lambda x, case: nn.selu(x),
        "gelu": lambda x, case: nn.gelu(x, approximate=False),
        "gelu_tanh": lambda x, case: nn.gelu(x, approximate=True),
    }

    @cache
    def compiled(case: Case) -> Callable[..., Any]:
        def both(x: Any) -> Any:
            value, pullback = jax.vjp(lambda data: functions[case.act_type](data, case), x)
            return value, pullback(jax.numpy.ones_like(value))[0]

        return jax.jit(both)

    def run(case: Case, x: np.ndarray) -> Results:
        if case.act_type not in functions:
            return None
        value, gradient = compiled(case)(x)
        return np.asarray(value), np.asarray(gradient)

    return run


@cache
def _mxnet_process() -> ModuleType:
    path = Path(__file__).parents[2] / "tests" / "mxnet" / "mxnet_process.py"
    spec = importlib.util.spec_from_file_location("mxnet_process", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _mxnet() -> Subject:
    oracle = _mxnet_process().Oracle()
    atexit.register(oracle.close)

    def run(case: Case, x: np.ndarray) -> Results:
        # rrelu's gradient reads a mask that inference does not write.
        if x.dtype.name == "bfloat16" or case.act_type not in ("leaky", "elu", "selu", "gelu", "prelu"):
            return None
        arguments = dict(case.arguments)
        gamma = arguments.pop("gamma", None)
        column = x.reshape(-1, 1)  # a parameter's shape comes from axis 1
        gamma = None if gamma is None else gamma.reshape(1).astype(x.dtype)
        value, gradient = oracle.value_and_gradient(column, gamma, **arguments)
        return value.ravel(), gradient.ravel()

    return run


_LIBRARIES: dict[str, Callable[[], Subject]] = {"torch": _torch, "jax": _jax, "mxnet": _mxnet}
