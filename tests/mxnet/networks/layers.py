"""Layers that several networks share. `sym` is `mxnet.symbol` in all of them."""

EPS = 2e-5


def scaled(filters, width):
    """A number of filters in a network of this relative width: a multiple of 4, since some are split in groups."""
    return filters if width == 1 else max(4, int(filters * width) // 4 * 4)


def convolution(sym, data, filters, kernel, name, stride=1, pad=None, **options):
    """A convolution without bias, square unless the kernel is a pair; padding keeps the size unless it is given."""
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    pad = tuple(size // 2 for size in kernel) if pad is None else (pad, pad) if isinstance(pad, int) else pad
    options = {"no_bias": True, **options}
    return sym.Convolution(
        data, num_filter=filters, kernel=kernel, stride=(stride, stride), pad=pad, name=name, **options
    )


def norm(sym, data, name, fix_gamma=False, eps=EPS):
    """Normalization over the batch."""
    return sym.BatchNorm(data, fix_gamma=fix_gamma, eps=eps, momentum=0.9, name=name)


def relu(sym, data, name):
    return sym.Activation(data, act_type="relu", name=name)


def prelu(sym, data, name):
    return sym.LeakyReLU(data, act_type="prelu", name=name)


def conv_norm(sym, data, filters, kernel, name, activation=None, eps=EPS, fix_gamma=False, **options):
    """Convolution, normalization, and an activation such as `relu`."""
    data = convolution(sym, data, filters, kernel, f"{name}_conv", **options)
    data = norm(sym, data, f"{name}_bn", fix_gamma, eps)
    return data if activation is None else activation(sym, data, f"{name}_act")


def max_pool(sym, data, kernel, stride, pad=0, name=None, **options):
    return sym.Pooling(
        data, kernel=(kernel, kernel), stride=(stride, stride), pad=(pad, pad), pool_type="max", name=name, **options
    )


def average_of_all(sym, data, name):
    return sym.Pooling(data, global_pool=True, kernel=(1, 1), pool_type="avg", name=name)


def classifier(sym, data, classes):
    """The head of a network that was trained with `SoftmaxOutput`."""
    return sym.SoftmaxOutput(sym.FullyConnected(sym.Flatten(data), num_hidden=classes, name="fc1"), name="softmax")
