"""The files of a Hugging Face model, and texts as passages."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hf_models import (
    BERT,
    LLAMA,
    Harmful,
    bert,
    bert_tensors,
    llama_tensors,
    write_model,
    write_tokenizer,
)

from archsim.errors import InputError
from archsim.trace.hf.export import load_model
from archsim.trace.hf.recording import run
from archsim.trace.hf.tokens import Tokenizer, file_passages, read_text, text_passages


def test_shards_half_precision_and_prefixes_read_the_same(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 weights")
    from safetensors.numpy import save_file

    tensors = {n: (t * 8).round() / 8 for n, t in llama_tensors(LLAMA, 2).items()}  # exact in bf16
    plain = run(load_model(write_model(tmp_path, LLAMA, tensors)), np.arange(5))
    (tmp_path / "model.safetensors").unlink()
    names = sorted(tensors)
    shards = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    kinds = {"one.safetensors": ml_dtypes.bfloat16, "two.safetensors": np.float16}
    for file, held in shards.items():
        save_file({n: tensors[n].astype(kinds[file]) for n in held}, tmp_path / file)
    places = {name: file for file, held in shards.items() for name in held}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    again = run(load_model(tmp_path), np.arange(5))
    for name, values in plain.items():
        np.testing.assert_array_equal(values, again[name])
    (tmp_path / "two.safetensors").unlink()
    with pytest.raises(InputError, match=r"shard 'two\.safetensors' is missing"):
        load_model(tmp_path)
    index.write_text(json.dumps({"weight_map": {"x": "../one.safetensors"}}))
    with pytest.raises(InputError, match="index of shards"):
        load_model(tmp_path)


def test_names_with_a_model_prefix_are_read_too(tmp_path: Path) -> None:
    tensors = bert_tensors(BERT, 0)
    plain = run(load_model(write_model(tmp_path, BERT, tensors)), np.arange(5))
    prefixed = {
        f"bert.{n}".replace("LayerNorm.weight", "LayerNorm.gamma"): t for n, t in tensors.items()
    }
    again = run(load_model(write_model(tmp_path, BERT, prefixed)), np.arange(5))
    np.testing.assert_array_equal(plain["pooled"], again["pooled"])


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth", "model.pkl"])
def test_pickles_are_refused_unread(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = bert(tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Harmful()))
    for place in (folder, folder / name):
        with pytest.raises(InputError, match=r"runs whatever code.*save_file"):
            load_model(place)
    assert not (tmp_path / "harm").exists()


def test_broken_models(tmp_path: Path) -> None:
    tensors = bert_tensors(BERT, 0)
    with pytest.raises(InputError, match=r"no config\.json"):
        load_model(tmp_path)
    changes: list[tuple[dict[str, Any], str]] = [
        ({"model_type": "gpt2"}, "'gpt2' has no forward pass"),
        ({"model_type": None}, "None has no forward pass"),
        ({"hidden_act": "mish"}, "mish"),
        ({"hidden_act": "gelu_new"}, "gelu_new"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"hidden_size": None}, "hidden_size"),
        ({"layer_norm_eps": "small"}, "layer_norm_eps"),
        ({"vocab_size": 31}, "shape .* asks for .31, 12."),
    ]
    for change, words in changes:
        write_model(tmp_path, BERT | change, tensors)
        with pytest.raises(InputError, match=words):
            load_model(tmp_path)
    lacking = {k: v for k, v in tensors.items() if k != "encoder.layer.1.output.dense.bias"}
    write_model(tmp_path, BERT, lacking)
    with pytest.raises(InputError, match=r"lack .*encoder\.layer\.1\.output\.dense\.bias"):
        load_model(tmp_path)
    whole = {n: t.astype(np.int8) for n, t in tensors.items()}
    write_model(tmp_path, BERT, whole)
    with pytest.raises(InputError, match="I8, which is not floating point"):
        load_model(tmp_path)
    path = write_model(tmp_path, BERT, tensors) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="not a whole safetensors"):
        load_model(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"neither model\.safetensors"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, "yarn"),
        ({"rope_scaling": {"rope_type": "linear"}}, "factor"),
        ({"rope_scaling": 3}, "rope_scaling"),
        ({"num_key_value_heads": 3}, "do not divide"),
        ({"mlp_bias": True}, "mlp_bias"),
        ({"rms_norm_eps": 0}, "rms_norm_eps"),
    ],
)
def test_decoders_with_parts_that_are_not_known(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    write_model(tmp_path, LLAMA | change, llama_tensors(LLAMA, 0))
    with pytest.raises(InputError, match=words):
        load_model(tmp_path)


# Texts


def test_a_text_is_joined_cut_and_never_padded(tmp_path: Path) -> None:
    folder = write_tokenizer(tmp_path)
    text = tmp_path / "text.txt"
    text.write_text("# a comment\na b\n\nc d e\na\n")
    assert read_text(text) == "a b\nc d e\na"
    found = text_passages(folder, text, 4)
    assert [p.tolist() for p in found] == [[1, 3, 4, 2], [1, 5, 6, 2], [1, 7, 3, 2]]
    bare = text_passages(write_tokenizer(tmp_path, special=False), text, 4)
    assert [p.tolist() for p in bare] == [[3, 4, 5, 6]]  # the rest of 2 is left out
    assert Tokenizer(folder).decode(bare[0]) == "a b c d"


@pytest.mark.parametrize(
    ("content", "length", "words"),
    [
        (b"# only a comment\n\n", 4, "no lines of text"),
        (b"", 4, "no lines of text"),
        (b"a b\n", 9, "4 tokens, a passage 9.*never padded"),
        (b"a b c\n", 2, "leave no room"),
        (b"a \xff b\n", 4, "not UTF-8"),
    ],
)
def test_texts_that_fill_no_passage(
    tmp_path: Path, content: bytes, length: int, words: str
) -> None:
    folder = write_tokenizer(tmp_path)
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(InputError, match=words):
        text_passages(folder, tmp_path / "text.txt", length)


def test_token_files(tmp_path: Path) -> None:
    path = tmp_path / "tokens.npy"
    np.save(path, np.arange(11))
    assert [p.tolist() for p in file_passages(path, 5)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    np.save(path, np.arange(10).reshape(2, 5))
    assert len(file_passages(path, 5)) == 2
    with pytest.raises(InputError, match="passages have 5 tokens, --seq says 4"):
        file_passages(path, 4)
    for array, words in (
        (np.ones(9), "float64"),
        (np.arange(3), "holds 3 tokens"),
        (np.array([Harmful()]), "pickle"),
    ):
        np.save(path, array, allow_pickle=True)
        with pytest.raises(InputError, match=words):
            file_passages(path, 5)
    with pytest.raises(InputError, match="can't be read"):
        file_passages(tmp_path / "none.npy", 5)
