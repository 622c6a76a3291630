"""Face recognition: ArcFace's LResNet50E-IR, and MobileFaceNet.

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition" (2019), whose symbols are InsightFace's
`fresnet.py` and `fmobilefacenet.py`; Chen et al., "MobileFaceNets" (2018).
"""

from .layers import conv_norm, convolution, norm, prelu, scaled


def centred(sym):
    """Pixels from 0 to 255 as numbers from -1 to 1."""
    return (sym.identity(sym.Variable("data"), name="id") - 127.5) * 0.0078125


def improved_residual(sym, data, filters, stride, name):
    """InsightFace's version 3 of the unit: norm, conv, norm, prelu, conv with the stride, norm."""
    body = norm(sym, data, f"{name}_bn1")
    body = conv_norm(sym, body, filters, 3, f"{name}_first", prelu)
    body = conv_norm(sym, body, filters, 3, f"{name}_second", stride=stride)
    if stride != 1:
        data = conv_norm(sym, data, filters, 1, f"{name}_shortcut", stride=stride)
    return body + data


def lresnet_e_ir(sym, units=(3, 4, 14, 3), width=1, embedding=512):
    """LResNet50E-IR: L is the first convolution's stride of 1, E the head, IR the unit."""
    body = conv_norm(sym, centred(sym), scaled(64, width), 3, "conv0", prelu)
    for stage, count in enumerate(units):
        for unit in range(count):
            filters = scaled(64 * 2**stage, width)
            body = improved_residual(sym, body, filters, 1 if unit else 2, f"stage{stage + 1}_unit{unit + 1}")
    body = sym.Dropout(norm(sym, body, "bn1"), p=0.4)
    body = sym.FullyConnected(body, num_hidden=embedding, name="pre_fc1")
    return norm(sym, body, "fc1", fix_gamma=True)


def bottleneck(sym, data, filters, groups, stride, name):
    """Expand, depthwise convolution, and a projection without activation."""
    body = conv_norm(sym, data, groups, 1, f"{name}_expand", prelu)
    body = conv_norm(sym, body, groups, 3, f"{name}_depthwise", prelu, stride=stride, num_group=groups)
    return conv_norm(sym, body, filters, 1, f"{name}_project")


def mobilefacenet(sym, blocks=(4, 6, 2), width=1, embedding=512, window=7):
    """MobileFaceNet; `window` is the size of what is left for the global depthwise convolution, input size / 16."""
    first, second = scaled(64, width), scaled(128, width)
    body = conv_norm(sym, centred(sym), first, 3, "conv_1", prelu, stride=2)
    body = conv_norm(sym, body, first, 3, "conv_2_dw", prelu, num_group=first)
    plan = [(first, 2, 2, blocks[0]), (second, 4, 4, blocks[1]), (second, 8, 4, blocks[2])]
    for stage, (filters, down, factor, count) in enumerate(plan, 3):
        body = bottleneck(sym, body, filters, first * down, 2, f"dconv_{stage}")
        for i in range(count):
            body = body + bottleneck(sym, body, filters, first * factor, 1, f"res_{stage}_block{i}")
    wide = scaled(512, width)
    body = conv_norm(sym, body, wide, 1, "conv_6sep", prelu)
    body = convolution(sym, body, wide, window, "conv_6dw_conv", pad=0, num_group=wide)
    body = norm(sym, body, "conv_6dw_bn")
    body = sym.FullyConnected(body, num_hidden=embedding, name="pre_fc1")
    return norm(sym, body, "fc1", fix_gamma=True)
