"""MobileNetV2 (Sandler et al., CVPR 2018, table 2) with the parameter names of torchvision."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Expansion, output channels, blocks, stride of the first.
STAGES = [
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
]  # fmt: skip


class MobileNetV2(nn.Module):
    """1,000 classes from an image (1, 3, 224, 224)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(3, 32, 3, stride=2)]
        channels = 32
        for expansion, width, blocks, stride in STAGES:
            for block in range(blocks):
                step = stride if block == 0 else 1
                layers.append(Block(channels, width, step, expansion))
                channels = width
        layers.append(_conv(channels, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, image: Tensor) -> Tensor:
        """Scores of the classes."""
        pooled = nn.functional.adaptive_avg_pool2d(self.features(image), (1, 1))
        return self.classifier(torch.flatten(pooled, 1))


class Block(nn.Module):
    """Expansion, depthwise convolution, linear bottleneck; a shortcut where the shape stays."""

    def __init__(self, inner: int, outer: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inner * expansion
        layers: list[nn.Module] = [] if expansion == 1 else [_conv(inner, hidden, 1)]
        layers.append(_conv(hidden, hidden, 3, stride, groups=hidden))
        layers += [nn.Conv2d(hidden, outer, 1, bias=False), nn.BatchNorm2d(outer)]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inner == outer

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        return x + self.conv(x) if self.shortcut else self.conv(x)


def _conv(inner: int, outer: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inner, outer, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outer),
        nn.ReLU6(inplace=True),
    )
