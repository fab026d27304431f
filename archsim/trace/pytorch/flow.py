"""What of a captured graph depends on the inputs' values, and what is known beforehand.

Numbers that are worked out from token ids without any parameter (positions, masks) are known: no
hardware of a trace finds them. Where such numbers are multiplied by weights they are values.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from archsim.trace.pytorch.capture import Captured
from archsim.trace.pytorch.registry import name_of

# Only the shape of what they read matters.
SHAPE_ONLY = {
    "zeros_like", "ones_like", "empty_like", "full_like", "new_zeros", "new_ones", "new_empty",
    "new_full", "rand_like", "randn_like", "sym_size", "new_empty_strided",
}  # fmt: skip
# The argument with the data of operators that multiply by weights.
PRODUCTS = {
    "linear": 0, "convolution": 0, "conv1d": 0, "conv2d": 0, "conv3d": 0, "conv_transpose1d": 0,
    "conv_transpose2d": 0, "conv_transpose3d": 0, "addmm": 1, "mm": 0, "matmul": 0, "bmm": 0,
    "lstm": 0, "gru": 0, "layer_norm": 0, "native_layer_norm": 0,
}  # fmt: skip
LOOKUPS = ("embedding", "_embedding_bag", "embedding_bag", "_embedding_bag_forward_only")


class Flow:
    """live: names of nodes that the trace computes; sources: integer inputs behind each node."""

    def __init__(self, captured: Captured):
        self.captured = captured
        self.live: set[str] = set()
        self.stored: dict[str, frozenset[str]] = {}  # parameters behind what is known
        self.sources: dict[str, frozenset[str]] = {}  # inputs behind every node
        self._promoted: set[str] = set()
        while self._follow():
            pass

    def is_live(self, node: Any) -> bool:
        """True for a node whose values the trace computes."""
        return isinstance(node, fx.Node) and node.name in self.live

    def _follow(self) -> bool:
        """Go through the graph once; True if values that were known turn out to be computed."""
        captured = self.captured
        self.live.clear()
        for node in captured.graph.graph.nodes:
            name = name_of(node.target)
            given = [] if name in SHAPE_ONLY else node.all_input_nodes
            self.sources[node.name] = frozenset().union(*(self.sources[g.name] for g in given))
            self.stored[node.name] = frozenset().union(*(self.stored[g.name] for g in given))
            if node.name in captured.stored:
                self.stored[node.name] = frozenset([captured.stored[node.name]])
            if node.name in captured.inputs:
                self.sources[node.name] = frozenset([node.name])
                value = captured.values[node.name]
                if value.is_floating_point() or node.name in self._promoted:
                    self.live.add(node.name)
            elif (
                any(self.is_live(g) for g in given)
                or node.name in self._promoted
                or (name in LOOKUPS and self._is_lookup(node))
            ):
                self.live.add(node.name)
            elif name in PRODUCTS and self._promote(node, PRODUCTS[name]):
                return True
        return False

    def _is_lookup(self, node: fx.Node) -> bool:
        """True for rows of a stored table that the inputs choose."""
        table, index = node.args[:2]
        assert isinstance(table, fx.Node) and isinstance(index, fx.Node)
        if not self.stored[table.name] or not self.sources[index.name]:
            return False
        return self.ids_behind(index) is not None

    def ids_behind(self, index: fx.Node) -> fx.Node | None:
        """The input of whole numbers that an index is made of, element by element."""
        wanted = _count(index)
        for node in self.captured.graph.graph.nodes:
            if node.name in self.sources[index.name] and _count(node) == wanted:
                return node
        return None

    def _promote(self, node: fx.Node, place: int) -> bool:
        """Let what a product reads be computed, if the inputs decide it; True if that is new."""
        data = node.args[place]
        if not isinstance(data, fx.Node) or not self.sources[data.name]:
            return False
        waiting, new = [data], False
        while waiting:
            one = waiting.pop()
            if one.name not in self._promoted and self.sources[one.name]:
                self._promoted.add(one.name)
                new = True
                waiting += one.all_input_nodes
        return new


def _count(node: fx.Node) -> int:
    value = node.meta.get("val")
    return int(value.numel()) if isinstance(value, Tensor) else -1


def parameters_of(module: torch.nn.Module) -> dict[str, str]:
    """For every parameter's name the first name of the same tensor: tied ones have one."""
    first: dict[int, str] = {}
    return {
        name: first.setdefault(id(parameter), name)
        for name, parameter in module.named_parameters(remove_duplicate=False)
    }
