"""Plain convolutional networks (Simonyan and Zisserman, ICLR 2015, Table 1)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.errors import InputError
from archsim.models.config import ModelConfig, Size
from archsim.models.extent import Extent
from archsim.models.graph import Graph


class VggConfig(ModelConfig):
    """Output channels of the 3 x 3 convolutions, stage by stage; a max pool ends each stage."""

    family: Literal["vgg"]
    stages: Annotated[list[list[Size]], Field(min_length=1)]
    hidden: list[Size] = [4096, 4096]
    image: Size = 224
    classes: Size = 1000

    def graph(self, extent: Extent) -> Graph:
        """One inference on an image [size, size, 3]; convolutions have biases and no norm.

        The first fully connected layer reads a whole map, so its size follows the image's.
        """
        extent.require(self.name, "image", "head")
        size = extent.image or self.image
        if size >> len(self.stages) == 0:
            raise InputError(
                f"an image of {size} x {size} pixels vanishes in {len(self.stages)} poolings.",
                fix="Use a larger image.",
            )
        graph = Graph()
        x, channels = graph.input("image", [size, size, 3]), 3
        for stage, widths in enumerate(self.stages):
            for number, width in enumerate(widths):
                name = f"conv{stage + 1}_{number + 1}"
                x = graph.conv(name, x, channels, width, 3, batch_norm=False)
                x = graph.activation(f"relu{stage + 1}_{number + 1}", x, "relu")
                channels = width
            x, size = graph.pool(f"pool{stage + 1}", x, "max", 2, stride=2), size // 2
        if not extent.head:
            return graph
        inner = size * size * channels
        x = graph.reshape("flatten", x, [inner])
        for number, outer in enumerate([*self.hidden, self.classes]):
            x = graph.linear(f"fc{number + 1}", x, inner, outer)
            if number < len(self.hidden):
                x = graph.activation(f"fc{number + 1}_relu", x, "relu")
            inner = outer
        return graph
