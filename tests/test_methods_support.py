"""Small models for the tests of adaptation methods: a transformer, a mobile network, a GRU."""

from __future__ import annotations

from typing import Any

from test_cli_support import ROOT

from archsim.arch.load import load_arch
from archsim.arch.model import Architecture
from archsim.trace.model import Trace

HYBRID = ROOT / "arch_configs" / "rram_sram_hybrid.yaml"
WIDTH, INNER, HEADS, TOKENS = 16, 32, 2, 4
Record = dict[str, Any]


def hybrid() -> Architecture:
    """The chip that has all that any method needs."""
    return load_arch(HYBRID)


def plain() -> Architecture:
    """The same chip without write drivers, branches, clusters and masks."""
    return load_arch(ROOT / "arch_configs" / "isaac_vpu.yaml")


def trace_of(name: str, shape: list[int], layers: list[Record]) -> Trace:
    return Trace.model_validate(
        {
            "archsim_trace": 1,
            "name": name,
            "provenance": {"model": "a test", "made_by": "a test"},
            "inputs": [{"name": "x", "shape": shape}],
            "layers": layers,
        }
    )


def linear(name: str, source: str, rows: int, columns: int) -> Record:
    return {"name": name, "op": "linear", "inputs": [source], "in_features": rows,
            "out_features": columns}  # fmt: skip


def conv(name: str, source: str, inner: int, outer: int, kernel: int = 1, **more: Any) -> Record:
    edge = kernel // 2
    return {"name": name, "op": "conv2d", "inputs": [source], "kernel": [kernel, kernel],
            "padding": [edge] * 4, "in_channels": inner, "out_channels": outer, **more}  # fmt: skip


def act(name: str, source: str, function: str = "relu") -> Record:
    return {"name": name, "op": "activation", "inputs": [source], "function": function}


def add(name: str, left: str, right: str) -> Record:
    return {"name": name, "op": "elementwise", "inputs": [left, right], "function": "add"}


def transformer(blocks: int = 2, kv_heads: int = HEADS) -> Trace:
    """Encoder blocks of width 16 with 2 heads and 32 in between, on 4 tokens."""
    shared = kv_heads * WIDTH // HEADS
    layers: list[Record] = [{"name": "embed.norm", "op": "norm", "inputs": ["x"]}]
    source, size = "embed.norm", WIDTH // HEADS
    for number in range(blocks):
        b = f"block{number}"
        layers += [
            linear(f"{b}.query", source, WIDTH, WIDTH),
            linear(f"{b}.key", source, WIDTH, shared),
            linear(f"{b}.value", source, WIDTH, shared),
            {"name": f"{b}.scores", "op": "matmul", "inputs": [f"{b}.query", f"{b}.key"],
             "heads": HEADS, "kv_heads": kv_heads, "k": size, "n": TOKENS, "transposed": True},
            {"name": f"{b}.softmax", "op": "softmax", "inputs": [f"{b}.scores"], "groups": HEADS},
            {"name": f"{b}.context", "op": "matmul", "inputs": [f"{b}.softmax", f"{b}.value"],
             "heads": HEADS, "kv_heads": kv_heads, "k": TOKENS, "n": size, "transposed": False},
            linear(f"{b}.output", f"{b}.context", WIDTH, WIDTH),
            add(f"{b}.attention_add", f"{b}.output", source),
            linear(f"{b}.up", f"{b}.attention_add", WIDTH, INNER),
            act(f"{b}.gelu", f"{b}.up", "gelu"),
            linear(f"{b}.down", f"{b}.gelu", INNER, WIDTH),
            add(f"{b}.add", f"{b}.down", f"{b}.attention_add"),
            {"name": f"{b}.norm", "op": "norm", "inputs": [f"{b}.add"]},
        ]  # fmt: skip
        source = f"{b}.norm"
    return trace_of("transformer", [TOKENS, WIDTH], layers)


def mobile(size: int = 6) -> Trace:
    """A stem, two inverted residual blocks on maps of `size` x `size` and a classifier of 5."""
    layers: list[Record] = [conv("stem", "x", 3, 8, 3), act("stem_act", "stem")]
    source = "stem_act"
    for number in range(2):
        b = f"block{number}"
        layers += [
            conv(f"{b}.expand", source, 8, 16),
            act(f"{b}.expand_act", f"{b}.expand", "clip"),
            conv(f"{b}.depthwise", f"{b}.expand_act", 16, 16, 3, groups=16),
            act(f"{b}.depthwise_act", f"{b}.depthwise", "clip"),
            conv(f"{b}.project", f"{b}.depthwise_act", 16, 8),
            add(f"{b}.add", f"{b}.project", source),
        ]
        source = f"{b}.add"
    layers += [
        {
            "name": "avgpool",
            "op": "pool",
            "inputs": [source],
            "function": "avg",
            "kernel": [size, size],
        },
        linear("classifier", "avgpool", 8, 5),
    ]
    return trace_of("mobile", [size, size, 3], layers)


def recurrent() -> Trace:
    """A GRU of 8 on 4 positions, and a linear layer behind it."""
    gru = {"name": "gru", "op": "recurrent", "inputs": ["x"], "cell": "gru", "in_features": 8,
           "hidden": 8}  # fmt: skip
    return trace_of("recurrent", [4, 8], [gru, linear("scores", "gru", 8, 12)])
