"""DenseNet: Huang et al., "Densely Connected Convolutional Networks" (2017)."""

from .layers import average_of_all, classifier, conv_norm, convolution, max_pool, norm, relu


def dense_layer(sym, data, growth, name):
    """Norm and relu before each of two convolutions, whose result stands beside the data."""
    body = relu(sym, norm(sym, data, f"{name}_bn1"), f"{name}_relu1")
    body = conv_norm(sym, body, 4 * growth, 1, f"{name}_a", relu)
    return sym.Concat(data, convolution(sym, body, growth, 3, f"{name}_conv2"), dim=1, name=f"{name}_concat")


def densenet(sym, blocks=(6, 12, 24, 16), growth=32, classes=1000):
    """DenseNet-121."""
    channels = 2 * growth
    body = conv_norm(sym, sym.Variable("data"), channels, 7, "conv0", relu, stride=2)
    body = max_pool(sym, body, 3, 2, 1, "pool0")
    for i, count in enumerate(blocks, 1):
        for j in range(count):
            body = dense_layer(sym, body, growth, f"block{i}_layer{j}")
        channels += count * growth
        if i < len(blocks):
            channels //= 2
            body = relu(sym, norm(sym, body, f"transition{i}_bn"), f"transition{i}_relu")
            body = convolution(sym, body, channels, 1, f"transition{i}_conv")
            body = sym.Pooling(body, kernel=(2, 2), stride=(2, 2), pool_type="avg", name=f"transition{i}_pool")
    body = relu(sym, norm(sym, body, "bn_last"), "relu_last")
    return classifier(sym, average_of_all(sym, body, "pool_last"), classes)
