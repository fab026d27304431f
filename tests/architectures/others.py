"""Recurrent networks, graphs, recommenders, and attention written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from architectures.case import VOCABULARY, Case


def _ids(count: int = 12) -> Callable[[], Any]:
    def inputs() -> Any:
        import torch

        return torch.randint(0, VOCABULARY, (1, count))

    return inputs


def _normal(*shape: int) -> Callable[[], Any]:
    def inputs() -> Any:
        import torch

        return torch.randn(*shape)

    return inputs


def _recurrent(cell: str, **options: Any) -> Callable[[], Any]:
    """Words, a recurrent layer, the last state to a class."""

    def build() -> Any:
        from torch import nn

        class Reader(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.embedding = nn.Embedding(VOCABULARY, 16)
                self.cell = getattr(nn, cell)(16, 12, batch_first=True, **options)
                ways = 2 if options.get("bidirectional") else 1
                self.head = nn.Linear(12 * ways, 5)

            def forward(self, ids: Any) -> Any:
                return self.head(self.cell(self.embedding(ids))[0][:, -1])

        return Reader().eval()

    return build


def mlp_mixer() -> Any:
    """Tolstikhin et al., NeurIPS 2021."""
    from torch import nn

    class Mixer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.tokens, self.channels = (
                nn.LayerNorm(16), nn.Linear(9, 9), nn.Linear(16, 16),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            x = x + self.tokens(self.norm(x).transpose(1, 2)).transpose(1, 2)
            return x + nn.functional.gelu(self.channels(x))

    return Mixer().eval()


def graph_network() -> Any:
    """Message passing by index: x[source] summed at target (Kipf and Welling, ICLR 2017)."""
    import torch
    from torch import nn

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(8, 12), nn.Linear(12, 4)

        def forward(self, x: Any, edges: Any) -> Any:
            for layer in (self.first, self.second):
                y = layer(x)
                x = torch.zeros_like(y).index_add(0, edges[1], y[edges[0]]).relu()
            return x

    return Graph().eval()


def _graph() -> Any:
    import torch

    return torch.randn(10, 8), torch.randint(0, 10, (2, 24))


def recommender() -> Any:
    """Naumov et al., 2019: tables, a dense part, products of all pairs."""
    import torch
    from torch import nn

    class DLRM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bags = nn.ModuleList([nn.EmbeddingBag(VOCABULARY, 8, mode="sum")
                                       for _ in range(3)])  # fmt: skip
            self.dense, self.top = nn.Linear(4, 8), nn.Linear(8 + 6, 1)

        def forward(self, x: Any, ids: Any) -> Any:
            dense = self.dense(x).relu()
            rows = [dense, *(bag(ids[i : i + 1]) for i, bag in enumerate(self.bags))]
            stacked = torch.stack(rows, 1)
            pairs = stacked @ stacked.transpose(1, 2)
            row, column = torch.tril_indices(4, 4, -1)
            return self.top(torch.cat([dense, pairs[:, row, column]], 1)).sigmoid()

    return DLRM().eval()


def _clicks() -> Any:
    import torch

    return torch.randn(1, 4), torch.randint(0, VOCABULARY, (3, 5))


def einsum_attention() -> Any:
    """Attention as einsum over a tensor of heads."""
    import torch
    from torch import nn

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = (nn.Parameter(torch.randn(16, 4, 4)) for _ in range(3))
            self.out = nn.Parameter(torch.randn(4, 4, 16))

        def forward(self, x: Any) -> Any:
            q, k, v = (torch.einsum("btd,dhk->bthk", x, w) for w in (self.q, self.k, self.v))
            shares = torch.einsum("bqhk,bshk->bhqs", q, k).softmax(-1)
            context = torch.einsum("bhqs,bshk->bqhk", shares, v)
            return torch.einsum("bqhk,hkd->bqd", context, self.out)

    return Heads().eval()


def transformer() -> Any:
    """torch's own encoder and decoder (Vaswani et al., NeurIPS 2017)."""
    from torch import nn

    return nn.Transformer(16, 4, 1, 1, 32, batch_first=True).eval()


def _sequences() -> Any:
    import torch

    return torch.randn(1, 9, 16), torch.randn(1, 5, 16)


def autoencoder() -> Any:
    """Fully connected layers down and up again."""
    from torch import nn

    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 64), nn.Unflatten(1, (1, 8, 8))
    ).eval()


OTHERS = {
    "LSTM": Case(_recurrent("LSTM"), _ids()),
    "Bidirectional LSTM, 2 layers": Case(
        _recurrent("LSTM", num_layers=2, bidirectional=True), _ids()
    ),
    "GRU": Case(_recurrent("GRU"), _ids()),
    "RNN": Case(_recurrent("RNN"), _ids()),
    "MLP-Mixer": Case(mlp_mixer, _normal(1, 9, 16)),
    "GNN by index": Case(graph_network, _graph),
    "DLRM": Case(recommender, _clicks),
    "Attention by einsum": Case(einsum_attention, _normal(1, 9, 16)),
    "nn.Transformer": Case(transformer, _sequences, ("q_proj", "v_proj")),
    "Autoencoder": Case(autoencoder, _normal(1, 1, 8, 8)),
}
