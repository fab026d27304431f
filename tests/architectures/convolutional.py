"""Convolutional networks written with torch alone."""

from __future__ import annotations

from typing import Any

from architectures.case import Case

CHANNELS = 8


def _block(into: int, out: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out), nn.ReLU(inplace=True),
    )  # fmt: skip


def _head(channels: int) -> Any:
    from torch import nn

    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def resnet() -> Any:
    """He et al., CVPR 2016."""
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, into: int, out: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                _block(into, out, 3, stride), nn.Conv2d(out, out, 3, 1, 1, bias=False),
                nn.BatchNorm2d(out),
            )  # fmt: skip
            self.short = (
                nn.Conv2d(into, out, 1, stride, bias=False) if stride > 1 else nn.Identity()
            )

        def forward(self, x: Any) -> Any:
            y = self.body(x)
            y += self.short(x)
            return y.relu_()

    return nn.Sequential(
        _block(3, 8), nn.MaxPool2d(2), Residual(8, 8, 1), Residual(8, 16, 2), _head(16)
    ).eval()


def vgg() -> Any:
    """Simonyan and Zisserman, ICLR 2015."""
    from torch import nn

    return nn.Sequential(
        _block(3, 8), _block(8, 8), nn.MaxPool2d(2), _block(8, 16), nn.AdaptiveAvgPool2d(7),
        nn.Flatten(), nn.Linear(16 * 49, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 10),
    ).eval()  # fmt: skip


def mobilenet() -> Any:
    """Sandler et al., CVPR 2018: expansion, depthwise, projection, a residual; and a gate."""
    from torch import nn

    class Inverted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.expand, self.depthwise = _block(8, 24, 1), _block(24, 24, 3, groups=24)
            self.squeeze = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Conv2d(24, 6, 1), nn.ReLU(), nn.Conv2d(6, 24, 1),
                nn.Hardsigmoid(),
            )  # fmt: skip
            self.project = nn.Sequential(nn.Conv2d(24, 8, 1, bias=False), nn.BatchNorm2d(8))

        def forward(self, x: Any) -> Any:
            y = self.depthwise(self.expand(x))
            return x + self.project(y * self.squeeze(y))

    return nn.Sequential(_block(3, 8, 3, 2), Inverted(), nn.Hardswish(), _head(8)).eval()


def densenet() -> Any:
    """Huang et al., CVPR 2017."""
    import torch
    from torch import nn

    class Dense(nn.Module):
        def __init__(self, into: int) -> None:
            super().__init__()
            self.norm, self.conv = nn.BatchNorm2d(into), nn.Conv2d(into, 4, 3, padding=1)

        def forward(self, x: Any) -> Any:
            return torch.cat([x, self.conv(self.norm(x).relu())], 1)

    return nn.Sequential(_block(3, 8), Dense(8), Dense(12), nn.AvgPool2d(2), _head(16)).eval()


def unet() -> Any:
    """Ronneberger et al., MICCAI 2015, with transposed convolutions."""
    import torch
    from torch import nn

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.deep = _block(3, 8), _block(8, 16)
            self.pool, self.up = nn.MaxPool2d(2), nn.ConvTranspose2d(16, 8, 2, 2)
            self.out = nn.Sequential(_block(16, 8), nn.Conv2d(8, 1, 1))

        def forward(self, x: Any) -> Any:
            high = self.down(x)
            return self.out(torch.cat([high, self.up(self.deep(self.pool(high)))], 1))

    return UNet().eval()


def super_resolution() -> Any:
    """Shi et al., CVPR 2016: channels become pixels."""
    from torch import nn

    return nn.Sequential(_block(3, 8, 5), nn.Conv2d(8, 12, 3, padding=1), nn.PixelShuffle(2)).eval()


def shufflenet() -> Any:
    """Zhang et al., CVPR 2018: grouped convolutions with a channel shuffle between."""
    from torch import nn

    return nn.Sequential(
        _block(3, 8), _block(8, 16, 1, groups=2), nn.ChannelShuffle(2),
        _block(16, 16, 3, groups=16), _head(16),
    ).eval()  # fmt: skip


def yolo() -> Any:
    """A detection head: SiLU, nearest-neighbour upsampling, a reshape of the anchors."""
    import torch
    from torch import nn

    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.deep = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1)
            self.up, self.head = nn.Upsample(scale_factor=2), nn.Conv2d(24, 3 * 7, 1)

        def forward(self, x: Any) -> Any:
            low = nn.functional.silu(self.stem(x))
            deep = nn.functional.silu(self.deep(low))
            y = self.head(torch.cat([low, self.up(deep)], 1))
            return y.view(1, 3, 7, *y.shape[2:]).permute(0, 1, 3, 4, 2).sigmoid()

    return Detector().eval()


def conv1d() -> Any:
    """Dilated convolutions over time (van den Oord et al., 2016)."""
    from torch import nn

    return nn.Sequential(
        nn.Conv1d(4, 8, 3, padding=2, dilation=2), nn.GLU(1), nn.Conv1d(4, 8, 3, padding=4,
        dilation=4), nn.Tanh(),
    ).eval()  # fmt: skip


def conv3d() -> Any:
    """Tran et al., ICCV 2015: a convolution over time and image."""
    from torch import nn

    return nn.Sequential(
        nn.Conv3d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2), nn.Flatten(),
        nn.Linear(8 * 2 * 4 * 4, 5),
    ).eval()  # fmt: skip


def _normal(*shape: int) -> Any:
    def inputs() -> Any:
        import torch

        return torch.randn(*shape)

    return inputs


def _image(size: int = 16) -> Any:
    return _normal(1, 3, size, size)


CONVOLUTIONAL = {
    "ResNet": Case(resnet, _image()),
    "VGG": Case(vgg, _image(14)),
    "MobileNet": Case(mobilenet, _image()),
    "DenseNet": Case(densenet, _image()),
    "UNet": Case(unet, _image()),
    "Sub-pixel CNN": Case(super_resolution, _image(8)),
    "ShuffleNet": Case(shufflenet, _image(8)),
    "YOLO head": Case(yolo, _image()),
    "WaveNet": Case(conv1d, _normal(1, 4, 20)),
    "C3D": Case(conv3d, _normal(1, 3, 4, 8, 8)),
}
