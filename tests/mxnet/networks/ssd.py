"""SSD with VGG-16: Liu et al., "SSD: Single Shot MultiBox Detector" (2016), with its 300 x 300 settings."""

from .layers import convolution, max_pool, relu, scaled
from .vgg import convolutions

SIZES = ((0.1, 0.141), (0.2, 0.272), (0.37, 0.447), (0.54, 0.619), (0.71, 0.79), (0.88, 0.961))
FEW, MANY = (1, 2, 0.5), (1, 2, 0.5, 3, 1.0 / 3)
RATIOS = (FEW, MANY, MANY, MANY, FEW, FEW)
STEPS = (8, 16, 32, 64, 100, 300)
EXTRA = ((512, 2, 1), (256, 2, 1), (256, 1, 0), (256, 1, 0))


def with_relu(sym, data, filters, kernel, name, **options):
    return relu(sym, convolution(sym, data, filters, kernel, name, no_bias=False, **options), f"{name}_relu")


def features(sym, width):
    """The maps on which boxes are looked for, from 38 x 38 to 1 x 1, by name."""
    results, body = convolutions(sym, sym.Variable("data"), (2, 2, 3, 3, 3), width, False, full_pools=(3,))
    body = max_pool(sym, body, 3, 1, 1, "pool5")
    body = with_relu(sym, body, scaled(1024, width), 3, "fc6", pad=6, dilate=(6, 6))
    body = with_relu(sym, body, scaled(1024, width), 1, "fc7")
    maps = [("relu4_3", results[3]), ("relu7", body)]
    for i, (filters, stride, pad) in enumerate(EXTRA, 2):
        body = with_relu(sym, body, scaled(filters // 2, width), 1, f"multi_feat_{i}_conv_1x1")
        body = with_relu(sym, body, scaled(filters, width), 3, f"multi_feat_{i}_conv_3x3", stride=stride, pad=pad)
        maps.append((f"multi_feat_{i}", body))
    return maps


def rows(sym, data):
    """Predictions of all places, the numbers of one place next to each other."""
    return sym.Flatten(sym.transpose(data, axes=(0, 2, 3, 1)))


def ssd_vgg16(sym, width=1, classes=20, scale=20.0, anchors=True):
    """The probabilities of classes, the boxes' offsets, and the boxes that these are offsets from."""
    scores, offsets, boxes = [], [], []
    for i, (name, data) in enumerate(features(sym, width)):
        if not i:
            data = sym.L2Normalization(data, mode="channel", name=f"{name}_norm")
            shape = (1, scaled(512, width), 1, 1)
            data = sym.broadcast_mul(data, sym.Variable(f"{name}_scale", shape=shape, attr={"__mean__": str(scale)}))
        count = len(SIZES[i]) + len(RATIOS[i]) - 1
        head = {"kernel": (3, 3), "pad": (1, 1)}
        offsets.append(rows(sym, sym.Convolution(data, num_filter=4 * count, name=f"{name}_loc_pred_conv", **head)))
        wanted = count * (classes + 1)
        scores.append(rows(sym, sym.Convolution(data, num_filter=wanted, name=f"{name}_cls_pred_conv", **head)))
        if anchors:
            step = STEPS[i] / 300
            found = sym.contrib.MultiBoxPrior(
                data, sizes=SIZES[i], ratios=RATIOS[i], clip=False, steps=(step, step), name=f"{name}_anchors"
            )
            boxes.append(sym.Flatten(found))
    probabilities = sym.Concat(*scores, dim=1, name="multibox_cls_pred_all")
    probabilities = sym.transpose(sym.Reshape(probabilities, shape=(0, -1, classes + 1)), axes=(0, 2, 1))
    outputs = [
        sym.SoftmaxActivation(probabilities, mode="channel", name="cls_prob"),
        sym.Concat(*offsets, dim=1, name="multibox_loc_pred"),
    ]
    if anchors:
        outputs.append(sym.Reshape(sym.Concat(*boxes, dim=1), shape=(0, -1, 4), name="multibox_anchors"))
    return sym.Group(outputs)
