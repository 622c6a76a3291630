"""VGG: Simonyan and Zisserman, "Very Deep Convolutional Networks" (2014)."""

from .layers import classifier, convolution, max_pool, relu, scaled


def convolutions(sym, data, counts, width, last_pool=True, full_pools=()):
    """Groups of 3x3 convolutions with relu, each with a pool behind it; the groups' results before their pools."""
    results = []
    for group, count in enumerate(counts, 1):
        for i in range(1, count + 1):
            filters = scaled(min(64 * 2 ** (group - 1), 512), width)
            data = relu(sym, convolution(sym, data, filters, 3, f"conv{group}_{i}", no_bias=False), f"relu{group}_{i}")
        results.append(data)
        if group < len(counts) or last_pool:
            convention = "full" if group in full_pools else "valid"
            data = max_pool(sym, data, 2, 2, name=f"pool{group}", pooling_convention=convention)
    return results, data


def vgg(sym, counts=(2, 2, 3, 3, 3), width=1, hidden=4096, classes=1000):
    """VGG-16; VGG-19 with (2, 2, 4, 4, 4)."""
    _, body = convolutions(sym, sym.Variable("data"), counts, width)
    body = sym.Flatten(body)
    for i in (6, 7):
        body = relu(sym, sym.FullyConnected(body, num_hidden=hidden, name=f"fc{i}"), f"relu{i}")
        body = sym.Dropout(body, p=0.5, name=f"drop{i}")
    return classifier(sym, body, classes)
