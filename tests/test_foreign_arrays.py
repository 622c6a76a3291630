"""Arrays of other libraries, with labels and without: what goes in comes out, or NumPy's where that takes a copy."""

from __future__ import annotations

import array

import ml_dtypes
import numpy as np
import pytest

import rectifier
from needed import needed
from rectifier import leaky_relu, vjp
from ulp import assert_same_bits

X = np.linspace(-3, 2, 24, dtype=np.float32).reshape(2, 3, 4)
NAMES = list(rectifier.parameters.ACTIVATIONS)


def parameters_of(act_type):
    named = {"prelu": {"gamma": np.float32([0.1, 0.2, 0.3])}, "rrelu": {"training": True, "rng": 3}}
    return {"act_type": act_type, **named.get(act_type, {})}


class OnlyDLPack:
    """What speaks DLPack and nothing else."""

    def __init__(self, values, device=(1, 0)):
        self.values, self.device = values, device

    def __dlpack__(self, **keywords):
        return self.values.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.device


class OnlyArray:
    """What speaks __array__ and nothing else."""

    def __array__(self, dtype=None, copy=None):
        return X if dtype is None else X.astype(dtype)


@pytest.mark.parametrize("act_type", NAMES)
def test_strict_arrays_come_back_without_a_copy(act_type):
    strict = needed("array_api_strict")
    parameters = parameters_of(act_type)
    y, pullback = vjp(X, **parameters)
    expected = pullback(X)
    mine, pull = vjp(strict.asarray(X), **parameters)
    found = pull(strict.asarray(X))
    for actual, wanted in zip(
        (mine, *(found if isinstance(found, tuple) else (found,))),
        (y, *(expected if isinstance(expected, tuple) else (expected,))),
        strict=True,
    ):
        assert type(actual) is type(strict.asarray(X))
        assert_same_bits(np.asarray(actual), wanted)
    assert_same_bits(np.asarray(leaky_relu(strict.asarray(X), **parameters)), y)
    scalar = leaky_relu(strict.asarray(-2.0))
    assert (type(scalar), scalar.shape, float(scalar)) == (type(strict.asarray(X)), (), -0.5)


def test_a_strict_gamma_is_read_too():
    strict = needed("array_api_strict")
    gamma = np.float32([0.1, 0.2, 0.3])
    y = leaky_relu(strict.asarray(X), strict.asarray(gamma), "prelu")
    assert_same_bits(np.asarray(y), leaky_relu(X, gamma, "prelu"))


def test_dlpack_alone_gives_numpy():
    y = leaky_relu(OnlyDLPack(X))
    assert type(y) is np.ndarray
    assert_same_bits(y, leaky_relu(X))
    out = np.empty_like(X)
    assert leaky_relu(OnlyDLPack(X), out=out) is out
    assert_same_bits(out, y)


def test_strict_arrays_stay_on_their_device():
    strict = needed("array_api_strict")
    device = strict.Device("device1")
    assert leaky_relu(strict.asarray(X, device=device)).device == device


def test_another_device_is_refused():
    with pytest.raises(TypeError, match="`data` must be an array in CPU memory that NumPy can read, got OnlyDLPack"):
        leaky_relu(OnlyDLPack(X, device=(2, 0)))


def test_array_alone_gives_numpy():
    assert_same_bits(leaky_relu(OnlyArray()), leaky_relu(X))


@pytest.mark.parametrize("make", [memoryview, lambda x: memoryview(x.tobytes()).cast("f", X.shape)])
def test_memoryviews(make):
    assert_same_bits(leaky_relu(make(X)), leaky_relu(X))


def test_arrays_of_the_standard_library():
    assert_same_bits(leaky_relu(array.array("d", [-4.0, 4.0])), np.array([-1.0, 4.0]))


def test_ml_dtypes():
    x = X.astype(ml_dtypes.bfloat16)
    assert leaky_relu(x).dtype == ml_dtypes.bfloat16
    with pytest.raises(TypeError, match="`data` must be of dtype float16, bfloat16, float32, float64, an integer or"):
        leaky_relu(X.astype(ml_dtypes.float8_e4m3fn))


def test_masks_are_refused_everywhere():
    masked = np.ma.masked_less(X, 0)
    with pytest.raises(TypeError, match="`data` must be an array without a mask, got a masked array"):
        leaky_relu(masked)
    with pytest.raises(TypeError, match="`gamma` must be an array without a mask"):
        leaky_relu(X, gamma=masked[0, :, 0], act_type="prelu")
    with pytest.raises(TypeError, match="`d_out` must be an array without a mask"):
        vjp(X)[1](masked)


@pytest.mark.parametrize("act_type", [name for name in NAMES if name != "prelu"])
def test_pandas_keeps_its_labels(act_type):
    pandas = needed("pandas")
    series = pandas.Series(X[0, 0], index=list("abcd"), name="height")
    frame = pandas.DataFrame(X[0], index=list("abc"), columns=list("wxyz"))
    for data in (series, frame):
        y, pullback = vjp(data, **parameters_of(act_type))
        expected, pull = vjp(data.to_numpy(), **parameters_of(act_type))
        for actual, wanted in ((y, expected), (pullback(data), pull(data.to_numpy()))):
            assert type(actual) is type(data)
            assert_same_bits(actual.to_numpy(), wanted)
            assert list(actual.index) == list(data.index)
        assert leaky_relu(data, **parameters_of(act_type)).equals(y)
    assert (vjp(series)[0].name, list(vjp(frame)[0].columns)) == ("height", list("wxyz"))
    with pytest.raises(ValueError, match=r"`d_out` must have the index of `data`, got \['d', 'c', 'b', 'a'\]"):
        vjp(series)[1](series.iloc[::-1])


def test_pandas_of_other_kinds():
    pandas = needed("pandas")
    assert leaky_relu(pandas.Series([-4, 4])).dtype == np.float64
    with pytest.raises(TypeError, match="`data` must be of dtype float16, bfloat16, float32, float64, an integer or"):
        leaky_relu(pandas.Series(["a", "b"], dtype=object))


def test_pandas_of_several_dtypes():
    pandas = needed("pandas")
    columns = {"a": pandas.array([-4.0, 4.0], "Float32"), "b": np.float32([-8, 8]), "c": [True, False]}
    y = leaky_relu(pandas.DataFrame(columns, index=["p", "q"]))
    assert (list(y.columns), list(y.index)) == (["a", "b", "c"], ["p", "q"])
    assert_same_bits(y.to_numpy(), np.float32([[-1, -2, 1], [4, 8, 0]]))
    missing = pandas.DataFrame({"a": pandas.array([-4, None], "Int64"), "b": np.float32([-8, 8])})
    assert_same_bits(leaky_relu(missing).to_numpy(), np.array([[-1, -2], [np.nan, 8]]))
    with pytest.raises(TypeError, match=r"`data` must be of dtype .*, got object"):
        leaky_relu(pandas.DataFrame({"a": [1.0], "b": ["x"]}))


def test_pandas_keeps_its_attributes():
    pandas = needed("pandas")
    for data in (pandas.Series(X[0, 0]), pandas.DataFrame(X[0])):
        data.attrs["unit"] = "1"
        assert leaky_relu(data).attrs == {"unit": "1"}


def test_a_gamma_with_the_columns_in_another_order_is_refused():
    pandas = needed("pandas")
    data = pandas.DataFrame(X[0, :, :2], columns=["a", "b"])
    gamma = np.float32([0.5, 0.25])
    expected = leaky_relu(data.to_numpy(), gamma, "prelu")
    for labels in (["a", "b"], ["y", "z"], None):
        assert_same_bits(leaky_relu(data, pandas.Series(gamma, index=labels), "prelu").to_numpy(), expected)
    assert_same_bits(leaky_relu(data, gamma.tolist(), "prelu").to_numpy(), expected)
    with pytest.raises(
        ValueError, match=r"`gamma` must have its labels in the order of the columns of `data`, got \['"
    ):
        vjp(data, pandas.Series(gamma, index=["b", "a"]), "prelu")


def test_xarray_keeps_its_labels():
    xarray = needed("xarray")
    data = xarray.DataArray(X, dims=("n", "c", "w"), coords={"c": list("rgb")}, name="image", attrs={"unit": "1"})
    y, pullback = vjp(data, act_type="elu")
    expected, pull = vjp(X, act_type="elu")
    for actual, wanted in ((y, expected), (pullback(data), pull(X)), (leaky_relu(data, act_type="elu"), expected)):
        assert_same_bits(actual.to_numpy(), wanted)
        assert (actual.dims, actual.name, actual.attrs) == (data.dims, "image", {"unit": "1"})
        assert list(actual.c.values) == list("rgb")
    with pytest.raises(ValueError, match=r"`d_out` must have the dims of `data`, got \['w', 'c', 'n'\]"):
        pullback(data.T)


def test_an_xarray_gamma_finds_its_axis_by_name():
    xarray = needed("xarray")
    cube = np.ascontiguousarray(np.broadcast_to(X[0, :, :3], (3, 3, 3)))
    data = xarray.DataArray(cube, dims=("n", "c", "w"))
    gamma = xarray.DataArray(np.float32([0.5, 0.25, 1.0]), dims=("w",))
    y, pullback = vjp(data, gamma, "prelu")
    expected, pull = vjp(cube, gamma.to_numpy(), "prelu", axis=2)
    d_data, d_gamma = pullback(data)
    assert_same_bits(y.to_numpy(), expected)
    assert_same_bits(d_data.to_numpy(), pull(cube)[0])
    assert_same_bits(d_gamma.to_numpy(), pull(cube)[1])
    assert d_gamma.dims == ("w",)
    both = xarray.DataArray(np.float32([[0.5, 0.25, 1.0]] * 3), dims=("w", "n"))
    assert_same_bits(
        leaky_relu(data, both, "prelu").to_numpy(), leaky_relu(cube, both.T.to_numpy(), "prelu", axis=(0, 2))
    )


def test_an_xarray_gamma_of_other_names():
    xarray = needed("xarray")
    data = xarray.DataArray(X, dims=("n", "c", "w"))
    gamma = xarray.DataArray(X[0], dims=("y", "z"))
    with pytest.raises(
        ValueError, match=r"`gamma` must have dims that `data` has, \['n', 'c', 'w'\], got \['y', 'z'\]"
    ):
        leaky_relu(data, gamma, "prelu")
    y, pullback = vjp(data, gamma, "prelu", axis=(1, 2))
    expected, pull = vjp(X, X[0], "prelu", axis=(1, 2))
    assert_same_bits(y.to_numpy(), expected)
    d_gamma = pullback(data)[1]
    assert d_gamma.dims == ("y", "z")
    assert_same_bits(d_gamma.to_numpy(), pull(X)[1])


def test_xarray_of_other_coordinates():
    xarray = needed("xarray")
    data = xarray.DataArray(X, dims=("n", "c", "w"), coords={"c": list("rgb")})
    other = data.assign_coords(c=list("bgr"))
    with pytest.raises(
        ValueError, match=r"`d_out` must have the coordinates of `data` along 'c', got \['b', 'g', 'r'\]"
    ):
        vjp(data)[1](other)
    with pytest.raises(
        ValueError, match=r"`gamma` must have the coordinates of `data` along 'c', got \['b', 'g', 'r'\]"
    ):
        leaky_relu(data, other.isel(n=0, w=0), "prelu")
    assert_same_bits(vjp(data)[1](data.drop_vars("c")).to_numpy(), vjp(X)[1](X))


def test_a_tensor_that_requires_a_gradient_is_refused_by_name():
    torch = needed("torch")
    gamma = torch.ones(3, requires_grad=True)
    with pytest.raises(TypeError, match="`gamma` must be an array of real numbers, got Tensor: Can't call numpy"):
        leaky_relu(X, gamma, "prelu")


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="of NumPy 2")
def test_strings_of_numpy_are_refused():
    with pytest.raises(TypeError, match=r"`data` must be of dtype float16, .*, got StringDType"):
        leaky_relu(np.array(["a"], np.dtypes.StringDType()))


def test_xarray_of_jax_stays_with_jax():
    xarray, jax = needed("xarray"), needed("jax")
    y = leaky_relu(xarray.DataArray(jax.numpy.asarray(X), dims=("n", "c", "w")), act_type="gelu")
    assert isinstance(y.data, jax.Array)
    assert y.dims == ("n", "c", "w")
