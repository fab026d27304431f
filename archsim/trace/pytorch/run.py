"""Runs a captured graph on its real inputs: concrete shapes, known values, values on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from archsim.trace.onnx.graph import Array
from archsim.trace.pytorch.capture import Captured


class _Run(fx.Interpreter):
    """An interpreter that knows the values of placeholders and shows every result."""

    def __init__(self, captured: Captured, show: Callable[[fx.Node, Any], None]):
        super().__init__(captured.graph)
        self._values, self._show = captured.values, show
        self.extra_traceback = False

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "placeholder" or (n.op == "get_attr" and n.name in self._values):
            result = self._values[n.name]
        elif n.op == "output":
            return None
        else:
            result = super().run_node(n)
        self._show(n, result)
        return result


def run(captured: Captured, show: Callable[[fx.Node, Any], None]) -> None:
    """Run the graph once, without gradients; `show` sees every node with its result."""
    with torch.no_grad():
        _Run(captured, show).run()


def leaves(value: Any) -> list[Any]:
    """The tensors and numbers in a node's result, in order."""
    return pytree.tree_leaves(value)


def array(tensor: Any) -> Array:
    """A tensor as a NumPy array; half precision as float32."""
    plain = torch.as_tensor(tensor).detach().cpu()
    if plain.is_floating_point() and plain.dtype not in (torch.float32, torch.float64):
        plain = plain.float()
    found: Array = plain.resolve_conj().resolve_neg().numpy()
    return found


def is_real(tensor: Any) -> bool:
    """True for real numbers, not indices or truth values."""
    return isinstance(tensor, Tensor) and tensor.is_floating_point()
