"""Every error: its type and its words, and that nothing was written before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rectifier import leaky_relu, rrelu_slopes, show_config, vjp
from rectifier.parameters import ACTIVATIONS

X = np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3)
NAMES = ", ".join(ACTIVATIONS)

CALLS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"act_type": "swish"}, ValueError, f"`act_type` must be one of {NAMES}, got 'swish'"),
    ({"act_type": None}, TypeError, f"`act_type` must be a string, one of {NAMES}, got None"),
    ({"slope": "big"}, TypeError, "`slope` must be a number, got 'big'"),
    ({"slope": True}, TypeError, "`slope` must be a number, got True"),
    ({"slope": 1j}, TypeError, "`slope` must be a number, got 1j"),
    ({"slope": float("nan")}, ValueError, "`slope` must be a finite number, got nan"),
    ({"slope": -float("inf")}, ValueError, "`slope` must be a finite number, got -inf"),
    ({"slope": 10**400}, ValueError, "`slope` must be a finite number, got 1000"),
    ({"slope": 1e39}, ValueError, "`slope` must be finite as float32, got 1e+39"),
    ({"act_type": "elu", "slope": -1e39}, ValueError, "`slope` must be finite as float32, got -1e+39"),
    ({"lower_bound": "a"}, TypeError, "`lower_bound` must be a number, got 'a'"),
    ({"upper_bound": None}, TypeError, "`upper_bound` must be a number, got None"),
    ({"upper_bound": float("inf")}, ValueError, "`upper_bound` must be a finite number, got inf"),
    (
        {"act_type": "rrelu", "lower_bound": 0.5, "upper_bound": 0.25},
        ValueError,
        "`lower_bound` must be at most `upper_bound`, got 0.5 and 0.25",
    ),
    (
        {"act_type": "rrelu", "upper_bound": 1e39, "training": True},
        ValueError,
        "`upper_bound` must be finite as float32, got 1e+39",
    ),
    ({"training": 1}, TypeError, "`training` must be True or False, got 1"),
    ({"training": "yes"}, TypeError, "`training` must be True or False, got 'yes'"),
    ({"act_type": "prelu"}, ValueError, "`gamma` must be an array when `act_type` is 'prelu', got None"),
    (
        {"gamma": [1.0]},
        ValueError,
        "`gamma` must be None unless `act_type` is 'prelu', got an array for 'leaky'",
    ),
    ({"axis": 1}, ValueError, "`axis` must be None unless `act_type` is 'prelu', got a value for 'leaky'"),
    ({"rng": "seed"}, TypeError, "`rng` must be an integer from 0 to 2**64 - 1, a numpy.random.Generator or None"),
    ({"rng": -1}, ValueError, "`rng` must be an integer from 0 to 2**64 - 1, a numpy.random.Generator or None, got -1"),
    ({"rng": 1.5, "act_type": "rrelu", "training": True}, TypeError, "Generator or None, got float"),
    ({"rng": np.random.RandomState(1)}, TypeError, "Generator or None, got RandomState"),
    ({"act_type": "prelu", "gamma": [1.0] * 4}, ValueError, "`gamma` must align with axis 1 and axis 0 of `data`"),
    ({"act_type": "prelu", "gamma": [1j]}, TypeError, "`gamma` must be of dtype float16, bfloat16, float32, float64"),
    ({"act_type": "prelu", "gamma": [1.0, 2.0], "axis": 5}, ValueError, "`axis` must lie between -2 and 1"),
    ({"act_type": "prelu", "gamma": [1.0, 2.0], "axis": 0.0}, TypeError, "`axis` must be an integer or a tuple"),
    ({"out": [1.0]}, TypeError, "`out` must be a NumPy array or None, got list"),
    ({"out": np.ma.zeros((2, 3), np.float32)}, TypeError, "`out` must be a NumPy array or None, got MaskedArray"),
    ({"out": np.zeros((3, 2), np.float32)}, ValueError, "`out` must have shape (2, 3), got (3, 2)"),
    ({"out": np.zeros((2, 3))}, TypeError, "`out` must be of dtype float32, got float64"),
    ({"out": np.zeros((2, 3), ">f4")}, TypeError, "`out` must be of dtype float32, got >f4"),
]


def read_only() -> np.ndarray:
    out = np.zeros((2, 3), np.float32)
    out.flags.writeable = False
    return out


def unaligned() -> np.ndarray:
    return np.frombuffer(bytearray(25), np.uint8)[1:].view(np.float32).reshape(2, 3)


CALLS += [
    ({"out": read_only()}, ValueError, "`out` must be writeable, got a read-only array"),
    ({"out": unaligned()}, ValueError, "`out` must be aligned for its dtype, got an array off its alignment"),
]


@pytest.mark.parametrize("function", [leaky_relu, vjp])
@pytest.mark.parametrize(("keywords", "error", "words"), CALLS, ids=range(len(CALLS)))
def test_bad_argument(function: Any, keywords: dict[str, Any], error: type[Exception], words: str) -> None:
    out = np.full_like(X, 77)
    with pytest.raises(error) as caught:
        function(X, **{"out": out, **keywords})
    assert words in str(caught.value)
    assert type(caught.value) is error
    assert (out == 77).all()


DATA = [
    (np.ones(3, complex), TypeError, "`data` must be of dtype float16, bfloat16, float32, float64, an integer or bool"),
    (np.array(["a"]), TypeError, "an integer or bool, got <U1"),
    (np.array([None]), TypeError, "an integer or bool, got object"),
    (np.ones(3, np.longdouble), TypeError, f"an integer or bool, got {np.dtype(np.longdouble)}"),
    (np.ones(3, "M8[s]"), TypeError, "an integer or bool, got datetime64[s]"),
    (np.ma.masked_equal([1.0, 2.0], 2.0), TypeError, "`data` must be an array without a mask, got a masked array"),
    ([[1.0], [1.0, 2.0]], TypeError, "`data` must be an array of real numbers, got list"),
    (object(), TypeError, "an integer or bool, got object"),
]


@pytest.mark.parametrize("act_type", ["leaky", "rrelu"])
@pytest.mark.parametrize(("data", "error", "words"), DATA, ids=range(len(DATA)))
def test_bad_data(act_type: str, data: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        leaky_relu(data, act_type=act_type)
    assert words in str(caught.value)


GRADIENTS: list[tuple[str, Any, Any, type[Exception], str]] = [
    ("leaky", np.ones(3), None, ValueError, "`d_out` must have shape (2, 3), got (3,)"),
    ("leaky", "x", None, TypeError, "`d_out` must be of dtype float16, bfloat16, float32, float64"),
    ("elu", X, np.zeros(3, np.float32), ValueError, "`out` must have shape (2, 3), got (3,)"),
    ("elu", X, 3, TypeError, "`out` must be a NumPy array or None, got int"),
    ("prelu", X, np.zeros_like(X), TypeError, "`out` must be a pair of arrays for 'prelu', or None, got ndarray"),
    ("prelu", X, (None, np.zeros(2, np.float32)), ValueError, "`out` must have shape (3,), got (2,)"),
    ("prelu", X, (None, np.zeros(3)), TypeError, "`out` must be of dtype float32, got float64"),
    ("prelu", X[:1], None, ValueError, "`d_out` must have shape (2, 3), got (1, 3)"),
]


@pytest.mark.parametrize(("act_type", "d_out", "out", "error", "words"), GRADIENTS, ids=range(len(GRADIENTS)))
def test_bad_gradient(act_type: str, d_out: Any, out: Any, error: type[Exception], words: str) -> None:
    gamma = np.array([0.1, 0.2, 0.3], np.float32) if act_type == "prelu" else None
    _, pullback = vjp(X, gamma=gamma, act_type=act_type)
    with pytest.raises(error) as caught:
        pullback(d_out, out=out)
    assert words in str(caught.value)


def test_broadcast_results_are_refused() -> None:
    place = np.full(3, 77, np.float32)
    out = np.lib.stride_tricks.as_strided(place, (2, 3), (0, 4))
    _, pullback = vjp(X, act_type="elu")
    _, both = vjp(X, np.ones(3, np.float32), "prelu")
    calls = [
        lambda: leaky_relu(X, out=out),
        lambda: vjp(X, out=out),
        lambda: pullback(X, out),
        lambda: both(X, (out, None)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="`out` must have memory for each element, got a broadcast array"):
            call()
    assert (place == 77).all()


def test_gradients_that_overlap_each_other() -> None:
    room = np.zeros(6, np.float32)
    _, pullback = vjp(X, gamma=np.ones(3, np.float32), act_type="prelu")
    with pytest.raises(ValueError, match="`out` must be two arrays apart from each other, got overlapping ones"):
        pullback(X, out=(room.reshape(2, 3), room[:3]))


def test_bad_slopes() -> None:
    with pytest.raises(TypeError, match="`dtype` must be float32 or float64, got float16"):
        rrelu_slopes(3, 1, dtype=np.float16)
    with pytest.raises(TypeError, match="`dtype` must be float32 or float64, got 'x'"):
        rrelu_slopes(3, 1, dtype="x")
    with pytest.raises(ValueError, match="`lower_bound` must be at most `upper_bound`, got 2 and 1"):
        rrelu_slopes(3, 1, 2, 1)
    with pytest.raises(TypeError, match="`rng` must be an integer"):
        rrelu_slopes(3, "1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`upper_bound` must be finite as float32, got 1e\\+39"):
        rrelu_slopes(3, 1, 0, 1e39)
    for wrong in (-1, (2, -1), 2.5, "a"):
        with pytest.raises(
            (TypeError, ValueError), match=r"^`shape` must be an integer or a tuple of integers, 0 or more"
        ):
            rrelu_slopes(wrong, 1)  # type: ignore[arg-type]


def test_bad_mode() -> None:
    with pytest.raises(ValueError, match="`mode` must be 'stdout' or 'dicts', got 'json'"):
        show_config(mode="json")  # type: ignore[call-overload]


def test_parameters_of_other_activations_are_checked_too() -> None:
    for act_type in ACTIVATIONS:
        gamma = [1.0] if act_type == "prelu" else None
        with pytest.raises(ValueError, match="`slope` must be a finite number, got nan"):
            leaky_relu(X, gamma=gamma, act_type=act_type, slope=float("nan"))
