"""What every layer record has, whatever its operator."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from pydantic import Field

from archsim.schema import Model
from archsim.schema.ranges import BitWidth, Size, Total
from archsim.trace.stats import TensorStats
from archsim.trace.window import Reach

# A tensor's shape without the batch, positions first and channels last: (H, W, C), (T, D) or (D,).
TensorShape = tuple[int, ...]
Shape = Annotated[
    list[Size],
    Field(min_length=1, max_length=4, examples=[[56, 56, 64], [128, 384], [1000]]),
]


Circulant = Annotated[
    Size,
    Field(description="side of the circulant blocks that the weights are made of; 1: of none"),
]


class ShapeError(ValueError):
    """Shapes that do not chain: the message says which and what would fit."""


def positions(shape: TensorShape) -> int:
    """Vectors in a tensor: the product of all axes but the last."""
    return math.prod(shape[:-1])


def channels(shape: TensorShape) -> int:
    """Elements in each vector of a tensor: its last axis."""
    return shape[-1]


def check_circulant(side: int, inner: int, outer: int, groups: int = 1) -> None:
    """ShapeError unless blocks of `side` x `side` fill a layer's input and output channels."""
    if side > 1 and (inner % side or outer % side or groups > 1):
        raise ShapeError(
            f"circulant blocks of {side} need input and output channels in multiples of {side} "
            f"and one group, not {inner}, {outer} and {groups}"
        )


class LayerBase(Model):
    """One operator of the model: where its inputs come from and what it produces.

    Subclasses add the operator's own fields and answer, for given input shapes, the output shape,
    the multiply-accumulates and which inputs each output position needs.
    """

    name: Annotated[str, Field(min_length=1, description="unique in the trace")]
    inputs: Annotated[
        list[str], Field(min_length=1, description="names of layers or of the trace's inputs")
    ]
    shape: Annotated[
        Shape | None, Field(description="output shape without the batch, channels last")
    ] = None
    weight_bits: BitWidth | None = None
    input_bits: BitWidth | None = None
    biases: Annotated[
        Total, Field(description="learnt values beside the weights: biases, norm gains")
    ] = 0
    tied_to: Annotated[
        str | None, Field(description="layer whose weights these are; they are counted there")
    ] = None
    weight_stats: TensorStats | None = None
    input_stats: TensorStats | None = None
    output_stats: TensorStats | None = None

    arity: ClassVar[tuple[int, int]] = (1, 1)  # fewest and most inputs
    stationary: ClassVar[bool] = False  # True: holds weights that a crossbar can store

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        """Shape of the output, from the shapes of the inputs; ShapeError if they do not fit."""
        raise NotImplementedError

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        """Positions of input number `which` that each output position needs."""
        raise NotImplementedError

    def macs(self, inputs: list[TensorShape], output: TensorShape) -> int:
        """Multiply-accumulates of one inference."""
        return 0

    def parameters(self) -> int:
        """Weights, biases not counted."""
        return 0
