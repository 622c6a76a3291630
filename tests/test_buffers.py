"""Recycled memory for results: what is reused and when, limits and counts, threads, fork, exit, page faults."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import queue
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy._core.multiarray import get_handler_name

from rectifier import _core, leaky_relu, release_buffers, set_buffer_limit, show_config, vjp

MIB = 2**20
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc or counts page faults as Linux does")
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture(autouse=True)
def no_buffers() -> Iterator[None]:
    """Start and end with nothing kept and the default limit."""
    gc.collect()
    set_buffer_limit(None)
    release_buffers()
    yield
    set_buffer_limit(None)
    release_buffers()


def counts() -> dict[str, int]:
    facts = show_config(mode="dicts")
    assert facts is not None
    names = ("buffers_kept", "buffers_in_use", "buffer_hits", "buffer_misses", "buffer_limit")
    return {name.split("_", 1)[1]: facts[name] for name in names}


def result(mib: float = 4) -> Any:
    return leaky_relu(np.ones(int(mib * MIB) // 4, np.float32))


def address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def python(code: str, **environment: str) -> str:
    """What a child process prints."""
    prologue = "import os, sys\nimport numpy as np\nimport rectifier\nfrom rectifier import _core, leaky_relu, vjp\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", prologue + code],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


# --- reuse

LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "channels last": lambda a: np.ascontiguousarray(a.transpose(0, 2, 1)).transpose(0, 2, 1),
    "every other": lambda a: np.repeat(a, 2, axis=2)[:, :, ::2],
    "backwards": lambda a: a[::-1],
}
CALLS: dict[str, Callable[[Any], Any]] = {
    "leaky": leaky_relu,
    "prelu": lambda x: leaky_relu(x, gamma=0.5, act_type="prelu"),
    "rrelu": lambda x: leaky_relu(x, act_type="rrelu", training=True, rng=1),
    "vjp": lambda x: vjp(x, act_type="gelu")[0],
    "pullback": lambda x: vjp(x)[1](x),
    "prelu's pullback": lambda x: vjp(x, gamma=0.5, act_type="prelu")[1](x)[0],
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_results_live_in_buffers(call: str, layout: str, dtype: Any) -> None:
    x = LAYOUTS[layout](np.linspace(-2, 2, 8 * 300 * 301).reshape(8, 300, 301).astype(dtype))
    first = CALLS[call](x)
    owner = first if first.base is None else first.base
    assert get_handler_name(owner) == "rectifier"
    assert owner.flags.owndata
    expected, place = first.copy(order="K"), address(owner)
    del first, owner
    hits = counts()["hits"]
    again = CALLS[call](x)
    assert counts()["hits"] > hits
    assert again.strides == expected.strides
    np.testing.assert_array_equal(again.view(f"u{x.itemsize}"), expected.view(f"u{x.itemsize}"))
    if call in ("leaky", "prelu", "rrelu"):  # the others have two results, which may change places
        assert address(again if again.base is None else again.base) == place


def test_signs_live_in_a_buffer() -> None:
    """What a pullback keeps for a negative slope: one bit an element."""
    x = np.ones(2**23, np.float32)
    y, pullback = vjp(x, slope=-0.5)
    assert counts()["in_use"] == 32 * MIB + MIB
    del y, pullback
    assert counts()["in_use"] == 0


@pytest.mark.parametrize("mib", [1, 1.5, 2, 3, 61.035, 64])
def test_buffers_start_at_a_page(mib: float) -> None:
    assert address(result(mib)) % (2 * MIB if mib >= 2 and sys.platform == "linux" else 4096) == 0


VIEWS: dict[str, Callable[[Any], Any]] = {
    "slice": lambda y: y[7:9],
    "slice of a slice": lambda y: y[5:][::3][2:4],
    "memoryview": memoryview,
    "slice of a memoryview": lambda y: memoryview(y)[1:3],
    "another dtype": lambda y: y.view(np.int32),
    "DLPack": np.from_dlpack,
    "ctypes": lambda y: y.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
    "iterator": np.nditer,
}


@pytest.mark.parametrize("view", VIEWS)
def test_no_reuse_while_a_view_lives(view: str) -> None:
    y = result()
    place, kept = address(y), VIEWS[view](y)
    del y
    others = [result() for _ in range(4)]
    assert place not in [address(other) for other in others]
    del kept
    gc.collect()
    assert address(result()) == place


def test_a_failed_call_gives_its_buffer_back() -> None:
    with pytest.raises(ValueError, match="negative dimensions"):
        _core.empty((-1, -(2**20)), np.float32)
    with pytest.raises(MemoryError, match="Unable to allocate"):
        _core.empty(2**60, np.uint8)
    assert get_handler_name() == "default_allocator"
    assert counts()["in_use"] == 0
    assert counts()["limit"] == 256 * MIB


@pytest.mark.parametrize(
    ("freed", "wanted", "serves"),
    [(32, 32, True), (32, 29, True), (32, 28, False), (32, 33, False), (1.0625, 1, True), (3, 1, False)],
)
def test_sizes_that_a_buffer_serves(freed: float, wanted: float, serves: bool) -> None:
    y = result(freed)
    del y
    hits = counts()["hits"]
    _ = result(wanted)
    assert counts()["hits"] - hits == serves


def test_the_tightest_buffer_serves() -> None:
    arrays = [result(mib) for mib in (18, 16, 17)]
    place = address(arrays[1])
    del arrays
    y = result(16)
    assert address(y) == place


def test_small_results_are_not_concerned() -> None:
    y = leaky_relu(np.ones(2**18 - 1, np.float32))
    assert get_handler_name(y) == "default_allocator"
    assert get_handler_name(result(1)) == "rectifier"
    assert get_handler_name(result(1) + 1) == "default_allocator"  # nor are NumPy's own


def test_resize() -> None:
    y = result(4)
    y[...] = np.arange(y.size)
    y.resize(2 * 2**20, refcheck=False)
    np.testing.assert_array_equal(y[: 2**20], np.arange(2**20))
    assert not y[2**20 :].any()
    assert counts()["in_use"] == 8 * MIB
    assert counts()["kept"] == 4 * MIB
    y.resize(5, refcheck=False)
    np.testing.assert_array_equal(y, np.arange(5))
    assert counts()["in_use"] < MIB
    y.resize(0, refcheck=False)
    del y
    assert counts()["in_use"] == 0


def test_memory_that_must_be_zero_is() -> None:
    y = result(8)
    y[...] = np.nan
    place = address(y)
    del y
    records = _core.empty(2**19, np.dtype([("object", "O"), ("number", "f8")]))
    assert address(records) == place
    assert not records["number"].any()


def test_tracemalloc_sees_results_and_not_what_is_kept() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        y = _core.empty(2**24, np.uint8)
        assert 16 * MIB <= tracemalloc.get_traced_memory()[0] - before < 16.1 * MIB
        del y
        assert tracemalloc.get_traced_memory()[0] - before < 0.1 * MIB
    finally:
        tracemalloc.stop()


# --- limits and counts


def test_counts() -> None:
    before = counts()
    a, b = result(2), result(3)
    assert counts()["in_use"] - before["in_use"] == 5 * MIB
    assert counts()["misses"] - before["misses"] == 2
    del a
    assert counts()["kept"] == 2 * MIB
    c = result(2)
    assert counts()["kept"] == 0
    assert counts()["hits"] - before["hits"] == 1
    del b, c
    assert counts()["kept"] == 5 * MIB
    assert counts()["in_use"] == before["in_use"]


def test_release() -> None:
    a, b = result(2), result(3)
    del a
    assert release_buffers() == 2 * MIB
    assert release_buffers() == 0
    assert b[-1] == 1
    del b
    assert release_buffers() == 3 * MIB


def test_the_oldest_goes_first() -> None:
    set_buffer_limit(6 * MIB)
    arrays = [result(mib) for mib in (2, 3, 4)]
    while arrays:
        del arrays[0]
    assert counts()["kept"] == 4 * MIB
    set_buffer_limit(3 * MIB)
    assert counts()["kept"] == 0
    y = result(4)
    del y  # larger than the limit: it makes no other go
    assert counts()["kept"] == 0


def test_the_default_keeps_256_mib_or_two_of_the_largest() -> None:
    assert counts()["limit"] == 256 * MIB
    arrays = [_core.empty(int(mib) * MIB, np.uint8) for mib in (150, 10, 200)]  # never touched: no memory is used
    assert counts()["limit"] == 350 * MIB
    arrays.append(_core.empty(200 * MIB, np.uint8))
    assert counts()["limit"] == 400 * MIB
    while arrays:
        del arrays[0]
    assert counts()["kept"] == 400 * MIB
    assert release_buffers() == 400 * MIB
    assert counts()["limit"] == 256 * MIB


def test_zero_turns_it_off() -> None:
    a, b = result(2), result(2)
    del a
    set_buffer_limit(0)
    assert counts()["kept"] == 0
    assert get_handler_name(result()) == "default_allocator"
    del b
    assert counts()["kept"] == 0
    set_buffer_limit(None)
    assert get_handler_name(result()) == "rectifier"


def test_limits_of_other_integer_types() -> None:
    set_buffer_limit(np.int64(5 * MIB))
    assert counts()["limit"] == 5 * MIB
    set_buffer_limit(2**100)
    assert counts()["limit"] == sys.maxsize


@pytest.mark.parametrize("limit", [1.0, "1", True, [1]])
def test_limit_of_the_wrong_type(limit: Any) -> None:
    with pytest.raises(TypeError, match="`bytes` must be an integer or None, got "):
        set_buffer_limit(limit)


def test_limit_below_zero() -> None:
    with pytest.raises(ValueError, match="`bytes` must be 0 or more, got -1"):
        set_buffer_limit(-1)


# --- other users of NumPy's memory handlers


class Handler(ctypes.Structure):
    """NumPy's PyDataMem_Handler, as far as a copy of one needs it."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("allocator", ctypes.c_void_p * 5),
    )


def test_a_handler_that_the_user_has_set_stays() -> None:
    api = ctypes.pythonapi
    pointer_of = api.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    new_capsule = api.PyCapsule_New
    new_capsule.restype, new_capsule.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    table = ctypes.cast(pointer_of(np._core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
    # Numbers from NumPy's numpy_api.py, part of its binary interface since 1.22.
    set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[304])
    default = ctypes.cast(table[306], ctypes.POINTER(ctypes.py_object))[0]
    own = Handler.from_buffer_copy(Handler.from_address(pointer_of(default, b"mem_handler")))
    own.name = b"the user's"
    capsule = new_capsule(ctypes.addressof(own), b"mem_handler", None)
    before = set_handler(capsule)
    try:
        y = result()
        assert get_handler_name(y) == "the user's"
        assert get_handler_name() == "the user's"
        del y
    finally:
        set_handler(before)
    assert get_handler_name(result()) == "rectifier"


# --- threads, fork, the end of the process


def test_results_freed_on_other_threads() -> None:
    """Every thread passes its results on to the next one, which checks that they are as their maker left them."""
    number, rounds = 4, 60
    passed: list[queue.SimpleQueue[Any]] = [queue.SimpleQueue() for _ in range(number)]
    errors: list[str] = []

    def work(k: int) -> None:
        for step in range(rounds):
            y = result(1 + (step + k) % 4)
            y[...] = k * rounds + step
            passed[k].put(y)
            del y
            taken = passed[k - 1].get()
            if not (taken == (k - 1) % number * rounds + step).all():
                errors.append(f"thread {k}, round {step}")
            del taken

    before = counts()["in_use"]
    threads = [threading.Thread(target=work, args=(k,)) for k in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert counts()["in_use"] == before
    assert counts()["hits"] > 0


@posix
def test_a_forked_child_starts_with_nothing_kept() -> None:
    output = python(
        """
x = np.ones(2**20, np.float32)
alive, gone = leaky_relu(x), leaky_relu(x)
place = gone.ctypes.data
del gone
before = _core.buffer_counts()
if os.fork() == 0:
    kept, in_use, *_ = _core.buffer_counts()
    assert kept == 0 and in_use == alive.nbytes and (alive == 1).all()
    del alive
    again = leaky_relu(x)
    assert (again == 1).all() and _core.buffer_counts()[2] == before[2] + 1
    del again
    assert rectifier.release_buffers() == x.nbytes
    os._exit(7)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
assert _core.buffer_counts() == before and (alive == 1).all()
assert leaky_relu(x).ctypes.data == place
print("done")
"""
    )
    assert output == "done\n"


@posix
def test_a_child_forked_while_others_free_works() -> None:
    output = python(
        """
import threading
rectifier.set_num_threads(1)
x, stop = np.ones(2**18, np.float32), threading.Event()
def work():
    while not stop.is_set():
        leaky_relu(x)
workers = [threading.Thread(target=work) for _ in range(3)]
for worker in workers:
    worker.start()
codes = []
for _ in range(40):
    child = os.fork()
    if child == 0:
        ok = all((leaky_relu(x) == 1).all() for _ in range(5))
        os._exit(0 if ok else 1)
    codes.append(os.waitpid(child, 0)[1])
stop.set()
for worker in workers:
    worker.join()
print(set(codes))
"""
    )
    assert output == "{0}\n"


def test_arrays_outlive_the_module() -> None:
    output = python(
        """
import gc
y, z = (leaky_relu(np.ones(2**20, np.float32)) for _ in range(2))
for name in [name for name in sys.modules if name.split(".")[0] == "rectifier"]:
    del sys.modules[name]
del rectifier, _core, leaky_relu, vjp
gc.collect()
y *= 2
print(int(y.sum()))
del y
z.resize(2**21, refcheck=False)
print(int(z.sum()))
"""
    )
    assert output == "2097152\n1048576\n"


@pytest.mark.parametrize("last", ["", "sys.exit(0)", "os._exit(0)"])
def test_the_process_ends_well_with_results_alive(last: str) -> None:
    output = python(
        f"""
import builtins, threading
class Cycle: pass
cycle = Cycle()
cycle.me, cycle.y = cycle, leaky_relu(np.ones(2**20, np.float32))
y, pullback = vjp(np.ones(2**20, np.float32), slope=-1.0)
builtins.kept_to_the_very_end = leaky_relu(y), pullback
gone = leaky_relu(y)
del gone
started, never = threading.Event(), threading.Event()
def hold():
    mine = leaky_relu(y)
    started.set()
    never.wait()
threading.Thread(target=hold, daemon=True).start()
started.wait()
print("done", flush=True)
{last}
"""
    )
    assert output == "done\n"


# --- memory

LOOP = """
import resource
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
x = np.linspace(-1, 1, 16_000_000, dtype=np.float32).reshape(10, 16, 100_000)
g = np.ones_like(x)
gamma = np.full(16, 0.5, np.float32)
def step():
    y, pullback = CALL
    dx = pullback(g)
    return None
step(); step()
before = faults()
for _ in range(20):
    step()
print(faults() - before)
"""
STEPS = {
    "elu": "vjp(x, act_type='elu')",
    "negative slope": "vjp(x, slope=-0.5)",
    "prelu": "vjp(x, gamma=gamma, act_type='prelu')",
    "rrelu": "vjp(x, act_type='rrelu', training=True, rng=1)",
    "transposed": "vjp(x.T)",
}


@linux
@pytest.mark.parametrize("step", STEPS)
def test_a_training_loop_has_no_page_faults(step: str) -> None:
    if step == "transposed":
        code = LOOP.replace("CALL", STEPS[step]).replace("pullback(g)", "pullback(g.T)")
    else:
        code = LOOP.replace("CALL", STEPS[step])
    assert int(python(code)) < 100  # a page has 4 KiB, a result 64 MB


@linux
def test_the_measure_sees_page_faults() -> None:
    code = "rectifier.set_buffer_limit(0)\n" + LOOP.replace("CALL", STEPS["elu"])
    assert int(python(code)) > 1000


@linux
def test_what_is_kept_makes_room_for_a_result_that_needs_it() -> None:
    output = python(
        """
import resource
x = np.ones(100 * 2**18, np.float32)
out = np.empty(50 * 2**18, np.float32)
def mapped():
    return int(open("/proc/self/status").read().split("VmSize:")[1].split()[0]) * 1024
leaky_relu(x[:2**18], out=out[:2**18])
cap = mapped() + 160 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
y = leaky_relu(x[:out.size])
y = [y, leaky_relu(x[:out.size])]
del y
print(_core.buffer_counts()[0] >> 20)
y = leaky_relu(x)
print((y == 1).all(), _core.buffer_counts()[0])
try:
    leaky_relu(x)
except MemoryError:
    print("MemoryError")
print((y == 1).all(), _core.buffer_counts()[1] >> 20)
""",
        MALLOC_ARENA_MAX="1",
    )
    assert output.split("\n") == ["100", "True 0", "MemoryError", "True 100", ""]


@linux
def test_churn_under_a_memory_cap() -> None:
    """Ten seconds, or as many as RECTIFIER_CHURN_SECONDS says."""
    seconds = os.environ.get("RECTIFIER_CHURN_SECONDS", "10")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("churn.py")), seconds],
        capture_output=True, text=True, timeout=float(seconds) + 120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    figures = json.loads(done.stdout)
    assert figures["results"] > 100
    assert figures["forks"] > 0
    assert figures["hits"] > 0
    assert figures["misses"] > 0
    assert figures["in_use"] == figures["kept"] == 0
    assert figures["grown"] < 32 * MIB
    assert figures["peak"] <= figures["cap"]
