"""One small graph for each setting of each of MXNet's operators on arrays: what exporters are tested on.

`CASES` needs no MXNet. A case's code builds a symbol `s` of variables `a`, `b`, `c`, in MXNet's Python.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["CASES", "Case", "arrays_of", "code_of"]


class Case(NamedTuple):
    """An expression of `mx.sym`, and the inputs: shapes, or arrays.

    `free` is the axes of the first input whose sizes may be free in a model, from opset `free_opset` on.
    """

    code: str
    inputs: tuple = ((2, 3, 4),)
    free: tuple = (0,)
    free_opset: int = 9

    def __str__(self):
        return self.code


def code_of(case):
    """A program that leaves the symbol in `s`."""
    return "sym = mx.sym\na, b, c = (mx.sym.Variable(name) for name in 'abc')\n" + f"s = {case.code}\n"


def arrays_of(case, dtype=np.float32):
    """The inputs by name: what is not given as an array is random, and never next to a whole or half number."""
    rng = np.random.default_rng(len(case.code))
    found = {}
    for name, given in zip("abc", case.inputs, strict=False):
        if isinstance(given, tuple):
            given = np.floor(rng.uniform(-3, 3, given) * 2) / 2 + rng.uniform(0.05, 0.45, given)
        found[name] = np.asarray(given, dtype)
    return found


POSITIVE = np.random.default_rng(1).uniform(0.2, 3, (2, 3, 4))
SMALL = np.random.default_rng(2).uniform(-0.95, 0.95, (2, 3, 4))
TINY = np.concatenate([np.geomspace(1e-9, 0.5, 12), -np.geomspace(1e-9, 0.5, 12)]).reshape(2, 3, 4)
HALVES = (np.arange(24).reshape(2, 3, 4) - 12) / 2
TRUTH = np.array([[0, 1, -2, 0], [0, 0, 3, 0.5]])
OTHER = np.array([[0, 0, 1, 0.25], [2, 0, 0, 0]])
NANS = np.where(HALVES % 2 == 1, np.nan, HALVES)
DISTINCT = np.random.default_rng(3).permutation(24).reshape(2, 3, 4) / 7 - 1.5

_layout = [
    Case("sym.Concat(a, b, dim=1)", ((2, 3, 4), (2, 5, 4))),
    Case("sym.Concat(a, b, c, dim=-1)", ((2, 3), (2, 1), (2, 2))),
    Case("sym.Concat(a, dim=0)"),
    Case("sym.stack(a, b)", ((2, 3), (2, 3))),
    Case("sym.stack(a, b, axis=-1)", ((2, 3), (2, 3))),
    Case("sym.stack(a, b, c, axis=1)", ((2, 3), (2, 3), (2, 3))),
    Case("sym.Flatten(a)"),
    Case("sym.Flatten(a)", ((5,),)),
    *(
        Case(f"sym.Reshape(a, shape={shape}{', reverse=True' if reverse else ''})", free=free)
        for shape, reverse, free in [
            ((6, 4), False, ()),
            ((0, -1), False, (0, 1)),
            ((-1, 4), False, (0, 1)),
            ((0, 0, -1, 2), False, (0, 1)),
            ((-2,), False, (0, 1, 2)),
            ((0, -2), False, (0, 1, 2)),
            ((-3, 4), False, (0,)),
            ((-3, -2), False, (0, 2)),
            ((0, -3), False, (0, 1)),
            ((-4, 1, 2, -2), False, (1,)),
            ((-4, 1, -1, -2), False, (0, 1)),
            ((-4, -1, 2, -3), False, (0, 1)),
            ((0, -4, 3, -1, 0), False, (0, 2)),
            ((-2, 1, 1), False, (0, 1)),
            ((2, 3, 2, 2), False, (0,)),
            ((-1, 0), True, (0, 2)),
            ((-3, 0), True, (0, 2)),
            ((2, -1, 0), True, (2,)),
            ((-1,), False, (0,)),
            ((0, 4, -1), True, ()),
        ]
    ),
    Case("sym.Reshape(a, target_shape=(2, 0))"),
    Case("sym.Reshape(a, target_shape=(0, 6, 2), keep_highest=True)"),
    Case("sym.reshape_like(a, b)", ((2, 3, 4), (6, 4)), ()),
    Case("sym.reshape_like(a, b, lhs_begin=1, rhs_begin=1)", ((2, 3, 4), (7, 6, 2)), (0,)),
    Case("sym.reshape_like(a, b, lhs_begin=0, lhs_end=2, rhs_begin=0, rhs_end=1)", ((2, 3, 4), (6, 5)), ()),
    Case("sym.reshape_like(a, b, lhs_begin=-2, rhs_begin=-1, rhs_end=2)", ((2, 3, 4), (7, 12)), (0,)),
    Case("sym.transpose(a)"),
    Case("sym.transpose(a, axes=(0, 2, 1))"),
    Case("sym.transpose(a, axes=(2, 0, 1))"),
    *(Case(f"sym.expand_dims(a, axis={axis})") for axis in (0, 1, 3, -1, -2)),
    Case("sym.squeeze(a)", ((2, 1, 3, 1),), ()),
    Case("sym.squeeze(a, axis=1)", ((2, 1, 3, 1),)),
    Case("sym.squeeze(a, axis=(1, -1))", ((2, 1, 3, 1),)),
    Case("sym.squeeze(a)", ((1, 1),), ()),
    Case("sym.SwapAxis(a, dim1=0, dim2=2)"),
    Case("sym.SwapAxis(a, dim1=1, dim2=2)"),
    Case("sym.reverse(a, axis=1)"),
    Case("sym.flip(a, axis=(0, 2))", free_opset=10),
    Case("sym.tile(a, reps=(2, 3))"),
    Case("sym.tile(a, reps=(2, 1, 3))"),
    Case("sym.tile(a, reps=(2, 1, 1, 3))"),
    Case("sym.repeat(a, repeats=2)"),
    Case("sym.repeat(a, repeats=3, axis=1)", free=(0, 2)),
    Case("sym.repeat(a, repeats=2, axis=0)", free=(0, 1)),
    Case("sym.repeat(a, repeats=2, axis=-1)", free=(0, 1)),
    Case("sym.space_to_depth(a, block_size=2)", ((2, 3, 4, 6),), (0, 2)),
    Case("sym.depth_to_space(a, block_size=2)", ((2, 8, 3, 2),), (0, 2)),
    Case("sym.broadcast_to(a, shape=(2, 3, 4))", ((1, 3, 1),), ()),
    Case("sym.broadcast_to(a, shape=(0, 3, 4))", ((2, 1, 4),)),
    Case("sym.broadcast_axis(a, axis=1, size=5)", ((2, 1, 4),)),
    Case("sym.broadcast_axes(a, axis=(1, 2), size=(5, 3))", ((2, 1, 1),)),
    Case("sym.broadcast_like(a, b)", ((2, 1, 1), (2, 3, 4))),
    Case("sym.broadcast_like(a, b, lhs_axes=(1, -1), rhs_axes=(0, 1))", ((2, 1, 1), (3, 4))),
    Case("sym.shape_array(a)"),
    Case("sym.size_array(a)"),
    Case("sym.zeros_like(a)", (NANS,)),
    Case("sym.ones_like(a)"),
    Case("sym.broadcast_add(a, sym.zeros(shape=(3, 4)).expand_dims(0))"),
    Case("sym.broadcast_mul(a, sym.ones(shape=(1, 3, 4)))"),
    Case("sym.broadcast_mul(a, sym.full(shape=(1, 3, 4), val=2.5))"),
    Case("sym.broadcast_mul(a, sym.arange(4).reshape((1, 1, 4)))"),
    Case(
        "sym.broadcast_mul(a, sym.arange(1, 3.1, 0.5, repeat=2).slice_axis(axis=0, begin=0, end=4).reshape((1, 1, 4)))"
    ),
    Case("sym.elemwise_add(a, sym.arange(2, step=3, infer_range=True, stop=None))", ((5,),), ()),
    *(Case(f"sym.Cast(a, dtype={dtype!r})") for dtype in ("int32", "int64", "float16", "float64", "uint8", "int8")),
    Case("sym.amp_cast(a, dtype='float16')"),
    Case("sym.amp_cast(sym.cast(a, dtype='float64'), dtype='float16')"),
    Case("sym.amp_cast(sym.cast(a, dtype='int32'), dtype='float16')"),
    Case("sym.cast(sym.cast(a, dtype='int32') * 2, dtype='float32')"),
]

_index = np.array([[0, 2, 1], [-1, 5, 3]])
_parts = [
    Case("sym.slice(a, begin=(0, 1), end=(2, 3))", free=(2,)),
    Case("sym.slice(a, begin=(None, 1, 0), end=(None, None, -1))", free=(0, 1, 2)),
    Case("sym.slice(a, begin=(-1, -2), end=(None, None))", free=(0,)),
    Case("sym.slice(a, begin=(None, None, None), end=(None, None, None), step=(1, -1, 2))", free_opset=10),
    Case("sym.slice(a, begin=(None, 2, 3), end=(None, 0, 0), step=(None, -1, -2))", free_opset=10),
    Case("sym.slice_axis(a, axis=1, begin=1, end=3)", free=(0, 1)),
    Case("sym.slice_axis(a, axis=-1, begin=-3, end=None)", free=(0, 2)),
    Case("sym.slice_axis(a, axis=2, begin=0, end=-1)", free=(0, 2)),
    Case("sym.slice_like(a, b)", ((4, 5), (2, 3)), (0, 1)),
    Case("sym.slice_like(a, b, axes=(1, -1))", ((2, 5, 6), (9, 3, 4))),
    Case("sym.Group(list(sym.SliceChannel(a, num_outputs=3)))"),
    Case("sym.Group(list(sym.split(a, num_outputs=3, axis=1, squeeze_axis=True)))"),
    Case("sym.Group(list(sym.split(a, num_outputs=2, axis=-1)))", free=(0, 2)),
    Case("sym.SliceChannel(a, num_outputs=1, axis=1)"),
    Case("sym.Group(list(sym.split_v2(a, (1, 3), axis=2)))", free=(0, 2)),
    Case("sym.Group(list(sym.split_v2(a, 3, axis=1, squeeze_axis=True)))"),
    Case("sym.Group(list(sym.split_v2(a, 2, axis=2)))", free=(0, 2)),
    Case("sym.where(a, b, c)", (TRUTH, (2, 4), (2, 4)), ()),
    Case("sym.where(a, b, c)", ([0, 2.0], (2, 4, 3), (2, 4, 3)), ()),
    *(
        Case(f"sym.take(a, b, axis={axis}, mode={mode!r})", ((4, 3, 5), _index), free=free)
        for axis, mode, free in [(0, "clip", (0,)), (1, "clip", (0,)), (-1, "wrap", (0,)), (0, "wrap", (0,))]
    ),
    Case("sym.take(a, b, axis=1, mode='raise')", ((4, 3, 5), [0, 2, 1, 1])),
    Case("sym.take(a, sym.cast(b, dtype='int32'))", ((4, 3), [0, 2.0])),
    Case("sym.pick(a, b)", ((3, 4), [0, 3, 1])),
    Case("sym.pick(a, b, keepdims=True)", ((3, 4), [0, 3, 1])),
    Case("sym.pick(a, b, axis=1)", ((2, 3, 4), [[0, 1, 2, 0], [1, 1, 0, 2]])),
    Case("sym.pick(a, b, axis=0, mode='wrap')", ((3, 4), [-1, 4, 1, 0]), (1,)),
    Case("sym.pick(a, b, axis=1, mode='clip')", ((3, 4), [-1, 9, 1])),
    Case("sym.pick(a, b, axis=1, keepdims=True)", ((3, 4), [[1], [3], [0]])),
    Case("sym.batch_take(a, sym.cast(b, dtype='int32'))", ((3, 4), [1, 3, 0])),
    Case("sym.gather_nd(a, b)", ((3, 4), [[0, 2, 1], [3, 0, 1]]), (0,)),
    Case("sym.gather_nd(a, b)", ((3, 4, 2), [[0, 2], [3, 0]]), (0,)),
    Case("sym.gather_nd(a, b)", ((3, 4), [[[0, 2], [1, 1]]]), (0,)),
    Case("sym.one_hot(a, depth=4)", ([[0, 3.0], [-1, 7]],)),
    Case("sym.one_hot(a, depth=3, on_value=2.5, off_value=-1)", ([0, 2.0, 5],)),
    Case("sym.one_hot(a, depth=3, dtype='int32', on_value=7)", ([0, 2.0, 5],)),
    *(
        Case(f"sym.topk(a, {settings})", (DISTINCT,), free_opset=free)
        for settings, free in [
            ("k=2", 9),
            ("k=1, axis=1, ret_typ='value'", 9),
            ("k=3, is_ascend=True, ret_typ='value'", 9),
            ("k=2, axis=1, dtype='int32'", 9),
            ("k=2, ret_typ='mask'", 9),
            ("k=2, axis=1, ret_typ='mask', is_ascend=True", 9),
            ("k=3, axis=None", 9),
        ]
    ),
    Case("sym.Group(list(sym.topk(a, k=2, ret_typ='both')))", (DISTINCT,)),
    Case("sym.sort(a)", (DISTINCT,)),
    Case("sym.sort(a, axis=0, is_ascend=False)", (DISTINCT,), free_opset=10),
    Case("sym.sort(a, axis=None)", (DISTINCT,), free_opset=10),
    Case("sym.argsort(a, axis=1)", (DISTINCT,)),
    Case("sym.argsort(a, is_ascend=False, dtype='int32')", (DISTINCT,)),
]

_FUNCTIONS = (
    "abs negative exp square relu sigmoid tanh softsign sign sin cos tan sinh cosh arctan arcsinh "
    "erf cbrt rcbrt reciprocal degrees radians identity BlockGrad expm1 hard_sigmoid smooth_l1 "
    "logical_not"
)
_CHOICES = (
    "broadcast_logical_and broadcast_logical_or broadcast_logical_xor _internal._logical_and "
    "_internal._logical_or _internal._logical_xor broadcast_equal broadcast_not_equal "
    "broadcast_greater broadcast_greater_equal broadcast_lesser broadcast_lesser_equal "
    "_internal._equal _internal._not_equal _internal._greater _internal._lesser_equal"
)
_SCALARS = (
    "plus minus rminus mul div rdiv mod rmod power rpower maximum minimum hypot equal not_equal "
    "greater greater_equal lesser lesser_equal"
)
_STRETCHED = (
    "broadcast_add broadcast_sub broadcast_mul broadcast_div broadcast_mod broadcast_power "
    "broadcast_maximum broadcast_minimum broadcast_hypot broadcast_plus broadcast_minus"
)
_ELEMENTWISE = (
    "elemwise_add elemwise_sub elemwise_mul elemwise_div _internal._plus _internal._minus "
    "_internal._mod _internal._power _internal._maximum _internal._minimum _internal._hypot "
    "_internal._grad_add _internal._Plus _internal._Mul"
)
_REDUCTIONS = (
    "",
    ", axis=1",
    ", axis=(0, 2)",
    ", axis=-1, keepdims=True",
    ", axis=(1,), exclude=True",
    ", keepdims=True",
)
_numbers = [
    *(Case(f"sym.{name}(a{how})") for name in ("sum", "mean", "max", "min", "prod") for how in _REDUCTIONS),
    *(Case(f"sym.{name}(a{how})", (NANS,)) for name in ("nansum", "nanprod") for how in ("", ", axis=1")),
    *(
        Case(f"sym.{name}(a{how})", (DISTINCT,))
        for name in ("argmax", "argmin")
        for how in ("", ", axis=1", ", axis=-1, keepdims=True", ", keepdims=True")
    ),
    Case("sym.argmax(a, axis=0)", ((5,),), ()),
    Case("sym.argmax(a, axis=1)", (np.round(SMALL),)),
    Case("sym.argmax_channel(a)", (DISTINCT[0],)),
    *(
        Case(f"sym.norm(a{how})")
        for how in ("", ", ord=1", ", axis=1", ", ord=1, axis=(0, 2)", ", axis=-1, keepdims=True", ", axis=(1, 2)")
    ),
    Case("sym.norm(a, axis=1, out_dtype='float32')"),
    *(Case(f"sym.{name}(a)") for name in _FUNCTIONS.split()),
    *(Case(f"sym.{name}(a)", (HALVES,)) for name in ("floor", "ceil", "rint", "round", "trunc", "fix", "logical_not")),
    *(Case(f"sym.{name}(a)", (POSITIVE,)) for name in ("log", "log2", "log10", "sqrt", "rsqrt", "log1p")),
    *(Case(f"sym.{name}(a)", (SMALL,)) for name in ("arcsin", "arccos", "arctanh")),
    Case("sym.arccosh(a)", (POSITIVE + 1,)),
    *(Case(f"sym.{name}(a)", (TINY,)) for name in ("expm1", "log1p")),
    Case("sym.hard_sigmoid(a, alpha=0.3, beta=0.4)"),
    Case("sym.smooth_l1(a, scalar=2.0)"),
    Case("sym.smooth_l1(a, scalar=0.5)"),
    Case("sym.clip(a, a_min=-1, a_max=0.5)"),
    Case("sym.clip(sym.cast(a, dtype='int32'), a_min=-1, a_max=1)"),
    *(Case(f"sym.{name}(a, b)", (TRUTH, OTHER)) for name in _CHOICES.split()),
    *(
        Case(f"sym._internal._{name}_scalar(a, scalar={number})", (TRUTH,))
        for name in ("logical_and", "logical_or", "logical_xor")
        for number in (0, 2)
    ),
    *(Case(f"sym._internal._{name}_scalar(a, scalar=0.5)", (POSITIVE,)) for name in _SCALARS.split()),
    *(Case(f"sym.{name}(a, b)", (POSITIVE, POSITIVE[:, :1] + 0.125)) for name in _STRETCHED.split()),
    *(Case(f"sym.{name}(a, b)", (POSITIVE, POSITIVE[:, ::-1])) for name in _ELEMENTWISE.split()),
    Case("sym.add_n(a, b, a)", ((2, 3), (2, 3))),
    Case("sym.ElementWiseSum(a, b)", ((2, 3), (2, 3))),
]

_products = [
    *(
        Case(f"sym.dot(a, b{how})", shapes, free)
        for how, shapes, free in [
            ("", ((3, 4), (4, 5)), (0,)),
            (", transpose_a=True", ((4, 3), (4, 5)), (1,)),
            (", transpose_b=True", ((3, 4), (5, 4)), (0,)),
            (", transpose_a=True, transpose_b=True", ((4, 3), (5, 4)), (1,)),
            ("", ((4,), (4,)), ()),
            ("", ((3, 4), (4,)), (0,)),
            ("", ((4,), (4, 3)), ()),
            ("", ((2, 3, 4), (4, 5)), (0, 1)),
            ("", ((2, 3, 4), (4, 5, 2)), (0, 1)),
            ("", ((3, 4), (4, 5, 2)), (0,)),
            (", transpose_a=True", ((4, 2, 3), (4, 5, 2)), (1,)),
            (", transpose_b=True", ((2, 3, 4), (5, 2, 4)), (0,)),
            (", transpose_b=True", ((2, 3, 4), (5, 4)), (0, 1)),
        ]
    ),
    Case("sym.batch_dot(a, b)", ((2, 3, 4), (2, 4, 5)), (0,)),
    Case("sym.batch_dot(a, b, transpose_a=True)", ((2, 4, 3), (2, 4, 5)), (0,)),
    Case("sym.batch_dot(a, b, transpose_b=True)", ((2, 3, 4), (2, 5, 4)), (0,)),
    Case("sym.linalg_gemm2(a, b, alpha=0.5)", ((2, 3, 4), (2, 4, 5)), (0,)),
    Case("sym.linalg_gemm2(a, b, transpose_b=True)", ((2, 2, 3, 4), (2, 2, 5, 4)), (0,)),
    Case("sym.linalg_gemm2(a, b, transpose_a=True, axis=-3)", ((2, 4, 2, 3), (2, 4, 2, 5)), (0,)),
]

CASES = (*_layout, *_parts, *_numbers, *_products)
