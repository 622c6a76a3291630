"""The operator on a store by the workers of a Dask cluster: one task for each piece, which reads and writes it."""

from __future__ import annotations

import asyncio
import functools
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

import numpy as np

from .files import Box, InputError
from .pieces import PiecewiseOperator
from .store_replacement import StoreReplacement, write_box
from .stores import quiet, zarr_library

__all__ = ["compute_on_cluster"]

Array = np.ndarray[Any, np.dtype[Any]]

# Seconds to wait for the scheduler, for a first worker and, where all are gone, for another.
_PATIENCE = 30.0
# Tasks at the scheduler, for each thread of a worker: enough for none to wait, few enough to cost it no memory.
_TASKS_A_THREAD = 4
# What a task is that no worker will do again.
_FAILED = ("error", "cancelled")


def compute_on_cluster(
    address: str, operator: PiecewiseOperator, output: StoreReplacement, progress: Callable[[int], object]
) -> None:
    """Compute all pieces on a cluster, into an output that is begun.

    The bits are those of one machine: gamma's sums are added in the order of the boxes. A task that a worker did not
    finish is done again by another, and writes the same chunks.

    Parameters
    ----------
    address : str
        Where the scheduler is, such as ``tcp://10.0.0.1:8786``.
    operator : PiecewiseOperator
        The operator, whose files the workers see under the same paths.
    output : StoreReplacement
        Where the pieces go.
    progress : callable
        Called with the bytes of each piece that is done.

    Raises
    ------
    InputError
        If there is no cluster, its workers are not fit, or a task fails. No task runs on then.
    """
    distributed = _library()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # one clear error is ours to write
    with _connected(distributed, address) as client:
        _check_workers(client)
        futures: dict[Any, int] = {}
        try:
            _run(client, operator, output, futures, progress)
        except BaseException:
            with suppress(Exception):
                client.cancel(list(futures), force=True)
            _give_up(client, str(output.temporary))
            raise


def _run(
    client: Any,
    operator: PiecewiseOperator,
    output: StoreReplacement,
    futures: dict[Any, int],
    progress: Callable[[int], object],
) -> None:
    """Keep the workers busy, and take what they finish. `futures` holds the tasks at the scheduler."""
    boxes = operator.boxes(output.chunks)
    arguments, target, name = operator.arguments, str(output.temporary), str(output.path)
    rest = iter(enumerate(boxes))
    finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
    sums = _InOrder(lambda index, part: operator.add(boxes[index], part))
    watch = _Watch(client)
    for _ in boxes:
        while len(futures) < _TASKS_A_THREAD * watch.threads and (each := next(rest, None)) is not None:
            index, box = each
            key = f"rectifier-{output.temporary.name}-{index}"
            future = client.submit(compute_box, arguments, target, name, box, key=key, pure=False)
            futures[future] = index
            future.add_done_callback(finished.put)
        future = watch.next_of(finished)
        part = watch.result_of(future) if operator.sums_gamma else None
        if future.status != "finished":
            raise _explained(future, boxes[futures[future]])
        index = futures.pop(future)
        sums.take(index, part)
        progress(_bytes(boxes[index], operator.dtype))


class _InOrder:
    """Hands on what comes in any order by its number."""

    def __init__(self, hand_on: Callable[[int, Any], None]) -> None:
        self._hand_on, self._waiting, self._next = hand_on, dict[int, Any](), 0

    def take(self, index: int, value: Any) -> None:
        self._waiting[index] = value
        while self._next in self._waiting:
            self._hand_on(self._next, self._waiting.pop(self._next))
            self._next += 1


class _Watch:
    """Looks after the cluster, once a second."""

    def __init__(self, client: Any) -> None:
        self._client, self._seen, self._looked = client, time.monotonic(), 0.0
        self.threads = 1
        self._look()

    def next_of(self, finished: queue.SimpleQueue[Any]) -> Any:
        """The next task that is finished, however it ended."""
        while True:
            if time.monotonic() - self._looked > 1:
                self._look()
            with suppress(queue.Empty):
                future = finished.get(timeout=1)
                if future.status not in ("pending", "lost"):
                    return future
                # Its worker has died since, with the result: it is computed again, if there is another worker.
                finished.put(future)
                time.sleep(0.1)

    def result_of(self, future: Any) -> Any:
        """Its result; None where it failed, or was lost and fails when it is computed again."""
        while True:
            try:
                return future.result(timeout=_PATIENCE)
            except (TimeoutError, asyncio.TimeoutError):  # two classes before Python 3.11
                self._look()
            except Exception:
                if future.status not in _FAILED:
                    raise
                return None

    def _look(self) -> None:
        try:
            threads = sum(self._client.nthreads().values())
        except Exception:  # as many kinds as there are ways for a connection to end
            raise InputError("the scheduler is gone") from None
        self._looked = time.monotonic()
        if threads:
            self.threads, self._seen = threads, self._looked
        elif self._looked - self._seen > _PATIENCE:
            raise InputError(f"all workers are gone, and none came within {_PATIENCE:g} seconds")


def _library() -> ModuleType:
    try:
        import distributed
    except ImportError:
        raise InputError(
            "--scheduler needs the package distributed, which is not there: pip install 'rectifier[cluster]'"
        ) from None
    module: ModuleType = distributed
    return module


@contextmanager
def _connected(distributed: ModuleType, address: str) -> Iterator[Any]:
    try:
        distributed.comm.resolve_address(address)  # a client that meets a wrong one takes a minute to end
        client = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
        raise InputError(f"no scheduler answers at {address}: {error}") from None
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=5)


def _check_workers(client: Any) -> None:
    """Refuse workers without our packages, or with another version of this one."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError:
        raise InputError(f"the scheduler has no workers, and none came within {_PATIENCE:g} seconds") from None
    for package in ("rectifier", "zarr"):
        # A function that every Python has, so that a worker without the package can say so.
        for worker, found in client.run(version, package, on_error="return").items():
            if isinstance(found, PackageNotFoundError):
                raise InputError(f"worker {worker} does not have the package {package}")
            if isinstance(found, BaseException):
                raise InputError(f"worker {worker} does not answer: {found}")
            if package == "rectifier" and found != version(package):
                raise InputError(f"worker {worker} has rectifier {found}; it must be {version(package)} as here")
            if package == "zarr" and int(found.split(".")[0]) < 3:
                raise InputError(f"worker {worker} has zarr {found}; it must be 3 or later")


def _explained(future: Any, box: Box) -> InputError:
    """Why a task did not finish."""
    place = ", ".join(f"{part.start}:{part.stop}" for part in box)
    if future.status == "cancelled":
        return InputError("the scheduler is gone, or has dropped the tasks")
    error = future.exception()
    if isinstance(error, InputError):
        return error
    if type(error).__name__ == "KilledWorker":
        worker = getattr(error.last_worker, "address", "?")
        times = f"{error.allowed_failures + 1} times"
        return InputError(
            f"a worker died {times} at the piece [{place}], the last one {worker}; most often it has too little memory "
            "for its pieces"
        )
    return InputError(f"a worker failed at the piece [{place}]: {type(error).__name__}: {error}")


def _give_up(client: Any, target: str) -> None:
    """Wait, 10 seconds at most, until no task writes to the target, so that what is removed stays removed."""

    def ask() -> None:
        with suppress(Exception):
            client.run(abandon, target, on_error="ignore")

    # A thread that nobody has to wait for: a worker that hangs must not keep us.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(10)


def _bytes(box: Box, dtype: np.dtype[Any]) -> int:
    return functools.reduce(lambda size, part: size * (part.stop - part.start), box, dtype.itemsize)


# --- what runs on the workers

_lock = threading.Lock()
_running: Counter[str] = Counter()  # tasks by their target
_abandoned: set[str] = set()


def compute_box(arguments: dict[str, Any], target: str, name: str, box: Box) -> Array | None:
    """Compute one piece and write it; return its part of gamma's gradient."""
    from distributed import get_worker

    from .backends.dask import _one_thread

    worker = get_worker()
    _limit_threads(worker.state.nthreads)
    try:
        with _on(target), _one_thread(), PiecewiseOperator(**arguments) as operator:
            piece, part = operator.compute(box)
            write_box(_begun(target), name, box, piece)
            return part
    except MemoryError:
        message = f"worker {worker.address} has too little memory for a piece of the data"
    except InputError as error:
        message = f"{error} (on worker {worker.address})"
    except Exception as error:
        message = f"worker {worker.address} failed: {type(error).__name__}: {error}"
    # Not from within: some exceptions and their traces cannot travel, and the task would never end.
    raise InputError(message)


async def abandon(target: str) -> None:
    """Begin no further task on the target, and wait for those that run."""
    _abandoned.add(target)
    while _running[target]:
        await asyncio.sleep(0.01)


@contextmanager
def _on(target: str) -> Iterator[None]:
    with _lock:
        _running[target] += 1
    try:
        if target in _abandoned:
            raise InputError(f"{target} is abandoned")
        yield
    finally:
        with _lock:
            _running[target] -= 1


@functools.cache
def _limit_threads(count: int) -> None:
    """Let zarr use no more threads for codecs than the worker may use."""
    zarr_library("the output").config.set({"threading.max_workers": count})


def _begun(target: str) -> Any:
    zarr = zarr_library(target)
    try:
        with quiet():
            return zarr.open_array(target, mode="r+", config={"write_empty_chunks": True})
    except FileNotFoundError:
        raise InputError(f"cannot see {target}: all workers must share the file system") from None
