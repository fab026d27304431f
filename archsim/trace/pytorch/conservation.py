"""Nothing is lost: every parameter that a module used is in its trace, once."""

from __future__ import annotations

import math

from torch import nn

from archsim.errors import InputError
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Node
from archsim.trace.pytorch.emitter import Emitter
from archsim.trace.pytorch.flow import parameters_of

# Which input of a node holds the weights that its layer stores; all others count as biases.
WEIGHTS = {
    "MatMul": (0, 1), "Conv": (1,), "ConvTranspose": (1,), "Gather": (0,), "LSTM": (1, 2),
    "GRU": (1, 2), "RNN": (1, 2),
}  # fmt: skip


class Ledger:
    """Which parameters the layers hold.

    A layer's biases are what it takes in beside its weights: values that no layer before it has.
    """

    def __init__(self, module: nn.Module, emitter: Emitter):
        self.module, self.emitter = module, emitter
        self._entered: dict[str, dict[str, int]] = {}  # parameter: its parts, with their sizes

    def enter(self, builder: Builder, node: Node, first: int) -> None:
        """Note what a node put into the layers that it made (from draft `first` on) or changed."""
        weights = WEIGHTS.get(node.op, ())
        learnt = 0
        for place, name in enumerate(node.inputs):
            if name not in builder.graph.constants:
                continue
            fresh = self._take(name)
            # Weights that are worked out of others may hold fewer values than were learnt for them.
            size = math.prod(builder.shape(name)) if place in weights else 0
            learnt += max(fresh - size, 0)
        drafts = range(first, len(builder.drafts))
        for index in drafts:
            builder.drafts[index].layer = builder.drafts[index].layer.model_copy(
                update={"biases": 0}
            )
        target = builder.views[node.outputs[0]].draft if node.outputs[0] in builder.views else -1
        if len(drafts):
            target = drafts[-1]
        if target < 0:
            return
        layer = builder.drafts[target].layer
        before = self._biases.get(target, 0)
        self._biases[target] = before + learnt
        builder.drafts[target].layer = layer.model_copy(update={"biases": before + learnt})

    @property
    def _biases(self) -> dict[int, int]:
        return self.__dict__.setdefault("_found", {})

    def _take(self, name: str) -> int:
        """Values of a constant that no layer holds yet."""
        fresh = 0
        for parameter, part, size in self.emitter.pieces.get(name, []):
            parts = self._entered.setdefault(parameter, {})
            if part not in parts and "" not in parts:
                parts[part] = size
                fresh += size
        return fresh

    def check(self) -> None:
        """InputError for parameters of modules that ran which no layer holds whole."""
        tied = parameters_of(self.module)
        sizes = dict(self.module.named_parameters())
        lost: dict[str, str] = {}
        for path in sorted(self.emitter.captured.ran):
            called = self.module.get_submodule(path)
            if any(True for _ in called.children()):
                continue
            for name, parameter in called.named_parameters(path, recurse=False):
                parts = self._entered.get(tied.get(name, name), {})
                found = sum(parts.values())
                if found < parameter.numel():
                    what = f"{name.rpartition('.')[2]}: {found} of {parameter.numel()} values"
                    lost.setdefault(path or type(called).__name__, what)
        for name, parts in self._entered.items():
            if "" not in parts and sum(parts.values()) < sizes[name].numel():
                lost.setdefault(name, f"{sum(parts.values())} of {sizes[name].numel()} values")
        if lost:
            listed = ", ".join(f"'{path}' ({what})" for path, what in sorted(lost.items()))
            raise InputError(
                f"the trace would lack parameters of modules that ran: {listed}.",
                str(self.emitter.graph.path),
                "Their results reach no output of the module, or reach it as numbers that left "
                "PyTorch (.numpy(), .tolist()): return them, or keep them as tensors.",
            )
