"""Inception v3: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2015)."""

from .layers import average_of_all, classifier, conv_norm, max_pool, relu, scaled

SIDE, UPRIGHT = (1, 7), (7, 1)


class Blocks:
    """The network's blocks: each is a list of branches, side by side."""

    def __init__(self, sym, width):
        self.sym, self.width = sym, width

    def conv(self, data, filters, kernel, name, **options):
        """With a fixed gamma, as MXNet's examples have it."""
        filters = scaled(filters, self.width)
        return conv_norm(self.sym, data, filters, kernel, name, relu, eps=1e-3, fix_gamma=True, **options)

    def chain(self, data, steps, name):
        """Convolutions one after the other: filters, kernel, and the stride, in which case nothing is padded."""
        for i, (filters, kernel, *stride) in enumerate(steps):
            options = {"stride": stride[0], "pad": 0} if stride else {}
            data = self.conv(data, filters, kernel, f"{name}_conv{i}", **options)
        return data

    def pooled(self, data, filters, name, kind="avg"):
        data = self.sym.Pooling(data, kernel=(3, 3), stride=(1, 1), pad=(1, 1), pool_type=kind, name=f"{name}_pool")
        return self.conv(data, filters, 1, f"{name}_proj")

    def joined(self, branches, name):
        return self.sym.Concat(*branches, dim=1, name=f"{name}_concat")

    def same_size(self, data, chains, pooled, name, kind="avg"):
        branches = [self.chain(data, steps, f"{name}_branch{i}") for i, steps in enumerate(chains)]
        return self.joined([*branches, self.pooled(data, pooled, name, kind)], name)

    def smaller(self, data, chains, name):
        branches = [self.chain(data, steps, f"{name}_branch{i}") for i, steps in enumerate(chains)]
        return self.joined([*branches, max_pool(self.sym, data, 3, 2, name=f"{name}_pool")], name)

    def split(self, data, pooled, name, kind):
        """The last blocks: two of their branches end in a 1 x 3 and a 3 x 1 convolution side by side."""
        branches = [self.conv(data, 320, 1, f"{name}_1x1")]
        for i, steps in enumerate([[(384, 1)], [(448, 1), (384, 3)]]):
            body = self.chain(data, steps, f"{name}_branch{i}")
            branches += [self.conv(body, 384, kernel, f"{name}_branch{i}_{kernel[0]}") for kernel in ((1, 3), (3, 1))]
        return self.joined([*branches, self.pooled(data, pooled, name, kind)], name)


def inception_v3(sym, width=1, classes=1000):
    """Inception v3 without the auxiliary head, which only training uses."""
    b = Blocks(sym, width)
    body = b.chain(sym.Variable("data"), [(32, 3, 2), (32, 3, 1), (64, 3)], "first")
    body = b.chain(max_pool(sym, body, 3, 2, name="pool"), [(80, 1), (192, 3, 1)], "second")
    body = max_pool(sym, body, 3, 2, name="pool1")
    for i, pooled in enumerate((32, 64, 64)):
        chains = [[(64, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)]]
        body = b.same_size(body, chains, pooled, f"mixed{i}")
    body = b.smaller(body, [[(384, 3, 2)], [(64, 1), (96, 3), (96, 3, 2)]], "mixed3")
    for i, filters in enumerate((128, 160, 160, 192), 4):
        short = [(filters, 1), (filters, SIDE), (192, UPRIGHT)]
        long = [(filters, 1), (filters, UPRIGHT), (filters, SIDE), (filters, UPRIGHT), (192, SIDE)]
        body = b.same_size(body, [[(192, 1)], short, long], 192, f"mixed{i}")
    chains = [[(192, 1), (320, 3, 2)], [(192, 1), (192, SIDE), (192, UPRIGHT), (192, 3, 2)]]
    body = b.smaller(body, chains, "mixed8")
    body = b.split(body, 192, "mixed9", "avg")
    body = b.split(body, 192, "mixed10", "max")
    return classifier(sym, average_of_all(sym, body, "global_pool"), classes)
