"""Whole models of transformers: traced through PyTorch and read from their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hf_models import BERT, LLAMA

torch = pytest.importorskip("torch", reason="traces of PyTorch modules take torch")
transformers = pytest.importorskip("transformers", reason="traces models of transformers")

from archsim.trace.hf.export import load_model  # noqa: E402
from archsim.trace.hf.recording import record  # noqa: E402
from archsim.trace.model import Provenance, Trace  # noqa: E402
from archsim.trace.operators import Embedding, Linear, MatMul  # noqa: E402
from archsim.trace.pytorch import trace_module  # noqa: E402

TOKENS = np.array([5, 3, 29, 7, 11, 2])
NAMES = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "o_proj": "output",
         "gate_proj": "gate", "up_proj": "up", "down_proj": "down"}  # fmt: skip


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.manual_seed(0)


def build(kind: str, settings: dict[str, Any], auto: str, attention: str = "sdpa") -> Any:
    sizes = {key: value for key, value in settings.items() if key != "model_type"}
    config = transformers.AutoConfig.for_model(kind, **sizes)
    config._attn_implementation = attention
    return getattr(transformers, auto).from_config(config).eval()


def traced(module: Any) -> Trace:
    inputs = {"input_ids": torch.tensor(TOKENS)[None]}
    if module.config.model_type in ("llama", "gpt2"):
        inputs["use_cache"] = False
    return trace_module(module, inputs)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_llama_both_ways(tmp_path: Path, attention: str) -> None:
    """The file's exporter and the recording of transformers' own code see the same products."""
    module = build("llama", LLAMA, "AutoModelForCausalLM", attention)
    module.save_pretrained(tmp_path)
    trace = traced(module)
    read = record(load_model(tmp_path), [TOKENS], "x", Provenance(model="m", made_by="t"))
    own = {layer.name: layer for layer in read.layers}
    assert trace.parameters(biases=True) == read.parameters(biases=True)
    scores = (len(TOKENS) - 1) * LLAMA["vocab_size"] * LLAMA["hidden_size"]  # of all positions
    assert trace.macs() == read.macs() + scores
    compared = 0
    for layer in trace.layers:
        part = NAMES.get(layer.name.rpartition(".")[2])
        if isinstance(layer, Linear) and part:
            number = layer.name.split(".")[2]
            other = own[f"block{number}.{part}"]
            assert layer.weight_stats and other.weight_stats and layer.input_stats
            if part != "query":  # read from the file, it carries the factor of the scores
                assert layer.weight_stats == other.weight_stats
            assert layer.input_stats.maximum == pytest.approx(other.input_stats.maximum, rel=1e-4)
            compared += 1
    assert compared == 14
    rotary = [layer for layer in trace.layers if getattr(layer, "function", "") == "rotary"]
    assert len(rotary) == 4
    products = [layer for layer in trace.layers if isinstance(layer, MatMul)]
    assert all(layer.causal and layer.kv_heads == 2 for layer in products)
    assert trace.layers[-1].tied_to == trace.layers[0].name


def test_bert_counts_the_tables_that_the_inputs_do_not_index() -> None:
    """Positions that the model makes itself are known: what they look up is learnt all the same."""
    module = build("bert", BERT, "AutoModel")
    trace = traced(module)
    assert len([layer for layer in trace.layers if isinstance(layer, Embedding)]) == 1
    learnt = sum(parameter.numel() for parameter in module.parameters())
    assert trace.parameters(biases=True) == learnt


def test_positions_worked_out_from_token_ids_are_looked_up() -> None:
    module = build("roberta", BERT | {"pad_token_id": 1}, "AutoModel")
    trace = traced(module)
    assert [layer.op for layer in trace.layers].count("embedding") == 3
    assert trace.parameters(biases=True) == sum(p.numel() for p in module.parameters())


def test_gpt2_splits_one_projection() -> None:
    settings = {"vocab_size": 30, "n_embd": 12, "n_layer": 1, "n_head": 3, "n_positions": 16,
                "bos_token_id": None, "eos_token_id": None}  # fmt: skip
    trace = traced(build("gpt2", settings, "AutoModelForCausalLM"))
    tokens, width, vocabulary = len(TOKENS), 12, 30
    attended = 2 * width * tokens * (tokens + 1) // 2
    assert trace.macs() == tokens * (12 * width**2 + vocabulary * width) + attended
    assert [layer.op for layer in trace.layers].count("move") == 3
