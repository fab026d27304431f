"""Recording of Hugging Face models, and `archsim trace export hf`."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hf_models import (
    BERT,
    LLAMA,
    bert,
    bert_tensors,
    llama,
    llama_tensors,
    write_model,
    write_tokenizer,
)

from archsim.cli.main import main
from archsim.errors import InputError
from archsim.trace.hf.export import export_hf, load_model
from archsim.trace.hf.recording import record, run
from archsim.trace.load import load_trace, save_trace
from archsim.trace.model import Provenance, Trace
from archsim.trace.operators import Embedding, Linear, MatMul, Softmax
from archsim.trace.quantiser import Quantiser

ROOT = Path(__file__).resolve().parent.parent
PROVENANCE = Provenance(model="random", made_by="a test")


# Recording


def test_statistics_pool_the_values_of_all_passages(tmp_path: Path) -> None:
    model = load_model(bert(tmp_path))
    passages = [np.arange(6), np.arange(6) * 3, np.full(6, 7)]
    trace = record(model, passages, "tiny", PROVENANCE)
    runs = [run(model, tokens) for tokens in passages]
    layers = {layer.name: layer for layer in trace.layers}
    for name, layer in layers.items():
        pooled = np.concatenate(
            [values[name].reshape(-1, values[name].shape[-1]) for values in runs]
        )
        assert layer.output_stats == Quantiser().activations(pooled)
        assert layer.output_stats.samples == 3 * math.prod(trace.shapes[name])
        assert layer.shape == list(trace.shapes[name]) == list(runs[0][name].shape)
        if not isinstance(layer, Embedding):
            assert layer.input_stats == layers[layer.inputs[0]].output_stats
    raw = bert_tensors(BERT, 0)["encoder.layer.1.attention.self.key.weight"]
    assert layers["block1.key"].weight_stats == Quantiser().weights(raw.T)
    path = tmp_path / "tiny.trace.json"
    save_trace(trace, path)
    assert load_trace(path) == trace


def test_a_product_recomputed_from_codes_agrees_within_the_quantisation_error(
    tmp_path: Path,
) -> None:
    """8-bit codes: an error of half a step per factor, so of rows * (w/2 dx + x/2 dw) at most."""
    model = load_model(bert(tmp_path, 3))
    tokens = np.array([4, 8, 15, 16, 23])
    trace = record(model, [tokens], "tiny", PROVENANCE)
    layer = next(one for one in trace.layers if one.name == "block0.up")
    assert isinstance(layer, Linear) and layer.weight_stats and layer.input_stats
    values = run(model, tokens)
    own = model.parameters(layer)
    assert own is not None and own.bias is not None
    x, w = values["block0.attention_norm"].astype(np.float64), own.weight.astype(np.float64)
    dx, dw = layer.input_stats.scale, layer.weight_stats.scale
    codes_x, codes_w = np.rint(x / dx), np.rint(w / dw)
    assert np.bincount((codes_w + 128).astype(int).ravel(), minlength=256).tolist() == (
        layer.weight_stats.histogram
    )
    assert np.bincount((codes_x + 128).astype(int).ravel(), minlength=256).tolist() == (
        layer.input_stats.histogram
    )
    found = codes_x @ codes_w.T * dx * dw + own.bias
    bound = layer.in_features * (np.abs(w).max() * dx / 2 + np.abs(x).max() * dw / 2 + dx * dw / 4)
    error = np.abs(found - values["block0.up"]).max()
    assert 0 < error < bound
    assert error < 0.03 * np.abs(values["block0.up"]).max()


def test_the_scale_of_the_scores_leaves_the_query_codes_alone(tmp_path: Path) -> None:
    tensors = bert_tensors(BERT, 5)
    model = load_model(write_model(tmp_path, BERT, tensors))
    (query,) = [one for one in model.graph(4).layers if one.name == "block0.query"]
    own = model.parameters(query)
    assert own is not None
    raw = Quantiser().weights(tensors["encoder.layer.0.attention.self.query.weight"].T)
    folded = Quantiser().weights(own.weight.T)
    assert folded.scale == pytest.approx(raw.scale / 2)  # 12 / 3 = 4 channels per head
    assert folded.histogram == raw.histogram


def test_scores_behind_the_causal_mask_are_not_counted(tmp_path: Path) -> None:
    trace = record(load_model(llama(tmp_path)), [np.arange(6), np.arange(6)], "tiny", PROVENANCE)
    heads, seen = 4, 6 * 7 // 2
    for layer in trace.layers:
        assert layer.output_stats is not None
        if isinstance(layer, Softmax) or (isinstance(layer, MatMul) and layer.transposed):
            assert layer.output_stats.samples == 2 * heads * seen
        else:
            assert layer.output_stats.samples == 2 * math.prod(trace.shapes[layer.name])


def test_with_a_scale_per_token_hidden_scores_are_zeros(tmp_path: Path) -> None:
    quantiser = Quantiser(scheme="per_token_symmetric")
    model = load_model(llama(tmp_path))
    trace = record(model, [np.arange(6)], "tiny", PROVENANCE, quantiser=quantiser)
    shares = next(one.output_stats for one in trace.layers if isinstance(one, Softmax))
    assert shares is not None and shares.scheme == "per_token_symmetric"
    assert shares.samples == 4 * 36 and shares.zero_share >= 15 / 36


def test_decoding_gives_the_values_of_one_pass_and_more_scores(tmp_path: Path) -> None:
    model = load_model(llama(tmp_path))
    whole = record(model, [np.arange(7)], "tiny", PROVENANCE)
    parts = record(model, [np.arange(7)], "tiny", PROVENANCE, decode=3)
    assert parts.generation is not None
    assert (parts.generation.prompt, parts.generation.decode) == (4, 3)
    assert (whole.shapes["lm_head"], parts.shapes["lm_head"]) == ((1, 30), (4, 30))
    for one, other in zip(whole.layers, parts.layers, strict=True):
        if one.name not in ("last", "lm_head"):
            assert one == other
    head = whole.layers[-1]
    assert head.tied_to == "embed.word"
    assert whole.parameters() == sum(
        tensor.size for name, tensor in llama_tensors(LLAMA, 0).items() if "norm" not in name
    )


def test_statistics_of_stored_layers_alone(tmp_path: Path) -> None:
    model = load_model(bert(tmp_path))
    every = record(model, [np.arange(6)], "tiny", PROVENANCE)
    some = record(model, [np.arange(6)], "tiny", PROVENANCE, statistics="stored")
    for full, short in zip(every.layers, some.layers, strict=True):
        stored = isinstance(full, Linear)
        assert short.weight_stats == full.weight_stats and short.output_stats is None
        assert short.input_stats == (full.input_stats if stored else None)


def test_passages_have_one_length_and_the_models_tokens(tmp_path: Path) -> None:
    model = load_model(bert(tmp_path))
    for passages in ([np.arange(4), np.arange(5)], []):
        with pytest.raises(InputError, match="one length"):
            record(model, passages, "tiny", PROVENANCE)
    for tokens in ([0, 30], [-1, 3]):
        with pytest.raises(InputError, match="0 to 29"):
            run(model, np.array(tokens))
    with pytest.raises(InputError, match="at most 16"):
        export_hf(model, [np.zeros(17, np.int64)])
    with pytest.raises(InputError, match="leave no prompt"):
        export_hf(load_model(llama(tmp_path)), [np.arange(4)], decode=4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_name_their_layer(tmp_path: Path, bad: float) -> None:
    tensors = llama_tensors(LLAMA, 0)
    tensors["model.layers.1.mlp.up_proj.weight"][3, 2] = bad
    model = load_model(write_model(tmp_path, LLAMA, tensors))
    with pytest.raises(InputError, match=r"'block1\.up'"):
        record(model, [np.arange(4)], "tiny", PROVENANCE)
    tensors = llama_tensors(LLAMA, 0)
    tensors["model.layers.0.mlp.down_proj.weight"][:] = 1e38  # finite weights, infinite products
    model = load_model(write_model(tmp_path, LLAMA, tensors))
    with np.errstate(all="ignore"), pytest.raises(InputError, match=r"'block0\.down'"):
        record(model, [np.arange(4)], "tiny", PROVENANCE)


# The command


def export(*arguments: str | Path) -> int:
    return main(["trace", "export", "hf", *map(str, arguments)])


def test_the_command_writes_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_tokenizer(bert(tmp_path))
    (tmp_path / "text.txt").write_text("a b c d e\n" * 8)
    out = tmp_path / "out" / "y.trace.json"
    options = ["--seq", "6", "--passages", "3", "--bits", "4,8", "--encoding", "offset"]
    assert export(folder, "--text", tmp_path / "text.txt", *options, "--name", "y", "-o", out) == 0
    assert "35 layers" in capsys.readouterr().out
    trace = load_trace(out)
    assert (trace.name, trace.precision.weight, trace.precision.input) == ("y", 4, 8)
    assert trace.provenance.data == "3 passages of 6 tokens from text.txt"
    stats = next(one for one in trace.layers if isinstance(one, Linear)).weight_stats
    assert stats is not None and (stats.bits, stats.encoding) == (4, "offset")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "either --text"),
        (["--text", "text.txt", "--tokens", "t.npy"], "either --text"),
        (["--text", "none.txt"], "cannot read the text"),
        (["--text", "text.txt"], "a passage 128"),
        (["--text", "text.txt", "--seq", "4", "--decode", "2"], "it generates nothing."),
        (["--text", "text.txt", "--bits", "eight"], "neither a width"),
        (["--text", "text.txt", "--scheme", "per_tokn"], "unknown quantisation scheme"),
        (["--text", "text.txt", "--seq", "6", "-o", "y.txt"], r"ending '\.txt'"),
        (["--tokens", "text.txt", "--seq", "6"], r"is not an \.npy file"),
    ],
)
def test_bad_use_of_the_command(
    tmp_path: Path,
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_tokenizer(bert(tmp_path))
    (tmp_path / "text.txt").write_text("a b c d e\n")
    before = sorted(tmp_path.iterdir())
    assert export(folder, *arguments) == 2
    captured = capsys.readouterr()
    assert re.search(words, " ".join(captured.err.split()))
    assert "Traceback" not in captured.err
    assert sorted(tmp_path.iterdir()) == before


def test_no_tokeniser(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("a b c d e\n")
    assert export(bert(tmp_path), "--text", tmp_path / "text.txt") == 2
    assert "--tokens FILE.npy" in " ".join(capsys.readouterr().err.split())
    np.save(tmp_path / "t.npy", np.arange(8))
    out = tmp_path / "y.trace.json"
    assert export(tmp_path, "--tokens", tmp_path / "t.npy", "--seq", "8", "-o", out) == 0
    assert load_trace(out).shapes["pooled"] == (12,)


# The committed decoder


@pytest.fixture(scope="module")
def smollm2() -> Trace:
    return load_trace(ROOT / "traces" / "smollm2_135m.trace.json")


def test_committed_smollm2_has_its_sizes(smollm2: Trace) -> None:
    width, inner, blocks, vocabulary = 576, 1536, 30, 49152
    shared = 3 * 64
    block = 2 * width**2 + 2 * width * shared + 3 * width * inner
    assert smollm2.parameters() == vocabulary * width + blocks * block
    assert smollm2.parameters(biases=True) == 134_515_008  # the published count
    tokens, head = 96 + 32, 33
    attended = 9 * 64 * 2 * (tokens * (tokens + 1) // 2)
    assert smollm2.macs() == tokens * blocks * block + blocks * attended + head * vocabulary * width
    assert (ROOT / "traces" / "smollm2_135m.trace.json").stat().st_size < 1_000_000


def test_committed_smollm2_has_the_statistics_of_a_trained_model(smollm2: Trace) -> None:
    linears = [layer for layer in smollm2.layers if isinstance(layer, Linear)]
    assert len(linears) == 211
    for layer in linears:
        assert layer.weight_stats is not None and layer.input_stats is not None
        assert layer.weight_stats.samples == layer.in_features * layer.out_features
        assert layer.input_stats.samples % layer.in_features == 0
    # outliers (Dettmers et al., NeurIPS 2022): one scale for a tensor sends most codes to zero
    down = [layer.input_stats for layer in linears if layer.name.endswith(".down")]
    assert max(stats.zero_share for stats in down if stats) > 0.99
    assert 0 < min(stats.zero_share for stats in down if stats) < 0.5
