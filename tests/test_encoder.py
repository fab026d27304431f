"""The encoder graph, its forward pass against a direct computation, and the committed files."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.trace.bert import load_bert
from archsim.trace.encoder import EncoderConfig, encoder_layers
from archsim.trace.forward import activate, record, run
from archsim.trace.load import load_trace, save_trace
from archsim.trace.model import GraphInput, Provenance, Trace
from archsim.trace.operators import Embedding, Layer, Linear, MatMul
from archsim.trace.stats import tensor_stats

ROOT = Path(__file__).resolve().parent.parent
MINILM = EncoderConfig(blocks=6, width=384, heads=12, feed_forward=1536, vocabulary=30522)
PROVENANCE = Provenance(model="random", made_by="a test")
Array = NDArray[np.float64]
Head = Literal["mean", "pooler"]
Tensors = dict[str, NDArray[np.float32]]
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "num_hidden_layers": 2,
    "hidden_size": 12,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "vocab_size": 30,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-5,
}


def random_tensors(config: dict[str, Any], seed: int) -> Tensors:
    """Weights under the names of Hugging Face's BERT."""
    random = np.random.default_rng(seed)
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
    }
    affine = {"embeddings.LayerNorm": (width,), "pooler.dense": (width, width)}
    for i in range(config["num_hidden_layers"]):
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            affine[f"encoder.layer.{i}.attention.{part}"] = (width, width)
        affine[f"encoder.layer.{i}.attention.output.LayerNorm"] = (width,)
        affine[f"encoder.layer.{i}.intermediate.dense"] = (inner, width)
        affine[f"encoder.layer.{i}.output.dense"] = (width, inner)
        affine[f"encoder.layer.{i}.output.LayerNorm"] = (width,)
    for name, shape in affine.items():
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = shape[:1]
    return {n: random.normal(0, 0.5, shape).astype(np.float32) for n, shape in shapes.items()}


def write_model(folder: Path, config: dict[str, Any], tensors: Tensors) -> Path:
    from safetensors.numpy import save_file

    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors")
    return folder


def direct(config: dict[str, Any], tensors: Tensors, tokens: list[int]) -> dict[str, Array]:
    """BERT token by token and head by head in float64, straight from the paper's equations."""
    w = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    heads = config["num_attention_heads"]
    inner = config["hidden_size"] // heads

    def affine(name: str, vector: Array) -> Array:
        return np.array(
            [np.dot(row, vector) for row in w[f"{name}.weight"]] + w[f"{name}.bias"], np.float64
        )

    def norm(name: str, vector: Array) -> Array:
        deviation = math.sqrt(float(np.var(vector)) + config["layer_norm_eps"])
        unit = (vector - np.mean(vector)) / deviation
        return unit * w[f"{name}.weight"] + w[f"{name}.bias"]

    def gelu(x: float) -> float:
        return x * 0.5 * math.erfc(-x / math.sqrt(2))

    rows = []
    for position, token in enumerate(tokens):
        vector = w["embeddings.word_embeddings.weight"][token]
        vector = vector + w["embeddings.position_embeddings.weight"][position]
        vector = vector + w["embeddings.token_type_embeddings.weight"][0]
        rows.append(norm("embeddings.LayerNorm", vector))
    found: dict[str, Array] = {"embed.norm": np.array(rows)}
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        q, k, v = (
            [affine(f"{layer}.attention.self.{part}", row) for row in rows]
            for part in ("query", "key", "value")
        )
        after = []
        for t, row in enumerate(rows):
            context = []
            for h in range(heads):
                part = slice(h * inner, (h + 1) * inner)
                scores = [float(q[t][part] @ key[part]) / math.sqrt(inner) for key in k]
                powers = [math.exp(score) for score in scores]
                shares = [power / sum(powers) for power in powers]
                context.append(sum(s * value[part] for s, value in zip(shares, v, strict=True)))
            mixed = affine(f"{layer}.attention.output.dense", np.concatenate(context))
            row = norm(f"{layer}.attention.output.LayerNorm", mixed + row)
            hidden = affine(f"{layer}.intermediate.dense", row)
            hidden = np.array([gelu(float(x)) for x in hidden])
            narrow = affine(f"{layer}.output.dense", hidden)
            after.append(norm(f"{layer}.output.LayerNorm", narrow + row))
        rows = after
        found[f"block{i}.norm"] = np.array(rows)
    found["mean"] = np.mean(rows, axis=0)
    found["pooler"] = np.tanh(affine("pooler.dense", rows[0]))
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("head", ["mean", "pooler"])
def test_forward_against_a_direct_computation(tmp_path: Path, seed: int, head: Head) -> None:
    tensors = random_tensors(CONFIG, seed)
    model = load_bert(write_model(tmp_path, CONFIG, tensors), head)
    tokens = np.random.default_rng(seed).integers(0, CONFIG["vocab_size"], 7)
    values = run(model, tokens)
    expected = direct(CONFIG, tensors, tokens.tolist())
    for name in ("embed.norm", "block0.norm", "block1.norm"):
        np.testing.assert_allclose(values[name], expected[name], atol=2e-5)
    np.testing.assert_allclose(values["pooled"].ravel(), expected[head], atol=2e-5)


@pytest.mark.parametrize("function", ["gelu", "relu", "silu", "tanh"])
def test_activations_value_by_value(function: str) -> None:
    by_definition = {
        "gelu": lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2)),
        "relu": lambda x: max(x, 0.0),
        "silu": lambda x: x / (1 + math.exp(-x)),
        "tanh": math.tanh,
    }[function]
    values = np.linspace(-6, 6, 49, dtype=np.float32)
    expected = [by_definition(float(x)) for x in values]
    found = activate(values, function)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_an_activation_without_a_forward_pass() -> None:
    with pytest.raises(NotImplementedError, match="hardswish"):
        activate(np.zeros(3, np.float32), "hardswish")


def test_names_with_a_model_prefix_are_read_too(tmp_path: Path) -> None:
    tensors = random_tensors(CONFIG, 0)
    plain = run(load_bert(write_model(tmp_path, CONFIG, tensors)), np.arange(5))
    prefixed = {f"bert.{name}": tensor for name, tensor in tensors.items()}
    again = run(load_bert(write_model(tmp_path, CONFIG, prefixed)), np.arange(5))
    np.testing.assert_array_equal(plain["pooled"], again["pooled"])


def test_record_pools_the_values_of_all_passages(tmp_path: Path) -> None:
    model = load_bert(write_model(tmp_path, CONFIG, random_tensors(CONFIG, 4)))
    passages = [np.arange(6), np.arange(6) * 3, np.full(6, 7)]
    trace = record(model, passages, "tiny", PROVENANCE)
    runs = [run(model, tokens) for tokens in passages]
    layers = {layer.name: layer for layer in trace.layers}
    for name, layer in layers.items():
        pooled = np.concatenate([values[name].ravel() for values in runs])
        assert layer.output_stats == tensor_stats(pooled)
        assert layer.output_stats.samples == 3 * math.prod(trace.shapes[name])
        assert layer.shape == list(trace.shapes[name]) == list(runs[0][name].shape)
        if not isinstance(layer, Embedding):
            assert layer.input_stats == layers[layer.inputs[0]].output_stats
    key = layers["block1.key"]
    assert key.weight_stats == tensor_stats(model.parameters["block1.key"].weight)
    path = tmp_path / "tiny.trace.json"
    save_trace(trace, path)
    assert load_trace(path) == trace


def test_the_scale_of_the_scores_leaves_the_query_codes_alone(tmp_path: Path) -> None:
    tensors = random_tensors(CONFIG, 5)
    model = load_bert(write_model(tmp_path, CONFIG, tensors))
    raw = tensor_stats(tensors["encoder.layer.0.attention.self.query.weight"])
    folded = tensor_stats(model.parameters["block0.query"].weight)
    assert folded.scale == pytest.approx(raw.scale / 2)  # 12 / 3 = 4 channels per head
    assert folded.histogram == raw.histogram


def test_record_wants_passages_of_one_length(tmp_path: Path) -> None:
    model = load_bert(write_model(tmp_path, CONFIG, random_tensors(CONFIG, 0)))
    with pytest.raises(ValueError, match="one length"):
        record(model, [np.arange(4), np.arange(5)], "tiny", PROVENANCE)
    with pytest.raises(ValueError, match="one length"):
        record(model, [], "tiny", PROVENANCE)


@pytest.mark.parametrize("tokens", [[0, 30], [-1, 3]])
def test_tokens_outside_the_vocabulary(tmp_path: Path, tokens: list[int]) -> None:
    model = load_bert(write_model(tmp_path, CONFIG, random_tensors(CONFIG, 0)))
    with pytest.raises(ValueError, match="0 to 29"):
        run(model, np.array(tokens))


def test_broken_models(tmp_path: Path) -> None:
    tensors = random_tensors(CONFIG, 0)
    with pytest.raises(InputError, match="configuration"):
        load_bert(tmp_path)
    changes: list[tuple[dict[str, Any], str]] = [
        ({"model_type": "gpt2"}, "model_type 'gpt2'"),
        ({"hidden_act": "mish"}, "hidden_act 'mish'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"hidden_size": None}, "hidden_size"),
        ({"vocab_size": 31}, "shape .* asks for .31, 12."),
    ]
    for change, words in changes:
        write_model(tmp_path, CONFIG | change, tensors)
        with pytest.raises(InputError, match=words):
            load_bert(tmp_path)
    lacking = {k: v for k, v in tensors.items() if k != "encoder.layer.1.output.dense.bias"}
    write_model(tmp_path, CONFIG, lacking)
    with pytest.raises(InputError, match=r"lack .*encoder\.layer\.1\.output\.dense\.bias"):
        load_bert(tmp_path)
    path = write_model(tmp_path, CONFIG, tensors) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="not a whole safetensors"):
        load_bert(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="weights"):
        load_bert(tmp_path)


def shapes_only(config: EncoderConfig, tokens: int) -> Trace:
    return Trace(
        archsim_trace=1,
        name="graph",
        provenance=PROVENANCE,
        inputs=[GraphInput(name="token_ids", shape=[tokens, 1])],
        layers=encoder_layers(config, tokens),
    )


def test_a_block_by_hand() -> None:
    config = EncoderConfig(blocks=1, width=8, heads=2, feed_forward=32, vocabulary=50)
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
    config = replace(MINILM, head=head)
    assert shapes_only(config, tokens).macs() == config.macs(tokens)


def test_impossible_sizes() -> None:
    with pytest.raises(ValueError, match="5 heads"):
        encoder_layers(replace(MINILM, heads=5), 8)
    with pytest.raises(ValueError, match="513 tokens"):
        encoder_layers(MINILM, 513)


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
    assert bare == encoder_layers(MINILM, 128)
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
    config = EncoderConfig(
        blocks=12, width=768, heads=12, feed_forward=3072, vocabulary=30522, head="pooler"
    )
    assert list(trace.layers) == encoder_layers(config, 128)
    assert trace.macs() == config.macs(128)
    assert trace.parameters() == pytest.approx(110e6, rel=0.01)
    assert (trace.precision.weight, trace.precision.input) == (8, 8)
