"""Build oracle.cpp with the system's C++ compiler and call it: reference values and errors in ULP."""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from rectifier.parameters import ACTIVATIONS

from .definitions import HEADER, header

SOURCE = Path(__file__).with_name("oracle.cpp")
OPTIMISE = ["-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd"]
FLAGS = ["-std=gnu++17", *OPTIMISE, "-fPIC", "-shared"]
NUMBERS = {name: number for number, name in enumerate(ACTIVATIONS)}

# Bits of the significand, least and greatest exponent of a normal number.
FORMATS = {
    "float16": (11, -14, 15),
    "bfloat16": (8, -126, 127),
    "float32": (24, -126, 127),
    "float64": (53, -1022, 1023),
}


class OracleError(RuntimeError):
    """No compiler here can build the oracle."""


class _Format(ctypes.Structure):
    _fields_ = (("precision", ctypes.c_int), ("min_exponent", ctypes.c_int), ("max_exponent", ctypes.c_int))


class _Tally(ctypes.Structure):
    _fields_ = (
        ("max_ulp", ctypes.c_double),
        ("max_at", ctypes.c_double),
        ("sum_ulp", ctypes.c_double),
        ("summed", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("misrounded", ctypes.c_int64),
        ("wrong", ctypes.c_int64),
        ("wrong_at", ctypes.c_double),
        ("max_root", ctypes.c_double),
        ("root_at", ctypes.c_double),
    )


@dataclass
class Tally:
    """Errors of many results: oracle.cpp's ``Tally``, with names explained there."""

    max_ulp: float = 0.0
    max_at: float = 0.0
    sum_ulp: float = 0.0
    summed: int = 0
    count: int = 0
    misrounded: int = 0
    wrong: int = 0
    wrong_at: float = 0.0
    max_root: float = 0.0
    root_at: float = 0.0

    def merge(self, other: Tally) -> None:
        """Add the errors that another walk has found."""
        if other.max_ulp > self.max_ulp:
            self.max_ulp, self.max_at = other.max_ulp, other.max_at
        if other.max_root > self.max_root:
            self.max_root, self.root_at = other.max_root, other.root_at
        if other.wrong and not self.wrong:
            self.wrong_at = other.wrong_at
        for name in ("sum_ulp", "summed", "count", "misrounded", "wrong"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def mean_ulp(self) -> float:
        """Mean error over the inputs with 2^-24 < abs(x) < 16."""
        return self.sum_ulp / self.summed if self.summed else 0.0


@dataclass
class Reference:
    """What the results should be: doubles for float32, binary128 numbers (kept as 16 opaque bytes) otherwise."""

    dtype: str
    inputs: np.ndarray
    values: np.ndarray
    root: float = math.nan  # next to which the error is absolute


def compile_oracle(folder: str | os.PathLike[str]) -> Path:
    """Compile oracle.cpp into ``folder`` and return the library's path."""
    library = Path(folder) / "oracle.so"
    (Path(folder) / HEADER).write_text(header(), encoding="ascii")
    messages = []
    # GCC comes first: it has binary128 everywhere, on x86 in libquadmath and on ARM as its long double.
    for compiler in dict.fromkeys(("g++", os.environ.get("CXX", "c++"), "c++")):
        if shutil.which(compiler) is None:
            messages.append(f"{compiler}: not found")
            continue
        for libraries in (["-lquadmath"], []):
            command = [compiler, *FLAGS, f"-I{folder}", str(SOURCE), "-o", str(library), *libraries]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return library
            messages.append(f"{compiler}: {done.stderr}")
    raise OracleError("no C++ compiler here can build the accuracy oracle\n" + "\n".join(messages))


class Oracle:
    """The compiled oracle. Arrays are one-dimensional; the GIL is released while it works."""

    def __init__(self, library: str | os.PathLike[str]) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.oracle_compiler.restype = ctypes.c_char_p

    @property
    def compiler(self) -> str:
        """The compiler that built it, with its version."""
        return str(self._library.oracle_compiler(), "ascii")

    def reference(self, dtype: str, function: str, derivative: bool, slope: float, inputs: np.ndarray) -> Reference:
        """Results for ``inputs``, an array of type ``dtype``; ``slope`` is used as it is given."""
        exact = dtype != "float32"
        inputs = _converted(inputs, np.float64 if exact else np.float32)
        values = np.empty(inputs.size, dtype="V16" if exact else np.float64)
        call = self._library.oracle_reference_quad if exact else self._library.oracle_reference_float
        call(
            _pointer(values),
            _pointer(inputs),
            ctypes.c_size_t(inputs.size),
            ctypes.c_int(NUMBERS[function]),
            ctypes.c_int(derivative),
            ctypes.c_double(slope),
        )
        # In float64, derivatives are held to an absolute bound next to their root.
        root = ACTIVATIONS[function].root if derivative and dtype == "float64" else None
        return Reference(dtype, inputs, values, math.nan if root is None else root)

    def compare(self, reference: Reference, results: np.ndarray) -> Tally:
        """Count the errors of ``results``, in the reference's order."""
        exact = reference.dtype != "float32"
        results = _converted(results, np.float64 if exact else np.float32)
        if results.shape != reference.inputs.shape:
            raise ValueError(f"expected {reference.inputs.shape} results, got {results.shape}")
        tally = _Tally()
        arrays = [_pointer(reference.inputs), _pointer(results), _pointer(reference.values)]
        size = ctypes.c_size_t(results.size)
        if exact:
            layout = _Format(*FORMATS[reference.dtype])
            root = ctypes.c_double(reference.root)
            self._library.oracle_compare_quad(*arrays, size, ctypes.byref(layout), root, ctypes.byref(tally))
        else:
            self._library.oracle_compare_float(*arrays, size, ctypes.byref(tally))
        return Tally(**{item.name: getattr(tally, item.name) for item in fields(Tally)})

    def errors(self, reference: Reference, results: np.ndarray) -> np.ndarray:
        """Error of each float32 result in ULP; 0 where a NaN or an infinity is involved."""
        if reference.dtype != "float32":
            raise ValueError(f"errors are given for float32, got {reference.dtype}")
        results = _converted(results, np.float32)
        errors = np.empty(results.size)
        size = ctypes.c_size_t(results.size)
        self._library.oracle_errors_float(_pointer(errors), _pointer(results), _pointer(reference.values), size)
        return errors

    def as_doubles(self, reference: Reference) -> tuple[np.ndarray, np.ndarray]:
        """The reference as high + low, each an array of doubles."""
        if reference.values.dtype == np.float64:
            return reference.values, np.zeros_like(reference.values)
        high, low = np.empty(reference.values.size), np.empty(reference.values.size)
        size = ctypes.c_size_t(high.size)
        self._library.oracle_split_quad(_pointer(high), _pointer(low), _pointer(reference.values), size)
        return high, low


def _converted(array: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # a signalling NaN says so when it is widened
        return np.ascontiguousarray(array, dtype=dtype)


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
