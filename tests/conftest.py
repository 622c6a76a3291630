"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import hypothesis
import numpy as np
import pytest

import rectifier
from process_state import process_state
from rectifier import _core, files, pieces

# Run in processes of their own, where Triton compiles; here they would import it before its interpreter is chosen.
collect_ignore = ["fake_gpu.py", "triton_compile.py"]

# JAX has float64 only if it is told so before it starts; a test of JAX without it says so itself.
os.environ.setdefault("JAX_ENABLE_X64", "1")

# Examples are drawn from a fixed seed in CI, so that a failure there can be seen again.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(autouse=True, scope="session")
def stand_in_for_cupy() -> Iterator[None]:
    """With RECTIFIER_FAKE_CUPY set, CuPy is `fake_cupy`, and its kernels run in Triton's interpreter."""
    if not os.environ.get("RECTIFIER_FAKE_CUPY"):
        yield
        return
    import gpu_or_interpreter  # noqa: F401  (before anything that imports triton)
    from fake_cupy import installed

    # The interpreter computes both sides of every choice.
    with np.errstate(all="ignore"), installed():
        yield


@pytest.fixture(autouse=True, scope="module")
def nothing_left_changed() -> Iterator[None]:
    """What a module leaves changed in the process makes the results of others depend on the order of the modules."""
    before = process_state()
    yield
    after = process_state()
    assert {what: after[what] for what in before} == before


@pytest.fixture(params=["baseline", "v3", "v4"])
def cpu_target(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test on each CPU target; one that this processor lacks is a visible skip."""
    if request.param not in _core.cpu_targets():
        pytest.skip(f"this CPU does not have {request.param}")
    before = _core.cpu_target()
    _core.set_cpu_target(request.param)
    yield request.param
    _core.set_cpu_target(before)


@pytest.fixture
def threads() -> Iterator[None]:
    """Put the number of threads back after a test that changes it."""
    before = rectifier.get_num_threads()
    yield
    rectifier.set_num_threads(before)


@pytest.fixture
def core_with_fma() -> Iterator[None]:
    """The core's own best target may lack what other back-ends compute with: take one with fma."""
    if "v3" not in _core.cpu_targets():
        pytest.skip("this CPU has no target with fma")
    before = _core.cpu_target()
    _core.set_cpu_target("v3")
    yield
    _core.set_cpu_target(before)


@pytest.fixture
def quiet_numpy() -> Iterator[None]:
    """No warnings of overflow or NaN: Triton's interpreter computes both sides of every choice."""
    with np.errstate(all="ignore"):
        yield


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line on pieces of few elements, with reads of few bytes from files in the other order."""
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 56)
    monkeypatch.setattr(files, "_GATHERED_BYTES", 40)


@pytest.fixture(scope="session")
def compiled_node(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The autograd node of torch, built once; a visible skip where there is no compiler, but not in CI."""
    from rectifier._torch import nodes

    if not os.environ.get("CI") and shutil.which(os.environ.get("CXX", "c++").split()[0]) is None:
        pytest.skip("there is no C++ compiler")
    before = nodes.module
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECTIFIER_CACHE", str(tmp_path_factory.mktemp("cache")))
        nodes.build_nodes()
    built = nodes.module
    nodes.use(before)
    return built


@pytest.fixture(scope="module", params=["through Python", "compiled node"])
def autograd(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the tests with torch's autograd as it is from the start, and with the compiled node."""
    from rectifier._torch import nodes

    before = nodes.module
    nodes.use(request.getfixturevalue("compiled_node") if request.param == "compiled node" else None)
    yield
    nodes.use(before)
