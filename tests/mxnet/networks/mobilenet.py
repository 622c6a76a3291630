"""MobileNets: Howard et al. (2017), and Sandler et al., "Inverted Residuals and Linear Bottlenecks" (2018)."""

from .layers import average_of_all, classifier, conv_norm, relu, scaled

# Filters and stride of each pair of a depthwise and a 1 x 1 convolution.
PLAN = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1),
)  # fmt: skip
# Expansion, filters, repetitions and the first stride of each group of inverted residuals.
INVERTED = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


def depthwise(sym, data, channels, filters, stride, name):
    """A 3 x 3 convolution of each channel, and a 1 x 1 convolution."""
    data = conv_norm(sym, data, channels, 3, f"{name}_dw", relu, stride=stride, num_group=channels)
    return conv_norm(sym, data, filters, 1, f"{name}_sep", relu)


def mobilenet_v1(sym, width=1, classes=1000, plan=PLAN):
    """MobileNet: its last pool sees everything."""
    channels = scaled(32, width)
    body = conv_norm(sym, sym.Variable("data"), channels, 3, "conv1", relu, stride=2)
    for i, (filters, stride) in enumerate(plan, 2):
        body = depthwise(sym, body, channels, scaled(filters, width), stride, f"conv{i}")
        channels = scaled(filters, width)
    return classifier(sym, average_of_all(sym, body, "pool"), classes)


def relu6(sym, data, name):
    return sym.clip(data, a_min=0, a_max=6, name=name)


def inverted_residual(sym, data, channels, factor, filters, stride, name):
    wide, body = channels * factor, data
    if factor > 1:
        body = conv_norm(sym, body, wide, 1, f"{name}_expand", relu6)
    body = conv_norm(sym, body, wide, 3, f"{name}_dw", relu6, stride=stride, num_group=wide)
    body = conv_norm(sym, body, filters, 1, f"{name}_project")
    return body + data if stride == 1 and channels == filters else body


def mobilenet_v2(sym, width=1, classes=1000, plan=INVERTED):
    """MobileNet v2: no activation behind a projection."""
    channels = scaled(32, width)
    body = conv_norm(sym, sym.Variable("data"), channels, 3, "first", relu6, stride=2)
    for i, (factor, filters, count, stride) in enumerate(plan):
        for j in range(count):
            wanted = scaled(filters, width)
            body = inverted_residual(sym, body, channels, factor, wanted, 1 if j else stride, f"seq{i}_unit{j}")
            channels = wanted
    body = conv_norm(sym, body, scaled(1280, width), 1, "last", relu6)
    return classifier(sym, average_of_all(sym, body, "pool"), classes)
