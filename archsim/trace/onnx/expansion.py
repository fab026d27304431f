"""The nodes that one ONNX node is written out as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archsim.trace.onnx.graph import Node

OWN_ATTRIBUTES = ("channels_last", "opset", "activation", "activation_params")


class Expansion:
    """The nodes that one node becomes."""

    def __init__(self, model: Any, node: Node):
        self.node = node
        self.sizes = {t.name: tuple(t.dims) for t in model.graph.initializer}
        self.model = model
        self.nodes: list[Any] = []

    def add(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append a node; returns its output, which has a name of its own unless given."""
        from onnx import helper

        name = output or f"{self.node.label}:{op}{len(self.nodes)}"
        domain = attributes.pop("domain", "")
        self.nodes.append(
            helper.make_node(op, list(inputs), [name], name, domain=domain, **attributes)
        )
        return name

    def optional(self, index: int) -> str:
        """Name of an input, empty where the node leaves it out."""
        return self.node.optional(index) or ""

    def dequantise(self, first: int, axis: int | None = None) -> str:
        """The real values of the codes in input `first`; scale and zero point follow it."""
        codes, scale, zero = (self.optional(first + i) for i in range(3))
        return self.real(codes, scale, zero, axis)

    def real(self, codes: str, scale: str, zero: str, axis: int | None = None) -> str:
        """scale * (codes - zero), with scales along `axis` where there are several.

        DequantizeLinear has known several only from version 13 on: the arithmetic is written out.
        """
        if axis is None or self.sizes.get(scale) in ((), (1,)):
            return self.add("DequantizeLinear", codes, scale, *([zero] if zero else []))
        value = self.add("Cast", codes, to=1)
        if zero:
            value = self.add("Sub", value, self.add("Cast", self._along(zero, codes, axis), to=1))
        return self.add("Mul", value, self._along(scale, codes, axis))

    def _along(self, name: str, codes: str, axis: int) -> str:
        """A vector reshaped to broadcast along one axis of `codes`."""
        if self.sizes.get(name, ()) in ((), (1,)):
            return name
        rank = len(self.sizes.get(codes, (0,)))
        shape = [1] * rank
        shape[axis] = -1
        return self.add("Reshape", name, self.constant(shape))

    def constant(self, values: Sequence[int]) -> str:
        """An integer list as a new initializer."""
        import numpy as np
        from onnx import numpy_helper

        name = f"{self.node.label}:shape{len(self.nodes)}"
        self.model.graph.initializer.append(
            numpy_helper.from_array(np.array(values, np.int64), name)
        )
        return name

    def quantise(self, value: str, first: int) -> None:
        """Write the node's output as codes; their scale and zero point are inputs `first`, ..."""
        zero = self.optional(first + 1)
        self.add(
            "QuantizeLinear", value, self.optional(first), *([zero] if zero else []),
            output=self.node.outputs[0],
        )  # fmt: skip

    def kept(self) -> dict[str, Any]:
        """The node's attributes that the standard operator has too."""
        return {k: v for k, v in self.node.attributes.items() if k not in OWN_ATTRIBUTES}
