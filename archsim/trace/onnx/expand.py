"""Operators that are several at once, written out as standard ONNX nodes before anything else.

Quantised operators become dequantise, compute, quantise; fused ones their parts. The model that
is run for values is the expanded one, so every new tensor has its values too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archsim.trace.onnx.expand_quantised import EXPANSIONS as QUANTISED
from archsim.trace.onnx.expand_quantised import integer_product, scaled_products
from archsim.trace.onnx.expansion import Expansion
from archsim.trace.onnx.graph import STANDARD, node_of

MICROSOFT = "com.microsoft"


def expand(model: Any) -> Any:
    """The model with local functions inlined and compound operators written out."""
    if model.functions:
        from onnx import inliner

        model = inliner.inline_local_functions(model)
    found: list[Any] = []
    changed = False
    dynamic = scaled_products(model)
    for proto in model.graph.node:
        if proto.op_type in ("LSTM", "GRU", "RNN") and not proto.output[0]:
            proto.output[0] = f"{proto.output[1] or proto.output[2]}:all"  # to read its values
        if proto.op_type not in EXPANSIONS and proto.output[0] not in dynamic:
            found.append(proto)
            continue
        node = node_of(proto)
        parts = Expansion(model, node)
        if node.outputs[0] in dynamic:
            integer_product(parts, *dynamic[node.outputs[0]])
        else:
            EXPANSIONS[node.op](parts)
        found += parts.nodes
        changed = True
    if changed:
        del model.graph.node[:]
        model.graph.node.extend(found)
    return model


def with_functions_inlined(model: Any, operators: set[str]) -> Any:
    """The model with these standard operators as the functions that ONNX defines them by.

    None where it defines none of them.
    """
    from onnx import defs, inliner

    version = max((o.version for o in model.opset_import if o.domain in STANDARD), default=1)
    found = [
        ("", op)
        for op in sorted(operators)
        if defs.has(op, version, "") and _is_function(defs.get_schema(op, version, ""))
    ]
    if not found:
        return None
    for proto in model.graph.node:
        if ("", proto.op_type) in found:
            _set_defaults(proto, defs.get_schema(proto.op_type, version, ""))
    return inliner.inline_selected_functions(model, found, inline_schema_functions=True)


def _set_defaults(proto: Any, schema: Any) -> None:
    """Write out the attributes that a node leaves out: a function's body needs their values."""
    given = {attribute.name for attribute in proto.attribute}
    for name, attribute in schema.attributes.items():
        if name not in given and attribute.default_value.type:
            proto.attribute.append(attribute.default_value)


def _is_function(schema: Any) -> bool:
    return bool(schema.has_function or schema.has_context_dependent_function)


def _skip_norm(parts: Expansion) -> None:
    """Input and its skip connection, gain, shift (none: RMS), a bias of the sum."""
    simplified = "Simplified" in parts.node.op
    outputs = parts.node.outputs
    wanted = outputs[3] if len(outputs) > 3 and outputs[3] else None
    bias = parts.optional(3 if simplified else 4)
    inputs = parts.node.inputs
    if bias:
        partial = parts.add("Add", inputs[0], inputs[1])
        total = parts.add("Add", partial, bias, output=wanted)
    else:
        total = parts.add("Add", inputs[0], inputs[1], output=wanted)
    op = "SimplifiedLayerNormalization" if simplified else "LayerNormalization"
    affine = [inputs[2], *([] if simplified or not parts.optional(3) else [inputs[3]])]
    parts.add(
        op, total, *affine, output=outputs[0], axis=-1,
        epsilon=float(parts.node.attribute("epsilon", 1e-12)),
    )  # fmt: skip


def _bias_gelu(parts: Expansion) -> None:
    value = parts.node.inputs[0]
    if parts.optional(1):
        value = parts.add("Add", value, parts.node.inputs[1])
    parts.add("Gelu", value, output=parts.node.outputs[0], domain=MICROSOFT)


def _with_activation(parts: Expansion) -> None:
    """FusedConv and FusedGemm: the product, for a convolution a sum, then a function."""
    op = parts.node.op.removeprefix("Fused")
    value = parts.add(op, *parts.node.inputs[:3], **parts.kept())
    if parts.optional(3):
        value = parts.add("Add", value, parts.node.inputs[3])
    function = parts.node.attribute("activation", "Identity") or "Identity"
    numbers = [float(n) for n in parts.node.attribute("activation_params", [])]
    inputs, attributes = [value], {}
    if function == "Clip":
        inputs += [_number(parts, n) for n in numbers]
    elif numbers:
        attributes = dict(zip(("alpha", "beta"), numbers, strict=False))
    parts.add(function, *inputs, output=parts.node.outputs[0], **attributes)


def _number(parts: Expansion, value: float) -> str:
    from onnx import TensorProto, helper

    name = f"{parts.node.label}:bound{value}"
    parts.model.graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, [], [value]))
    return name


EXPANSIONS: dict[str, Callable[[Expansion], None]] = {
    **QUANTISED,
    "SkipLayerNormalization": _skip_norm,
    "SkipSimplifiedLayerNormalization": _skip_norm,
    "BiasGelu": _bias_gelu,
    "FastGelu": _bias_gelu,
    "FusedConv": _with_activation,
    "FusedGemm": _with_activation,
}
