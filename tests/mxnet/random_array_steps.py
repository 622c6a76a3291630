"""Steps of random networks that compute with numbers, or arrange them; `random_steps` says what a step is."""

from random_steps import groups_for, step

UNARY = (
    "tanh({0})", "sigmoid({0})", "relu({0})", "softsign({0})", "abs({0})", "negative({0})", "exp(-abs({0}))",
    "log(1 + abs({0}))", "sqrt(1 + square({0}))", "square(tanh({0}))", "identity({0})", "BlockGrad({0})",
    "reciprocal(1 + abs({0}))", "clip({0}, a_min=-0.7, a_max=1.3)", "Dropout({0}, p=0.3)", "MakeLoss({0})",
    "Cast(sigmoid(Cast({0}, dtype='float64')), dtype='float32')", "zeros_like({0}) + 0.5 * {0}", "ones_like({0}) - {0}",
    "where({0} > 0, {0}, 0.2 * {0})", "where({0} <= 0.25, {0}, 0.5 * {0} + 0.125)", "({0} >= 0) * {0}",
    "({0} < 1) * ({0} - 1)", "({0} == {0}) * {0}", "expand_dims({0}, axis=1).squeeze(axis=1)",
)  # fmt: skip


@step(4)
def unary(d, x, shape):
    return d.formula(d.choice(UNARY), x)


SCALAR = (
    "{0} + 0.5", "{0} - 0.5", "0.5 - {0}", "{0} * 1.5", "{0} / 3", "2 / (1 + abs({0}))", "(1 + abs({0})) ** 0.5",
    "2 ** tanh({0})", "maximum({0}, 0.1)", "minimum({0}, 0.9)", "hypot({0}, 2)",
)  # fmt: skip


@step(3)
def scalar(d, x, shape):
    return d.formula(d.choice(SCALAR), x)


BINARY = (
    "({0} + {1}) / 2", "{0} - 0.5 * {1}", "{0} * tanh({1})", "{0} / (1 + abs({1}))", "maximum({0}, {1})",
    "minimum({0}, {1})", "hypot({0}, {1})", "broadcast_add({0}, {1})", "broadcast_maximum({0}, {1})",
    "broadcast_hypot({0}, {1})", "where({0} > {1}, {0}, {1})", "where({0} <= {1}, {1} - {0}, {0} - {1})",
    "add_n({0}, {1}, {0})", "(1 + abs({0})) ** sigmoid({1})", "elemwise_sub({0}, {1})",
    "broadcast_lesser({0}, {1}) * ({0} - {1})", "broadcast_div({0}, 1 + square({1}))", "({0} != {1}) * ({0} - {1})",
)  # fmt: skip


@step(5)
def binary(d, x, shape):
    return d.formula(d.choice(BINARY), x, d.other(x, shape))


@step(3)
def with_reduction(d, x, shape):
    """Broadcasting with what is left of some axes."""
    axes = tuple(sorted(d.several(range(len(shape)))))
    options = {"axis": axes, "keepdims": True}
    if d.chance(0.2):
        if len(axes) == len(shape):
            return None
        options["exclude"] = True
    reduced = getattr(d.sym, d.choice(["mean", "max", "min", "sum"]))(x, **options)
    return d.formula(
        d.choice(["broadcast_sub({0}, {1})", "broadcast_mul({0}, sigmoid({1}))", "broadcast_add({0}, {1})"]), x, reduced
    )


@step(2, (3, 4, 5))
def reduction(d, x, shape):
    axis = d.integer(2, len(shape) - 1)
    return getattr(d.sym, d.choice(["mean", "sum", "max", "min"]))(
        x, axis=d.choice([axis, axis - len(shape)]), name=d.name("reduce")
    )


@step(4)
def concat(d, x, shape):
    axis, other = d.axis(shape), d.other(x, shape)
    many = [x, other, x * 0.5][: d.integer(2, 3)]
    return d.sym.Concat(*many, dim=d.choice([axis, axis - len(shape)] if axis else [axis]), name=d.name("concat"))


@step(1, (2, 3, 4))
def stack(d, x, shape):
    return d.sym.stack(x, d.other(x, shape), axis=d.integer(0, len(shape)), name=d.name("stack"))


@step(2, (3, 4, 5))
def transpose(d, x, shape):
    axes = d.shuffled(range(len(shape)))
    return d.sym.transpose(x, name=d.name("t"), **({} if d.chance(0.2) else {"axes": tuple(axes)}))


@step(4)
def reshape(d, x, shape):
    first, second = shape[0], shape[1]
    codes = [(0, -1), (-1, shape[-1]), (0, 0, -1)]
    if len(shape) > 2:
        codes += [(0, -3, -2), (-3, -2), (0, -1, shape[-1]), (0, 0, -1)]
    if len(shape) == 5:
        codes += [(0, -3, -3), (-3, -3, 0)]
    if len(shape) < 5:
        part = groups_for(d, second)
        codes += [(0, -4, part, -1, -2), (0, -4, -1, part, -2), (-4, 1, first, -2)]
    chosen = d.choice(codes)
    if d.chance(0.2) and -4 not in chosen and -3 not in chosen:
        return d.sym.Reshape(x, shape=chosen, reverse=True, name=d.name("reshape"))
    return d.sym.Reshape(x, shape=chosen, name=d.name("reshape"))


@step(2)
def slice_axis(d, x, shape):
    axis = d.axis(shape)
    begin = d.integer(0, shape[axis] - 1)
    end = d.choice([None, d.integer(begin + 1, shape[axis])])
    begin = d.choice([begin, begin - shape[axis]])
    return d.sym.slice_axis(x, axis=axis, begin=begin, end=end, name=d.name("slice_axis"))


@step(2)
def slice_all(d, x, shape):
    begin = [d.integer(0, size - 1) for size in shape]
    end = [d.choice([None, d.integer(low + 1, size)]) for low, size in zip(begin, shape, strict=True)]
    options = {"step": tuple(d.integer(1, 2) for _ in shape)} if d.chance(0.3) else {}
    return d.sym.slice(x, begin=tuple(begin), end=tuple(end), name=d.name("slice"), **options)


@step(2)
def split(d, x, shape):
    axis = d.axis(shape)
    count = groups_for(d, shape[axis])
    squeeze = count == shape[axis] and d.chance() and len(shape) > 2
    parts = d.sym.SliceChannel(x, axis=axis, num_outputs=count, squeeze_axis=squeeze, name=d.name("split"))
    found = [parts[i] for i in range(count)]
    return found[0] if count == 1 else found[d.integer(0, count - 1)] + 0.5 * found[d.integer(0, count - 1)]


@step(1, (2, 3, 4))
def expand(d, x, shape):
    return d.sym.expand_dims(x, axis=d.integer(0, len(shape)), name=d.name("expand"))


@step(1, (3, 4, 5))
def squeeze(d, x, shape):
    ones = [i for i, size in enumerate(shape) if size == 1]
    return d.sym.squeeze(x, axis=d.choice(ones), name=d.name("squeeze")) if ones else None


@step(1, (4, 5))
def pad(d, x, shape):
    mode = d.choice(["constant", "edge", "reflect"])
    width = [0, 0, 0, 0] + [d.integer(0, min(2, size - 1)) for size in shape[2:] for _ in range(2)]
    options = {"constant_value": d.choice([0, 0.5])} if mode == "constant" else {}
    return d.sym.Pad(x, mode=mode, pad_width=tuple(width), name=d.name("pad"), **options)


@step(1)
def tile(d, x, shape):
    """Two axes at most: MXNet fails with more in four dimensions."""
    chosen = {d.axis(shape), d.axis(shape)}
    return d.sym.tile(x, reps=tuple(2 if i in chosen else 1 for i in range(len(shape))), name=d.name("tile"))


@step(1)
def repeat(d, x, shape):
    return d.sym.repeat(x, repeats=2, axis=d.axis(shape), name=d.name("repeat"))


@step(1)
def take(d, x, shape):
    axis = d.axis(shape)
    index = d.index(shape[axis], (d.integer(1, 4),))
    return d.sym.take(x, index, axis=axis, mode=d.choice(["clip", "wrap"]), name=d.name("take"))


@step(2, (2,))
def dot(d, x, shape):
    count = d.integer(2, 6)
    if d.chance():
        return d.sym.dot(x, d.parameter((count, shape[1])), transpose_b=True)
    return d.sym.dot(x, d.parameter((shape[1], count)))


@step(2, (3,))
def batch_dot(d, x, shape):
    return d.sym.batch_dot(x, d.other(x, shape), transpose_b=True) / shape[2]


@step(1)
def broadcast_parameter(d, x, shape):
    kept = tuple(size if d.chance() else 1 for size in shape)
    return d.formula(
        d.choice(["broadcast_mul({0}, {1})", "broadcast_add({0}, {1})", "broadcast_minimum({0}, {1})"]),
        x,
        d.parameter(kept),
    )
