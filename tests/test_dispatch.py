"""The registry of back-ends: the type of the data picks the module, and no library is imported for it."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types

import numpy as np
import pytest

from needed import needed
from rectifier import dispatch

LIBRARIES = sorted({row.library.partition(".")[0] for row in dispatch.BACKENDS} - {"numpy"} | {"torch", "jax"})


class Stranger:
    """An array of a library of its own."""


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A back-end for `Stranger`, which stands in a module that is imported."""
    library, module = types.ModuleType("strangers"), types.ModuleType("rectifier.backends.stranger")
    library.Stranger = Stranger
    monkeypatch.setitem(sys.modules, "strangers", library)
    monkeypatch.setitem(sys.modules, "rectifier.backends.stranger", module)
    monkeypatch.setattr(dispatch.backends, "stranger", module, raising=False)
    monkeypatch.setattr(
        dispatch, "BACKENDS", (*dispatch.BACKENDS, dispatch.Backend("stranger", "strangers", "Stranger"))
    )
    monkeypatch.setattr(dispatch, "_known", {})
    return module


@pytest.mark.parametrize("data", [np.zeros(3), [1.0], 2.5, Stranger()], ids=["array", "list", "number", "stranger"])
def test_whatever_no_other_back_end_takes_is_numpys(data):
    assert dispatch.backend_of(data).__name__ == "rectifier.backends.numpy"


def test_the_type_picks_the_back_end_a_second_time_too(registered):
    assert [dispatch.backend_of(Stranger()) for _ in range(2)] == [registered] * 2


def test_a_subclass_goes_where_its_base_goes(registered):
    assert dispatch.backend_of(type("Child", (Stranger,), {})()) is registered


def test_a_library_that_nobody_imported_is_passed_over(registered, monkeypatch):
    monkeypatch.delitem(sys.modules, "strangers")
    assert dispatch.backend_of(Stranger()).__name__ == "rectifier.backends.numpy"


@pytest.mark.parametrize("row", dispatch.BACKENDS, ids=lambda row: row.module)
def test_every_row_names_a_file_with_the_same_verbs(row):
    needed(row.library, row.hardware)
    module = importlib.import_module(f"rectifier.backends.{row.module}")
    assert {"check_rng", "draw_key", "forward", "from_numpy", "to_numpy", "vjp"} <= set(vars(module))


def test_no_library_is_imported():
    code = f"""
import sys, numpy, rectifier
rectifier.leaky_relu([1.0, -1.0]), rectifier.vjp(numpy.ones(3), act_type="elu"), rectifier.leaky_relu(2.0)
print(sorted({{name.partition(".")[0] for name in sys.modules}} & set({LIBRARIES})))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
