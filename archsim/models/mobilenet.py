"""MobileNets with inverted residuals: V2 (Sandler, CVPR 2018) and V3 (Howard, ICCV 2019).

One builder for both: V2 is V3 without squeeze-and-excitation and without the hidden layer.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.models.config import ModelConfig, Size
from archsim.models.extent import Extent
from archsim.models.graph import Graph
from archsim.schema import Model
from archsim.schema.ranges import Whole

Nonlinearity = Literal["relu", "clip", "hardswish"]


class InvertedResidual(Model):
    """One row of the papers' tables: expand with 1 x 1, filter each channel, project with 1 x 1."""

    kernel: Size = 3
    expand: Annotated[Size, Field(description="channels between; as the input: no 1 x 1")]
    out: Size
    squeeze: Annotated[Whole, Field(description="width of squeeze-and-excitation, 0 for none")] = 0
    activation: Nonlinearity = "clip"
    stride: Size = 1


class MobileNetConfig(ModelConfig):
    """`last`: channels of the last convolution; `hidden`: a layer before the classes.

    The activation `clip` is ReLU6.
    """

    family: Literal["mobilenet"]
    stem: Size
    blocks: Annotated[list[InvertedResidual], Field(min_length=1)]
    last: Size
    hidden: Size | None = None
    activation: Annotated[Nonlinearity, Field(description="of stem, last and hidden")] = "clip"
    image: Size = 224
    classes: Size = 1000

    def graph(self, extent: Extent) -> Graph:
        """One inference on an image [size, size, 3]; batch norms are folded in."""
        extent.require(self.name, "image", "head")
        size = extent.image or self.image
        graph = Graph()
        graph.input("image", [size, size, 3])
        x = graph.conv("stem", "image", 3, self.stem, 3, stride=2)
        x = graph.activation("stem_act", x, self.activation)
        size, channels = -(-size // 2), self.stem
        for number, row in enumerate(self.blocks):
            size = -(-size // row.stride)
            x = _block(graph, f"block{number}", x, channels, row, size)
            channels = row.out
        x = graph.conv("last", x, channels, self.last, 1)
        x = graph.activation("last_act", x, self.activation)
        if extent.head:
            x, channels = graph.pool("avgpool", x, "avg", size), self.last
            if self.hidden is not None:
                x = graph.linear("hidden", x, channels, self.hidden)
                x, channels = graph.activation("hidden_act", x, self.activation), self.hidden
            graph.linear("classifier", x, channels, self.classes)
        return graph


def _block(
    graph: Graph, name: str, source: str, inner: int, row: InvertedResidual, size: int
) -> str:
    """size: height and width behind the block's stride."""
    x, act = source, row.activation
    if row.expand != inner:
        x = graph.conv(f"{name}.expand", x, inner, row.expand, 1)
        x = graph.activation(f"{name}.expand_act", x, act)
    x = graph.conv(
        f"{name}.depthwise", x, row.expand, row.expand, row.kernel,
        stride=row.stride, groups=row.expand,
    )  # fmt: skip
    x = graph.activation(f"{name}.depthwise_act", x, act)
    if row.squeeze:
        x = _squeeze(graph, name, x, row.expand, row.squeeze, size)
    x = graph.conv(f"{name}.project", x, row.expand, row.out, 1)
    if row.stride == 1 and inner == row.out:
        x = graph.elementwise(f"{name}.add", "add", x, source)
    return x


def _squeeze(graph: Graph, name: str, source: str, width: int, thin: int, size: int) -> str:
    """Squeeze-and-excitation (Hu et al., CVPR 2018): a gate per channel from the map's mean."""
    x = graph.pool(f"{name}.squeeze_pool", source, "avg", size)
    x = graph.linear(f"{name}.squeeze", x, width, thin)
    x = graph.activation(f"{name}.squeeze_relu", x, "relu")
    x = graph.linear(f"{name}.excite", x, thin, width)
    x = graph.activation(f"{name}.excite_gate", x, "hardsigmoid")
    return graph.elementwise(f"{name}.scale", "mul", source, x)
