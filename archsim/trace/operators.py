"""The operators a trace may hold. A new one is a class in a module beside this and a name here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archsim.trace.convolution import Conv2d, Padding, Pool, Windowed
from archsim.trace.movement import Embedding, Fold, Idle, Move, Reduce, Scatter, Unknown
from archsim.trace.pointwise import Activation, Elementwise, Norm, Softmax
from archsim.trace.products import Linear, MatMul, Recurrent
from archsim.trace.training import OuterProduct, Stored

Layer = Annotated[
    Conv2d | Linear | Recurrent | MatMul | Softmax | Norm | Activation | Elementwise | Pool
    | Reduce | Embedding | Stored | OuterProduct | Move | Scatter | Fold | Idle | Unknown,
    Field(discriminator="op"),
]  # fmt: skip

__all__ = [
    "Activation", "Conv2d", "Elementwise", "Embedding", "Fold", "Idle", "Layer", "Linear", "MatMul",
    "Move", "Norm", "OuterProduct", "Padding", "Pool", "Recurrent", "Reduce", "Scatter", "Softmax",
    "Stored", "Unknown", "Windowed",
]  # fmt: skip
