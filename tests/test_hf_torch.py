"""Folders whose architecture only transformers has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch", reason="these folders are read through torch")
transformers = pytest.importorskip("transformers", reason="and by modules of transformers")

from archsim.cli.trace import command as trace  # noqa: E402
from archsim.errors import InputError  # noqa: E402
from archsim.trace.load import load_trace  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        "qwen3", vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, intermediate_size=24, pad_token_id=0, eos_token_id=1,
        tie_word_embeddings=True,
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "qwen3")
    np.save(tmp_path / "ids.npy", np.arange(2, 14)[None])
    return tmp_path / "qwen3"


def export(folder: Path, *more: str) -> Any:
    ids, out = folder.parent / "ids.npy", folder.parent / "out.json"
    words = ["export", "hf", str(folder), "--tokens", str(ids), "--seq", "12", "-o", str(out)]
    return CliRunner().invoke(trace, [*words, "--quiet", *more])


def test_an_architecture_of_transformers_alone(folder: Path) -> None:
    result = export(folder)
    assert result.exit_code == 0, result.exception
    found = load_trace(folder.parent / "out.json")
    block = 16 * (16 + 8 + 8) + 16 * 16 + 3 * 16 * 24  # q, k, v, o; gate, up, down
    pairs = 12 * 13 // 2  # causal
    assert found.macs() == 12 * (block + 40 * 16) + 2 * 16 * pairs
    assert found.parameters() == 40 * 16 + block  # the head is the table
    assert all(layer.output_stats is not None for layer in found.layers)


def test_quantised_weights_are_refused(folder: Path) -> None:
    path = folder / "config.json"
    keys = json.loads(path.read_text())
    path.write_text(json.dumps(keys | {"quantization_config": {"quant_method": "gptq"}}))
    result = export(folder)
    assert isinstance(result.exception, InputError)
    assert r"quantised (gptq)" in str(result.exception)
    assert not (folder.parent / "out.json").exists()


def test_generation_is_not_read_this_way(folder: Path) -> None:
    assert export(folder, "--decode", "2").exit_code == 2
