"""Torch functions that are made of others: attention, indexing, extremes.

Each function here has the arguments of the torch function of its name behind the recorder and the
function itself. It computes the result from functions that are recorded by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from archsim.trace.pytorch.recorder import Recorder

COMPOSITES: dict[str, Callable[..., Any]] = {}


def composite(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as what stands for the torch functions of these names."""

    def register(compute: Callable[..., Any]) -> Callable[..., Any]:
        COMPOSITES.update(dict.fromkeys(names, compute))
        return compute

    return register


@composite("scaled_dot_product_attention")
def attention(
    r: Recorder, func: Any, query: Tensor, key: Tensor, value: Tensor,
    attn_mask: Tensor | None = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(scale Q K' + mask) V (Vaswani et al., NeurIPS 2017, section 3.2.1).

    A mask that hides nothing is left out.
    """
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    rows, span = query.shape[-2], key.shape[-2]
    if is_causal:
        attn_mask = torch.ones(rows, span, dtype=torch.bool, device=query.device).tril(span - rows)
    if attn_mask is not None and attn_mask.dtype != torch.bool and not attn_mask.any():
        attn_mask = None
    if attn_mask is not None and attn_mask.dtype == torch.bool and attn_mask.all():
        attn_mask = None
    with r, r.part("scale"):
        query = query * factor
    heads = query.shape[-3] // key.shape[-3] if enable_gqa else 1
    keys = key.repeat_interleave(heads, -3) if heads > 1 else key
    values = value.repeat_interleave(heads, -3) if heads > 1 else value
    scores = query @ keys.transpose(-2, -1)
    with r.part("scores"):
        r.emit("MatMul", [query, _turned(r, key)], scores)
    with r, r.part("mask"):
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(attn_mask.logical_not(), -math.inf)
        elif attn_mask is not None:
            scores = scores + attn_mask
    with r, r.part("softmax"):
        shares = functional.softmax(scores, dim=-1)
    context = shares @ values
    with r.part("context"):
        r.emit("MatMul", [shares, value], context)
    return context


def _turned(r: Recorder, key: Tensor) -> Tensor:
    with r:
        return key.transpose(-2, -1)


@composite("multi_head_attention_forward")
def multi_head_attention(
    r: Recorder, func: Any, query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int,
    num_heads: int, in_proj_weight: Tensor | None, in_proj_bias: Tensor | None,
    bias_k: Tensor | None, bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float,
    out_proj_weight: Tensor, out_proj_bias: Tensor | None, training: bool = True,
    key_padding_mask: Tensor | None = None, need_weights: bool = True,
    attn_mask: Tensor | None = None, use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None, k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None, static_k: Tensor | None = None,
    static_v: Tensor | None = None, average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Projections, attention and the projection of its result, for (T, 1, D) or (T, D).

    The weights of the attention are not returned: they are None.
    """
    if any(x is not None for x in (bias_k, bias_v, static_k, static_v)) or add_zero_attn:
        result = func(
            query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias,
            bias_k, bias_v, add_zero_attn, dropout_p, out_proj_weight, out_proj_bias,
        )[0]  # fmt: skip
        r.emit("Torch:attention with extra keys", [query, key, value], result)
        return result, None
    weights = [q_proj_weight, k_proj_weight, v_proj_weight]
    biases = [None] * 3 if in_proj_bias is None else list(in_proj_bias.chunk(3))
    if in_proj_weight is not None and not use_separate_proj_weight:
        weights = list(in_proj_weight.chunk(3))
        for name, weight, bias in zip("qkv", weights, biases, strict=True):
            r.derived(weight, in_proj_weight, name)
            r.derived(bias, in_proj_bias, name)
    mask = _merged(attn_mask, key_padding_mask)
    with r:
        split = []
        for name, source, weight, bias in zip(
            "qkv", (query, key, value), weights, biases, strict=True
        ):
            assert weight is not None
            with r.part(f"{name}_proj"):
                projected = functional.linear(source, weight, bias)
            flat = projected.reshape(
                source.shape[0], -1, num_heads, projected.shape[-1] // num_heads
            )
            split.append(flat.permute(1, 2, 0, 3))  # (1, heads, T, d)
        q, k, v = split
        context = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        joined = context.permute(2, 0, 1, 3).reshape((*query.shape[:-1], -1))
        with r.part("out_proj"):
            return functional.linear(joined, out_proj_weight, out_proj_bias), None


def _merged(mask: Tensor | None, padding: Tensor | None) -> Tensor | None:
    """Masks as scaled_dot_product_attention takes them: True is seen."""
    if mask is not None and mask.dtype == torch.bool:
        mask = mask.logical_not()
    if padding is None or not padding.any():
        return mask
    seen = padding == 0  # True, or 0 in a mask of numbers, hides nothing
    seen = seen.reshape(-1, 1, 1, seen.shape[-1])
    if mask is None:
        return seen
    return mask & seen if mask.dtype == torch.bool else mask.masked_fill(~seen, -math.inf)


@composite("getitem")
def getitem(r: Recorder, func: Any, source: Tensor, index: Any) -> Tensor:
    """Numbers, slices, None and ...; lists and tensors of indices along one axis."""
    parts = list(index) if isinstance(index, tuple) else [index]
    used = sum(part is not None and part is not Ellipsis for part in parts)
    if Ellipsis not in [p for p in parts if not isinstance(p, Tensor)]:
        parts.append(Ellipsis)
    at = next(i for i, part in enumerate(parts) if part is Ellipsis)
    parts[at : at + 1] = [slice(None)] * (source.ndim - used)
    lists = [part for part in parts if not isinstance(part, int | slice | None)]
    numbers = any(isinstance(part, int) for part in parts)
    if len(lists) > 1 or (lists and (numbers or not _is_list(r, lists[0]))):
        expected: Tensor = func(source, index)
        r.emit("Torch:indexing by tensors", [source], expected)
        return expected
    axis, result = 0, source
    with r:
        for part in parts:
            if part is None:
                result = result.unsqueeze(axis)
            elif isinstance(part, int):
                result = result.narrow(axis, part % result.shape[axis], 1).squeeze(axis)
                axis -= 1
            elif isinstance(part, slice):
                result = _sliced(result, axis, part)
            else:
                result = result.index_select(axis, torch.as_tensor(part, device=source.device))
            axis += 1
    return result


def _is_list(r: Recorder, part: Any) -> bool:
    """True for indices that are known and lie along one axis."""
    numbers = torch.as_tensor(part)
    return numbers.ndim == 1 and numbers.dtype != torch.bool and not r.is_recorded(part)


def _sliced(source: Tensor, axis: int, part: slice) -> Tensor:
    first, end, step = part.indices(source.shape[axis])
    if (first, end, step) == (0, source.shape[axis], 1):
        return source
    if step == 1:
        return source.narrow(axis, first, max(end - first, 0))
    return source.index_select(axis, torch.arange(first, end, step, device=source.device))


@composite("select")
def select(r: Recorder, func: Any, source: Tensor, dim: int, index: int) -> Tensor:
    """One entry along an axis."""
    with r:
        return source.narrow(dim, index % source.shape[dim], 1).squeeze(dim)


@composite("unbind")
def unbind(r: Recorder, func: Any, source: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All entries along an axis."""
    with r:
        return tuple(source.narrow(dim, i, 1).squeeze(dim) for i in range(source.shape[dim]))


@composite("stack")
def stack(r: Recorder, func: Any, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Along a new axis."""
    with r:
        return torch.cat([tensor.unsqueeze(dim) for tensor in tensors], dim)


@composite("max", "min")
def extreme(r: Recorder, func: Any, source: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Over an axis, with indices that are constants; of two tensors, elementwise."""
    pick = {"max": (torch.maximum, torch.amax), "min": (torch.minimum, torch.amin)}[func.__name__]
    if isinstance(dim, Tensor):
        with r:
            return pick[0](source, dim)
    if dim is None:
        with r:
            return pick[1](source, tuple(range(source.ndim)))
    found = func(source, dim, keepdim)
    with r:
        values = pick[1](source, dim, keepdim)
    return type(found)((values, found.indices))


@composite("log_softmax")
def log_softmax(r: Recorder, func: Any, source: Tensor, dim: int = -1, **kwargs: Any) -> Tensor:
    """The logarithm of the softmax."""
    with r:
        return functional.softmax(source, dim=dim).log()


@composite("glu")
def gated(r: Recorder, func: Any, source: Tensor, dim: int = -1) -> Tensor:
    """One half times the sigmoid of the other (Dauphin et al., ICML 2017)."""
    with r:
        left, right = source.chunk(2, dim)
        return left * right.sigmoid()
