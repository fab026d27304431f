"""Configurations of the user's own and of Hugging Face, and what is refused of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_cli_support import ROOT, Shell, line_of, shell

from archsim.errors import InputError
from archsim.models.build import build_trace
from archsim.models.extent import Extent
from archsim.models.load import FOLDER, load_config

__all__ = ["shell"]
LLAMA: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192,
    "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64,
    "vocab_size": 128256, "tie_word_embeddings": True, "max_position_embeddings": 131072,
    "hidden_act": "silu", "attention_bias": False, "mlp_bias": False,
}  # fmt: skip
# The keys that the models' released config.json have, as far as they decide a shape.
RELEASED: dict[str, dict[str, Any]] = {
    "llama-3.2-1b": LLAMA,
    "qwen2.5-1.5b": {
        "model_type": "qwen2", "hidden_size": 1536, "intermediate_size": 8960,
        "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
        "vocab_size": 151936, "tie_word_embeddings": True, "max_position_embeddings": 131072,
        "hidden_act": "silu", "use_sliding_window": False, "sliding_window": 131072,
    },
    "bert-base": {
        "model_type": "bert", "hidden_size": 768, "intermediate_size": 3072,
        "num_hidden_layers": 12, "num_attention_heads": 12, "vocab_size": 30522,
        "max_position_embeddings": 512, "type_vocab_size": 2, "hidden_act": "gelu",
    },
    "roberta-base": {
        "model_type": "roberta", "hidden_size": 768, "intermediate_size": 3072,
        "num_hidden_layers": 12, "num_attention_heads": 12, "vocab_size": 50265,
        "max_position_embeddings": 514, "type_vocab_size": 1, "hidden_act": "gelu",
    },
    "distilbert-base": {
        "model_type": "distilbert", "dim": 768, "hidden_dim": 3072, "n_layers": 6, "n_heads": 12,
        "vocab_size": 30522, "max_position_embeddings": 512, "activation": "gelu",
    },
    "mobilebert": {
        "model_type": "mobilebert", "hidden_size": 512, "intermediate_size": 512,
        "num_hidden_layers": 24, "num_attention_heads": 4, "vocab_size": 30522,
        "max_position_embeddings": 512, "type_vocab_size": 2, "hidden_act": "relu",
        "embedding_size": 128, "intra_bottleneck_size": 128, "num_feedforward_networks": 4,
        "trigram_input": True, "use_bottleneck": True, "use_bottleneck_attention": False,
        "key_query_shared_bottleneck": True, "normalization_type": "no_norm",
        "classifier_activation": False,
    },
    "flan-t5-large": {
        "model_type": "t5", "d_model": 1024, "d_ff": 2816, "d_kv": 64, "num_layers": 24,
        "num_decoder_layers": 24, "num_heads": 16, "vocab_size": 32128,
        "relative_attention_num_buckets": 32, "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
    },
}  # fmt: skip
OWN = """\
archsim_model: 1
name: mine
source: made up
family: decoder
blocks: 1
width: 8
heads: 2
kv_heads: 2
feed_forward: 16
vocabulary: 30
positions: 64
"""


def config_json(folder: Path, **changes: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(LLAMA | changes))
    return path


@pytest.mark.parametrize("name", RELEASED)
def test_a_config_json_gives_the_built_in_model(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(RELEASED[name]))
    found, own = load_config(tmp_path), load_config(name)
    one, two = (build_trace(c, Extent(seq=8), "a test") for c in (found, own))
    assert one.layers == two.layers
    assert one.inputs == two.inputs
    assert one.generation == two.generation


def test_biases_follow_the_config_json(tmp_path: Path) -> None:
    plain = build_trace(load_config(config_json(tmp_path)), Extent(seq=2), "a test")
    path = config_json(tmp_path, attention_bias=True)
    biased = build_trace(load_config(path), Extent(seq=2), "a test")
    more = biased.parameters(biases=True) - plain.parameters(biases=True)
    assert more == 16 * (2048 + 2 * 512 + 2048)  # q, k, v and o
    assert biased.parameters() == plain.parameters()


def test_a_configuration_of_ones_own(shell: Shell) -> None:
    path = shell.file("mine.yaml", OWN)
    trace = build_trace(load_config(path), Extent(seq=4), "a test")
    assert trace.name == "mine"
    assert trace.parameters() == 4 * 64 + 3 * 8 * 16 + 2 * 30 * 8  # the head is not tied
    out = shell.folder / "out.yaml"
    assert shell("trace", "export", "hf-config", path, "--seq", "4", "-o", out).status == 0


def test_every_built_in_configuration_has_its_own_name() -> None:
    for path in FOLDER.glob("*.yaml"):
        assert load_config(path).name == path.stem


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"model_type": "mixtral"}, "model_type", "Known: bert, distilbert, llama,"),
        ({"model_type": "xlm-roberta"}, "model_type", "sizes of 'roberta'"),
        (
            {"quantization_config": {"quant_method": "gptq", "bits": 4}},
            "quantization_config",
            "quantised by gptq (4 bits)",
        ),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
            "quantization_config",
            "bitsandbytes (4 bits)",
        ),
        ({"quantization_config": {"quant_method": "fp8"}}, "quantization_config", "fp8 (8 bits)"),
        ({"model_type": ["llama"]}, "model_type", "is not known"),
        ({"hidden_size": "2048"}, "hidden_size", "whole number"),
        ({"num_hidden_layers": 0}, "num_hidden_layers", "from 1 to 10,000"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers", "from 1 to 10,000"),
        ({"vocab_size": 10**30}, "vocab_size", "from 1 to 1,000,000,000"),
        ({"hidden_act": "tanh"}, "hidden_act", "Supported: 'silu'"),
        ({"mlp_bias": True}, "mlp_bias", "not supported"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings", "true or false"),
    ],
)
def test_config_json_refused(tmp_path: Path, changes: Any, key: str, words: str) -> None:
    path = config_json(tmp_path, **changes)
    with pytest.raises(InputError) as fault:
        load_config(path)
    assert words in str(fault.value)
    assert f"{path} ({key})" in str(fault.value)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("family: decoder", "family: decodr", "Did you mean 'decoder'?"),
        ("family: decoder\n", "", "the family is missing"),
        ("blocks: 1", "blocks: 0", "blocks"),
        ("heads: 2\nkv", "headz: 2\nkv", "headz"),
        ("archsim_model: 1", "archsim_model: 2", "newer archsim"),
        ("archsim_model: 1", "archsim_trace: 1", "no key 'archsim_model'"),
        ("source: made up\n", "", "source"),
    ],
)
def test_own_configuration_refused(shell: Shell, before: str, after: str, words: str) -> None:
    assert before in OWN
    text = OWN.replace(before, after)
    path = shell.file("mine.yaml", text)
    err = shell.refused("trace", "export", "hf-config", path, "--seq", "4")
    assert words in err
    if after.startswith("family: d"):
        assert f"{path}:{line_of(text, 'family')}" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lama-3.2-1b", "--seq", "4"], "Did you mean 'llama-3.2-1b'? Built in: bert-base,"),
        (["something else", "--seq", "4"], "Valid here: bert-base,"),
        (["missing.yaml", "--seq", "4"], "no such file"),
        (["llama-3.2-1b"], "Give the number of positions with --seq"),
        (["resnet-18", "--seq", "4"], "--seq does not apply to resnet-18"),
        (["bert-base", "--seq", "4", "--decode", "2"], "--decode does not apply to bert-base"),
        (["bert-base", "--seq", "513"], "at most 512"),
        (["roberta-base", "--seq", "513"], "at most 512"),
        (["llama-7b", "--seq", "2000", "--decode", "49"], "2049 positions"),
        (["llama-7b", "--seq", "4", "--decode", "2", "--no-head"], "cannot decode"),
        (["flan-t5-large", "--seq", "4", "--decode", "2", "--no-head"], "cannot decode"),
        (["vgg-16", "--image", "31"], "larger image"),
        (["gru4rec-100", "--seq", "4", "--sequences", "2"], "--sequences does not apply"),
        (["resnet-18", "-o", "x.txt"], "the ending '.txt' is not known"),
    ],
)
def test_extents_that_do_not_fit(shell: Shell, arguments: list[str], words: str) -> None:
    assert words in shell.refused("trace", "export", "hf-config", *arguments)


def test_heads_must_divide_the_width(tmp_path: Path) -> None:
    for name, fields in (("llama-7b", {"heads": 33}), ("bert-base", {"heads": 7})):
        config = load_config(name).model_copy(update=fields)
        with pytest.raises(InputError, match="do not divide a width"):
            build_trace(config, Extent(seq=4), "a test")


def test_the_documentation_lists_every_model() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for path in FOLDER.glob("*.yaml"):
        assert f"`{path.stem}`" in text


def test_key_value_heads_that_do_not_divide_the_heads(tmp_path: Path) -> None:
    config = load_config(config_json(tmp_path, num_key_value_heads=3))
    with pytest.raises(InputError, match="3 key-value heads do not divide"):
        build_trace(config, Extent(seq=4), "a test")
