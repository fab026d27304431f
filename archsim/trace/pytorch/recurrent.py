"""LSTM, GRU and RNN modules as ONNX nodes, one for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from archsim.trace.pytorch.composites import composite
from archsim.trace.pytorch.recorder import Recorder


@composite("lstm", "gru", "rnn_tanh", "rnn_relu")
def recurrent(r: Recorder, func: Any, source: Tensor, *args: Any) -> tuple[Tensor, ...]:
    """Layer by layer, as ONNX nodes of one or two directions each."""
    if isinstance(args[1], Tensor):  # a packed sequence: (sizes, state, ...)
        result: tuple[Tensor, ...] = func(source, *args)
        r.emit("Torch:recurrent layer of a packed sequence", [source], result)
        return result
    state, weights, has_biases, layers, _, _, both, batch_first = args
    states = state if isinstance(state, list | tuple) else [state]
    if any(map(r.is_recorded, states)):
        result = func(source, *args)
        r.emit("Torch:recurrent layer with a first state that is computed", [source], result)
        return result
    ways = 2 if both else 1
    per_layer = len(weights) // layers
    time = source.ndim - 2 if batch_first else 0
    ends: list[tuple[Tensor, ...]] = []
    name: str = func.__name__
    for layer in range(layers):
        own = weights[layer * per_layer : (layer + 1) * per_layer]
        first = [s[layer * ways : (layer + 1) * ways] for s in states]
        given = tuple(first) if name == "lstm" else first[0]
        out, *last = func(source, given, own, has_biases, 1, 0.0, False, both, batch_first)
        size = last[0].shape[-1]
        if per_layer != ways * (4 if has_biases else 2) or own[1].shape[1] != size:
            r.emit("Torch:recurrent layer with a projection", [source], out)
        else:
            with r.part(f"l{layer}") if layers > 1 else r.part(name):
                _emit_layer(r, name, source, out, last, own, has_biases, ways, time)
        source = out
        ends.append(tuple(last))
    with r:
        joined = [
            torch.cat(list(parts)) if layers > 1 else parts[0] for parts in zip(*ends, strict=True)
        ]
    return source, *joined


def _emit_layer(
    r: Recorder, name: str, source: Tensor, out: Tensor, last: Sequence[Tensor],
    own: Sequence[Tensor], has_biases: bool, ways: int, time: int,
) -> None:  # fmt: skip
    per_way = len(own) // ways
    parts = [own[way * per_way : (way + 1) * per_way] for way in range(ways)]
    stacked = [torch.stack([part[i] for part in parts]) for i in range(2)]
    bias = torch.stack([torch.cat(list(part[2:])) for part in parts]) if has_biases else None
    for made, owner in zip([*stacked, bias], own, strict=False):
        r.derived(made, owner, "stacked")
    hidden = last[0].shape[-1]
    with r:
        steps = source if source.ndim == 3 else source.unsqueeze(1)
        if time == 1:
            steps = steps.transpose(0, 1)
    length = steps.shape[0]
    plain = out.transpose(0, 1) if time == 1 else out
    every = plain.reshape(length, 1, ways, hidden).permute(0, 2, 1, 3)
    ends = [tensor.reshape(ways, 1, hidden) for tensor in last]
    op = {"lstm": "LSTM", "gru": "GRU"}.get(name, "RNN")
    r.emit(
        op, [steps, stacked[0], stacked[1], bias], [every, *ends],
        hidden_size=hidden, direction="bidirectional" if ways == 2 else "forward",
    )  # fmt: skip
    with r:
        joined = every.permute(0, 2, 1, 3).reshape(length, 1, ways * hidden)
        joined = joined.squeeze(1) if out.ndim == 2 else joined
        joined = joined.transpose(0, 1) if time == 1 else joined
    r.same(out, joined)
    for mine, end in zip(last, ends, strict=True):
        if mine.shape != end.shape:
            with r:
                end = end.squeeze(1)
        r.same(mine, end)
