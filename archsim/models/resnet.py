"""Residual networks for ImageNet (He et al., CVPR 2016, Table 1).

In bottleneck blocks the stride is that of the 3 x 3 convolution, as in torchvision ("v1.5").
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.models.config import Blocks, ModelConfig, Size
from archsim.models.extent import Extent
from archsim.models.graph import Graph

STEM = 64  # channels behind the first convolution; stage n has STEM * 2^n


class ResNetConfig(ModelConfig):
    """Blocks per stage; `bottleneck` blocks end with four times their width."""

    family: Literal["resnet"]
    block: Literal["basic", "bottleneck"]
    stages: Annotated[list[Blocks], Field(min_length=1, description="blocks in each")]
    image: Size = 224
    classes: Size = 1000

    def graph(self, extent: Extent) -> Graph:
        """One inference on an image [size, size, 3]; batch norms are folded in."""
        extent.require(self.name, "image", "head")
        size = extent.image or self.image
        graph = Graph()
        graph.input("image", [size, size, 3])
        x = graph.conv("conv1", "image", 3, STEM, 7, stride=2)
        x = graph.activation("relu", x, "relu")
        x = graph.pool("maxpool", x, "max", 3, stride=2, padding=1)
        size, channels = -(-size // 4), STEM
        expansion = 1 if self.block == "basic" else 4
        for stage, count in enumerate(self.stages):
            width = STEM << stage
            for number in range(count):
                stride = 2 if stage and not number else 1
                name = f"layer{stage + 1}.{number}"
                x = self._block(graph, name, x, channels, width, width * expansion, stride)
                channels = width * expansion
            size = -(-size // 2) if stage else size
        if extent.head:
            x = graph.pool("avgpool", x, "avg", size)
            graph.linear("fc", x, channels, self.classes)
        return graph

    def _block(
        self, graph: Graph, name: str, source: str, inner: int, width: int, outer: int, stride: int
    ) -> str:
        if self.block == "basic":
            x = graph.conv(f"{name}.conv1", source, inner, width, 3, stride=stride)
            x = graph.activation(f"{name}.relu1", x, "relu")
            x = graph.conv(f"{name}.conv2", x, width, outer, 3)
        else:
            x = graph.conv(f"{name}.conv1", source, inner, width, 1)
            x = graph.activation(f"{name}.relu1", x, "relu")
            x = graph.conv(f"{name}.conv2", x, width, width, 3, stride=stride)
            x = graph.activation(f"{name}.relu2", x, "relu")
            x = graph.conv(f"{name}.conv3", x, width, outer, 1)
        if stride > 1 or inner != outer:
            source = graph.conv(f"{name}.downsample", source, inner, outer, 1, stride=stride)
        x = graph.elementwise(f"{name}.add", "add", x, source)
        return graph.activation(f"{name}.relu", x, "relu")
