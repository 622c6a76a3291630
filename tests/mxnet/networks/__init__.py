"""Networks with the published structure, written with MXNet's symbol API: the table of them.

`mxnet.symbol` is an argument of their functions, so that both MXNet's interpreter and ours can read this table.
"""

from importlib import import_module

RESNET18 = {"units": (2, 2, 2, 2), "bottleneck": False}
VGG19 = {"counts": (2, 2, 4, 4, 4)}
SMALL = {"width": 0.125, "classes": 10}
FEW = {**SMALL, "units": (1, 2, 1, 2)}


class Network:
    """One network: its function, what it is called with, its input, and a small version of both.

    `parameters` is the published number of trained parameters, where there is one: a mistake in the structure would
    hardly leave it as it is.
    """

    def __init__(self, function, shape, small_shape, small, options=None, parameters=None):
        self.module, self.function = function.split(".")
        self.options, self.shape, self.parameters = options or {}, shape, parameters
        self.small, self.small_shape = {**self.options, **small}, small_shape

    @property
    def input_name(self):
        return "rand" if self.function == "generator" else "data"

    def symbol(self, sym, small=False):
        """The network as MXNet's symbol."""
        build = getattr(import_module(f".{self.module}", __package__), self.function)
        return build(sym, **(self.small if small else self.options))


FACE = (1, 3, 112, 112)
PICTURE = (1, 3, 224, 224)
LITTLE = (2, 3, 64, 64)

NETWORKS = {
    "ArcFace LResNet50E-IR": Network(
        "arcface.lresnet_e_ir", FACE, LITTLE, {"units": (1, 2, 2, 1), "width": 0.125, "embedding": 16}
    ),
    "MobileFaceNet": Network(
        "arcface.mobilefacenet",
        FACE,
        LITTLE,
        {"blocks": (1, 2, 1), "width": 0.25, "embedding": 16, "window": 4},
    ),
    "RetinaFace-MobileNet0.25": Network(
        "retinaface.retinaface", (1, 3, 640, 640), (2, 3, 72, 104), {"width": 0.125, "filters": 16}
    ),
    "DCGAN generator": Network("dcgan.generator", (1, 100, 1, 1), (2, 100, 1, 1), {"width": 0.125}, None, 3_576_704),
    "DCGAN discriminator": Network("dcgan.discriminator", (1, 3, 64, 64), LITTLE, {"width": 0.125}, None, 2_765_568),
    "SSD-VGG16": Network(
        "ssd.ssd_vgg16", (1, 3, 300, 300), (1, 3, 300, 300), {"width": 0.0625, "classes": 4}, None, 26_285_486
    ),
    "ResNet-18 v1": Network("resnet.resnet_v1", PICTURE, LITTLE, SMALL, RESNET18, 11_689_512),
    "ResNet-50 v1": Network("resnet.resnet_v1", PICTURE, LITTLE, FEW, None, 25_557_032),
    # 25 549 480 in gluon's, whose norm of the data has no gamma and beta.
    "ResNet-50 v2": Network("resnet.resnet_v2", PICTURE, LITTLE, FEW, None, 25_549_486),
    "VGG-16": Network("vgg.vgg", PICTURE, LITTLE, {**SMALL, "hidden": 32}, None, 138_357_544),
    "VGG-19": Network("vgg.vgg", PICTURE, LITTLE, {**SMALL, "hidden": 32}, VGG19, 143_667_240),
    "Inception v3": Network("inception.inception_v3", (1, 3, 299, 299), (1, 3, 107, 107), SMALL, None, 23_834_568),
    "DenseNet-121": Network(
        "densenet.densenet", PICTURE, LITTLE, {"growth": 8, "blocks": (2, 3, 2, 2), "classes": 10}, None, 7_978_856
    ),
    "MobileNet v1": Network("mobilenet.mobilenet_v1", PICTURE, LITTLE, SMALL, None, 4_231_976),
    "MobileNet v2": Network("mobilenet.mobilenet_v2", PICTURE, LITTLE, SMALL, None, 3_504_872),
}
