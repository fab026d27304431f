"""From a PyTorch module to a trace."""

from __future__ import annotations

import math

import torch
from torch import nn

from archsim.errors import InputError
from archsim.trace.model import TRACE_VERSION, GraphInput, Precision, Provenance, Trace
from archsim.trace.onnx import importer, layout  # importing importer registers the rules
from archsim.trace.onnx.builder import Builder, Unsupported
from archsim.trace.onnx.layout import View
from archsim.trace.onnx.patterns import fuse
from archsim.trace.onnx.record import Record
from archsim.trace.onnx.registry import RULES
from archsim.trace.onnx.shapes import prune
from archsim.trace.origin import origin, tensors_hash
from archsim.trace.pytorch import aten_moves, aten_pointwise, aten_products  # noqa: F401  (rules)
from archsim.trace.pytorch.capture import Inputs, arguments, capture
from archsim.trace.pytorch.conservation import Ledger
from archsim.trace.pytorch.emitter import UNKNOWN, Emitter, RecordedGraph
from archsim.trace.pytorch.measure import measured
from archsim.trace.pytorch.rotary import fuse_rotary
from archsim.trace.pytorch.rules import OWN_RULES, follow_mask, unknown
from archsim.trace.quantiser import Quantiser


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
    `forward` or its keyword arguments. The module is taken as it is (call `module.eval()` first),
    without gradients; tensors among the arguments are the trace's inputs, all else are constants.
    name: the trace's, the module's class by default. allow_unknown: operators without a cost
    become layers of the operator `unknown`, unless they read weights.

    Raises InputError for operators that have no rule (all of them in one message), for parameters
    that the module used and the trace lacks, for NaN or infinite values, and for results that do
    not depend on the inputs.
    """
    quantiser = quantiser or Quantiser()
    label = name or type(module).__name__
    if not isinstance(module, nn.Module):
        raise InputError(f"a {type(module).__name__} is no torch.nn.Module.", label)
    captured = capture(module, arguments(module, example_inputs, label))
    emitter = Emitter(captured, module, label)
    graph = _prepared(emitter.convert())
    ledger = Ledger(module, emitter)
    builder = _build(graph, ledger, allow_unknown)
    ledger.check()
    layers, found = measured(builder, emitter, quantiser)
    return Trace.model_validate(
        {
            "archsim_trace": TRACE_VERSION,
            "name": label,
            "provenance": Provenance(
                model=f"{type(module).__module__}.{type(module).__qualname__}",
                made_by="archsim.trace_module",
                data=data,
                origin=origin("archsim.trace_module", _content(module)),
            ),
            "precision": Precision(weight=quantiser.weight_bits, input=quantiser.input_bits),
            "inputs": [
                GraphInput(
                    name=item,
                    shape=list(builder.views[item].record_shape),
                    stats=found.get(item),
                )
                for item in builder.graph.inputs
            ],
            "layers": layers,
        }
    )


def _content(module: nn.Module) -> str:
    """SHA-256 of all parameters and buffers; of types that NumPy lacks the bytes count."""
    found: list[tuple[str, object]] = []
    for name, tensor in module.state_dict().items():
        plain = tensor.detach().cpu().contiguous()
        found.append((name, plain.reshape(-1).view(torch.uint8).numpy()))
    return tensors_hash(found)


def _prepared(graph: RecordedGraph) -> RecordedGraph:
    prune(graph)
    if not graph.nodes:
        raise InputError(
            "the module's result does not depend on its inputs, as far as PyTorch functions show.",
            str(graph.path),
            "Scripted and compiled modules hide their functions: give the module itself.",
        )
    fuse_rotary(graph)
    fuse(graph)
    prune(graph)
    return graph


def _build(graph: RecordedGraph, ledger: Ledger, allow_unknown: bool) -> Builder:
    builder = Builder(graph)
    faults: dict[str, list[str]] = {}
    lossy = False
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
            lossy |= any(builder.is_constant(n) and _is_matrix(graph, n) for n in node.inputs)
            unknown(builder, node)
        else:
            ledger.enter(builder, node, first)
    if faults and (lossy or not allow_unknown):
        listed = ", ".join(
            f"{word} ({len(nodes)}, first '{nodes[0]}')" for word, nodes in sorted(faults.items())
        )
        raise InputError(
            f"the module uses operators that have no rule: {listed}.",
            str(graph.path),
            "Some of them read weights, which an unknown layer would lose: cut them out of the "
            "module or write them as products."
            if lossy
            else "Cut them out of the module, or pass allow_unknown=True.",
        )
    if not builder.drafts:
        raise InputError("the module only renames its inputs.", str(graph.path))
    return builder


def _is_matrix(graph: RecordedGraph, name: str) -> bool:
    """True for a constant that may be weights: of more values than a bound or a gain has."""
    return len(graph.shapes[name]) > 1 or (
        name in graph.roots and math.prod(graph.shapes[name]) > 1
    )


def _input_view(builder: Builder, name: str) -> View:
    """As for an ONNX file, and a sequence with the batch of 1 behind the time, (T, 1, D)."""
    shape = builder.shape(name)
    if len(shape) == 3 and shape[0] > 1 and shape[1] == 1:
        axes, rank = layout.fresh(shape, [0], [2])
        return View(name, rank, axes, name)
    return importer.input_view(builder, name)
