"""An ONNX file as a plain graph: nodes, constants and the shapes of the graph's inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest

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
    def label(self) -> str:
        """What to call the node in a message."""
        return self.name or (self.outputs[0] if self.outputs else self.op)


@dataclass
class Graph:
    """A loaded ONNX graph.

    constants: values by tensor name, None where the file lacks the data. shapes: by tensor name,
    batch included. types: numpy types of the graph's inputs.
    """

    path: Path
    model: Any
    inputs: list[str]
    outputs: list[str]
    nodes: list[Node]
    types: dict[str, np.dtype[Any]]
    shapes: dict[str, Dims] = field(default_factory=dict)
    constants: dict[str, Array | None] = field(default_factory=dict)

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


def load_graph(
    path: str | Path,
    inputs: Mapping[str, Array] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Graph:
    """Read an ONNX file and fix the shapes of its inputs.

    Dynamic dimensions come from `inputs` or `shapes`; a dynamic first dimension is a batch of 1.
    Raises InputError for an unreadable file, an unknown input name, or a dimension left open.
    """
    path = Path(path)
    model = _read(path)
    graph = model.graph
    from onnx import helper

    initializers = {tensor.name: tensor for tensor in graph.initializer}
    declared = [i for i in graph.input if i.name not in initializers]
    result = Graph(
        path=path,
        model=model,
        inputs=[i.name for i in declared],
        outputs=[o.name for o in graph.output],
        nodes=[
            Node(
                n.op_type,
                n.name,
                list(n.input),
                list(n.output),
                {a.name: helper.get_attribute_value(a) for a in n.attribute},
                n,
            )
            for n in graph.node
        ],
        types={
            i.name: np.dtype(helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type))
            for i in declared
            if i.type.tensor_type.elem_type
        },
    )
    for tensor in initializers.values():
        result.constants[tensor.name] = _value(tensor, path.parent)
        result.shapes[tensor.name] = tuple(tensor.dims)
    given = {name: list(np.shape(value)) for name, value in (inputs or {}).items()}
    for name, shape in (shapes or {}).items():
        if name in given and given[name] != list(shape):
            raise result.error(
                f"input '{name}' has shape {given[name]} but shapes say {list(shape)}",
                "Give one of the two.",
            )
        given[name] = list(shape)
    for name in given:
        if name not in result.inputs:
            raise result.error(f"has no input '{name}'.", nearest(name, result.inputs))
    for item in declared:
        result.shapes[item.name] = _input_shape(result, item, given.get(item.name))
    return result


def _read(path: Path) -> Any:
    import onnx

    try:
        model = onnx.load_model(str(path), format="protobuf", load_external_data=False)
    except FileNotFoundError:
        raise InputError(
            "there is no such file.", str(path), "Check the path to the ONNX file."
        ) from None
    except OSError as fault:
        raise InputError(f"can't be read: {fault.strerror}.", str(path)) from fault
    except Exception as fault:
        raise InputError(
            "is not a readable ONNX file: it is truncated, corrupt or of another format.",
            str(path),
            "Export the model again.",
        ) from fault
    if not model.graph.node:
        raise InputError(
            "holds no graph: it is empty, corrupt or of another format.",
            str(path),
            "Export the model again.",
        )
    return model


def _value(tensor: Any, folder: Path) -> Array | None:
    """A tensor's data, None where it isn't in the file or beside it."""
    from onnx import checker, external_data_helper, numpy_helper

    try:
        if external_data_helper.uses_external_data(tensor):
            external_data_helper.load_external_data_for_tensor(tensor, str(folder))
            tensor.data_location = 0
            del tensor.external_data[:]
        return np.asarray(numpy_helper.to_array(tensor))
    except (checker.ValidationError, OSError, ValueError, TypeError):  # no data: shape only
        return None


def _input_shape(graph: Graph, item: Any, given: list[int] | None) -> Dims:
    kind = item.type.tensor_type
    if not kind.HasField("shape"):
        if given is None:
            raise graph.error(
                f"input '{item.name}' has no declared shape.",
                f"Give shapes={{'{item.name}': [...]}}.",
            )
        return tuple(given)
    dims = [d.dim_value if d.HasField("dim_value") else 0 for d in kind.shape.dim]
    shown = [d.dim_value if d.dim_value > 0 else d.dim_param or "?" for d in kind.shape.dim]
    if given is not None:
        fits = len(given) == len(dims) and all(
            d <= 0 or d == g for d, g in zip(dims, given, strict=True)
        )
        if not fits:
            raise graph.error(
                f"input '{item.name}' is declared {shown}, which {given} doesn't fit.",
                "Give a shape with the same fixed dimensions.",
            )
        dims = list(given)
    elif dims and dims[0] <= 0:
        dims[0] = 1
    if any(d <= 0 for d in dims):
        raise graph.error(
            f"input '{item.name}' has dynamic dimensions: {shown}.",
            f"Fix them with shapes={{'{item.name}': [...]}} or pass inputs.",
        )
    if len(dims) > 2 and dims[0] != 1:
        raise graph.error(
            f"input '{item.name}' has a batch of {dims[0]}; a trace describes one inference.",
            "Give a batch of 1, or export the model with a batch of 1.",
        )
    return tuple(dims)
