"""A layer graph under construction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from archsim.trace.model import Generation, GraphInput
from archsim.trace.operators import (
    Activation,
    Conv2d,
    Elementwise,
    Embedding,
    Layer,
    Linear,
    MatMul,
    Move,
    Norm,
    Pool,
    Softmax,
)

ActivationName = Literal[
    "relu", "clip", "sigmoid", "tanh", "gelu", "silu", "hardswish", "hardsigmoid", "rotary"
]
# Learnt values per channel: gain and shift; an RMS norm has no shift.
NORM_VALUES = {"layer": 2, "rms": 1, "batch": 2}


@dataclass(frozen=True)
class Attention:
    """The sizes of an attention: heads of `head_width` channels over `span` positions.

    `kv_heads` of them have keys and values of their own; `sequences` are interleaved.
    """

    heads: int
    head_width: int
    span: int
    kv_heads: int
    causal: bool = False
    sequences: int = 1


@dataclass
class Graph:
    """Inputs and layers; every method that adds a layer returns its name.

    Widths are in elements of a position, sizes of maps in positions. Learnt values other than
    weights (`biases` of the layer record) are set from the operator and its `bias`.
    """

    inputs: list[GraphInput] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    generation: Generation | None = None

    def input(self, name: str, shape: list[int], bits: int | None = None) -> str:
        """A tensor from outside; bits: width of its codes, by default that of activations."""
        self.inputs.append(GraphInput(name=name, shape=shape, bits=bits))
        return name

    def embedding(
        self, name: str, source: str, rows: int, width: int, *, tied_to: str | None = None
    ) -> str:
        """A table of `rows` vectors."""
        return self._add(
            Embedding(
                op="embedding",
                name=name,
                inputs=[source],
                rows=rows,
                features=width,
                tied_to=tied_to,
            )
        )

    def linear(
        self,
        name: str,
        source: str,
        inner: int,
        outer: int,
        *,
        bias: bool = True,
        tied_to: str | None = None,
    ) -> str:
        """A fully connected layer."""
        return self._add(
            Linear(
                op="linear",
                name=name,
                inputs=[source],
                in_features=inner,
                out_features=outer,
                biases=outer if bias else 0,
                tied_to=tied_to,
            )
        )

    def conv(
        self,
        name: str,
        source: str,
        inner: int,
        outer: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        batch_norm: bool = True,
    ) -> str:
        """A convolution with `kernel // 2` of padding on each side.

        A batch norm behind it is folded in: its gains and shifts are two values per channel (its
        running mean and variance are statistics, not learnt). Without one there is a bias.
        """
        half = kernel // 2
        return self._add(
            Conv2d(
                op="conv2d",
                name=name,
                inputs=[source],
                kernel=(kernel, kernel),
                stride=(stride, stride),
                padding=(half, half, half, half),
                in_channels=inner,
                out_channels=outer,
                groups=groups,
                biases=outer * (2 if batch_norm else 1),
            )
        )

    def conv_along(self, name: str, source: str, inner: int, outer: int, kernel: int) -> str:
        """A convolution with a bias along the first axis of a map: over neighbouring tokens."""
        half = kernel // 2
        return self._add(
            Conv2d(
                op="conv2d",
                name=name,
                inputs=[source],
                kernel=(kernel, 1),
                padding=(half, 0, half, 0),
                in_channels=inner,
                out_channels=outer,
                biases=outer,
            )
        )

    def pool(
        self,
        name: str,
        source: str,
        function: Literal["max", "avg"],
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
    ) -> str:
        """Pooling; a kernel as large as the map is global pooling."""
        return self._add(
            Pool(
                op="pool",
                name=name,
                inputs=[source],
                function=function,
                kernel=(kernel, kernel),
                stride=(stride, stride),
                padding=(padding, padding, padding, padding),
            )
        )

    def norm(
        self, name: str, source: str, width: int, function: Literal["layer", "rms", "batch"]
    ) -> str:
        """A normalisation; `batch` is a gain and a shift alone, as MobileBERT's NoNorm is."""
        biases = NORM_VALUES[function] * width
        return self._add(
            Norm(op="norm", name=name, inputs=[source], function=function, biases=biases)
        )

    def activation(self, name: str, source: str, function: ActivationName) -> str:
        """An elementwise function of one input."""
        return self._add(Activation(op="activation", name=name, inputs=[source], function=function))

    def elementwise(
        self, name: str, function: Literal["add", "mul"], left: str, right: str, *, biases: int = 0
    ) -> str:
        """A sum or product of two tensors; biases: learnt values that enter with it."""
        return self._add(
            Elementwise(
                op="elementwise", name=name, inputs=[left, right], function=function, biases=biases
            )
        )

    def rows(self, name: str, source: str, start: int, count: int, width: int) -> str:
        """`count` consecutive positions of a sequence, from position `start` on."""
        return self._add(
            Move(
                op="move",
                name=name,
                inputs=[source],
                function="slice",
                shape=[count, width],
                start=start,
            )
        )

    def join(self, name: str, sources: list[str], shape: list[int]) -> str:
        """Tensors one behind the other."""
        return self._add(Move(op="move", name=name, inputs=sources, function="concat", shape=shape))

    def reshape(self, name: str, source: str, shape: list[int]) -> str:
        """The same elements in another shape."""
        return self._add(
            Move(op="move", name=name, inputs=[source], function="reshape", shape=shape)
        )

    def attention(
        self,
        block: str,
        query: str,
        key: str,
        value: str,
        sizes: Attention,
        bias: tuple[str, int] | None = None,
    ) -> str:
        """Scores, softmax and context: layers `{block}.scores`, `.softmax` and `.context`.

        query: (rows, heads * head_width); key and value: (span * sequences, kv_heads *
        head_width). bias: a tensor added to the scores and the values learnt for it. The factor
        1/sqrt(head_width) is part of the query projection, so it is no layer.
        """
        shared: dict[str, Any] = {
            "heads": sizes.heads,
            "kv_heads": None if sizes.kv_heads == sizes.heads else sizes.kv_heads,
            "causal": sizes.causal,
            "sequences": sizes.sequences,
        }
        scores = self._add(
            MatMul(
                op="matmul",
                name=f"{block}.scores",
                inputs=[query, key],
                k=sizes.head_width,
                n=sizes.span,
                transposed=True,
                **shared,
            )
        )
        if bias is not None:
            tensor, values = bias
            scores = self.elementwise(f"{block}.scores_bias", "add", scores, tensor, biases=values)
        softmax = self._add(
            Softmax(op="softmax", name=f"{block}.softmax", inputs=[scores], groups=sizes.heads)
        )
        return self._add(
            MatMul(
                op="matmul",
                name=f"{block}.context",
                inputs=[softmax, value],
                k=sizes.span,
                n=sizes.head_width,
                transposed=False,
                **shared,
            )
        )

    def _add(self, layer: Layer) -> str:
        self.layers.append(layer)
        return layer.name
