"""What each fully connected layer is in its block: by its name, else by the products it feeds.

Exporters lose names; the graph keeps the roles. The query of an attention is what the rows of the
scores come from, the value what the context product multiplies its shares by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from archsim.trace import operators as op
from archsim.trace.layer import LayerBase
from archsim.trace.model import Trace

FUSED: Final = "fused query, key and value"
NAMES: Final[dict[str, tuple[str, ...]]] = {
    "query": ("query", "cross_query", "q", "q_proj", "q_lin", "wq", "to_q", "query_proj",
              "q_b_proj"),
    "key": ("key", "cross_key", "k", "k_proj", "k_lin", "wk", "to_k", "key_proj"),
    "value": ("value", "cross_value", "v", "v_proj", "v_lin", "wv", "to_v", "value_proj"),
    FUSED: ("qkv", "qkv_proj", "wqkv", "c_attn", "query_key_value", "in_proj", "to_qkv", "to_kv",
            "kv_b_proj"),
    "up": ("up", "up_proj", "fc1", "lin1", "c_fc", "dense_h_to_4h"),
    "down": ("down", "down_proj", "fc2", "lin2", "dense_4h_to_h"),
}  # fmt: skip
BY_NAME: Final = {name: role for role, names in NAMES.items() for name in names}
ADAPTER = re.compile(r"(^|\.)(lora_(a|b|add|A|B|embedding_[AB])|ia3_l)(\.|$)")
PLAIN = (op.Move, op.Activation, op.Norm, op.Elementwise)  # what values pass on their way


def is_adapter(name: str) -> bool:
    """True for a layer that belongs to an adapter, by the names of PEFT and of archsim."""
    return ADAPTER.search(name) is not None


def module_of(name: str) -> str:
    """The last part of a layer's name: what the layer is in its block.

    A layer that PEFT wraps is called `q_proj.base_layer`: it is q_proj.
    """
    return name.removesuffix(".base_layer").rsplit(".", 1)[-1]


def roles(trace: Trace) -> dict[str, str]:
    """Role of every fully connected layer that has one, by its name; adapters have none.

    A role that no name tells comes from the graph.
    """
    linear = [x.name for x in trace.layers if isinstance(x, op.Linear) and not is_adapter(x.name)]
    named = {name: BY_NAME.get(module_of(name).lower(), "") for name in linear}
    found = {name: role for name, role in named.items() if role}
    known = set(found.values())
    if FUSED in known:
        known |= {"query", "key", "value"}
    for name, role in _by_graph(trace).items():
        if name not in found and role not in known and not (role == FUSED and "query" in known):
            found[name] = role
    return found


def with_roles(trace: Trace, wanted: Iterable[str]) -> dict[str, str]:
    """The layers of the wanted roles; a fused projection holds query, key and value at once."""
    roles_wanted = set(wanted)
    if roles_wanted & {"query", "key", "value"}:
        roles_wanted.add(FUSED)
    return {name: role for name, role in roles(trace).items() if role in roles_wanted}


def _by_graph(trace: Trace) -> dict[str, str]:
    layers = {layer.name: layer for layer in trace.layers}
    found: dict[str, set[str]] = {}
    for context in trace.layers:
        if not isinstance(context, op.MatMul):
            continue
        scores = _scores(layers, context.inputs[0])
        if scores is None:
            continue
        for role, name in (
            ("query", scores.inputs[0]), ("key", scores.inputs[1]), ("value", context.inputs[1])
        ):  # fmt: skip
            for source in _sources(layers, name, PLAIN):
                found.setdefault(source, set()).add(role)
    result = {name: min(own) if len(own) == 1 else FUSED for name, own in found.items()}
    for down in trace.layers:
        if not isinstance(down, op.Linear) or is_adapter(down.name) or down.name in result:
            continue
        if down.inputs[0] not in layers or isinstance(layers[down.inputs[0]], op.Linear):
            continue
        into = _sources(layers, down.inputs[0], (op.Activation, op.Elementwise))
        wide = [name for name in into if name not in result or result[name] in ("up", "down")]
        if into and len(wide) == len(into) and _narrows(layers, into, down):
            result |= dict.fromkeys(into, "up") | {down.name: "down"}
    return result


def _narrows(layers: Mapping[str, LayerBase], into: set[str], down: op.Linear) -> bool:
    """True for a feed-forward pair: it comes back to the width that it started from."""
    first = [layers[name] for name in into]
    return all(isinstance(x, op.Linear) and x.in_features == down.out_features for x in first)


def _scores(layers: Mapping[str, LayerBase], name: str) -> op.MatMul | None:
    """The product whose softmax a tensor is."""
    seen_softmax = False
    while name in layers:
        layer = layers[name]
        if isinstance(layer, op.MatMul):
            return layer if seen_softmax else None
        if not isinstance(layer, (op.Softmax, op.Move, op.Activation, op.Elementwise)):
            return None
        seen_softmax |= isinstance(layer, op.Softmax)
        name = layer.inputs[0]
    return None


def _sources(
    layers: Mapping[str, LayerBase], name: str, through: tuple[type[LayerBase], ...]
) -> set[str]:
    """Fully connected layers that a tensor comes from; none where a residual sum lies between."""
    layer = layers.get(name)
    if isinstance(layer, op.Linear):
        return set() if is_adapter(name) else {name}
    if not isinstance(layer, through):
        return set()
    each = [_sources(layers, source, through) for source in layer.inputs]
    found = set().union(*each)
    if isinstance(layer, op.Elementwise) and len(found) > 1:
        read = {layers[source].inputs[0] for source in found}
        if len(read) > 1:
            return set()
    return found
