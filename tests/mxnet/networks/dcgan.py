"""DCGAN's two networks: Radford et al., "Unsupervised Representation Learning" (2015), with their usual sizes."""

from .layers import convolution, norm, relu, scaled


def generator(sym, width=1, channels=3):
    """From 100 numbers to a picture of 64 x 64."""
    options = {"kernel": (4, 4), "no_bias": True}
    filters = [scaled(64 * factor, width) for factor in (8, 4, 2, 1)]
    body = sym.Deconvolution(sym.Variable("rand"), num_filter=filters[0], name="g1", **options)
    body = relu(sym, norm(sym, body, "gbn1", True), "gact1")
    for i, count in enumerate((*filters[1:], channels), 2):
        body = sym.Deconvolution(body, num_filter=count, stride=(2, 2), pad=(1, 1), name=f"g{i}", **options)
        if i < 5:
            body = relu(sym, norm(sym, body, f"gbn{i}", True), f"gact{i}")
    return sym.Activation(body, act_type="tanh", name="gact5")


def discriminator(sym, width=1):
    """From a picture of 64 x 64 to the probability that it is a real one."""
    body = sym.Variable("data")
    for i, factor in enumerate((1, 2, 4, 8), 1):
        body = convolution(sym, body, scaled(64 * factor, width), 4, f"d{i}", stride=2, pad=1)
        if i > 1:
            body = norm(sym, body, f"dbn{i}", True)
        body = sym.LeakyReLU(body, act_type="leaky", slope=0.2, name=f"dact{i}")
    body = sym.Flatten(convolution(sym, body, 1, 4, "d5", pad=0))
    return sym.LogisticRegressionOutput(data=body, label=sym.Variable("label"), name="dloss")
