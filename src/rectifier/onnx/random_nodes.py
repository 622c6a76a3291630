"""rrelu's slopes in training, drawn by ONNX's operators: NumPy's for the same key, in every run of the model.

`rectifier.random` says what the slopes are. All numbers are unsigned and of 64 bits, in which a product of two 32-bit
words is exact; onnxruntime's Mul, Div, Add and Sub have them on the CPU in every opset from 9, BitwiseXor from 18.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper

from ..mx.graph import Node
from ..parameters import LOWER_BOUND, UPPER_BOUND, check_bounds, finite_as_float32
from ..random import PHILOX_KEY_STEPS, PHILOX_MULTIPLIERS, PHILOX_ROUNDS, key_from_rng, philox
from .builder import Builder, Tensor, element_type

__all__ = ["draw_slopes", "node_keys", "rrelu_nodes"]

_WORD = 0xFFFFFFFF
_BITS = [2**i for i in range(32)]


def node_keys(rng: int | np.random.Generator | None) -> Iterator[int]:
    """A key for each of a graph's rrelu nodes, in the order in which they compute.

    Parameters
    ----------
    rng : int, numpy.random.Generator or None
        A generator draws each key. An integer is the first node's key itself; the key of node j after it is words 0
        and 1 of Philox4x32-10 with that key and counter (j, 0, 0, 1), which no slope comes from. None stands for an
        integer of fresh entropy.

    Yields
    ------
    int
        0 to 2**64 - 1.

    Raises
    ------
    TypeError, ValueError
        As `rectifier.leaky_relu` for its `rng`.

    Examples
    --------
    >>> keys = node_keys(7)
    >>> next(keys), hex(next(keys))
    (7, '0xa6b6376bbd563aba')
    """
    if isinstance(rng, np.random.Generator):
        return (key_from_rng(rng) for _ in count())
    return _keys_from(key_from_rng(rng))


def _keys_from(first: int) -> Iterator[int]:
    yield first
    for j in count(1):
        low, high = philox([j, 0, 0, 1], [first & _WORD, first >> 32])[:2].tolist()
        yield high << 32 | low


def draw_slopes(b: Builder, data: Tensor, key: int, lower_bound: float, upper_bound: float) -> str:
    """The slopes for data of any shape, also one that is known in the run alone: float32, of the data's shape."""
    lower, upper = check_bounds(lower_bound, upper_bound)
    finite_as_float32("lower_bound", lower)
    finite_as_float32("upper_bound", upper)
    lowest, highest = np.float32(lower), np.float32(upper)
    if lowest == highest:
        return b.constant(lowest, np.float32)
    shape = b.op("Shape", data)
    size = b.op("ReduceProd", shape, keepdims=1)
    blocks = b.op("Div", b.op("Add", size, b.constant(3, np.int64)), b.constant(4, np.int64))
    words = _philox(b, _range(b, blocks), key)
    drawn = b.op("Gather", words, b.op("Reshape", _range(b, size), b.constant([-1], np.int64)), axis=0)
    step = np.float32((np.float64(highest) - np.float64(lowest)) * 2.0**-24)
    slopes = _fma(b, b.op("Div", drawn, _integers(b, 256)), step, lowest)
    below = b.op("Less", slopes, b.constant(highest, np.float32))
    kept = b.op("Where", below, slopes, b.constant(np.nextafter(highest, lowest), np.float32))
    # Without `allowzero`, a size of 0 would mean the size of the vector.
    zeros = {"allowzero": 1} if b.opset >= 14 else {}
    return b.op("Reshape", kept, shape, **zeros)


def _integers(b: Builder, values: Any) -> str:
    return b.constant(values, np.uint64)


def _range(b: Builder, size: str) -> str:
    """The numbers from 0 to size - 1, as a row. An operator Range came in opset 11 only."""
    ones = b.op("ConstantOfShape", size, value=numpy_helper.from_array(np.ones(1, np.int64)))
    return b.op("NonZero", ones)


def _philox(b: Builder, blocks: str, key: int) -> str:
    """The random words of these blocks, one after the other.

    Words 0 and 2 of all blocks are the rows of one tensor, words 1 and 3 those of another.
    """
    index = b.op("Cast", blocks, to=TensorProto.UINT64)
    high = b.op("Div", index, _integers(b, 2**32))
    low = b.op("Sub", index, b.op("Mul", high, _integers(b, 2**32)))
    zero = b.op("Mul", index, _integers(b, 0))
    even, odd = b.op("Concat", low, zero, axis=0), b.op("Concat", high, zero, axis=0)
    multipliers = _integers(b, [[m] for m in PHILOX_MULTIPLIERS])
    exchange = b.constant([1, 0], np.int64)
    for i in range(PHILOX_ROUNDS):
        keys = [[(part + i * step) & _WORD] for part, step in zip((key, key >> 32), PHILOX_KEY_STEPS, strict=True)]
        product = b.op("Gather", b.op("Mul", even, multipliers), exchange, axis=0)
        high = b.op("Div", product, _integers(b, 2**32))
        even = _xor(b, high, odd, keys)
        odd = b.op("Sub", product, b.op("Mul", high, _integers(b, 2**32)))
    rows = b.op("Gather", b.op("Concat", even, odd, axis=0), b.constant([0, 2, 1, 3], np.int64), axis=0)
    return b.op("Reshape", b.op("Transpose", rows, perm=[1, 0]), b.constant([-1], np.int64))


def _xor(b: Builder, left: str, right: str, keys: list[list[int]]) -> str:
    """left ^ right ^ keys, of 32-bit numbers. Below opset 18 ONNX has Xor for truth values alone: one for each bit."""
    if b.opset >= 18:
        return b.op("BitwiseXor", b.op("BitwiseXor", left, right), _integers(b, keys))
    key_bits = b.constant([[[bool(word & bit)] for (word,) in keys] for bit in _BITS], np.bool_)
    bits = b.op("Xor", b.op("Xor", _bits(b, left), _bits(b, right)), key_bits)
    numbers = b.op("Mul", b.op("Cast", bits, to=TensorProto.INT64), _of_bits(b, np.int64))
    if b.opset >= 13:
        total = b.op("ReduceSum", numbers, b.constant([0], np.int64), keepdims=0)
    else:
        total = b.op("ReduceSum", numbers, axes=[0], keepdims=0)
    return b.op("Cast", total, to=TensorProto.UINT64)


def _bits(b: Builder, words: str) -> str:
    """The bits along a new first axis."""
    shifted = b.op("Div", words, _of_bits(b, np.uint64))
    even = b.op("Mul", b.op("Div", shifted, _integers(b, 2)), _integers(b, 2))
    return b.op("Cast", b.op("Sub", shifted, even), to=TensorProto.BOOL)


def _of_bits(b: Builder, dtype: type) -> str:
    return b.constant(np.array(_BITS)[:, None, None], dtype)


def _fma(b: Builder, numbers: str, step: np.float32, lowest: np.float32) -> str:
    """numbers * step + lowest, rounded once to float32; the numbers are integers of 24 bits.

    The product is exact in float64, the sum is rounded there and, a second time, to float32. That errs only where the
    first result lies half-way between two float32 and was rounded itself: then the error of the sum, which Knuth's
    TwoSum finds, decides.
    """
    double = element_type(np.dtype(np.float64))
    single = element_type(np.dtype(np.float32))
    x = b.op("Mul", b.op("Cast", numbers, to=double), b.constant(step, np.float64))
    y = b.constant(lowest, np.float64)
    total = b.op("Add", x, y)
    part = b.op("Sub", total, x)
    error = b.op("Add", b.op("Sub", x, b.op("Sub", total, part)), b.op("Sub", y, part))
    rounded = b.op("Cast", total, to=single)
    wide = b.op("Cast", rounded, to=double)
    distance = b.op("Sub", total, wide)
    other = b.op("Add", wide, b.op("Add", distance, distance))
    other_rounded = b.op("Cast", other, to=single)
    back = b.op("Cast", other_rounded, to=double)
    is_half_way = b.op("Not", b.op("Or", b.op("Less", back, other), b.op("Greater", back, other)))
    signs = b.op("Mul", b.op("Sign", error), b.op("Sign", distance))
    is_nearer = b.op("And", is_half_way, b.op("Greater", signs, b.constant(0.0, np.float64)))
    return b.op("Where", is_nearer, other_rounded, rounded)


def rrelu_nodes(
    data: str,
    output: str,
    rng: int | np.random.Generator | None,
    lower_bound: float = LOWER_BOUND,
    upper_bound: float = UPPER_BOUND,
    *,
    mask: str | None = None,
    dtype: Any = np.float32,
    opset: int = 17,
) -> tuple[list[NodeProto], list[TensorProto]]:
    """rrelu in training for a graph of your own, in place of an operator that ONNX does not have.

    Parameters
    ----------
    data, output : str
        The names of the tensor that is read, of any shape, and of the one that is made.
    rng : int, numpy.random.Generator or None
        The key of the slopes, as in `rectifier.leaky_relu`. Every run of the model draws the same ones.
    lower_bound, upper_bound : float, default 0.125 and 0.333999991
        As in `rectifier.leaky_relu`.
    mask : str, optional
        The name of a second output: what each element was multiplied by.
    dtype : dtype, default float32
        Of the data: float16, float32 or float64.
    opset : int, default 17
        The graph's version of ONNX's operators, from 9 on.

    Returns
    -------
    nodes : list of NodeProto
        In the order in which they compute. The names within begin with the output's.
    initializers : list of TensorProto
        Their constants.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    Notes
    -----
    The slopes have the bits of ``rectifier.rrelu_slopes(shape, rng)``, and the output those of `rectifier.leaky_relu`.

    Examples
    --------
    >>> from rectifier.onnx import rrelu_nodes
    >>> nodes, initializers = rrelu_nodes("x", "y", rng=7)
    >>> nodes[0].op_type, nodes[-1].output[0]
    ('Shape', 'y')
    """
    from .activations import random_rrelu  # it needs `draw_slopes`
    from .exporter import check_dtype, check_opset
    from .translators import Call

    check_opset(opset)
    kind = check_dtype(dtype)
    b = Builder(opset, keys=iter([key_from_rng(rng)]))
    b.scope = output
    values = {"act_type": "rrelu", "lower_bound": float(lower_bound), "upper_bound": float(upper_bound)}
    call = Call(b, Node("LeakyReLU", output), values, (Tensor(data, None, kind),), lambda tensor: None)
    made = random_rrelu(call)
    names = {name: f"{output}/{name}" for name in b.initializers}
    names.update(zip(made, (output, mask or f"{output}/mask"), strict=True))
    for node in b.nodes:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    tensors = [numpy_helper.from_array(weight.read(), names[name]) for name, weight in b.initializers.items()]
    nodes = b.nodes if mask is not None else b.nodes[: 1 + [node.output[0] for node in b.nodes].index(output)]
    return nodes, _read_by(nodes, tensors)


def _read_by(nodes: list[NodeProto], tensors: list[TensorProto]) -> list[TensorProto]:
    read = {name for node in nodes for name in node.input}
    return [tensor for tensor in tensors if tensor.name in read]
