"""The thread pool: how many threads, fork, many callers at once, sleep between calls."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import rectifier
from rectifier import _core, leaky_relu, vjp
from threaded import in_threads
from ulp import assert_same_bits

X = np.random.default_rng(3).standard_normal((40, 64, 28, 28)).astype(np.float32)
GAMMA = np.linspace(-0.5, 0.5, 64, dtype=np.float32)


def one_step(_: int = 0) -> tuple[bytes, bytes]:
    y, pullback = vjp(X, gamma=GAMMA, act_type="prelu")
    _, d_gamma = pullback(X)
    return leaky_relu(y, act_type="gelu").tobytes()[-4096:], d_gamma.tobytes()


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )


def test_number_of_threads(threads: None) -> None:
    rectifier.set_num_threads(3)
    assert rectifier.get_num_threads() == 3
    rectifier.set_num_threads(np.int64(2))
    assert rectifier.get_num_threads() == 2


@pytest.mark.parametrize("n", [0, -1, 1025])
def test_number_of_threads_out_of_range(n: int) -> None:
    with pytest.raises(ValueError, match=rf"`n` must be from 1 to 1024, got {n}"):
        rectifier.set_num_threads(n)


@pytest.mark.parametrize("n", [1.0, "2", None, True])
def test_number_of_threads_of_the_wrong_type(n: object) -> None:
    with pytest.raises(TypeError, match="`n` must be an integer, got "):
        rectifier.set_num_threads(n)  # type: ignore[arg-type]


SHOW = "import rectifier; print(rectifier.get_num_threads())"


def test_environment_decides() -> None:
    cpus = len(os.sched_getaffinity(0))
    unset = {"RECTIFIER_NUM_THREADS": "", "OMP_NUM_THREADS": ""}
    assert int(python(SHOW, **{**unset, "RECTIFIER_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}).stdout) == 3
    assert int(python(SHOW, **{**unset, "OMP_NUM_THREADS": "5,2"}).stdout) == 5
    assert 1 <= int(python(SHOW, **unset).stdout) <= cpus
    one = python("import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); " + SHOW, **unset)
    assert int(one.stdout) == 1


@pytest.mark.parametrize("text", ["0", "many", "-2", "2000"])
def test_environment_that_makes_no_sense(text: str) -> None:
    result = python(SHOW, RECTIFIER_NUM_THREADS=text)
    assert result.returncode == 1
    assert f"`RECTIFIER_NUM_THREADS` must be an integer from 1 to 1024, got '{text}'" in result.stderr


def test_target_from_the_environment() -> None:
    show = "import rectifier; print(rectifier.show_config(mode='dicts')['cpu_target'])"
    for target in rectifier.show_config(mode="dicts")["cpu_targets"]:  # type: ignore[index]
        assert python(show, RECTIFIER_ISA=target).stdout.strip() == target
    result = python(show, RECTIFIER_ISA="v9")
    assert result.returncode == 1
    assert "`RECTIFIER_ISA` must be one of baseline" in result.stderr
    assert "on this CPU, got 'v9'" in result.stderr


def test_a_forked_child_works(threads: None) -> None:
    rectifier.set_num_threads(2)
    expected = one_step()
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert pool.map(one_step, range(12)) == [expected] * 12
    assert one_step() == expected


def test_a_child_forked_under_load_works(threads: None) -> None:
    """Fork while other threads are inside the pool: the child must not wait for threads it does not have."""
    rectifier.set_num_threads(2)
    expected, stop = one_step(), threading.Event()

    def work() -> None:
        while not stop.is_set():
            one_step()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(5):
            process = os.fork()
            if process == 0:
                os._exit(0 if one_step() == expected else 1)
            assert os.waitpid(process, 0)[1] == 0
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def test_many_callers_at_once(threads: None) -> None:
    rectifier.set_num_threads(4)
    expected = one_step()
    results: list[tuple[bytes, bytes]] = []

    def work() -> None:
        for _ in range(5):
            results.append(one_step())

    in_threads(8, work)
    assert results == [expected] * 40


def test_the_gil_is_released(threads: None) -> None:
    """Another Python thread counts on while a long call runs."""
    rectifier.set_num_threads(1)
    x = np.full(2**25, -1.0, np.float32)
    out = np.empty_like(x)
    counted, during, done = [0], [0], threading.Event()

    def count() -> None:
        while not done.is_set():
            counted[0] += 1

    counter = threading.Thread(target=count)
    counter.start()
    before = counted[0]
    leaky_relu(x, act_type="rrelu", training=True, rng=1, out=out)
    during[0] = counted[0] - before
    done.set()
    counter.join()
    assert during[0] > 1000


def test_idle_threads_sleep(threads: None) -> None:
    """After a call the process uses no CPU time: the pool's threads do not spin."""
    rectifier.set_num_threads(4)
    for _ in range(20):
        one_step()
    start = time.process_time()
    threading.Event().wait(0.5)
    assert time.process_time() - start < 0.1


def test_a_thread_limits_itself_alone(threads: None) -> None:
    rectifier.set_num_threads(4)
    assert _core.limit_own_threads(3) == 0
    try:
        seen: list[int] = []
        other = threading.Thread(target=lambda: seen.append(_core.num_threads()))
        other.start()
        other.join()
        assert (_core.num_threads(), seen) == (3, [4])
        rectifier.set_num_threads(2)
        assert _core.num_threads() == 2
    finally:
        assert _core.limit_own_threads(0) == 3
    assert _core.num_threads() == 2


def test_results_do_not_depend_on_threads(threads: None) -> None:
    rectifier.set_num_threads(1)
    expected = one_step()
    for n in (2, 3, 7):
        rectifier.set_num_threads(n)
        assert one_step() == expected


# As many tiles of at most 8,192 elements for each thread: lengths around those where there is one tile more for each.
# Of seven threads some begin late or never, and leave what is theirs to the others.
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("count", [2, 3, 7])
def test_every_tile_is_done_by_some_thread(count: int, dtype: type, threads: None) -> None:
    rectifier.set_num_threads(count)
    for rounds in (1, 2, 5, 7):
        for n in (count * 8192 * rounds + d for d in (-4097, -1, 0, 1, 64)):
            x = np.resize(X.ravel().astype(dtype), n)
            out = np.empty_like(x)
            for slope in (0.25, 0.5):
                out.fill(np.nan)
                assert_same_bits(leaky_relu(x, slope=slope, out=out), np.where(x > 0, x, dtype(slope) * x))


@pytest.mark.parametrize("cols", [64, 625, 1024])
@pytest.mark.parametrize("axis", [0, 1])
def test_every_row_is_done_by_some_thread(axis: int, cols: int, threads: None) -> None:
    for count in (2, 3, 7):
        rectifier.set_num_threads(count)
        tile = 8192 // cols
        for rows in (count * tile * rounds + d for rounds in (1, 5) for d in (-1, 0, 1)):
            x = np.resize(X.ravel(), (2, rows, cols))
            gamma = np.linspace(0.1, 0.9, x.shape[axis + 1], dtype=np.float32)
            expected = np.where(x > 0, x, x * (gamma if axis == 1 else gamma[:, None]))
            out = np.full_like(x, np.nan)
            assert_same_bits(leaky_relu(x, gamma, "prelu", axis=axis + 1, out=out), expected)
            assert_same_bits(leaky_relu(x[0], gamma, "prelu", axis=axis, out=out[1]), expected[0])


@pytest.mark.parametrize("view", ["C", "channels last", "every other"])
def test_gamma_sums_depend_on_shape_alone(view: str, threads: None) -> None:
    x, y = X, np.ascontiguousarray(X[::-1])
    _, expected = vjp(x, gamma=GAMMA, act_type="prelu")[1](y)
    if view == "channels last":
        x, y = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for a in (x, y))
    if view == "every other":
        x, y = (np.repeat(a, 2, axis=3)[..., ::2] for a in (x, y))
    for n in (1, 2, 5):
        rectifier.set_num_threads(n)
        d_x, d_gamma = vjp(x, gamma=GAMMA, act_type="prelu")[1](y)
        assert_same_bits(d_gamma, expected)
        assert d_x.shape == x.shape


@pytest.mark.parametrize(
    "call",
    [
        "leaky_relu(x)",
        "leaky_relu(x[::2], act_type='rrelu', training=True, rng=1)",
        "vjp(x, act_type='gelu')[1](x)",
        "vjp(x, slope=-1.0)[1](x)",
        "vjp(x, gamma, 'prelu')[1](x)",
        "rectifier.rrelu_slopes(2**20, 7)",
    ],
)
def test_daemon_threads_may_compute_while_the_interpreter_ends(call: str) -> None:
    """Up to Python 3.13 they are ended by unwinding their stacks, where they ask for the GIL again."""
    done = python(
        f"""
import threading, numpy as np, rectifier
from rectifier import leaky_relu, vjp
x, gamma = np.linspace(-1, 1, 2**20, dtype=np.float32).reshape(2**12, 2**8), np.ones(2**8, np.float32)
computed = threading.Barrier(4)
def compute():
    {call}
    computed.wait()
    while True:
        {call}
for _ in range(3):
    threading.Thread(target=compute, daemon=True).start()
computed.wait()
"""
    )
    assert (done.returncode, done.stderr) == (0, "")
