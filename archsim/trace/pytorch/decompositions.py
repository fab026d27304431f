"""How operators are taken apart before they are read: PyTorch's way, and a few ways of our own.

What has a rule here (archsim.trace.pytorch.aten) stays whole; attention becomes its products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from archsim.trace.pytorch.registry import RULES, name_of

Decompositions = dict[Any, Callable[..., Any]]


def table() -> Decompositions:
    """PyTorch's decompositions into Core ATen for all operators but those that have a rule."""
    found: Any = torch.export.default_decompositions()
    for operator in list(found):
        if name_of(operator) in RULES:
            found.pop(operator)
    aten = torch.ops.aten
    own: Decompositions = {
        aten.scaled_dot_product_attention.default: attention,
        aten.baddbmm.default: add_product,
        aten.addbmm.default: add_products,
        aten.log_softmax.int: log_softmax,
        aten._log_softmax.default: log_softmax,
        aten.glu.default: gated,
        aten.linalg_vector_norm.default: vector_norm,
        aten.var.correction: variance,
        aten.var.dim: lambda x, dim, unbiased=True, keepdim=False: variance(
            x, dim, correction=int(unbiased), keepdim=keepdim
        ),
        aten.std.correction: lambda *a, **k: variance(*a, **k).sqrt(),
        aten.var_mean.correction: variance_and_mean,
        aten.lstm.input: layers_of(aten.lstm.input),
        aten.gru.input: layers_of(aten.gru.input),
        aten.rnn_tanh.input: layers_of(aten.rnn_tanh.input),
        aten.rnn_relu.input: layers_of(aten.rnn_relu.input),
    }
    found.update(own)
    return found  # type: ignore[no-any-return]


def attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, *, scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(scale Q K' + mask) V (Vaswani et al., NeurIPS 2017, section 3.2.1).

    Fewer heads of keys and values serve several heads of queries each; the mask of `is_causal`
    hides later positions, counted from the first on both sides, as PyTorch's documentation says.
    """
    rows, span, size = query.shape[-2], key.shape[-2], value.shape[-1]
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    shared = key.shape[-3] if query.ndim > 2 else 1
    grouped = enable_gqa and query.shape[-3] != shared
    lead = query.shape[:-2]
    if grouped:
        query = query.reshape(*query.shape[:-3], shared, -1, rows, query.shape[-1])
        key, value = key.unsqueeze(-3), value.unsqueeze(-3)
        if attn_mask is not None and attn_mask.ndim > 2:
            wide = attn_mask.shape[-3] != 1
            attn_mask = (
                attn_mask.reshape(*attn_mask.shape[:-3], shared, -1, *attn_mask.shape[-2:])
                if wide
                else attn_mask.unsqueeze(-3)
            )
    scores = (query * factor) @ key.transpose(-2, -1)
    if is_causal:
        attn_mask = torch.ones(rows, span, dtype=torch.bool, device=query.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(attn_mask.logical_not(), -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    context = torch.softmax(scores, -1) @ value
    return context.reshape(*lead, rows, size) if grouped else context


def add_product(
    source: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta * source + alpha * batch1 @ batch2."""
    product = batch1 @ batch2
    return (product if alpha == 1 else product * alpha) + (source if beta == 1 else source * beta)


def add_products(
    source: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta * source + alpha * the sum of all batch1 @ batch2."""
    return add_product(source, batch1, batch2, beta=beta, alpha=alpha).sum(0)


def log_softmax(source: Tensor, dim: int, *rest: Any, **kwargs: Any) -> Tensor:
    """The logarithm of the softmax."""
    return torch.softmax(source, dim).log()


def gated(source: Tensor, dim: int = -1) -> Tensor:
    """One half times the sigmoid of the other (Dauphin et al., ICML 2017)."""
    left, right = source.chunk(2, dim)
    return left * right.sigmoid()


def vector_norm(
    source: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """The root of the sum of squares; other norms stay whole."""
    if ord != 2:
        return NotImplemented
    dims = list(range(source.ndim)) if dim is None else dim
    return (source * source).sum(dims, keepdim).sqrt()


def variance(
    source: Tensor, dim: Any = None, *, correction: float | None = 1, keepdim: bool = False
) -> Tensor:
    """The mean square of what is left without the mean, with `correction` values fewer."""
    return variance_and_mean(source, dim, correction=correction, keepdim=keepdim)[0]


def variance_and_mean(
    source: Tensor, dim: Any = None, *, correction: float | None = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The variance and the mean, in which order torch.var_mean has them."""
    axes = list(range(source.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    count = math.prod(source.shape[axis] for axis in axes)
    mean = source.mean(axes, True)
    left = source - mean
    found = (left * left).mean(axes, keepdim)
    less = 1 if correction is None else correction
    if less:
        found = found * (count / max(count - less, 1))
    return found, mean if keepdim else source.mean(axes, False)


def layers_of(operator: Any) -> Callable[..., Any]:
    """Stacked recurrent layers one after another; one layer stays whole."""
    is_lstm = "lstm" in str(operator)

    def decomposed(
        source: Tensor, hx: Any, params: Sequence[Tensor], has_biases: bool, num_layers: int,
        dropout: float, train: bool, bidirectional: bool, batch_first: bool,
    ) -> Any:  # fmt: skip
        if num_layers == 1:
            return NotImplemented
        ways = 2 if bidirectional else 1
        each = len(params) // num_layers
        ends: list[tuple[Tensor, ...]] = []
        for layer in range(num_layers):
            own = list(params[layer * each : (layer + 1) * each])
            states = list(hx) if is_lstm else [hx]
            first = [state[layer * ways : (layer + 1) * ways] for state in states]
            source, *last = operator(
                source, first if is_lstm else first[0], own, has_biases, 1, 0.0, train,
                bidirectional, batch_first,
            )  # fmt: skip
            ends.append(tuple(last))
        return (source, *(torch.cat(list(parts)) for parts in zip(*ends, strict=True)))

    return decomposed
