"""The accuracy bounds on a sample of inputs, on every CPU target, and proof that the measuring instrument measures.

``python -m benchmarks.accuracy`` does the same on all inputs.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import mpmath
import numpy as np
import pytest

import rectifier
from benchmarks.accuracy import command, definitions, inputs, report, subjects, walk
from benchmarks.accuracy.cases import BOUNDS, CASES, DTYPES, KINDS, Case, cases_for
from benchmarks.accuracy.oracle import FORMATS, Oracle, OracleError, Reference, Tally, compile_oracle
from golden import make_golden
from rectifier import _core
from rectifier.parameters import ACTIVATIONS

SAMPLE_STEP = 2**14
POINTS_64 = 4_000

ROOTS = {name: row.root for name, row in ACTIVATIONS.items() if row.root is not None}
# A case for each function: slopes of 0.3 where there are any.
ONE_EACH = [case for case in CASES if case.act_type == case.function and case.slope in (0.0, 0.3)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return compile_oracle(tmp_path_factory.mktemp("oracle"))
    except OracleError as error:
        if os.environ.get("CI") == "true" and sys.platform == "linux":
            raise
        pytest.skip(str(error).splitlines()[0])


@pytest.fixture(scope="module")
def oracle(library: Path) -> Oracle:
    return Oracle(library)


@pytest.fixture
def restored_settings() -> Iterator[None]:
    threads, target = rectifier.get_num_threads(), _core.cpu_target()
    yield
    rectifier.set_num_threads(threads)
    _core.set_cpu_target(target)


# ---- The bounds ------------------------------------------------------------------------------------------------------


def sample(dtype: str) -> np.ndarray:
    if dtype == "float32":
        return np.concatenate([inputs.patterns(dtype, 0, 2**32, SAMPLE_STEP), inputs.chosen(dtype)])
    if dtype == "float64":
        return np.concatenate([inputs.float64_grid(POINTS_64), inputs.chosen(dtype)[::9], inputs.special_values(dtype)])
    return inputs.patterns(dtype, 0, 2**16)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.usefixtures("restored_settings")
def test_bounds_hold_on_every_cpu_target(oracle: Oracle, dtype: str, case: Case) -> None:
    x = sample(dtype)
    tallies: dict[walk.Key, Tally] = {}
    targets = subjects.cpu_targets()
    results = {name: subjects.subject(name)(case, x) for name in targets}
    for position, kind in enumerate(KINDS):
        reference = oracle.reference(dtype, case.function, kind == "gradient", case.slope_for(dtype), x)
        for name, result in results.items():
            tallies[dtype, case.label, kind, name] = oracle.compare(reference, result[position])
    assert len(tallies) == 2 * len(targets)
    assert all(tally.count == x.size for tally in tallies.values())
    assert report.violations(tallies, targets) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
@pytest.mark.usefixtures("restored_settings")
def test_the_value_of_vjp_is_that_of_leaky_relu(case: Case) -> None:
    x = inputs.chosen("float32")
    for name in subjects.cpu_targets():
        value, _ = subjects.subject(name)(case, x)
        np.testing.assert_array_equal(value.view(np.uint32), rectifier.leaky_relu(x, **case.arguments).view(np.uint32))


# ---- The reference against mpmath ------------------------------------------------------------------------------------


def points_for_mpmath(dtype: str) -> np.ndarray:
    """Some hundred inputs of no special kind: all magnitudes, the interesting interval, and the root."""
    bits = inputs.patterns(dtype, 0, inputs.pattern_count(dtype), inputs.pattern_count(dtype) // 251)
    dense = np.linspace(-40, 10, 301) if dtype == "float64" else np.linspace(-15, 8, 301)
    everything = np.concatenate([bits, inputs.around(np.append(dense, list(ROOTS.values())), dtype, reach=1)])
    size = np.abs(everything.astype(np.float64))
    return everything[(size > 0) & (size < 1e30)]


@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.label)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-15), ("float64", 1e-30)])
def test_reference_agrees_with_mpmath(
    oracle: Oracle, dtype: str, tolerance: float, case: Case, derivative: bool
) -> None:
    x = points_for_mpmath(dtype)
    slope = case.slope_for(dtype)
    high, low = oracle.as_doubles(oracle.reference(dtype, case.function, derivative, slope, x))
    function = make_golden.functions(ACTIVATIONS[case.function], slope)[derivative]
    root = ROOTS.get(case.function, np.inf)
    with mpmath.workdps(60):
        for point, upper, lower in zip(x, high, low, strict=True):
            true = function(mpmath.mpf(float(point)))
            error = abs(mpmath.mpf(float(upper)) + mpmath.mpf(float(lower)) - true)
            # binary128 is absolutely, not relatively, exact at the root; the doubles carry no more than 2^-1074.
            absolute = 1e-34 if abs(point - root) < 0.01 else mpmath.mpf(2) ** -1074
            assert error <= tolerance * abs(true) + absolute, (point, true)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.label)
def test_reference_at_special_values(oracle: Oracle, dtype: str, derivative: bool, case: Case) -> None:
    x = [0.0, np.inf, -np.inf, np.nan]
    high, _ = oracle.as_doubles(oracle.reference(dtype, case.function, derivative, 0.25, np.array(x)))
    function = make_golden.functions(ACTIVATIONS[case.function], 0.25)[derivative]
    expected = [make_golden.at_special_value(function, at) for at in x]
    np.testing.assert_allclose(high, expected, rtol=2e-15, atol=0)
    np.testing.assert_array_equal(np.signbit(high[:3]), np.signbit(expected[:3]))


def test_the_definition_of_minus_zero_keeps_its_sign(oracle: Oracle) -> None:
    for name in ACTIVATIONS:
        high, _ = oracle.as_doubles(oracle.reference("float32", name, False, 0.25, np.array([-0.0])))
        assert np.signbit(high[0])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("x if x > 0 else 0.1 * -x", "((x > R(0)) ? x : (R(QUAD(0.1)) * (-x)))"),
        ("sqrt(2 / pi) * x**3", "(square_root((R(2) / R(pi))) * (x * x * x))"),
    ],
)
def test_a_definition_in_cpp(expression: str, expected: str) -> None:
    assert definitions.translate(expression, definitions.NAMES) == expected


@pytest.mark.parametrize("expression", ["y", "x % 2", "log(x)", "x**0.5", "[x]"])
def test_a_definition_that_has_no_cpp(expression: str) -> None:
    with pytest.raises(ValueError, match="`expression` must hold what a definition may hold, got "):
        definitions.translate(expression, definitions.NAMES)


# ---- The comparison catches what is wrong ----------------------------------------------------------------------------


def halving(oracle: Oracle, dtype: str, x: list[float]) -> tuple[Reference, np.ndarray]:
    """A reference of slope 1/2, and its right results: exact unless they are subnormal."""
    points = np.array(x, dtype=np.float64)
    return oracle.reference(dtype, "leaky", False, 0.5, points), np.where(points > 0, points, 0.5 * points)


def spacing_at_one(dtype: str) -> float:
    return 2.0 ** (1 - FORMATS[dtype][0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_right_results_have_no_error(oracle: Oracle, dtype: str) -> None:
    reference, results = halving(oracle, dtype, [-2.0, -0.0, 0.0, 1.0, np.inf, -np.inf, np.nan])
    assert oracle.compare(reference, results) == Tally(summed=2, count=7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("steps", [1.0, 1.5, 2.0, -3.0])
def test_an_error_is_measured(oracle: Oracle, dtype: str, steps: float) -> None:
    if steps == 1.5:  # half steps exist below a power of two only
        reference, results = halving(oracle, dtype, [3.0, -2.0])
        results[1] = -1 + 1.5 * spacing_at_one(dtype)
    else:
        reference, results = halving(oracle, dtype, [1.25, -3.0])
        results[1] = -1.5 + steps * spacing_at_one(dtype)
    tally = oracle.compare(reference, results)
    assert tally.max_ulp == abs(steps)
    assert tally.max_at == (-2.0 if steps == 1.5 else -3.0)
    assert tally.mean_ulp == abs(steps) / 2
    assert tally.misrounded == 1
    assert tally.wrong == 0
    assert bool(report.violations({(dtype, "leaky", "value", "v3"): tally}, ["v3"])) == (abs(steps) > BOUNDS[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_subnormal_error_is_measured_in_subnormal_spacing(oracle: Oracle, dtype: str) -> None:
    precision, least, _ = FORMATS[dtype]
    smallest = 2.0 ** (least - precision + 1)
    reference, results = halving(oracle, dtype, [-6 * smallest, -2 * smallest])
    results[:] = [-3 * smallest, -0.0]
    tally = oracle.compare(reference, results)
    assert (tally.max_ulp, tally.max_at, tally.misrounded, tally.wrong) == (1.0, -2 * smallest, 1, 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_ties_go_to_even(oracle: Oracle, dtype: str) -> None:
    precision, least, _ = FORMATS[dtype]
    smallest = 2.0 ** (least - precision + 1)
    reference, _ = halving(oracle, dtype, [-3 * smallest, -5 * smallest, -1 * smallest])
    even = oracle.compare(reference, np.array([-2 * smallest, -2 * smallest, -0.0]))
    assert (even.max_ulp, even.misrounded, even.wrong) == (0.5, 0, 0)
    odd = oracle.compare(reference, np.array([-1 * smallest, -3 * smallest, -1 * smallest]))
    assert (odd.max_ulp, odd.misrounded, odd.wrong) == (0.5, 3, 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("x", "result"),
    [
        (-0.0, 0.0),
        (0.0, -0.0),
        (-2.0, 1.0),
        (-2.0, np.nan),
        (-2.0, -np.inf),
        (np.nan, -1.0),
        (np.nan, np.inf),
        (np.inf, np.nan),
        (-np.inf, -1.0),
        (-np.inf, np.inf),
    ],
)
def test_a_result_of_the_wrong_kind_is_caught(oracle: Oracle, dtype: str, x: float, result: float) -> None:
    reference, results = halving(oracle, dtype, [1.0, x, 1.0])
    results[1] = result
    tally = oracle.compare(reference, results)
    assert tally.wrong == 1
    np.testing.assert_array_equal(tally.wrong_at, x)
    assert np.isfinite(tally.max_ulp)
    broken = report.violations({(dtype, "leaky", "value", "v3"): tally}, ["v3"])
    assert any("1 of the wrong kind" in line for line in broken)


@pytest.mark.parametrize("dtype", DTYPES)
def test_overflow_is_right_only_where_the_true_value_overflows(oracle: Oracle, dtype: str) -> None:
    precision, _, greatest = FORMATS[dtype]
    largest = (2 - 2.0 ** (1 - precision)) * 2.0**greatest
    reference = oracle.reference(dtype, "selu", False, 0.0, np.array([largest, 0.9 * largest]))
    assert oracle.compare(reference, np.array([np.inf, np.inf])).wrong == 1
    assert oracle.compare(reference, np.array([np.inf, 0.0])).wrong == 0
    assert oracle.compare(reference, np.array([-np.inf, 0.0])).wrong == 1


def test_next_to_the_root_the_error_is_absolute_in_float64(oracle: Oracle) -> None:
    x = np.array([ROOTS["gelu"], -0.6])
    reference = oracle.reference("float64", "gelu", True, 0.0, x)
    results, _ = oracle.as_doubles(reference)
    tally = oracle.compare(reference, np.add(results, [3 * 2.0**-54, 0]))
    assert tally.max_root == pytest.approx(1.5, rel=1e-3)
    assert tally.root_at == x[0]
    assert tally.max_ulp <= 0.5
    broken = report.violations({("float64", "gelu", "gradient", "v4"): tally}, ["v4"])
    assert broken == ["float64 gelu gradient on v4: 1.5 * 2^-53 at −0.75179152469356447, above 1"]
    in_float32 = oracle.reference("float32", "gelu", True, 0.0, x)
    assert oracle.compare(in_float32, np.array([0.0, 0.0])).max_ulp > 1


def test_merging_keeps_the_worst_and_adds_the_counts() -> None:
    tally = Tally(max_ulp=0.5, max_at=1.0, sum_ulp=1.0, summed=2, count=3)
    tally.merge(Tally(max_ulp=0.75, max_at=2.0, sum_ulp=0.5, summed=1, count=1, wrong=1, wrong_at=-0.0, misrounded=4))
    tally.merge(Tally(max_ulp=0.25, max_at=3.0, wrong=1, wrong_at=7.0, max_root=0.5, root_at=-0.75))
    assert tally == Tally(0.75, 2.0, 1.5, 3, 4, 4, 2, -0.0, 0.5, -0.75)
    assert tally.mean_ulp == 0.5


# ---- The command -----------------------------------------------------------------------------------------------------


def test_every_float32_pattern_is_planned_once() -> None:
    work = walk.plan("float32", CASES[0], ("v3",), (), quick=False)
    ends = [(item.start, item.stop) for item in work]
    assert all(item.step == 1 for item in work)
    assert ends[0][0] == 0
    assert ends[-1][1] == 2**32
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ends))
    assert {case.function for case in cases_for("float32")} == {r.name for r in ACTIVATIONS.values() if not r.is_leaky}


@pytest.mark.usefixtures("library", "restored_settings")
def test_the_command_tells_a_broken_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "accuracy.md"
    arguments = ["--dtype", "float16", "--function", "selu", "--no-peers", "--jobs", "1", "--output", str(page)]
    assert command.main(arguments) == 0
    text = page.read_text(encoding="utf-8")
    assert "| selu, gradient |" in text
    assert page.with_name("accuracy-gelu.png").stat().st_size > 0
    assert "broken in this walk" not in text
    assert "every bound is kept" in capsys.readouterr().out
    monkeypatch.setitem(BOUNDS, "float16", 0.01)
    assert command.main(arguments) == 1
    assert "float16 selu value on" in capsys.readouterr().out
    assert "**Bounds broken in this walk**\n\n- float16 selu value on" in page.read_text(encoding="utf-8")
