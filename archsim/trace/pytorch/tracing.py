"""From a PyTorch module to a trace."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from archsim.errors import InputError
from archsim.trace.layer import LayerBase
from archsim.trace.model import TRACE_VERSION, GraphInput, Precision, Provenance, Trace
from archsim.trace.onnx import importer, layout  # importing importer registers the rules
from archsim.trace.onnx.builder import Builder, Unsupported
from archsim.trace.onnx.graph import Array, Graph
from archsim.trace.onnx.layout import View
from archsim.trace.onnx.patterns import fuse
from archsim.trace.onnx.record import Record
from archsim.trace.onnx.registry import RULES
from archsim.trace.onnx.shapes import prune
from archsim.trace.operators import Softmax
from archsim.trace.pytorch import moves, recurrent  # noqa: F401  (they register functions)
from archsim.trace.pytorch.composites import COMPOSITES
from archsim.trace.pytorch.functions import FUNCTIONS
from archsim.trace.pytorch.recorder import UNKNOWN, Recorder
from archsim.trace.pytorch.rotary import fuse_rotary
from archsim.trace.pytorch.rules import OWN_RULES, follow_mask, unknown
from archsim.trace.quantiser import Quantiser
from archsim.trace.stats import TensorStats

Inputs: TypeAlias = Tensor | Sequence[Any] | Mapping[str, Any]


@dataclass
class RecordedGraph(Graph):
    """A recorded forward pass in the form of an ONNX graph, with no file behind it."""

    @property
    def opset(self) -> int:
        return 22


def trace_module(
    module: nn.Module,
    example_inputs: Inputs,
    *,
    name: str | None = None,
    data: str = "the example inputs given to trace_module",
    allow_unknown: bool = False,
    quantiser: Quantiser | None = None,
) -> Trace:
    """The trace of a PyTorch module on real input, with statistics of its values.

    example_inputs: one inference, a batch of 1 included: a tensor, the positional arguments of
    `forward` or its keyword arguments. The module runs once as it is (call `module.eval()` first),
    without gradients; tensors among the arguments are the trace's inputs, all else are constants.
    Recorded values are held until the trace is made. name: the trace's, the module's class by
    default. allow_unknown: operators without a cost become layers of the operator `unknown`.

    Raises InputError for operators that have no rule (all of them in one message), for NaN or
    infinite values, and for results that do not depend on the inputs.
    """
    quantiser = quantiser or Quantiser()
    label = name or type(module).__name__
    recorder, outputs = _run(module, example_inputs, label)
    builder = _build(_graph(recorder, outputs, label), allow_unknown)
    layers, measured = _measured(builder, recorder, quantiser)
    return Trace.model_validate(
        {
            "archsim_trace": TRACE_VERSION,
            "name": label,
            "provenance": Provenance(
                model=f"{type(module).__module__}.{type(module).__qualname__}",
                made_by="archsim.trace_module",
                data=data,
            ),
            "precision": Precision(weight=quantiser.weight_bits, input=quantiser.input_bits),
            "inputs": [
                GraphInput(
                    name=item,
                    shape=list(builder.views[item].record_shape),
                    stats=measured.get(item),
                )
                for item in builder.graph.inputs
            ],
            "layers": layers,
        }
    )


def _run(module: nn.Module, example_inputs: Inputs, label: str) -> tuple[Recorder, list[str]]:
    if not isinstance(module, nn.Module):
        raise InputError(f"a {type(module).__name__} is no torch.nn.Module.", label)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    if isinstance(example_inputs, Tensor):
        args = [example_inputs]
    elif isinstance(example_inputs, Mapping):
        kwargs = dict(example_inputs)
    elif isinstance(example_inputs, Sequence) and not isinstance(example_inputs, str):
        args = list(example_inputs)
    else:
        raise InputError(
            f"the example inputs are a {type(example_inputs).__name__}.",
            label,
            "Give a tensor, a sequence of positional arguments or a mapping of keyword arguments.",
        )
    names = _argument_names(module)
    names += [f"input{i}" for i in range(len(names), len(args))]
    recorder = Recorder(module, FUNCTIONS, COMPOSITES)
    copies: dict[int, Tensor] = {}  # one input for a tensor that is given twice

    def taken(word: str, value: Any) -> Any:
        leaves, form = pytree.tree_flatten(value)
        for i, leaf in enumerate(leaves):
            if isinstance(leaf, Tensor) and not leaf.numel():
                raise InputError(f"the input '{word}' is empty: {list(leaf.shape)}.", label)
            if isinstance(leaf, Tensor) and id(leaf) not in copies:
                copies[id(leaf)] = leaf.detach().clone()
                recorder.input(word if len(leaves) == 1 else f"{word}.{i}", copies[id(leaf)])
            leaves[i] = copies.get(id(leaf), leaf)
        return pytree.tree_unflatten(leaves, form)

    args = [taken(word, value) for word, value in zip(names, args, strict=False)]
    kwargs = {word: taken(word, value) for word, value in kwargs.items()}
    with torch.no_grad(), recorder.modules(), recorder:
        result = module(*args, **kwargs)
    outputs = [
        recorder.name_of(leaf) for leaf in pytree.tree_leaves(result)
        if isinstance(leaf, Tensor) and recorder.is_recorded(leaf)
    ]  # fmt: skip
    if not outputs or not recorder.nodes:
        raise InputError(
            "the module's result does not depend on its inputs, as far as PyTorch functions show.",
            label,
            "Scripted and compiled modules hide their functions: give the module itself.",
        )
    return recorder, list(dict.fromkeys(outputs))


def _argument_names(module: nn.Module) -> list[str]:
    try:
        arguments = inspect.signature(module.forward).parameters.values()
    except ValueError:  # scripted modules have none
        return []
    return [a.name for a in arguments if a.kind is not a.VAR_POSITIONAL]


def _graph(recorder: Recorder, outputs: list[str], label: str) -> RecordedGraph:
    constants: dict[str, Array | None] = {
        name: _array(tensor) for name, tensor in recorder.constants.items()
    }
    shapes = {name: tuple(value.shape) for name, value in recorder.values.items()}
    shapes |= {name: tuple(value.shape) for name, value in recorder.constants.items()}
    graph = RecordedGraph(
        path=Path(label),
        model=None,
        inputs=list(recorder.inputs),
        outputs=outputs,
        nodes=recorder.nodes,
        types={name: _array(recorder.values[name]).dtype for name in recorder.inputs},
        shapes=shapes,
        constants=constants,
        roots=dict(recorder.roots),
    )
    prune(graph)
    fuse_rotary(graph)
    fuse(graph)
    prune(graph)
    return graph


def _build(graph: RecordedGraph, allow_unknown: bool) -> Builder:
    builder = Builder(graph)
    faults: dict[str, list[str]] = {}
    for item in graph.inputs:
        builder.views[item] = view = _input_view(builder, item)
        builder.sources[item] = Record(item, item, view.axes, view.rank)
    for node in graph.nodes:
        first = len(builder.drafts)
        known = OWN_RULES.get(node.op) or RULES.get(node.op)
        why = "" if known else "has no rule"
        if known:
            try:
                known(builder, node)
                follow_mask(builder, first)
            except Unsupported as fault:
                why = fault.why
                del builder.drafts[first:]
        if why:
            word = node.op.removeprefix(UNKNOWN)
            faults.setdefault(f"{word} ({why})" if known else word, []).append(node.label)
            unknown(builder, node)
    if faults and not allow_unknown:
        listed = ", ".join(
            f"{word} ({len(nodes)}, first '{nodes[0]}')" for word, nodes in sorted(faults.items())
        )
        raise InputError(
            f"the module uses operators that have no rule: {listed}.",
            str(graph.path),
            "Cut them out of the module, or pass allow_unknown=True.",
        )
    if not builder.drafts:
        raise InputError("the module only renames its inputs.", str(graph.path))
    return builder


def _input_view(builder: Builder, name: str) -> View:
    """As for an ONNX file, and a sequence with the batch of 1 behind the time, (T, 1, D)."""
    shape = builder.shape(name)
    if len(shape) == 3 and shape[0] > 1 and shape[1] == 1:
        axes, rank = layout.fresh(shape, [0], [2])
        return View(name, rank, axes, name)
    return importer.input_view(builder, name)


def _measured(
    builder: Builder, recorder: Recorder, quantiser: Quantiser
) -> tuple[list[LayerBase], dict[str, TensorStats]]:
    """The layers with their statistics, and the statistics of the inputs."""
    found: dict[str, TensorStats] = {}
    hidden: dict[str, Array] = {}
    kinds = {draft.layer.name: draft.layer for draft in builder.drafts}
    for record in builder.records():
        values = _array(recorder.values[record.tensor])
        if values.dtype.kind != "f" or not values.size:
            continue
        rows = record.rows(values)
        layer = kinds.get(record.name)
        unseen = np.isneginf(rows)
        if isinstance(layer, Softmax) and layer.inputs[0] in hidden:
            unseen = hidden[layer.inputs[0]]
        if unseen.any():
            hidden[record.name] = unseen
            if quantiser.scheme == "per_token_symmetric":
                rows = np.where(unseen, np.float32(0), rows)
            else:
                rows = rows[~unseen][:, None]
        found[record.name] = _counted(builder, record.name, rows, quantiser)
    layers = []
    for draft in builder.drafts:
        layer = draft.layer
        update: dict[str, object] = {
            "input_stats": found.get(layer.inputs[0]),
            "output_stats": found.get(layer.name),
        }
        if draft.weight is not None:
            try:
                update["weight_stats"] = quantiser.weights(draft.weight.real)
            except ValueError as fault:
                raise InputError(
                    f"the weights of layer '{layer.name}' cannot be quantised: {fault}.",
                    str(builder.graph.path),
                ) from None
        layers.append(layer.model_copy(update=update))
    return layers, {name: found[name] for name in builder.graph.inputs if name in found}


def _counted(builder: Builder, name: str, rows: Array, quantiser: Quantiser) -> TensorStats:
    try:
        return quantiser.activations(rows)
    except ValueError as fault:
        raise InputError(
            f"layer '{name}' gives values that cannot be quantised: {fault}.",
            str(builder.graph.path),
            "Check the example inputs and the module's weights.",
        ) from None


def _array(tensor: Tensor) -> Array:
    """A tensor as a NumPy array; half precision as float32."""
    plain = tensor.detach().cpu()
    if plain.is_floating_point() and plain.dtype not in (torch.float32, torch.float64):
        plain = plain.float()
    found: Array = plain.numpy()
    return found
