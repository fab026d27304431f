"""ATen nodes as nodes of a graph in the form of ONNX, whose rules make the layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from archsim.trace.onnx.graph import Array, Dims, Graph, Node
from archsim.trace.pytorch.capture import Captured
from archsim.trace.pytorch.flow import Flow, parameters_of
from archsim.trace.pytorch.registry import RULES, name_of
from archsim.trace.pytorch.run import array, leaves, run

UNKNOWN = "Torch:"
# Operators that show the same values in another form, or a part of them.
FORMS = {
    "permute", "transpose", "t", "view", "reshape", "_unsafe_view", "unsqueeze", "squeeze", "clone",
    "contiguous", "to", "_to_copy", "detach", "alias", "expand", "flatten", "numpy_T", "mT",
    "lift_fresh_copy", "detach_",
}  # fmt: skip
PARTS = {"slice", "select", "narrow", "chunk", "split", "split_with_sizes", "unbind", "getitem"}
QKV = {"0": "q_proj", "1": "k_proj", "2": "v_proj"}


class Source:
    """Where the values of a tensor are: a node's result, an entry of it, another layout of it."""

    def __init__(self, node: str, entry: int = 0, derive: Callable[[Array], Array] | None = None):
        self.node, self.entry, self.derive = node, entry, derive


class RecordedGraph(Graph):
    """A captured module in the form of an ONNX graph, with no file behind it."""

    @property
    def opset(self) -> int:
        return 22


class Emitter:
    """Goes through a captured graph; rules call it to append nodes.

    known: values that do not depend on what the trace computes. shapes: of every result.
    hidden: where the values of a tensor count as not computed. beside: tensors that the module
    computes and that leave it on another way than its result.
    """

    def __init__(self, captured: Captured, module: nn.Module, label: str):
        self.captured, self.module = captured, module
        self.flow = Flow(captured)
        self.known: dict[str, Any] = {}
        self.results: dict[str, list[Dims]] = {}
        self.kinds: dict[str, torch.dtype] = {}
        self.hidden: dict[str, Array] = {}
        self.sources: dict[str, Source] = {}
        self.beside: list[str] = []
        self.pieces: dict[str, list[tuple[str, str, int]]] = {}  # see `_pieces`
        self._tied = parameters_of(module)
        self._alias: dict[str, str] = {}
        self._node: fx.Node | None = None
        self.graph = RecordedGraph(Path(label), None, [], [], [], {})
        run(captured, self._see)

    def _see(self, node: fx.Node, result: Any) -> None:
        found = leaves(result)
        self.results[node.name] = [
            tuple(one.shape) if isinstance(one, Tensor) else () for one in found
        ]
        if found and isinstance(found[0], Tensor):
            self.kinds[node.name] = found[0].dtype
        whole = not (found and isinstance(found[0], Tensor) and found[0].is_floating_point())
        if not self.flow.is_live(node) or whole:
            self.known[node.name] = result

    # The walk

    def convert(self) -> RecordedGraph:
        """All nodes by their rules."""
        graph, captured = self.graph, self.captured
        for node in captured.graph.graph.nodes:
            self._node = node
            if node.name in captured.inputs:
                self._input(node, captured.inputs[node.name])
            elif node.op == "call_function" and self.flow.is_live(node):
                self._convert(node)
        graph.outputs = list(
            dict.fromkeys(
                self.name(node)
                for node in captured.outputs
                if self.flow.is_live(node) or self._is_input(node)
            )
        )
        graph.outputs += [name for name in self.beside if name not in graph.outputs]
        return graph

    def _is_input(self, node: fx.Node) -> bool:
        return node.name in self.captured.inputs

    def _input(self, node: fx.Node, name: str) -> None:
        self._alias[node.name] = name
        if name not in self.graph.inputs:
            self.graph.inputs.append(name)
            self.graph.shapes[name] = self.shape(node)
            self.graph.types[name] = array(self.captured.values[node.name]).dtype
            self.sources[name] = Source(node.name)

    def _convert(self, node: fx.Node) -> None:
        name = "getitem" if not name_of(node.target) else name_of(node.target)
        known = RULES.get(name)
        if known is None:
            self.refused(node, name)
            return
        known(self, node, **bound(node))

    def refused(self, node: fx.Node, why: str) -> None:
        """A node that nothing is known of: a layer `unknown`, or part of an error."""
        given = [self.name(one) for one in node.all_input_nodes if self.results[one.name]]
        outputs = [self._output(node, i) for i in range(len(self.results[node.name]))]
        self._append(UNKNOWN + why, self._label(node, why), given, outputs, {})

    # What rules call

    def emit(
        self, op: str, node: fx.Node, inputs: Sequence[Any], part: str = "",
        shape: Dims | None = None, word: str = "", derive: Callable[[Array], Array] | None = None,
        of: Any = None, **attributes: Any,
    ) -> str:  # fmt: skip
        """Append a node and return the tensor that it writes: the ATen node's result.

        inputs: nodes, names of tensors, numbers, arrays, or None for one that is left out. part:
        for a step on the way, whose shape is `shape` and whose values are made by `derive` of the
        result's, or of those of the tensor `of`.
        """
        names = ["" if value is None else self.name(value) for value in inputs]
        output = f"{node.name}:{part}" if part else self._output(node, 0)
        if part:
            self.graph.shapes[output] = self.shape(node) if shape is None else shape
            self.sources[output] = Source(node.name, 0, derive)
            if of is not None and (source := self.sources.get(self.name(of))):
                made = _after(source.derive, derive)
                self.sources[output] = Source(source.node, source.entry, made)
        self._append(op, self._label(node, word or op.lower(), names), names, [output], attributes)
        return output

    def several(
        self, op: str, node: fx.Node, inputs: Sequence[Any], count: int, **attributes: Any
    ) -> None:
        """Append a node with one output for each of the first `count` entries of the result."""
        names = ["" if value is None else self.name(value) for value in inputs]
        outputs = [self._output(node, i) for i in range(count)]
        self._append(op, self._label(node, op.lower(), names), names, outputs, attributes)

    def raw(self, op: str, label: str, inputs: list[str], outputs: list[str], **a: Any) -> None:
        """Append a node whose tensors are named and described already."""
        self._append(op, label, inputs, outputs, a)

    def same(self, node: fx.Node, source: Any) -> None:
        """The node's result is another name of a tensor."""
        self._alias[node.name] = source if isinstance(source, str) else self.name(source)

    def entry(self, node: fx.Node, source: fx.Node, index: int) -> None:
        """The node is one entry of another's results."""
        inner = self._alias.get(f"{source.name}.{index}", f"{source.name}.{index}")
        if len(self.results[source.name]) == 1 or inner not in self.graph.shapes:
            inner = self._alias.get(source.name, source.name) if index == 0 else inner
        self._alias[node.name] = inner

    def alias_entry(self, node: fx.Node, index: int, tensor: str) -> None:
        """Entry `index` of a node's results is a tensor of this name."""
        self._alias[f"{node.name}.{index}"] = tensor

    def live(self, value: Any) -> bool:
        """True for a node whose values the trace computes."""
        return self.flow.is_live(value)

    def value(self, node: Any) -> Any:
        """The known value of a node or number; None if it is computed."""
        return self.known.get(node.name) if isinstance(node, fx.Node) else node

    def shape(self, node: fx.Node) -> Dims:
        """Concrete shape of a node's (first) result."""
        return self.results[node.name][0]

    def keep(self, node: Any) -> None:
        """What decides where data goes is computed although no layer reads it."""
        if self.live(node):
            self.beside.append(self.name(node))

    def name(self, value: Any) -> str:
        """The tensor of a node; constants are registered as they are named."""
        if isinstance(value, str):
            return value
        if isinstance(value, fx.Node):
            if self.live(value) or value.name in self._alias:
                return self._alias.get(value.name, value.name)
            return self._constant(value)
        return self.constant(array(value))

    def constant(self, values: Array, hint: str = "") -> str:
        """A constant that the module does not store."""
        name = hint or f"constant{len(self.graph.constants)}"
        self.graph.constants[name] = values
        self.graph.shapes[name] = values.shape
        return name

    def array(self, node: Any) -> Array:
        """The values of a constant."""
        found = self.graph.constants[self.name(node)]
        assert found is not None  # a module holds its weights
        return found

    def joined(self, node: fx.Node, values: Array, owners: Sequence[Any], part: str) -> str:
        """A constant that is made of several stored ones."""
        name = self.constant(values, f"{node.name}:{part}")
        found = [self.name(owner) for owner in owners]
        roots = [self.graph.roots[one] for one in found if one in self.graph.roots]
        if roots:
            self.graph.roots[name] = "+".join(roots)
        self.pieces[name] = [piece for one in found for piece in self.pieces.get(one, [])]
        return name

    def _constant(self, node: fx.Node) -> str:
        name = self.captured.stored.get(node.name, node.name)
        name = self._tied.get(name, name)
        if name not in self.graph.constants:
            found = leaves(self.known[node.name])
            self.constant(array(found[0]), name)
            root = self._root(node)
            if root is not None:
                self.graph.roots[name] = root
            self.pieces[name] = self._pieces(node)
        return name

    def _root(self, node: fx.Node) -> str | None:
        """The stored tensor, or the part of one, that a constant is another form of."""
        stored = self.captured.stored.get(node.name)
        if stored is not None:
            return self._tied.get(stored, stored)
        name = name_of(node.target) or "getitem"
        source = node.args[0] if node.args else None
        if isinstance(source, fx.Node):
            root = self._root(source)
            if root is not None and name in FORMS:
                return root
            if root is not None and name in PARTS:
                return f"{root}[{', '.join(str(a) for a in node.args[1:])}]"
        return node.name if self.flow.stored[node.name] else None

    def _pieces(self, node: fx.Node) -> list[tuple[str, str, int]]:
        """What a constant holds of the parameters: (parameter, which part, values of it)."""
        root = self._root(node)
        own = self.flow.stored[node.name]
        if root is None or not own:
            return []
        names = sorted({self._tied[name] for name in own if name in self._tied})
        whole = root.partition("[")[0] not in self._tied or "[" not in root
        sizes = dict(self.module.named_parameters())
        if whole:
            return [(name, "", sizes[name].numel()) for name in names]
        return [(name, root, array(leaves(self.known[node.name])[0]).size) for name in names]

    def describe(
        self, tensor: str, node: fx.Node, entry: int,
        derive: Callable[[Array], Array] | None = None,
    ) -> None:  # fmt: skip
        """Say where the values of a tensor are."""
        self.sources[tensor] = Source(node.name, entry, derive)

    def label(self, node: fx.Node, word: str) -> str:
        """What to call a layer that a node becomes."""
        return self._label(node, word)

    # Names

    def _output(self, node: fx.Node, index: int) -> str:
        many = len(self.results[node.name]) > 1
        name = f"{node.name}.{index}" if many else node.name
        self.graph.shapes[name] = self.results[node.name][index]
        self.sources[name] = Source(node.name, index)
        return name

    def _append(
        self, op: str, label: str, inputs: list[str], outputs: list[str], attributes: dict[str, Any]
    ) -> None:
        self.graph.nodes.append(Node(op, label, inputs, outputs, attributes))

    def _label(self, node: fx.Node, word: str, inputs: Sequence[str] = ()) -> str:
        """The module's name, for a module with one purpose; else its name and the operator's."""
        path, kind = _place(node)
        word = _role(node) or word.removeprefix(UNKNOWN.lower())
        try:
            leaf = not any(True for _ in self.module.get_submodule(path).children()) and path
        except AttributeError:
            leaf = ""
        if path.isdecimal():  # of a bare nn.Sequential
            path = f"{kind}{path}"
        if not path and not leaf and not list(self.module.children()):
            leaf = word
        for name in inputs[1:2]:
            stored = self.graph.roots.get(name, "")
            match = re.fullmatch(r"(?:(.*)\.)?in_proj_weight\[.*\]\[(\d)\]", stored)
            if match:
                return ".".join(filter(None, (match[1], QKV.get(match[2], word))))
            if stored.endswith(".weight") and not leaf:
                return stored.removesuffix(".weight")
        if leaf and not _role(node):
            return path or word
        return f"{path}.{word}" if path else word


def _after(
    first: Callable[[Array], Array] | None, then: Callable[[Array], Array] | None
) -> Callable[[Array], Array] | None:
    if first is None or then is None:
        return first or then
    return lambda values: then(first(values))


def _place(node: fx.Node) -> tuple[str, str]:
    """Path and class of the innermost module that a node belongs to."""
    stack = node.meta.get("nn_module_stack") or {}
    for path, kind in reversed(list(stack.values())):
        text = kind if isinstance(kind, str) else kind.__name__
        return re.sub(r"@\d+", "", path), text.rpartition(".")[2].lower()
    return "", ""


def _role(node: fx.Node) -> str:
    """What a product of two activations is in attention; empty for what is none."""
    if name_of(node.target) not in ("matmul", "bmm"):
        return ""
    if _leads(node.args[0], backwards=True):
        return "context"
    return "scores" if _leads(node, backwards=False) else ""


def _leads(node: Any, backwards: bool, left: int = 8) -> bool:
    """True if a softmax lies a few steps of scaling, masking and reshaping away."""
    if not isinstance(node, fx.Node) or not left:
        return False
    name = name_of(node.target)
    if "softmax" in name:
        return True
    passing = {
        "mul", "div", "add", "where", "masked_fill", "view", "reshape", "clone", "dropout",
        "expand",
        "_to_copy", "to", "contiguous", "permute", "transpose", "tanh", "_unsafe_view", "sub",
        "squeeze", "unsqueeze", "maximum", "slice",
    }  # fmt: skip
    if backwards:
        if name not in passing:
            return False
        return any(_leads(one, True, left - 1) for one in node.all_input_nodes)
    users = [one for one in node.users if name_of(one.target) in passing or "softmax" in
             name_of(one.target)]  # fmt: skip
    return any(_leads(one, False, left - 1) for one in users)


def bound(node: fx.Node) -> dict[str, Any]:
    """The arguments of a node by the names in torch's schema, defaults filled in."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {"items": node.args[0], "index": node.args[1]}
    found: dict[str, Any] = {}
    for i, argument in enumerate(schema.arguments):
        name = "source" if argument.name == "self" else argument.name
        name += "_1" if name in found else ""
        if i < len(node.args):
            found[name] = node.args[i]
        elif argument.name in node.kwargs:
            found[name] = node.kwargs[argument.name]
        elif argument.has_default_value():
            found[name] = argument.default_value
    return found
