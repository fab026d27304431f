"""Built-in models: counts against the published ones, work against closed forms."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli_support import ROOT, Shell, shell

from archsim.errors import InputError
from archsim.models.build import build_trace
from archsim.models.decoder import DecoderConfig
from archsim.models.encoder import EncoderConfig
from archsim.models.extent import Extent
from archsim.models.gru4rec import Gru4RecConfig
from archsim.models.load import built_in, load_config
from archsim.models.mobilebert import MobileBertConfig
from archsim.models.t5 import T5Config
from archsim.trace.generation import kv_cache, last_needed
from archsim.trace.load import load_trace
from archsim.trace.model import Trace
from archsim.trace.operators import Conv2d, Elementwise, Embedding, Linear, MatMul

__all__ = ["shell"]
PUBLISHED = {
    "bert-base": 109_482_240,
    "bert-large": 335_141_888,
    "distilbert-base": 66_362_880,
    "flan-t5-large": 783_150_080,
    "llama-13b": 13_015_864_320,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-7b": 6_738_415_616,
    "mistral-7b-v0.3": 7_248_023_552,
    "mobilebert": 24_581_888,
    "mobilenet-v2": 3_504_872,
    "mobilenet-v3-large": 5_483_032,
    "mobilenet-v3-small": 2_542_856,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-7b": 7_615_616_512,
    "resnet-18": 11_689_512,
    "resnet-50": 25_557_032,
    "roberta-base": 124_645_632,
    "smollm2-135m": 134_515_008,
    "vgg-16": 138_357_544,
}
COMMITTED = ("gru4rec_1000", "llama_3.2_1b", "mobilebert", "mobilenet_v2")
TINY = DecoderConfig(
    archsim_model=1,
    name="tiny",
    source="made up",
    family="decoder",
    blocks=2,
    width=12,
    heads=4,
    kv_heads=2,
    head_width=5,
    feed_forward=7,
    vocabulary=50,
    positions=100,
    tied=True,
)


def build(name: str, **extent: int | bool) -> Trace:
    return build_trace(load_config(name), Extent(**extent), "a test")  # type: ignore[arg-type]


def tiny(**extent: int | bool) -> Trace:
    return build_trace(TINY, Extent(**extent), "a test")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", built_in())
def test_parameters_are_the_published_ones(name: str) -> None:
    config = load_config(name)
    reads_images = "image" in type(config).model_fields
    trace = build_trace(config, Extent(None if reads_images else 8), "a test")
    if name.startswith("gru4rec"):  # no count is published
        # three gates from 37,483 one-hot items and the state, and a score for every item
        items, hidden = 37_483, int(name.removeprefix("gru4rec-"))
        expected = 3 * hidden * (items + hidden + 1) + items * (hidden + 1)
    else:
        expected = PUBLISHED[name]
        assert config.parameters == expected
    assert trace.parameters(biases=True) == expected


def test_images_are_the_work_of_the_published_shapes() -> None:
    for name in ("resnet-18", "resnet-50"):
        workload = load_trace(ROOT / "workloads" / f"{name.replace('-', '')}.yaml")
        assert build(name).macs() == workload.macs()  # read from ONNX files of others
    assert build("vgg-16").macs() == 15_470_264_320  # 15.47 G in torchvision's table
    assert build("mobilenet-v2").macs() == pytest.approx(300e6, rel=0.01)  # Table 4 of the paper
    assert build("mobilenet-v3-large").macs() == pytest.approx(219e6, rel=0.02)  # Table 3
    assert build("mobilenet-v3-small").macs() == pytest.approx(56e6, rel=0.02)  # Table 3


@pytest.mark.parametrize("name", ["resnet-18", "mobilenet-v3-small", "vgg-16"])
@pytest.mark.parametrize("image", [97, 160])
def test_other_image_sizes_chain(name: str, image: int) -> None:
    whole = build(name, image=image)
    assert whole.shapes[whole.layers[-1].name][-1] == 1000
    assert whole.macs() < build(name).macs()


def test_a_decoder_block_by_hand() -> None:
    trace = tiny(seq=3, decode=2)
    shapes = trace.shapes
    assert shapes["token_ids"] == (5, 1)
    assert shapes["block0.query"] == (5, 4 * 5)
    assert shapes["block0.key_rotary"] == (5, 2 * 5)
    assert shapes["block0.scores"] == (5, 4 * 5)  # 4 heads, 5 positions
    assert shapes["last"] == (3, 12)  # positions 2, 3, 4
    assert shapes["lm_head"] == (3, 50)
    by_name = {layer.name: layer for layer in trace.layers}
    assert by_name["block0.mul"].inputs == ["block0.silu", "block0.up"]
    assert by_name["block1.attention_norm"].inputs == ["block0.add"]
    assert by_name["lm_head"].tied_to == "embed.word"
    scores = by_name["block0.scores"]
    assert isinstance(scores, MatMul)
    assert (scores.heads, scores.kv_heads, scores.causal) == (4, 2, True)
    # q, o: 2 x 12*20; k, v: 2 x 12*10; gate, up, down: 3 x 12*7, each for 5 positions
    linear = 5 * (2 * 240 + 2 * 120 + 3 * 84)
    attention = 2 * 4 * 5 * (1 + 2 + 3 + 4 + 5)  # scores and context, causal
    assert trace.macs() == 2 * (linear + attention) + 3 * 12 * 50
    norms = 2 * 2 * 12 + 12
    weights = 2 * (2 * 240 + 2 * 120 + 3 * 84) + 50 * 12
    assert trace.parameters() == weights
    assert trace.parameters(biases=True) == weights + norms


def test_generation_is_described_and_holds() -> None:
    trace = tiny(seq=3, decode=2, sequences=2)
    generation = trace.generation
    assert generation is not None
    assert generation.model_dump() == {
        "prompt": 3, "decode": 2, "source": "lm_head", "target": "token_ids", "sequences": 2,
    }  # fmt: skip
    # score i of sequence s is number i * 2 + s and depends on token 2 + i of it, in raster order
    assert last_needed(trace, "token_ids", "lm_head").tolist() == [4, 5, 6, 7, 8, 9]
    assert tiny(seq=3).generation is not None
    assert tiny(seq=3, head=False).generation is None


@given(st.integers(1, 6), st.integers(0, 5), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_sequences_multiply_the_work(prompt: int, decode: int, sequences: int) -> None:
    one = tiny(seq=prompt, decode=decode)
    many = tiny(seq=prompt, decode=decode, sequences=sequences)
    assert many.macs() == sequences * one.macs()
    assert many.parameters(biases=True) == one.parameters(biases=True)
    first, all_of_them = kv_cache(one), kv_cache(many)
    assert first is not None and all_of_them is not None
    assert first.per_token == all_of_them.per_token == 2 * 2 * 10 * 8  # K and V of two blocks
    assert all_of_them.total == sequences * first.total
    assert first.total == (prompt + decode) * first.per_token


@given(st.integers(1, 12))
@settings(max_examples=12, deadline=None)
def test_a_step_on_a_cache_is_the_work_of_decoding_one_token(prompt: int) -> None:
    step = tiny(seq=1, past=prompt)
    assert tiny(seq=prompt).macs() + step.macs() == tiny(seq=prompt, decode=1).macs()
    assert kv_cache(step) == kv_cache(tiny(seq=prompt, decode=1))


def test_a_cache_comes_from_outside() -> None:
    trace = tiny(seq=1, past=6, sequences=2)
    inputs = {entry.name: entry.shape for entry in trace.inputs}
    assert inputs["block1.past_key"] == [12, 10]
    assert trace.shapes["block1.keys"] == (14, 10)
    assert last_needed(trace, "block0.past_key", "lm_head").tolist() == [11, 11]


def test_t5_by_hand() -> None:
    config = T5Config(
        archsim_model=1, name="t", source="made up", family="t5", encoder_blocks=2,
        decoder_blocks=3, width=8, heads=2, head_width=3, feed_forward=5, vocabulary=20, buckets=4,
    )  # fmt: skip
    trace = build_trace(config, Extent(seq=6, decode=2, sequences=2), "a test")
    shapes = trace.shapes
    assert shapes["token_ids"] == (12, 1) and shapes["decoder_ids"] == (6, 1)
    assert shapes["encoder0.scores"] == (12, 2 * 6)
    assert shapes["decoder0.cross.scores"] == (6, 2 * 6)
    assert shapes["decoder0.cross.key"] == (12, 6)
    assert shapes["lm_head"] == (6, 20)
    projections, feed_forward = 4 * 8 * 6, 3 * 8 * 5
    encoder = 6 * (projections + feed_forward) + 2 * 6 * 6 * 6
    decoder = 3 * (projections + feed_forward) + 2 * 6 * (1 + 2 + 3)
    cross = 3 * 2 * 48 + 6 * 2 * 48 + 2 * 6 * 3 * 6  # q, o of 3 tokens; k, v of 6; both products
    assert trace.macs() == 2 * (2 * encoder + 3 * (decoder + cross) + 3 * 8 * 20)
    cache = kv_cache(trace)
    assert cache is not None
    assert cache.per_token == 3 * 2 * 6 * 8
    assert cache.total == 2 * (3 * cache.per_token + 6 * cache.per_token)  # and the cross attention
    tables = [layer.biases for layer in trace.layers if layer.name.endswith(".scores_bias")]
    assert tables == [4 * 2, 0, 4 * 2, 0, 0]
    assert np.array_equal(last_needed(trace, "decoder_ids", "lm_head"), np.arange(6))


def test_t5_without_gates() -> None:
    gated = load_config("flan-t5-large")
    plain = gated.model_copy(update={"gated": False, "activation": "relu"})
    one, two = (build_trace(c, Extent(seq=4), "a test") for c in (gated, plain))
    assert one.parameters() - two.parameters() == 48 * 1024 * 2816
    assert "encoder0.gate" not in two.shapes


def test_encoders() -> None:
    distil = build("distilbert-base", seq=16)
    tables = [layer.name for layer in distil.layers if isinstance(layer, Embedding)]
    assert tables == ["embed.word", "embed.position"]
    bert, headless = build("bert-base", seq=16), build("bert-base", seq=16, head=False)
    assert bert.parameters(biases=True) - headless.parameters(biases=True) == 768 * 769
    many = build("bert-base", seq=16, sequences=3)
    assert many.macs() == 3 * bert.macs()
    assert many.shapes["pooled"] == (3, 768)
    config = load_config("bert-base")
    assert isinstance(config, EncoderConfig)
    mean = config.model_copy(update={"head": "mean"})
    assert build_trace(mean, Extent(seq=4), "a test").shapes["pooled"] == (768,)
    with pytest.raises(InputError, match="mix 2 sequences"):
        build_trace(mean, Extent(seq=4, sequences=2), "a test")


def test_mobilebert() -> None:
    trace = build("mobilebert", seq=10, sequences=2)
    trigram = trace.layers[1]
    assert isinstance(trigram, Conv2d)
    assert (trigram.rows, trigram.out_channels) == (3 * 128, 512)  # a linear layer of 3 vectors
    inputs, output = trace.input_shapes(trigram), trace.shapes[trigram.name]
    assert output == (10, 2, 512)
    # token t of sequence s is position 2t + s and needs the tokens before and behind it
    assert trigram.reach(0, inputs, output).last[4] >= 6
    sizes = {
        (layer.in_features, layer.out_features)
        for layer in trace.layers
        if isinstance(layer, Linear)
    }
    assert sizes == {(512, 128), (128, 128), (128, 512)}
    config = load_config("mobilebert")
    assert isinstance(config, MobileBertConfig)
    pooled = config.model_copy(update={"pooler": True})
    more = build_trace(pooled, Extent(seq=4), "a test").parameters(biases=True)
    assert more == 24_581_888 + 512 * 513


def test_gru4rec_with_a_table() -> None:
    config = load_config("gru4rec-100")
    assert isinstance(config, Gru4RecConfig)
    trace = build_trace(config.model_copy(update={"embedding": 32}), Extent(seq=3), "a test")
    assert trace.parameters() == 37_483 * 32 + 3 * 100 * (32 + 100) + 100 * 37_483
    assert trace.shapes["tanh"] == (3, 37_483)


def test_squeeze_and_excitation_broadcasts_one_position() -> None:
    trace = build("mobilenet-v3-small")
    scale = next(layer for layer in trace.layers if layer.name == "block0.scale")
    assert isinstance(scale, Elementwise)
    assert trace.input_shapes(scale) == [(56, 56, 16), (1, 1, 16)]


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_workloads_are_what_their_command_writes(shell: Shell, name: str) -> None:
    path = ROOT / "workloads" / f"{name}.yaml"
    words = shlex.split(load_trace(path).provenance.made_by)
    assert words[0] == "archsim"
    again = shell.folder / path.name
    assert shell(*words[1:], "-o", again).status == 0
    assert again.read_bytes() == path.read_bytes()


def test_export_writes_both_formats(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shell.folder)
    command = ("trace", "export", "hf-config", "llama-3.2-1b", "--seq", "4", "--decode", "2")
    assert shell(*command, "--sequences", "2", "--name", "small").status == 0
    assert shell(*command, "--sequences", "2", "--name", "small", "-o", "t.json").status == 0
    one, two = load_trace("small.yaml"), load_trace("t.json")
    assert one == two
    assert one.provenance.made_by == shlex.join(
        ["archsim", *command, "--sequences", "2", "--name", "small"]
    )
    assert Path("small.yaml").read_text().startswith("# small: ")
