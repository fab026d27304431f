"""An ONNX file as a plain graph: nodes, constants, shapes and integer codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError

Array = NDArray[Any]
Dims = tuple[int, ...]
STANDARD = ("", "ai.onnx")  # names of the standard operator domain


@dataclass
class Node:
    """One ONNX node; absent optional inputs are empty strings."""

    op: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    proto: Any = None

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's value as plain data (text decoded)."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def optional(self, index: int) -> str | None:
        """Name of input number `index`, None where the node leaves it out."""
        return self.inputs[index] if index < len(self.inputs) and self.inputs[index] else None

    @property
    def module(self) -> str | None:
        """Path of the module that the node comes from, as torch.onnx.export writes it."""
        for entry in getattr(self.proto, "metadata_props", ()):
            if entry.key == "pkg.torch.onnx.name_scopes":
                scopes = [part.strip("'\" ") for part in entry.value.strip("[]").split(",")]
                return next((scope for scope in reversed(scopes[:-1]) if scope), None)
        return None

    @property
    def label(self) -> str:
        """What to call the node in a message."""
        return self.name or (self.outputs[0] if self.outputs else self.op)


def node_of(proto: Any) -> Node:
    """A NodeProto as a Node."""
    from onnx import helper

    attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
    return Node(proto.op_type, proto.name, list(proto.input), list(proto.output), attributes, proto)


@dataclass(frozen=True)
class Codes:
    """Integer codes of `bits` bits of a constant, whose real values are scale * (values - zero).

    scale, zero: shapes that broadcast to the codes'.
    """

    values: Array
    scale: Array
    zero: Array
    bits: int
    signed: bool


@dataclass(frozen=True)
class Grid:
    """The quantisation of an activation: names of the tensors with its scale and zero point.

    Both hold one value; zero is None where the zero point is 0.
    """

    scale: str
    zero: str | None


@dataclass
class Graph:
    """A loaded ONNX graph.

    constants: values by tensor name, None where the file lacks the data. shapes: by tensor name,
    batch included. types: numpy types of the graph's inputs. codes: what constants were before
    they were dequantised. grids: quantisations of activations that are integer codes. roots: the
    stored tensor that a constant is another form of. absent: external data files that are missing.
    """

    path: Path
    model: Any
    inputs: list[str]
    outputs: list[str]
    nodes: list[Node]
    types: dict[str, np.dtype[Any]]
    shapes: dict[str, Dims] = field(default_factory=dict)
    constants: dict[str, Array | None] = field(default_factory=dict)
    codes: dict[str, Codes] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    @property
    def opset(self) -> int:
        """Version of the standard operator set."""
        return max((o.version for o in self.model.opset_import if o.domain in STANDARD), default=1)

    @property
    def has_weights(self) -> bool:
        """True when every constant's data is there."""
        return all(value is not None for value in self.constants.values())

    def consumers(self) -> dict[str, list[Node]]:
        """Nodes that read each tensor, one entry per use."""
        users: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                users.setdefault(name, []).append(node)
        return users

    def producers(self) -> dict[str, Node]:
        """The node that writes each tensor."""
        return {name: node for node in self.nodes for name in node.outputs}

    def error(self, what: str, fix: str | None = None) -> InputError:
        """An InputError located at this file."""
        return InputError(what, str(self.path), fix)
