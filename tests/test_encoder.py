"""The encoder graph and the committed files that are made of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from archsim.errors import InputError
from archsim.models.encoder import EncoderConfig
from archsim.models.extent import Extent
from archsim.models.load import load_config
from archsim.trace.load import load_trace
from archsim.trace.model import Provenance, Trace
from archsim.trace.operators import Embedding, Layer, Linear, MatMul

ROOT = Path(__file__).resolve().parent.parent
PROVENANCE = Provenance(model="random", made_by="a test")
Head = Literal["mean", "pooler"]
MINILM = {"blocks": 6, "width": 384, "heads": 12, "feed_forward": 1536, "vocabulary": 30522}


def encoder(head: Head = "mean", **sizes: Any) -> EncoderConfig:
    return EncoderConfig(
        archsim_model=1, name="test", source="a test", family="encoder", head=head, **sizes
    )


def shapes_only(config: EncoderConfig, tokens: int) -> Trace:
    graph = config.graph(Extent(seq=tokens))
    return Trace(
        archsim_trace=1,
        name="graph",
        provenance=PROVENANCE,
        inputs=graph.inputs,
        layers=graph.layers,
    )


def test_a_block_by_hand() -> None:
    config = encoder(blocks=1, width=8, heads=2, feed_forward=32, vocabulary=50)
    trace = shapes_only(config, 5)
    by_name: dict[str, Layer] = {layer.name: layer for layer in trace.layers}
    assert trace.shapes["block0.scores"] == (5, 2 * 5)
    assert trace.shapes["block0.context"] == (5, 8)
    assert trace.shapes["block0.up"] == (5, 32)
    assert trace.shapes["pooled"] == (8,)
    assert by_name["block0.attention_add"].inputs == ["block0.output", "embed.norm"]
    assert by_name["block0.add"].inputs == ["block0.down", "block0.attention_norm"]
    # q, k, v, output: 4 * 5*8*8; scores and context: 2 * 5*5*8; up and down: 2 * 5*8*32
    assert trace.macs() == 1280 + 400 + 2560


@pytest.mark.parametrize("head", ["mean", "pooler"])
@pytest.mark.parametrize("tokens", [1, 16, 37])
def test_macs_of_the_graph_follow_the_formula(head: Head, tokens: int) -> None:
    """Per block q, k, v and output 4 T d^2, scores and context 2 T^2 d, feed-forward 2 T d f."""
    width, inner = 384, 1536
    block = 4 * tokens * width**2 + 2 * tokens**2 * width + 2 * tokens * width * inner
    expected = 6 * block + (width**2 if head == "pooler" else 0)
    assert shapes_only(encoder(head, **MINILM), tokens).macs() == expected


def test_impossible_sizes() -> None:
    with pytest.raises(InputError, match="5 heads"):
        shapes_only(encoder(**MINILM | {"heads": 5}), 8)
    with pytest.raises(InputError, match="513 positions"):
        shapes_only(encoder(**MINILM), 513)


@pytest.fixture(scope="module")
def minilm() -> Trace:
    return load_trace(ROOT / "traces" / "minilm_l6.trace.json")


def test_committed_minilm_has_the_graph_and_its_work(minilm: Trace) -> None:
    bare = [
        layer.model_copy(
            update=dict.fromkeys(("shape", "weight_stats", "input_stats", "output_stats"))
        )
        for layer in minilm.layers
    ]
    assert bare == encoder(**MINILM).graph(Extent(seq=128)).layers
    tokens, width, inner = 128, 384, 1536
    block = 4 * tokens * width**2 + 2 * tokens**2 * width + 2 * tokens * width * inner
    assert minilm.macs() == 6 * block == 1_434_451_968
    weights = 6 * (4 * width**2 + 2 * width * inner) + (30522 + 512 + 2) * width
    assert minilm.parameters() == weights
    assert (ROOT / "traces" / "minilm_l6.trace.json").stat().st_size < 400_000


def test_committed_minilm_has_the_statistics_of_a_trained_model(minilm: Trace) -> None:
    linears = [layer for layer in minilm.layers if isinstance(layer, Linear)]
    assert len(linears) == 36
    for layer in minilm.layers:
        assert layer.output_stats is not None
        passages, rest = divmod(layer.output_stats.samples, math.prod(minilm.shapes[layer.name]))
        assert (passages, rest) == (8, 0)
        assert (layer.input_stats is None) == isinstance(layer, Embedding)
        found = [layer.weight_stats, layer.input_stats, layer.output_stats]
        for stats in (one for one in found if one is not None):
            assert sum(stats.histogram) == stats.samples
            assert stats.histogram[0] == 0  # symmetric codes leave -128 out
            assert max(stats.histogram[1], stats.histogram[255]) > 0
            assert stats.histogram[128] / stats.samples == pytest.approx(stats.zero_share, abs=1e-6)
    for layer in linears:
        assert layer.weight_stats is not None
        assert layer.weight_stats.samples == layer.in_features * layer.out_features
        assert layer.input_stats is not None
    # two's complement of centred values: close to half of the bits are ones, but for outliers
    densities = [np.mean(one.weight_stats.one_density) for one in linears if one.weight_stats]
    assert 0.4 < float(np.median(densities)) < 0.5
    for layer in minilm.layers:
        if isinstance(layer, MatMul) and not layer.transposed:
            shares = layer.input_stats  # the softmax's output
            assert shares is not None
            assert shares.minimum >= 0 and shares.maximum <= 1


def test_committed_bert_base_is_bert_base() -> None:
    trace = load_trace(ROOT / "workloads" / "bert_base.yaml")
    sizes = load_config("bert-base")
    assert list(trace.layers) == sizes.graph(Extent(seq=128)).layers
    assert trace.parameters(biases=True) == 109_482_240  # the published count
    assert (trace.precision.weight, trace.precision.input) == (8, 8)
