"""Records the functions that a PyTorch forward pass calls, as the nodes of an ONNX-like graph.

A TorchFunctionMode sees every call of the torch API, methods and operators of tensors included,
before PyTorch takes it apart; module hooks tell in which module a call happens. Functions that are
made of others (attention, recurrent layers, indexing) are taken apart by
archsim.trace.pytorch.composites; archsim.trace.pytorch.functions gives the node of every other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from archsim.trace.onnx.graph import Node

# Functions whose result is their first argument under another name or type.
IDENTITIES = {
    "contiguous", "clone", "detach", "to", "float", "double", "half", "bfloat16", "type", "type_as",
    "cpu", "data", "requires_grad_", "alias", "dropout", "dropout1d", "dropout2d",
    "alpha_dropout", "feature_dropout", "cuda", "int", "long",
}  # fmt: skip
DUNDERS = {
    "__add__": "add", "__radd__": "add", "__iadd__": "add", "__sub__": "sub", "__isub__": "sub",
    "__rsub__": "rsub", "__mul__": "mul", "__rmul__": "mul", "__imul__": "mul",
    "__truediv__": "div", "__itruediv__": "div", "__rtruediv__": "rdiv", "__rdiv__": "rdiv",
    "__matmul__": "matmul", "__rmatmul__": "rmatmul", "__pow__": "pow", "__ipow__": "pow",
    "__neg__": "neg", "__getitem__": "getitem", "__abs__": "abs",
}  # fmt: skip
UNKNOWN = "Torch:"


class Recorder(TorchFunctionMode):
    """What a forward pass computed.

    inputs: names of the module's inputs. nodes: in order. values: a tensor by name for every
    recorded result and input. constants: tensors that do not depend on the inputs, parameters
    under their own names. roots: the parameter that a constant is another form of.
    """

    def __init__(self, module: nn.Module, functions: Any, composites: Any):
        super().__init__()
        self.inputs: list[str] = []
        self.nodes: list[Node] = []
        self.values: dict[str, Tensor] = {}
        self.constants: dict[str, Tensor] = {}
        self.roots = {name: name for name, _ in module.named_parameters()}
        self._named = {id(t): name for name, t in module.named_buffers()}
        self._named |= {id(p): name for name, p in module.named_parameters()}
        self._paths = {id(m): path for path, m in module.named_modules()}
        self._functions: dict[str, Callable[..., None]] = functions
        self._composites: dict[str, Callable[..., Any]] = composites
        self._current: dict[int, str] = {}
        self._kept: list[Tensor] = []  # so that no id is used twice
        self._stack: list[tuple[str, bool]] = []
        self._part: str | None = None
        self._turned: dict[str, Tensor] = {}
        self._muted = 0

    # What a pass calls

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name, in_place = _called(func, args, kwargs)
        if self._muted or not any(map(self.is_recorded, _tensors((args, kwargs)))):
            return func(*args, **kwargs)
        if name in self._composites:
            return self._composites[name](self, func, *args, **kwargs)
        if in_place:
            self._keep_value(args[0])
        result = func(*args, **kwargs)
        made = _tensors(result)
        if not made:  # a shape, a type, a number
            return result
        if name in IDENTITIES:
            for tensor in made:
                self._rename(tensor, self._current[id(args[0])])
        elif name in self._functions:
            self._functions[name](self, result, *args, **kwargs)
        elif not self._is_index_arithmetic(made, args, kwargs):
            self.emit(UNKNOWN + name, _tensors((args, kwargs)), made)
        return result

    def _is_index_arithmetic(self, made: list[Tensor], *given: Any) -> bool:
        """True for functions of whole numbers alone: what they give is a constant of the trace.

        Models find positions and masks so from token ids; no hardware of a trace does.
        """
        read = [tensor for tensor in _tensors(given) if self.is_recorded(tensor)]
        return not any(tensor.is_floating_point() for tensor in [*read, *made])

    def emit(
        self, op: str, inputs: Sequence[Any], outputs: Tensor | Sequence[Tensor], **attributes: Any
    ) -> None:
        """Append a node. inputs: tensors, numbers, or None for one that is left out."""
        made = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        names = ["" if value is None else self._name(value) for value in inputs]
        results = []
        for tensor in made:
            results.append(f"t{len(self.values)}")
            self.values[results[-1]] = tensor
            self._rename(tensor, results[-1])
        self.nodes.append(Node(op, self._label(op, names), names, results, attributes))

    def input(self, name: str, tensor: Tensor) -> None:
        """Record what depends on this tensor from here on."""
        self.inputs.append(name)
        self.values[name] = tensor
        self._rename(tensor, name)

    def same(self, tensor: Tensor, as_tensor: Tensor) -> None:
        """Let a tensor stand for another one that is recorded and holds the same values."""
        self._rename(tensor, self._current[id(as_tensor)])

    def derived(self, tensor: Tensor | None, owner: Tensor | None, part: str) -> None:
        """Name a constant after the parameter that it is made of."""
        if tensor is None or owner is None or id(owner) not in self._named:
            return
        name = f"{self._named[id(owner)]}.{part}"
        self._named[id(tensor)] = self.roots[name] = name
        self._kept.append(tensor)

    def is_recorded(self, tensor: Any) -> bool:
        """True for a tensor that depends on the inputs."""
        return id(tensor) in self._current

    def name_of(self, tensor: Tensor) -> str:
        """The name of a recorded tensor."""
        return self._current[id(tensor)]

    def turned(self, weight: Tensor) -> Tensor:
        """A matrix transposed: one constant for all products with it."""
        if self.is_recorded(weight):
            turned = weight.t()
            self.emit("Transpose", [weight], turned, perm=[1, 0])
            return turned
        name = self._name(weight)
        if name not in self._turned:
            self._turned[name] = turned = weight.t()
            self._named[id(turned)] = f"{name}.T"
            self.roots[f"{name}.T"] = self.roots.get(name, name)
        return self._turned[name]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Name the nodes inside after a part of the module or function that they belong to."""
        before, self._part = self._part, name
        try:
            yield
        finally:
            self._part = before

    # Modules

    @contextmanager
    def modules(self) -> Iterator[None]:
        """Follow in which module calls happen."""
        hooks = nn.modules.module
        enter = hooks.register_module_forward_pre_hook(self._enter)
        leave = hooks.register_module_forward_hook(self._leave, always_call=True)
        try:
            yield
        finally:
            enter.remove()
            leave.remove()

    def _enter(self, module: nn.Module, args: Any) -> None:
        path = self._paths.get(id(module), type(module).__name__)
        if path.isdecimal():  # of a bare nn.Sequential
            path = f"{type(module).__name__.lower()}{path}"
        self._stack.append((path, not any(True for _ in module.children())))
        self._muted += _is_rms_norm(module)

    def _leave(self, module: nn.Module, args: Any, result: Any) -> None:
        if _is_rms_norm(module):
            self._muted -= 1
            if not self._muted and args and self.is_recorded(args[0]):
                gain = getattr(module, "weight", None)
                self.emit("RMSNormalization", [args[0], gain], result, axis=-1)
        self._stack.pop()

    # Names

    def _name(self, value: Any) -> str:
        if not isinstance(value, Tensor):
            value = torch.as_tensor(value)
        elif self.is_recorded(value):
            return self._current[id(value)]
        name = self._named.get(id(value))
        if name is None:
            name = self._named[id(value)] = f"constant{len(self._kept)}"
            self._kept.append(value)
        self.constants[name] = value
        return name

    def _rename(self, tensor: Tensor, name: str) -> None:
        self._current[id(tensor)] = name
        self._kept.append(tensor)

    def _keep_value(self, tensor: Any) -> None:
        """Copy a tensor's value before it is overwritten."""
        if self.is_recorded(tensor):
            self.values[self._current[id(tensor)]] = tensor.detach().clone()

    def _label(self, op: str, inputs: list[str]) -> str:
        """The module's name, for a module with one purpose; else its name and the operator's."""
        path, leaf = self._stack[-1] if self._stack else ("", False)
        word = self._part or op.removeprefix(UNKNOWN).lower()
        if leaf and self._part is None:
            return path or word
        for name in inputs[1:2]:
            stored = self.roots.get(name, name)
            if stored.endswith(".weight"):
                return stored.removesuffix(".weight")
        return f"{path}.{word}" if path else word


def _called(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[str, bool]:
    """A function's name without marks of its form, and whether it may write to its input."""
    name: str = getattr(func, "__name__", type(func).__name__)
    if name == "__get__":
        return getattr(func.__self__, "__name__", name), False
    if name in DUNDERS:
        return DUNDERS[name], name.startswith("__i")
    in_place = kwargs.get("inplace") is True or any(value is True for value in args[1:])
    if name.endswith("_") and not name.endswith("__") and name not in IDENTITIES:
        return name.rstrip("_"), True
    return name.lstrip("_") if not name.startswith("__") else name, in_place


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, Tensor)]


def _is_rms_norm(module: nn.Module) -> bool:
    """Models bring their own class for it, made of powers and means."""
    name = type(module).__name__
    return name.endswith("RMSNorm") or name == "T5LayerNorm"
