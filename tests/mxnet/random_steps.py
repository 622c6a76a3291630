"""One operator, or a few, of a random network. Each step gets a `Draft`, a symbol and its shape, and returns a symbol.

A step returns None where it has no use for this shape. What it draws is continuous in its input, so that rounding
errors stay small: MXNet's comparisons, for one, only choose between numbers that are equal where the choice flips.
"""

import math

ACT_TYPES = ("leaky", "elu", "selu", "gelu", "prelu", "rrelu")
STEPS = []


def step(weight=1, ranks=(2, 3, 4, 5)):
    """Enter a function in the list, with its share of all steps, and the ranks of data that it is for."""

    def enter(function):
        STEPS.append((weight, ranks, function))
        return function

    return enter


def window(d, shape, dilated=False, largest=3):
    """Random kernel, stride, padding and dilation for the axes of space."""
    count = len(shape) - 2
    kernel = [d.integer(1, min(largest, size)) for size in shape[2:]]
    dilate = [d.integer(1, 2) if dilated else 1 for _ in kernel]
    found = {"kernel": kernel, "stride": [d.integer(1, 2) for _ in range(count)]}
    found["pad"] = [
        d.integer(0, (k - 1) * rate // 2 + (1 if dilated else 0)) for k, rate in zip(kernel, dilate, strict=True)
    ]
    if dilated:
        found["dilate"] = dilate
    return {key: tuple(values) for key, values in found.items()}


def groups_for(d, channels):
    return d.choice([count for count in range(1, channels + 1) if channels % count == 0])


@step(5, (3, 4, 5))
def convolution(d, x, shape):
    groups = groups_for(d, shape[1])
    filters = groups * d.integer(1, max(1, 8 // groups))
    options = {**window(d, shape, dilated=True), "num_group": groups, "no_bias": d.chance()}
    return d.sym.Convolution(x, num_filter=filters, name=d.name("conv"), **options)


@step(2, (3, 4))
def deconvolution(d, x, shape):
    groups = groups_for(d, shape[1])
    options = {**window(d, shape, dilated=d.chance(0.3)), "num_group": groups, "no_bias": d.chance()}
    if "dilate" in options:  # MXNet's loops on the CPU are wrong where stride and dilation meet
        options["stride"] = tuple(1 for _ in options["stride"])
    if len(shape) == 4 and d.chance(0.3):
        options["adj"] = tuple(d.integer(0, stride - 1) for stride in options["stride"])
    filters = groups * d.integer(1, max(1, 6 // groups))
    return d.sym.Deconvolution(x, num_filter=filters, name=d.name("deconv"), **options)


WINDOW = ("kernel", "stride", "pad")


def reached(kernel, stride, pad, size):
    """Whether the last window of the full convention lies on the data: MXNet gives nonsense where it does not."""
    return -(-(size + 2 * pad - kernel) // stride) * stride - pad < size


@step(4, (3, 4, 5))
def pooling(d, x, shape):
    kind = d.choice(["max", "avg", "sum", "lp"])
    options = {"pool_type": kind, "pooling_convention": d.choice(["valid", "full"]), **window(d, shape)}
    if options["pooling_convention"] == "full" and not all(map(reached, *(options[key] for key in WINDOW), shape[2:])):
        return None
    if kind == "lp":
        options["p_value"] = d.choice([1, 2])
    if kind == "avg":
        options["count_include_pad"] = d.chance()
    if d.chance(0.2):
        options = {
            "global_pool": True,
            "pool_type": kind,
            "kernel": options["kernel"],
            **({"p_value": 2} if kind == "lp" else {}),
        }
    return d.sym.Pooling(x, name=d.name("pool"), **options)


@step(3)
def batch_norm(d, x, shape):
    axis = 1 if d.chance(0.7) else d.axis(shape)
    options = {"fix_gamma": d.chance(), "use_global_stats": d.chance(), "eps": d.choice([1e-5, 1e-3])}
    return d.sym.BatchNorm(x, axis=axis, name=d.name("bn"), **options)


@step(1, (3, 4, 5))
def instance_norm(d, x, shape):
    return d.sym.InstanceNorm(x, eps=1e-2, name=d.name("in"))


@step(1)
def layer_norm(d, x, shape):
    return d.sym.LayerNorm(x, axis=d.choice([-1, d.axis(shape)]), eps=1e-2, name=d.name("ln"))


@step(1)
def l2_norm(d, x, shape):
    modes = ["instance", "channel", "spatial"] if len(shape) > 2 else ["instance"]
    return d.sym.L2Normalization(x, mode=d.choice(modes), eps=1e-4, name=d.name("l2"))


@step(1, (4,))
def local_response(d, x, shape):
    size = d.choice([size for size in (1, 3, 5) if size <= shape[1]])
    return d.sym.LRN(x, nsize=size, alpha=d.choice([1e-4, 0.1]), knorm=2.0, name=d.name("lrn"))


@step(6)
def leaky(d, x, shape):
    kind = d.choice(ACT_TYPES)
    options = {"slope": d.choice([0.1, 0.7, -0.3])} if kind in ("leaky", "elu") else {}
    if kind == "rrelu" and d.chance():
        options = {"lower_bound": 0.1, "upper_bound": 0.6}
    return d.sym.LeakyReLU(x, act_type=kind, name=d.name(kind), **options)[0]


@step(3)
def activation(d, x, shape):
    kind = d.choice(["relu", "sigmoid", "tanh", "softrelu", "softsign"])
    return d.sym.Activation(x, act_type=kind, name=d.name(kind))


@step(1, (4,))
def upsampling(d, x, shape):
    return d.sym.UpSampling(x, scale=d.integer(1, 2), sample_type="nearest", num_args=1, name=d.name("up"))


@step(1, (4,))
def crop(d, x, shape):
    height, width = (d.integer(1, size) for size in shape[2:])
    if d.chance(0.3):
        return d.sym.Crop(x, h_w=(height, width), center_crop=True, num_args=1, name=d.name("crop"))
    offset = (d.integer(0, shape[2] - height), d.integer(0, shape[3] - width))
    return d.sym.Crop(x, h_w=(height, width), offset=offset, num_args=1, name=d.name("crop"))


@step(1)
def softmax(d, x, shape):
    tame = 4 * d.sym.softsign(x)
    axis = d.choice([-1, d.axis(shape)])
    kind = d.choice(["softmax", "log_softmax", "activation"])
    if shape[axis] == 1 or shape[1] == 1:
        return None
    if kind == "activation":
        return d.sym.SoftmaxActivation(tame, mode=d.choice(["channel", "instance"]) if len(shape) > 2 else "instance")
    options = {"temperature": 2.0} if d.chance(0.3) else {}
    return getattr(d.sym, kind)(tame, axis=axis, **options)


@step(2)
def fully_connected(d, x, shape):
    options = {"flatten": d.chance(), "no_bias": d.chance()}
    if math.prod(shape[1:]) > 2000:
        return None
    return d.sym.FullyConnected(x, num_hidden=d.integer(2, 9), name=d.name("fc"), **options)


@step(1, (3, 4, 5))
def embedding(d, x, shape):
    """Words that scale the channels."""
    index = d.index(7, (shape[0], 3))
    words = d.sym.Embedding(index, input_dim=7, output_dim=shape[1], name=d.name("embed"))
    scale = d.sym.Reshape(d.sym.mean(words, axis=1), shape=(0, 0, *[1] * (len(shape) - 2)))
    return d.sym.broadcast_mul(x, scale)


def head(d, x, shape):
    """What networks end in."""
    kinds = ["none", "logistic", "linear", "loss", "mean"]
    kinds += (["softmax"] if shape[-1] > 1 else []) + (["output"] if shape[1] > 1 else [])
    kind = d.choice(kinds)
    tame = 4 * d.sym.softsign(x)
    return {
        "none": lambda: x,
        "softmax": lambda: d.sym.softmax(tame, axis=-1),
        "output": lambda: d.sym.SoftmaxOutput(tame, name=d.name("softmax_head"), multi_output=len(shape) > 2),
        "logistic": lambda: d.sym.LogisticRegressionOutput(x, name=d.name("logistic")),
        "linear": lambda: d.sym.LinearRegressionOutput(x, name=d.name("linear")),
        "loss": lambda: d.sym.MakeLoss(d.sym.square(d.sym.tanh(x))),
        "mean": lambda: d.sym.mean(x, axis=tuple(range(1, len(shape)))),
    }[kind]()
