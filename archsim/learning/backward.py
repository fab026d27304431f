"""A training step as a trace: forward pass, loss, and the backward pass layer by layer.

Input gradients of a layer with weights are products with the transposed weights, which stand in
arrays of their own (PipeLayer, HPCA 2017, keeps such copies); weight gradients are sums of outer
products. What the backward pass needs of the forward pass is stored outside the chip and read back.
Several gradients of one tensor are added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from archsim.errors import InputError
from archsim.learning.work import LayerLearning, LearningWork
from archsim.trace import operators as op
from archsim.trace.layer import LayerBase, positions
from archsim.trace.model import GraphInput, Trace


def training_trace(trace: Trace, work: LearningWork) -> Trace:
    """The layers of one training step on one sample, behind those of the forward pass.

    work: what `learning_work` has derived for the trace. Layers are named after those whose
    gradients they compute, with `.dx` for an input's and `.dw` for a weight's. Raises InputError
    for a layer whose backward pass is not modelled (recurrent, unknown, interleaved sequences).
    """
    return _Backward(trace, work).run()


def transposed_of(name: str) -> str | None:
    """The layer whose transposed weights a layer of a training trace holds; None if none."""
    return name.removesuffix(".dx") if name.endswith(".dx") else None


class _Backward:
    def __init__(self, trace: Trace, work: LearningWork):
        self.trace = trace
        self.records = {record.name: record for record in work.layers}
        self.layers: list[Any] = list(trace.layers)
        self.inputs = list(trace.inputs)
        self.parts: dict[str, list[str]] = defaultdict(list)
        self.kept: set[str] = set()
        self.handlers: dict[type[LayerBase], Callable[[Any, LayerLearning, str], None]] = {
            op.Linear: self._linear,
            op.Conv2d: self._convolution,
            op.MatMul: self._product,
            op.Softmax: self._softmax,
            op.Norm: self._norm,
            op.Activation: self._activation,
            op.Elementwise: self._elementwise,
            op.Pool: self._spread,
            op.Reduce: self._spread,
            op.Move: self._move,
            op.Fold: self._spread,
            op.Scatter: self._spread,
            op.Embedding: lambda layer, record, gradient: None,
        }

    def run(self) -> Trace:
        read = {name for layer in self.trace.layers for name in layer.inputs}
        for layer in self.trace.layers:
            if layer.name not in read and self.records[layer.name].runs_backward:
                self._loss(layer.name)
        for layer in reversed(self.trace.layers):
            record = self.records[layer.name]
            if not record.runs_backward or not self.parts[layer.name]:
                continue
            if not (record.needs_input_gradient or record.needs_weight_gradient):
                continue
            handler = self.handlers.get(type(layer))
            if handler is None:
                raise InputError(
                    f"the backward pass of layer '{layer.name}' ({layer.op}) is not modelled.",
                    fix="Train layers behind it only.",
                )
            handler(layer, record, self._gradient(layer.name))
        fields = {name: getattr(self.trace, name) for name in type(self.trace).model_fields}
        changed = {"layers": self.layers, "inputs": self.inputs, "generation": None}
        return Trace(**(fields | changed))

    # --- gradients of tensors --------------------------------------------------------------

    def _loss(self, name: str) -> None:
        target = f"{name}.target"
        self.inputs.append(GraphInput(name=target, shape=list(self.trace.shapes[name])))
        self._add(name, op.Elementwise, f"{name}.loss", [name, target], function="sub")

    def _gradient(self, tensor: str) -> str:
        """The sum of all gradients that have come to a tensor."""
        total, *others = self.parts[tensor]
        for number, other in enumerate(others):
            name = f"{tensor}.sum{number}"
            self.layers.append(
                op.Elementwise(op="elementwise", name=name, inputs=[total, other], function="add")
            )
            total = name
        self.parts[tensor] = [total]
        return total

    def _wanted(self, tensor: str) -> bool:
        return tensor in self.records and self.records[tensor].runs_backward

    def _add(self, to: str, kind: Any, name: str, inputs: list[str], **fields: Any) -> str:
        """A layer of the backward pass, whose result is a gradient of the tensor `to`."""
        known = kind.model_fields["op"].annotation.__args__[0]
        self.layers.append(kind(op=known, name=name, inputs=inputs, **fields))
        if to:
            self.parts[to].append(name)
        return name

    def _shape(self, tensor: str) -> list[int]:
        return list(self.trace.shapes[tensor])

    def _moved(self, name: str, source: str, function: str, shape: list[int]) -> str:
        return self._add("", op.Move, name, [source], function=function, shape=shape)

    # --- operators -------------------------------------------------------------------------

    def _linear(self, layer: op.Linear, record: LayerLearning, gradient: str) -> None:
        source = layer.inputs[0]
        self._weight_gradient(layer, record, gradient)
        if self._wanted(source):
            self._add(
                source, op.Linear, f"{layer.name}.dx", [gradient],
                in_features=layer.out_features, out_features=layer.in_features,
                circulant=layer.circulant, weight_stats=layer.weight_stats,
            )  # fmt: skip

    def _convolution(self, layer: op.Conv2d, record: LayerLearning, gradient: str) -> None:
        source, patch = layer.inputs[0], layer.kernel[0] * layer.kernel[1]
        self._weight_gradient(layer, record, gradient)
        if self._wanted(source):
            patches = self._add(
                "", op.Conv2d, f"{layer.name}.dx", [gradient], kernel=(1, 1),
                in_channels=layer.out_channels, out_channels=patch * layer.in_channels,
                groups=layer.groups, circulant=layer.circulant,
                weight_stats=layer.weight_stats,
            )  # fmt: skip
            self._add(
                source, op.Fold, f"{layer.name}.fold", [patches], kernel=layer.kernel,
                stride=layer.stride, shape=self._shape(source),
            )  # fmt: skip

    def _weight_gradient(
        self, layer: op.Linear | op.Conv2d, record: LayerLearning, gradient: str
    ) -> None:
        if not record.weight_gradient_macs:
            if record.updates:  # of its biases alone
                self._add("", op.Reduce, f"{layer.name}.db", [gradient], function="sum")
            return
        window = {}
        if isinstance(layer, op.Conv2d):
            names = ("kernel", "stride", "padding", "dilation")
            window = {name: getattr(layer, name) for name in names}
        self._add(
            "", op.OuterProduct, f"{layer.name}.dw", [self._stored(layer.inputs[0]), gradient],
            rows=layer.rows, columns=layer.columns, groups=layer.groups, **window,
        )  # fmt: skip

    def _stored(self, tensor: str) -> str:
        """A tensor of the forward pass, read back from memory."""
        name = f"{tensor}.stored"
        if name not in self.kept:
            self.kept.add(name)
            self.layers.append(op.Stored(op="stored", name=name, inputs=[tensor]))
        return name

    def _product(self, layer: op.MatMul, record: LayerLearning, gradient: str) -> None:
        if layer.sequences > 1:
            raise InputError(
                f"layer '{layer.name}' has interleaved sequences, whose backward pass is not "
                "modelled.",
                fix="Train with one sequence at a time.",
            )
        rows, operand = layer.inputs
        shared = layer.kv_heads or layer.heads
        group = layer.heads // shared
        count = positions(self.trace.shapes[rows])
        if self._wanted(rows):
            self._add(
                rows, op.MatMul, f"{layer.name}.drows", [gradient, self._stored(operand)],
                heads=layer.heads, kv_heads=layer.kv_heads, k=layer.n, n=layer.k,
                transposed=not layer.transposed, causal=layer.causal, mask=layer.mask,
            )  # fmt: skip
        if self._wanted(operand):
            # scores: keys get gradient^T x queries; context: values get shares^T x gradient
            kept = self._stored(rows)
            left, right = (gradient, kept) if layer.transposed else (kept, gradient)
            width = layer.k if layer.transposed else layer.n
            turned = self._moved(
                f"{layer.name}.turned", left, "transpose", [layer.span, layer.heads * count]
            )
            joined = self._moved(
                f"{layer.name}.joined", right, "reshape", [count * group, shared * width]
            )
            self._add(
                operand, op.MatMul, f"{layer.name}.doperand", [turned, joined], heads=shared,
                kv_heads=shared, k=count * group, n=width, transposed=False,
            )  # fmt: skip

    def _softmax(self, layer: op.Softmax, record: LayerLearning, gradient: str) -> None:
        """dx = p (g - sum g p): product, sum with difference, product."""
        product = self._times(f"{layer.name}.weighted", gradient, self._stored(layer.name))
        centred = self._add("", op.Elementwise, f"{layer.name}.centred", [gradient, product],
                            function="sub")  # fmt: skip
        self._times(f"{layer.name}.back", centred, self._stored(layer.name), to=layer.inputs[0])

    def _norm(self, layer: op.Norm, record: LayerLearning, gradient: str) -> None:
        """The gradient is centred and scaled like the values were, and weighted by them."""
        scaled = self._add("", op.Norm, f"{layer.name}.scaled", [gradient],
                           function=layer.function)  # fmt: skip
        self._times(f"{layer.name}.back", scaled, self._stored(layer.name), to=layer.inputs[0])

    def _activation(self, layer: op.Activation, record: LayerLearning, gradient: str) -> None:
        self._times(f"{layer.name}.back", gradient, self._stored(layer.name), to=layer.inputs[0])

    def _times(self, name: str, gradient: str, other: str, to: str = "") -> str:
        if to and not self._wanted(to):
            return gradient
        return self._add(to, op.Elementwise, name, [gradient, other], function="mul")

    def _elementwise(self, layer: op.Elementwise, record: LayerLearning, gradient: str) -> None:
        for which, source in enumerate(layer.inputs):
            if not self._wanted(source):
                continue
            back = gradient
            if layer.function in ("mul", "div"):
                other = self._stored(layer.inputs[1 - which])
                back = self._times(f"{layer.name}.back{which}", gradient, other)
            if self._shape(source) != self._shape(layer.name):  # it was broadcast
                if positions(self.trace.shapes[source]) == 1:
                    back = self._add("", op.Reduce, f"{layer.name}.sum_{which}", [back],
                                     function="sum")  # fmt: skip
                back = self._moved(f"{layer.name}.fit{which}", back, "resize", self._shape(source))
            self.parts[source].append(back)

    def _spread(self, layer: LayerBase, record: LayerLearning, gradient: str) -> None:
        """Each value's gradient goes back to where the value came from."""
        source = layer.inputs[0]
        if self._wanted(source):
            moved = self._moved(f"{layer.name}.back", gradient, "resize", self._shape(source))
            self.parts[source].append(moved)

    def _move(self, layer: op.Move, record: LayerLearning, gradient: str) -> None:
        back = {"concat": "slice", "slice": "pad", "pad": "slice"}.get(layer.function)
        for which, source in enumerate(layer.inputs):
            if self._wanted(source):
                moved = self._moved(
                    f"{layer.name}.back{which}", gradient, back or layer.function,
                    self._shape(source),
                )  # fmt: skip
                self.parts[source].append(moved)
