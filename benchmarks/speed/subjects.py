"""Who computes: rectifier, a copy of the same bytes, plain NumPy, and the other libraries that are installed."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from .arrays import Array, Arrays, arrays_for, random_values
from .cells import KEY, SLOPE, Cell
from .timing import LocalTimer, Timer, quick_median

Call = Callable[[], Any]

# Where a library's own functions meet; goals are set against the fastest of them.
PEERS = ("torch", "jax", "onnxruntime", "mxnet")
OTHERS = ("numpy", "numexpr")
_OWN_MODULES = {"numpy": "plain_numpy", "numexpr": "plain_numexpr"}
_PROCESS = Path(__file__).parents[2] / "tests" / "mxnet" / "mxnet_process.py"

# Results may differ by other libraries' errors; a wrong formula differs by more.
TOLERANCES = {"float16": 1e-2, "bfloat16": 5e-2, "float32": 1e-4, "float64": 1e-5}
_CHECKED_SIZE = 100_000


class Absent(Exception):
    """A subject cannot do what a cell asks for; the text says why."""


class Subject(Protocol):
    """What the module of a subject offers."""

    def prepare(self, cell: Cell, arrays: Arrays) -> Call | Timer:
        """The work of a cell, ready to be called again and again, or `Absent`."""


def installed(names: Iterable[str] = (*PEERS, *OTHERS)) -> list[str]:
    """Those of the libraries that are here."""
    return [name for name in names if (mxnet_process().PYTHON.exists() if name == "mxnet" else _has(name))]


def _has(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def versions(names: Iterable[str]) -> dict[str, str]:
    """What `names` are, with rectifier and NumPy."""
    found = {name: importlib.metadata.version(name) for name in ("rectifier", "numpy", *names) if name != "mxnet"}
    return found | ({"mxnet": "1.6.0"} if "mxnet" in names else {})


@functools.cache
def mxnet_process() -> ModuleType:
    """The client of MXNet's process, which the tests share."""
    spec = importlib.util.spec_from_file_location("mxnet_process", _PROCESS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def timers(cell: Cell, names: Iterable[str]) -> tuple[dict[str, Timer], dict[str, str]]:
    """Everyone who takes part in a cell, and why the others do not."""
    arrays = arrays_for(cell)
    call = ours(cell, arrays)
    found: dict[str, Timer] = {"ours": LocalTimer(call), "copy": LocalTimer(copy(cell, arrays))}
    if cell.layout != "contiguous":
        found["contiguous"] = LocalTimer(ours(cell, arrays.contiguous()))
    absent = {}
    for name in names:
        try:
            found[name] = _peer(name, cell, arrays, call)
        except Absent as reason:
            absent[name] = str(reason)
    return found, absent


def _peer(name: str, cell: Cell, arrays: Arrays, reference: Call) -> Timer:
    module = importlib.import_module(f"{__package__}.{_OWN_MODULES.get(name, f'peer_{name}')}")
    try:
        prepared = module.prepare(cell, arrays)
        if not callable(prepared):
            return prepared
        if cell.size <= _CHECKED_SIZE and not cell.case.training:
            check(cell, reference, prepared)
        else:
            prepared()
    except Absent:
        raise
    except Exception as error:  # a library's refusal may be of any type, and must not end a long run
        raise Absent(f"{type(error).__name__}: {str(error).strip().splitlines()[0][:120]}") from error
    return LocalTimer(prepared)


def check(cell: Cell, reference: Call, call: Call) -> None:
    """Raise `Absent` unless the two calls return the same numbers, nearly."""
    tolerance = TOLERANCES[cell.dtype]
    expected = [_as_float64(r).ravel().copy() for r in flat(reference())]
    got = [_as_float64(r).ravel() for r in flat(call())]
    if len(expected) != len(got):
        raise Absent(f"{len(got)} results instead of {len(expected)}")
    for want, result in zip(expected, got, strict=True):
        # A sum over n elements carries the errors of n additions.
        scale = 1.0 if want.size == cell.size else 1 + 10 * np.sqrt(cell.size)
        if want.size != result.size:
            raise Absent(f"a result of {result.size} elements instead of {want.size}")
        if not np.allclose(result, want, rtol=tolerance, atol=tolerance * scale):
            raise Absent("its results differ")


def flat(results: Any) -> list[Any]:
    """The arrays in nested tuples, in order."""
    if isinstance(results, (tuple, list)):
        return [array for part in results for array in flat(part)]
    return [results]


def _as_float64(array: Any) -> Array:
    return np.asarray(array.double() if hasattr(array, "double") else array).astype(np.float64)


def ours(cell: Cell, arrays: Arrays) -> Call:
    """The work of a cell by rectifier."""
    import rectifier

    rectifier.set_num_threads(cell.threads)
    given = cell.out == "given"
    out = arrays.out if given else None
    into = (arrays.d_data if arrays.gamma is None else (arrays.d_data, arrays.d_gamma)) if given else None
    head = arrays.head
    if cell.work == "forward":
        return _written_out(rectifier.leaky_relu, cell, arrays, out)
    both = _written_out(rectifier.vjp, cell, arrays, out)
    if cell.work == "gradient":
        _, pullback = both()
        return lambda: pullback(head, out=into)

    def run() -> Any:
        y, pullback = both()
        return y, pullback(head, out=into)

    return run


def _written_out(function: Callable[..., Any], cell: Cell, arrays: Arrays, out: Any) -> Call:
    """The call as a user writes it: a prepared dictionary of arguments would add its own time to small calls."""
    x, gamma, axis, act_type = arrays.data, arrays.gamma, arrays.axis, cell.case.act_type
    if gamma is not None:
        return lambda: function(x, gamma, "prelu", axis=axis, out=out)
    if cell.case.training:
        return lambda: function(x, act_type="rrelu", training=True, rng=KEY, out=out)
    if act_type in ("leaky", "elu"):
        return lambda: function(x, act_type=act_type, slope=SLOPE, out=out)
    return lambda: function(x, act_type=act_type, out=out)


def copy(cell: Cell, arrays: Arrays) -> Call:
    """A copy of as many bytes as the data has, from one contiguous array to another."""
    # Not from or to `out`, which our pullback may still need.
    target, source = arrays.d_data, arrays.head
    if cell.layout == "every other":
        source = random_values(cell.size, cell.dtype, 4)
    ways = copies(_bytes(target), _bytes(source), cell.threads)
    return ways[fastest_copy(cell, ways)]


def _bytes(array: Array) -> Array:
    return (array.T if array.T.flags.c_contiguous else array).reshape(-1).view(np.uint8)


def copies(target: Array, source: Array, threads: int) -> dict[str, Call]:
    """The ways of copying: one memcpy; with two threads one of each half, or torch's ``copy_``."""
    ways: dict[str, Call] = {"one memcpy": lambda: np.copyto(target, source)}
    if threads == 1:
        return ways
    middle = target.size // 2 // 64 * 64
    lower, upper = (target[:middle], source[:middle]), (target[middle:], source[middle:])

    def halves() -> None:
        other = _helper().submit(np.copyto, *upper)
        np.copyto(*lower)
        other.result()

    ways["two memcpy"] = halves
    if _has("torch"):
        import torch

        torch.set_num_threads(threads)
        into, out_of = torch.from_numpy(target), torch.from_numpy(source)
        ways["torch copy_"] = lambda: into.copy_(out_of)
    return ways


_chosen_copies: dict[tuple[int, int], str] = {}


def fastest_copy(cell: Cell, ways: dict[str, Call]) -> str:
    """The name of the fastest way, found once for each number of bytes and threads."""
    key = cell.nbytes, cell.threads
    if key not in _chosen_copies:
        seconds = quick_median(ways)
        _chosen_copies[key] = min(seconds, key=seconds.__getitem__)
    return _chosen_copies[key]


def chosen_copies() -> list[dict[str, Any]]:
    """Which way of copying served for how many bytes."""
    return [
        {"bytes": nbytes, "threads": threads, "way": way} for (nbytes, threads), way in sorted(_chosen_copies.items())
    ]


@functools.cache
def _helper() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)
