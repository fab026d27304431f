"""Groups of ONNX nodes that are one operator of the trace: GELU, SiLU, hard-swish, norms.

A match becomes one node with a name of its own (FUSED), reading the group's input and writing its
last output. Tensors inside a group must have no reader outside it.
"""

from __future__ import annotations

from collections.abc import Callable

from archsim.trace.onnx import find_activations, find_norms
from archsim.trace.onnx.graph import Graph, Node
from archsim.trace.onnx.links import Links, Match

FUSED = {"gelu": "Fused:gelu", "silu": "Fused:silu", "hardswish": "Fused:hardswish"}
FUSED_NORM, FUSED_RMS = "Fused:layernorm", "Fused:rmsnorm"
REPEATED = "Fused:repeat"
DROPPED = ("Identity", "Dropout", "Cast", "CastLike")


def drop_identities(graph: Graph) -> None:
    """Remove Identity, Dropout and Cast: their output is another name of their input."""
    alias: dict[str, str] = {}
    kept = []
    for node in graph.nodes:
        node.inputs = [alias.get(name, name) for name in node.inputs]
        if node.op in DROPPED:
            alias[node.outputs[0]] = node.inputs[0]
        else:
            kept.append(node)
    graph.nodes = kept
    graph.outputs = [alias.get(name, name) for name in graph.outputs]


def drop_empty(graph: Graph) -> None:
    """Remove operands without elements from Concat; of one that is left it is another name."""
    alias: dict[str, str] = {}
    kept = []
    for node in graph.nodes:
        node.inputs = [alias.get(name, name) for name in node.inputs]
        if node.op == "Concat":
            full = [name for name in node.inputs if 0 not in graph.shapes.get(name, ())]
            if full and len(full) < len(node.inputs):
                node.inputs = full
                if len(full) == 1:
                    alias[node.outputs[0]] = full[0]
                    continue
        kept.append(node)
    graph.nodes = kept
    graph.outputs = [alias.get(name, name) for name in graph.outputs]


def fuse(graph: Graph) -> None:
    """Replace every match, most specific pattern first."""
    finders: list[tuple[str, str, Callable[[Links, Node], Match | None]]] = [
        ("ReduceMean", FUSED_NORM, find_norms.layer_norm),
        ("ReduceMean", FUSED_RMS, find_norms.rms_norm),
        ("Expand", REPEATED, _repeated_heads),
        ("IsNaN", "Identity", _not_a_number),
        ("Erf", FUSED["gelu"], find_activations.gelu),
        ("Tanh", FUSED["gelu"], find_activations.gelu_by_tanh),
        ("Clip", FUSED["hardswish"], find_activations.hardswish_by_clip),
        ("HardSigmoid", FUSED["hardswish"], find_activations.hardswish_by_hardsigmoid),
        ("Sigmoid", FUSED["silu"], find_activations.silu),
    ]
    for op, name, find in finders:
        links = Links(graph)
        for start in [node for node in graph.nodes if node.op == op]:
            match = find(links, start)
            if match and _closed(links, match):
                _replace(graph, name, match)
                links = Links(graph)


def _closed(links: Links, match: Match) -> bool:
    nodes, result = match.nodes, match.result
    inside = {id(node) for node in nodes}
    inner = [name for node in nodes for name in node.outputs if name != result]
    return not any(name in links.graph.outputs for name in inner) and all(
        id(user) in inside for name in inner for user in links.readers.get(name, [])
    )


def _replace(graph: Graph, op: str, match: Match) -> None:
    nodes, result = match.nodes, match.result
    last = next(node for node in nodes if result in node.outputs)
    gone = {id(node) for node in nodes}
    fused = Node(op, last.name, [match.source, *match.constants], [result], match.attributes)
    graph.nodes = [
        fused if node is last else node
        for node in graph.nodes
        if node is last or id(node) not in gone
    ]


def _repeated_heads(links: Links, expand: Node) -> Match | None:
    """Keys or values of grouped-query attention: every head is read by several query heads.

    [B, K, T, d] -> unsqueeze [B, K, 1, T, d] -> expand [B, K, G, T, d] -> reshape [B, K G, T, d],
    which only a matrix product reads (through transposes and scales).
    """
    lift = links.writer.get(expand.inputs[0])
    join = links.next(expand, "Reshape")
    if lift is None or lift.op not in ("Unsqueeze", "Reshape") or join is None:
        return None
    names = (lift.inputs[0], expand.inputs[0], expand.outputs[0], join.outputs[0])
    found = [links.graph.shapes.get(name) for name in names]
    if any(shape is None for shape in found):
        return None
    old, lifted, wide, whole = (shape or () for shape in found)
    if len(old) != 4 or len(wide) != 5 or len(whole) != 4:
        return None
    batch, heads, tokens, size = old
    group = wide[2]
    fits = lifted == (batch, heads, 1, tokens, size) and (
        wide == (batch, heads, group, tokens, size)
        and whole == (batch, heads * group, tokens, size)
    )
    return (
        Match([lift, expand, join], lift.inputs[0], join.outputs[0])
        if (fits and _only_products(links, join.outputs[0]))
        else None
    )


def _only_products(links: Links, name: str) -> bool:
    """True if a tensor is read as the second factor of products alone."""
    if name in links.graph.outputs:
        return False
    for user in links.readers.get(name, []):
        if user.op == "MatMul" and user.inputs[1] == name and user.inputs[0] != name:
            continue
        scaled = user.op in ("Mul", "Div") and user.inputs[1] in links.graph.constants
        if not (user.op == "Transpose" or scaled) or not _only_products(links, user.outputs[0]):
            return False
    return True


def _not_a_number(links: Links, test: Node) -> Match | None:
    """Where(IsNaN(x), constant, x): integer codes have no NaN, so that x goes through."""
    source = test.inputs[0]
    choice = links.next(test, "Where")
    if choice is None or choice.inputs[2] != source:
        return None
    if choice.inputs[1] not in links.graph.constants:
        return None
    return Match([test, choice], source, choice.outputs[0])
