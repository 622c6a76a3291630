"""RetinaFace with MobileNet-0.25: Deng et al., "RetinaFace: Single-stage Dense Face Localisation" (2019).

Three strides, a pyramid with the nearest upsampling, a context module as in SSH on each (Najibi et al., 2017), and on
each of these the two scores, four numbers of the box and ten of the landmarks for each of two anchors.
"""

from .layers import conv_norm, relu, scaled
from .mobilenet import PLAN, depthwise

STRIDES = (32, 16, 8)
ANCHORS = 2


def backbone(sym, width):
    """The maps of strides 8, 16 and 32."""
    channels = scaled(32, width)
    body = conv_norm(sym, sym.Variable("data"), channels, 3, "conv_0", relu, stride=2)
    maps, stride = {}, 2
    for i, (filters, step) in enumerate(PLAN, 1):
        stride *= step
        body = depthwise(sym, body, channels, scaled(filters, width), step, f"conv_{i}")
        channels = scaled(filters, width)
        maps[stride] = body
    return [maps[stride] for stride in (8, 16, 32)]


def pyramid(sym, maps, filters):
    """Each map, and what comes from the coarser ones."""
    top = conv_norm(sym, maps[-1], filters, 1, "rf_c3_lateral", relu)
    found = [top]
    for i in (1, 0):
        larger = sym.UpSampling(found[-1], scale=2, sample_type="nearest", num_args=1, name=f"rf_c{i + 2}_upsampling")
        lateral = conv_norm(sym, maps[i], filters, 1, f"rf_c{i + 1}_lateral", relu)
        larger = sym.Crop(larger, lateral, name=f"rf_crop{i}")
        found.append(conv_norm(sym, lateral + larger, filters, 3, f"rf_c{i + 1}_aggr", relu))
    return found


def context(sym, data, filters, name):
    """Windows of 3, 5 and 7, the larger ones as chains of 3 x 3 convolutions."""
    half, quarter = filters // 2, filters // 4
    first = conv_norm(sym, data, half, 3, f"{name}_conv1")
    shared = conv_norm(sym, data, quarter, 3, f"{name}_context_conv1", relu)
    second = conv_norm(sym, shared, quarter, 3, f"{name}_context_conv2")
    third = conv_norm(sym, shared, quarter, 3, f"{name}_context_conv3_1", relu)
    third = conv_norm(sym, third, quarter, 3, f"{name}_context_conv3_2")
    return relu(sym, sym.Concat(first, second, third, dim=1, name=f"{name}_concat"), f"{name}_concat_relu")


def heads(sym, data, stride):
    """Scores, boxes and landmarks."""
    options = {"kernel": (1, 1), "stride": (1, 1), "pad": (0, 0)}
    scores = sym.Convolution(data, num_filter=2 * ANCHORS, name=f"face_rpn_cls_score_stride{stride}", **options)
    scores = sym.Reshape(scores, shape=(0, 2, -1, 0), name=f"face_rpn_cls_score_reshape_stride{stride}")
    scores = sym.SoftmaxActivation(scores, mode="channel", name=f"face_rpn_cls_prob_stride{stride}")
    name = f"face_rpn_cls_prob_reshape_stride{stride}"
    return [
        sym.Reshape(scores, shape=(0, 2 * ANCHORS, -1, 0), name=name),
        sym.Convolution(data, num_filter=4 * ANCHORS, name=f"face_rpn_bbox_pred_stride{stride}", **options),
        sym.Convolution(data, num_filter=10 * ANCHORS, name=f"face_rpn_landmark_pred_stride{stride}", **options),
    ]


def retinaface(sym, width=0.25, filters=64):
    """Nine outputs: three for each stride, the coarsest first."""
    outputs = []
    for stride, data in zip(STRIDES, pyramid(sym, backbone(sym, width), filters), strict=True):
        outputs += heads(sym, context(sym, data, filters, f"rf_head_stride{stride}"), stride)
    return sym.Group(outputs)
