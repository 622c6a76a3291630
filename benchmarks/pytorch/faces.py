"""A network for faces of 112 x 112 pixels: the residual network of ArcFace, with PReLU.

Deng et al., "ArcFace: Additive angular margin loss for deep face recognition", arXiv:1801.07698, section 3.1: blocks of
BN-Conv-BN-PReLU-Conv-BN, a first convolution of stride 1, and BN-Dropout-FC-BN at the end.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

LAYERS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3)}
Activation = Callable[[int], nn.Module]


class Block(nn.Module):
    """The improved residual unit; it halves the image where the number of channels changes."""

    def __init__(self, before: int, after: int, stride: int, activation: Activation) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.Conv2d(before, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
            activation(after),
            nn.Conv2d(after, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.residual(x) + self.shortcut(x)


def faces(depth: int = 18, activation: Activation = nn.PReLU, width: int = 64) -> nn.Sequential:
    """The network: images (N, 3, 112, 112) to embeddings (N, 512)."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), activation(width)]
    before = width
    for stage, blocks in enumerate(LAYERS[depth]):
        after = width << stage
        layers += [Block(before if i == 0 else after, after, 2 if i == 0 else 1, activation) for i in range(blocks)]
        before = after
    layers += [nn.BatchNorm2d(before), nn.Dropout(0.4), nn.Flatten(), nn.Linear(before * 49, 512), nn.BatchNorm1d(512)]
    return nn.Sequential(*layers)
