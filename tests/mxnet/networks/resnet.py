"""Residual networks: He et al., "Deep Residual Learning" (2015), and "Identity Mappings" (2016), which is version 2."""

from .layers import average_of_all, classifier, conv_norm, convolution, max_pool, norm, relu, scaled


def stages(units, width):
    """Name, filters and stride of each unit, and whether it is the first of its stage."""
    for stage, count in enumerate(units):
        for unit in range(count):
            filters = scaled(64 * 2**stage, width)
            yield f"stage{stage + 1}_unit{unit + 1}", filters, 2 if stage and not unit else 1, unit == 0


def unit_v1(sym, data, filters, stride, projected, bottleneck, name):
    """Convolutions with norms, and relu after the sum; a bottleneck has its stride in the first convolution."""
    if bottleneck:
        body = conv_norm(sym, data, filters, 1, f"{name}_a", relu, stride=stride)
        body = conv_norm(sym, body, filters, 3, f"{name}_b", relu)
        filters = 4 * filters
        body = conv_norm(sym, body, filters, 1, f"{name}_c")
        projected = projected or stride > 1
    else:
        body = conv_norm(sym, data, filters, 3, f"{name}_a", relu, stride=stride)
        body = conv_norm(sym, body, filters, 3, f"{name}_b")
        projected = stride > 1
    if projected:
        data = conv_norm(sym, data, filters, 1, f"{name}_shortcut", stride=stride)
    return relu(sym, body + data, f"{name}_out")


def resnet_v1(sym, units=(3, 4, 6, 3), bottleneck=True, width=1, classes=1000):
    """ResNet-50 with its own units; ResNet-18 with (2, 2, 2, 2) and no bottlenecks."""
    body = conv_norm(sym, sym.Variable("data"), scaled(64, width), 7, "conv0", relu, stride=2)
    body = max_pool(sym, body, 3, 2, 1, "pool0")
    for name, filters, stride, first in stages(units, width):
        body = unit_v1(sym, body, filters, stride, first, bottleneck, name)
    return classifier(sym, average_of_all(sym, body, "pool1"), classes)


def unit_v2(sym, data, filters, stride, projected, name):
    """Norm and relu before each convolution; the projection reads what the first relu gives."""
    before = relu(sym, norm(sym, data, f"{name}_bn1"), f"{name}_relu1")
    body = conv_norm(sym, before, filters, 1, f"{name}_a", relu)
    body = conv_norm(sym, body, filters, 3, f"{name}_b", relu, stride=stride)
    body = convolution(sym, body, 4 * filters, 1, f"{name}_conv3")
    if projected:
        data = convolution(sym, before, 4 * filters, 1, f"{name}_sc", stride=stride)
    return body + data


def resnet_v2(sym, units=(3, 4, 6, 3), width=1, classes=1000):
    """ResNet-50 v2 as MXNet's examples have it: the data pass a norm with a fixed gamma first."""
    body = norm(sym, sym.Variable("data"), "bn_data", fix_gamma=True)
    body = conv_norm(sym, body, scaled(64, width), 7, "conv0", relu, stride=2)
    body = max_pool(sym, body, 3, 2, 1, "pool0")
    for name, filters, stride, first in stages(units, width):
        body = unit_v2(sym, body, filters, stride, first, name)
    body = relu(sym, norm(sym, body, "bn1"), "relu1")
    return classifier(sym, average_of_all(sym, body, "pool1"), classes)
