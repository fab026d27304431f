"""The forward passes of Hugging Face models against their equations and other implementations."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hf_models import (
    BERT,
    LLAMA,
    bert_by_hand,
    bert_tensors,
    llama_by_hand,
    llama_tensors,
    write_model,
)

from archsim.trace.hf.bert import Head
from archsim.trace.hf.export import load_model
from archsim.trace.hf.forward import activate, rotate
from archsim.trace.hf.recording import run

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("head", ["mean", "pooler"])
def test_bert_against_its_equations(tmp_path: Path, seed: int, head: Head) -> None:
    tensors = bert_tensors(BERT, seed)
    tokens = np.random.default_rng(seed).integers(0, BERT["vocab_size"], 7)
    values = run(load_model(write_model(tmp_path, BERT, tensors), head), tokens)
    expected = bert_by_hand(BERT, tensors, tokens.tolist())
    for name in ("embed.norm", "block0.norm", "block1.norm"):
        np.testing.assert_allclose(values[name], expected[name], atol=2e-5)
    np.testing.assert_allclose(values["pooled"].ravel(), expected[head], atol=2e-5)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("shared", [1, 2, 4])
def test_llama_against_its_equations(tmp_path: Path, kind: str, tied: bool, shared: int) -> None:
    change = {"model_type": kind, "tie_word_embeddings": tied, "num_key_value_heads": shared}
    config = LLAMA | change
    tensors = llama_tensors(config, seed=shared)
    tokens = np.random.default_rng(3).integers(0, config["vocab_size"], 6)
    values = run(load_model(write_model(tmp_path, config, tensors)), tokens)
    expected = llama_by_hand(config, tensors, tokens.tolist())
    for block in ("block0.add", "block1.add"):
        np.testing.assert_allclose(values[block], expected[block], atol=2e-4, rtol=2e-5)
    np.testing.assert_allclose(values["lm_head"][0], expected["scores"][-1], atol=2e-4, rtol=2e-5)


def test_a_causal_model_is_blind_to_what_comes_later(tmp_path: Path) -> None:
    model = load_model(write_model(tmp_path, LLAMA, llama_tensors(LLAMA, 1)))
    short, long = np.array([3, 1, 4]), np.array([3, 1, 4, 1, 5, 9])
    np.testing.assert_allclose(
        run(model, short)["norm"], run(model, long)["norm"][:3], rtol=1e-5, atol=1e-6
    )


def test_rotation_keeps_lengths_and_depends_on_distance_alone() -> None:
    random = np.random.default_rng(0)
    frequencies = 10000.0 ** -(np.arange(0, 8, 2) / 8)
    query, key = random.normal(size=(2, 1, 8)).astype(np.float32)
    q, k = (rotate(np.repeat(x, 9, axis=0), frequencies) for x in (query, key))
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), np.linalg.norm(query), rtol=1e-5)
    products = q @ k.T
    for distance in (-3, 0, 5):
        diagonal = np.diagonal(products, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-4, atol=1e-5)


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


def test_silu_of_very_negative_values_is_zero_without_a_warning(
    recwarn: pytest.WarningsRecorder,
) -> None:
    assert activate(np.array([-1000.0], np.float32), "silu")[0] == 0
    assert not recwarn.list


def test_an_activation_without_a_forward_pass() -> None:
    with pytest.raises(NotImplementedError, match="hardswish"):
        activate(np.zeros(3, np.float32), "hardswish")


CASES: dict[str, dict[str, Any]] = {
    "roberta": {
        "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "vocab_size": 30,
        "intermediate_size": 20, "max_position_embeddings": 20, "type_vocab_size": 1,
        "pad_token_id": 1,
    },
    "distilbert": {
        "dim": 12, "n_layers": 2, "n_heads": 3, "vocab_size": 30, "hidden_dim": 20,
        "max_position_embeddings": 16,
    },
    "llama": LLAMA | {"rope_parameters": LLAMA3 | {"rope_theta": 100.0}},
    "qwen2": LLAMA | {"tie_word_embeddings": False},
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_against_transformers(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch = pytest.importorskip("torch", reason="compares with transformers, which takes torch")
    transformers = pytest.importorskip("transformers", reason="compares with transformers")
    settings = {key: value for key, value in CASES[kind].items() if key != "model_type"}
    config = transformers.AutoConfig.for_model(kind, **settings)
    torch.manual_seed(0)
    decoder = kind in ("llama", "qwen2")
    build = transformers.AutoModelForCausalLM if decoder else transformers.AutoModel
    reference = build.from_config(config).eval()
    for parameter in reference.parameters():  # its own initial weights are small, biases 0
        torch.nn.init.normal_(parameter, std=0.4)
    reference.save_pretrained(tmp_path)
    tokens = np.array([5, 3, 29, 7, 11, 2])
    with torch.no_grad():
        expected = reference(torch.tensor(tokens)[None])
    values = run(load_model(tmp_path), tokens)
    if decoder:
        np.testing.assert_allclose(
            values["lm_head"][0], expected.logits[0, -1].numpy(), atol=5e-4, rtol=5e-5
        )
    else:
        hidden = expected.last_hidden_state[0].numpy()
        np.testing.assert_allclose(values["block1.norm"], hidden, atol=5e-5)


def test_linear_rope_scaling_stretches_positions(tmp_path: Path) -> None:
    scaled = LLAMA | {"rope_scaling": {"type": "linear", "factor": 2.0}}
    tensors = llama_tensors(LLAMA, 0)
    plain = load_model(write_model(tmp_path, LLAMA, tensors)).constants.rotary
    (tmp_path / "config.json").write_text(json.dumps(scaled))
    stretched = load_model(tmp_path).constants.rotary
    assert plain is not None and stretched is not None
    np.testing.assert_allclose(stretched, plain / 2)
