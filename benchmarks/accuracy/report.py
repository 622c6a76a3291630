"""Turn the errors found into the page docs/accuracy.md, and into a verdict."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rectifier.parameters import ACTIVATIONS

from .cases import BOUNDS, DTYPES, KINDS, ROOT_BOUND, cases_for
from .inputs import pattern_count
from .oracle import Tally
from .subjects import is_library, title
from .walk import Key

Tallies = Mapping[Key, Tally]

INTRODUCTION = """\
# Accuracy

An error of 1 ULP (unit in the last place) is the spacing of the type's numbers around the true value: 0.5 ULP is the
best that any rounded result can do. Subnormal results are measured in the spacing that they have, so that a flushed
tail shows. A result of the *wrong kind* is a NaN or an infinity where there should be none, or none where there should
be one, or a sign (that of zero too) that is not the true value's.

`make accuracy` writes this page. It fails if rectifier breaks one of these bounds, in value or gradient, on any CPU
target; a result of the wrong kind breaks them too.

{bounds}
The float64 inputs are random bit patterns, jittered grids, and three neighbours on either side of each threshold of the
formulas. Within 1/16 of the root of a gradient ({roots}), the float64 bound is {root:g} · 2⁻⁵³ absolute.

The gradient is `vjp`'s, with a head gradient of one. The true values share no code with the kernels: for float32 they
are the C library's `expm1`, `exp` and `erfc` in double (binary128 next to that root), for the rest binary128. The slope
is taken after its one rounding to the arithmetic type, which is float32 for 16 and 32 bits. *mean* is over the inputs
with 2⁻²⁴ < |x| < 16. A *misrounded* result is not the number of the type that is nearest to the true value.
leaky, prelu and rrelu are a single product, which the test suite checks in float32 and this page in the other types.
"""

PEERS = """
Other libraries run on the CPU, with the same slopes. They get the same inputs, but in float32 {count:,} of them:
evenly spaced bit patterns, and the thresholds with their neighbours. Their choices count as errors where the result
differs: a slope rounded to the type of the data, subnormal numbers flushed to zero (JAX), x = 0 taken for positive
(JAX), +0 where a negative tail underflows. MXNet 1.6.0 has no bfloat16, computes float64 in float32, and leaves the
gradient of rrelu undefined.
"""


def violations(tallies: Tallies, targets: Iterable[str]) -> list[str]:
    """One line for each bound that a CPU target breaks."""
    lines = []
    for (dtype, label, kind, name), tally in tallies.items():
        if name not in targets:
            continue
        where = f"{dtype} {label} {kind} on {name}"
        if tally.max_ulp > BOUNDS[dtype]:
            lines.append(f"{where}: {tally.max_ulp:.4g} ULP at {_input(tally.max_at, dtype)}, above {BOUNDS[dtype]:g}")
        if tally.max_root > ROOT_BOUND:
            at = _input(tally.root_at, dtype)
            lines.append(f"{where}: {tally.max_root:.4g} * 2^-53 at {at}, above {ROOT_BOUND:g}")
        if tally.wrong:
            lines.append(f"{where}: {tally.wrong} of the wrong kind, the first at {_input(tally.wrong_at, dtype)}")
    return lines


def page(tallies: Tallies, broken: list[str], figure: str, compiler: str) -> str:
    """The whole of docs/accuracy.md; ``broken`` comes from `violations`."""
    parts = [INTRODUCTION.format(bounds=_bounds(tallies), root=ROOT_BOUND, roots=_roots())]
    counts = [tally.count for (dtype, *_, name), tally in tallies.items() if is_library(name) and dtype == "float32"]
    if counts:
        parts.append(PEERS.format(count=max(counts)))
    parts.append(f"\nMeasured on {machine()}; reference built with {compiler}.\n")
    if broken:
        parts.append("\n**Bounds broken in this walk**\n\n" + "".join(f"- {line}\n" for line in broken))
    for dtype in DTYPES:
        if any(key[0] == dtype for key in tallies):
            parts.append(f"\n## {dtype}\n\nLargest error in ULP.\n\n{summary(tallies, dtype)}")
            if dtype == "float32":
                parts.append(f"\n![Error of gelu and its gradient against x]({figure})\n")
            parts.append(f"\nWhere it occurs, and the rest of the count.\n\n{details(tallies, dtype)}")
    return "".join(parts)


def summary(tallies: Tallies, dtype: str) -> str:
    """A table of the largest error, a row per function and a column per subject."""
    names = _names(tallies, dtype)
    rows = []
    for label, kind in _rows(tallies, dtype):
        found = [tallies.get((dtype, label, kind, name)) for name in names]
        rows.append([_function(label, kind), *(_number(tally.max_ulp) if tally else "–" for tally in found)])
    return _table(["function", *map(title, names)], rows)


def details(tallies: Tallies, dtype: str) -> str:
    """A table with a row per function and subject."""
    header = ["function", "on", "max ULP", "at x", "mean ULP", "misrounded", "wrong kind"]
    header += ["next to the root, 2⁻⁵³"] if _has_root(tallies, dtype) else []
    rows = [
        [_function(label, kind), title(name), *_cells(tallies[dtype, label, kind, name], dtype)][: len(header)]
        for label, kind in _rows(tallies, dtype)
        for name in _names(tallies, dtype)
        if (dtype, label, kind, name) in tallies
    ]
    return _table(header, rows)


def machine() -> str:
    """Processor, software and date."""
    import numpy

    import rectifier

    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    config: dict[str, Any] = rectifier.show_config(mode="dicts")
    built = f"built with {config['compiler']}" if config.get("compiler") else ""
    facts = [
        f"{model} ({os.cpu_count()} cores)",
        platform.system(),
        f"Python {platform.python_version()}",
        f"NumPy {numpy.__version__}",
        f"rectifier {config['version']} {built}".rstrip(),
        datetime.date.today().isoformat(),
    ]
    return ", ".join(facts)


def _bounds(tallies: Tallies) -> str:
    rows = []
    for dtype in DTYPES:
        count = max((tally.count for key, tally in tallies.items() if key[0] == dtype), default=0)
        everything = pattern_count(dtype) == count
        if count:
            rows.append([dtype, f"{'all ' if everything else ''}{count:,}", f"{BOUNDS[dtype]:g} ULP"])
    return _table(["type", "inputs", "largest error allowed"], rows)


def _roots() -> str:
    rows = [row for row in ACTIVATIONS.values() if row.root is not None]
    return ", ".join(f"{row.name}'s at {row.root:.4f}" for row in rows).replace("-", "−")


def _cells(tally: Tally, dtype: str) -> list[str]:
    share = f"{tally.misrounded:,}" if dtype.endswith("16") else _percent(tally.misrounded / tally.count)
    return [
        _number(tally.max_ulp),
        _input(tally.max_at, dtype) if tally.max_ulp else "–",
        _number(tally.mean_ulp),
        share,
        f"{tally.wrong:,} (first: {_input(tally.wrong_at, dtype)})" if tally.wrong else "0",
        f"{_number(tally.max_root)} at {_input(tally.root_at, dtype)}" if tally.max_root else "–",
    ]


def _has_root(tallies: Tallies, dtype: str) -> bool:
    return any(tally.max_root for key, tally in tallies.items() if key[0] == dtype)


def _names(tallies: Tallies, dtype: str) -> list[str]:
    return list(dict.fromkeys(name for kind, _, _, name in tallies if kind == dtype))


def _rows(tallies: Tallies, dtype: str) -> list[tuple[str, str]]:
    labels = {label for kind, label, *_ in tallies if kind == dtype}
    return [(case.label, kind) for case in cases_for(dtype) if case.label in labels for kind in KINDS]


def _function(label: str, kind: str) -> str:
    return label if kind == "value" else f"{label}, gradient"


def _number(number: float) -> str:
    if number and number < 0.0005:
        return f"{number:.1e}"
    return f"{number:.3f}" if number < 1000 else f"{number:.2g}".replace("e+0", "e").replace("e+", "e")


def _percent(share: float) -> str:
    return "< 0.01 %" if 0 < share < 1e-4 else f"{100 * share:.2f} %" if share else "0"


def _input(x: float, dtype: str) -> str:
    digits = {"float32": 9, "float64": 17}.get(dtype, 5)
    return f"{x:.{digits}g}".replace("-", "−")


def _table(header: list[str], rows: list[list[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
