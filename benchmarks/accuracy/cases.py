"""What is measured: the functions, the parameters they are called with, and the bounds they must keep."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rectifier.parameters import ACTIVATIONS

DTYPES = ("float32", "float16", "bfloat16", "float64")
KINDS = ("value", "gradient")

# The promises stand in tests/bounds.py, once.
_PROMISED = runpy.run_path(str(Path(__file__).parents[2] / "tests" / "bounds.py"))
# Largest error allowed, in ULP, on any input and any CPU target.
BOUNDS: dict[str, float] = _PROMISED["ULP"]
# A float64 derivative within 1/16 of its root, where a bound in ULP has no meaning: in units of 2^-53.
ROOT_BOUND: float = _PROMISED["ROOT_ABSOLUTE"] * 2.0**53


@dataclass(frozen=True)
class Case:
    """One call: ``function`` is the formula with ``slope``; ``arguments`` go to `rectifier.vjp`."""

    label: str
    function: str
    slope: float
    arguments: Mapping[str, Any] = field(compare=False)

    @property
    def act_type(self) -> str:
        """The name that users give."""
        return str(self.arguments["act_type"])

    def slope_for(self, dtype: str) -> float:
        """The slope after its one rounding to the arithmetic type."""
        return self.slope if dtype == "float64" else float(np.float32(self.slope))


def _with_slope(act_type: str, slope: float) -> Case:
    return Case(f"{act_type}({slope:g})", act_type, slope, {"act_type": act_type, "slope": slope})


def _prelu(gamma: float) -> Case:
    return Case(f"prelu({gamma:g})", "leaky", gamma, {"act_type": "prelu", "gamma": np.asarray(gamma)})


# The rows of the table that read no parameter.
_PLAIN = tuple(Case(row.name, row.name, 0.0, {"act_type": row.name}) for row in ACTIVATIONS.values() if not row.reads)

CASES = (
    _with_slope("elu", 1.0),
    _with_slope("elu", 0.25),
    _with_slope("elu", 0.3),
    *_PLAIN,
    _with_slope("leaky", 0.25),
    _with_slope("leaky", 0.3),
    _prelu(0.25),
    _prelu(0.3),
    Case("rrelu", "leaky", (0.125 + 0.333999991) / 2, {"act_type": "rrelu"}),
)

# The functions whose every float32 input is walked; for the others one product decides, and 16 bits show it all.
WALKED = tuple(case for case in CASES if case.function != "leaky")


def cases_for(dtype: str) -> tuple[Case, ...]:
    """The cases measured in ``dtype``."""
    return WALKED if dtype == "float32" else CASES
