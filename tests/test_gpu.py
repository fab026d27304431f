"""The GPU model: single kernels by hand, laws of batch and precision, decoding, adapters."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli_support import ROOT, Shell, shell

from archsim.errors import InputError
from archsim.gpu.adapters import adapter_load, adapter_merge
from archsim.gpu.fusion import group_layers
from archsim.gpu.inference import GPUResult, inference
from archsim.gpu.load import gpu_names, load_gpu, named_like
from archsim.gpu.model import BYTES, GPU
from archsim.gpu.parts import SOFTMAX_OPS
from archsim.gpu.tiles import Attention, Product
from archsim.gpu.training import training_step
from archsim.learning import learning_work
from archsim.trace.load import load_trace
from archsim.trace.model import Trace

__all__ = ["shell"]
BERT = ROOT / "workloads" / "bert_base.yaml"


def round_gpu(latency: str = "0 s", memory_share: float = 0.5, **processors: Any) -> GPU:
    """Round numbers: 100 Top/s (int8 200, fp32 10), 1 TB/s, 20 W idle and 120 W busy.

    One processor, whose tiles cost nothing but their arithmetic, and a cache for nothing.
    """
    return GPU.model_validate(
        {
            "archsim_gpu": 2,
            "name": "round",
            "compute": {
                "fp32": {"peak": "20 Top/s", "efficiency": 0.5},
                "bf16": {"peak": "200 Top/s", "efficiency": 0.5},
                "int8": {"peak": "400 Top/s", "efficiency": 0.5},
            },
            "processors": {"count": 1, "tile": "0 s"} | processors,
            "cache": {"capacity": "1 b", "bandwidth": "100 TB/s", "efficiency": 1},
            "memory": {"capacity": "1 GB", "bandwidth": "2 TB/s", "efficiency": 0.5},
            "link": {"bandwidth": "20 GB/s", "efficiency": 0.5, "latency": "1 us"},
            "launch": {"latency": latency, "host": "5 us"},
            "power": {"idle": "20 W", "busy": "120 W", "memory_share": memory_share},
            "band": {"time": 0.1},
        }
    )


def trace_of(shape: list[int], *layers: dict[str, Any], **fields: Any) -> Trace:
    return Trace.model_validate(
        {
            "archsim_trace": 1,
            "name": "t",
            "provenance": {"model": "a test", "made_by": "a test"},
            "inputs": [{"name": "x", "shape": shape}],
            "layers": list(layers),
            **fields,
        }
    )


def linear(name: str, source: str, rows: int, columns: int) -> dict[str, Any]:
    return {"name": name, "op": "linear", "inputs": [source], "in_features": rows,
            "out_features": columns}  # fmt: skip


def decoder(prompt: int, decode: int, width: int = 1024) -> Trace:
    """One block of 8 heads that share 2 sets of keys, and scores for the next token."""
    total, keys = prompt + decode, width // 4
    return trace_of(
        [total, width],
        linear("q", "x", width, width),
        linear("k", "x", width, keys),
        linear("v", "x", width, keys),
        {"name": "s", "op": "matmul", "inputs": ["q", "k"], "heads": 8, "kv_heads": 2,
         "k": width // 8, "n": total, "transposed": True, "causal": True},
        {"name": "p", "op": "softmax", "inputs": ["s"], "groups": 8},
        {"name": "c", "op": "matmul", "inputs": ["p", "v"], "heads": 8, "kv_heads": 2,
         "k": total, "n": width // 8, "transposed": False, "causal": True},
        linear("o", "c", width, width),
        {"name": "last", "op": "move", "inputs": ["o"], "function": "slice",
         "shape": [decode + 1, width], "start": prompt - 1},
        linear("head", "last", width, 32000),
        generation={"prompt": prompt, "decode": decode, "source": "head", "target": "x"},
    )  # fmt: skip


def test_a_product_bound_by_arithmetic() -> None:
    result = inference(round_gpu(), trace_of([1024, 1024], linear("a", "x", 1024, 1024)))
    (kernel,) = result.kernels
    assert kernel.ops == 2 * 2**30
    assert kernel.bytes == 3 * 2**20 * 2
    assert kernel.seconds == pytest.approx(2 * 2**30 / 100e12)  # 21 us; 6 us of traffic
    assert kernel.bound == "compute"
    assert kernel.joules == pytest.approx(120 * kernel.seconds)  # arithmetic busy throughout


def test_a_matrix_vector_product_bound_by_memory() -> None:
    result = inference(round_gpu(), trace_of([1000], linear("a", "x", 1000, 1000)))
    (kernel,) = result.kernels
    moved = (1_000_000 + 1000 + 1000) * 2
    assert kernel.seconds == pytest.approx(moved / 1e12)
    assert kernel.bound == "memory"
    compute = 2e6 / 100e12 / kernel.seconds
    assert kernel.joules == pytest.approx((20 + 100 * (compute + 0.5)) * kernel.seconds)


def test_a_small_kernel_bound_by_its_launch() -> None:
    result = inference(round_gpu("3 us"), trace_of([10], linear("a", "x", 10, 10)))
    (kernel,) = result.kernels
    assert kernel.bound == "launch"
    assert kernel.seconds == pytest.approx(3e-6, rel=1e-3)
    assert kernel.joules == pytest.approx(20 * 3e-6, rel=1e-2)  # idle meanwhile


def test_tiles_in_waves_over_the_processors() -> None:
    """4 processors of 25 Top/s each and 1 us a tile; a product of 768 x 256 x 512 at bf16."""
    gpu = round_gpu(count=4, tile="1 us")
    # 256 x 128 tiles: 3 x 2 = 6, two waves of 2 x 256 x 128 x 512 / 25e12 = 1.342 us + 1 us: 4.684
    # 256 x 128, the sum in two: 12, three waves of 0.671 + 1 us: 5.013 us, and the partial sums
    # 128 x 128 tiles: 6 x 2 = 12, three waves of 0.671 + 1 us: 5.013 us
    # 128 x 256 tiles: 6 x 1 = 6, as the first
    assert Product(768, 256, 512).seconds(gpu, "bf16") == pytest.approx(2 * 2.34218e-6, rel=1e-5)
    # one more row begins a row of tiles: 4 x 2 = 8 tiles are two waves still, a ninth is a third
    assert Product(769, 256, 512).seconds(gpu, "bf16") == Product(768, 256, 512).seconds(
        gpu, "bf16"
    )
    assert Product(1025, 256, 512).seconds(gpu, "bf16") > Product(1024, 256, 512).seconds(
        gpu, "bf16"
    )


@given(
    rows=st.integers(1, 3000), columns=st.integers(1, 3000), inner=st.integers(1, 5000),
    precision=st.sampled_from(["bf16", "int8"]), count=st.integers(1, 50),
)  # fmt: skip
def test_laws_of_a_product(rows: int, columns: int, inner: int, precision: str, count: int) -> None:
    gpu = round_gpu(count=20, tile="1 us")
    one = Product(rows, columns, inner, count)
    taken = one.seconds(gpu, precision)
    # never above the peak, never faster than a part of it, several launches as arrays alike
    assert taken >= 2 * rows * columns * inner * count / gpu.arithmetic(precision).rate
    assert taken <= Product(rows + 1, columns, inner, count).seconds(gpu, precision)
    assert taken <= Product(rows, columns, inner, count + 1).seconds(gpu, precision)
    several = Product(rows, columns, np.array([inner, 2.0 * inner]), count)
    assert several.seconds(gpu, precision)[0] == pytest.approx(taken)  # type: ignore[index]


def test_a_fused_attention_is_a_block_for_each_head() -> None:
    """12 heads on 4 processors are three waves; above 512 rows each block has 128."""
    gpu = round_gpu(count=4, tile="1 us")
    work = 12e6 / 100e12 + 1.2e6 / 10e12  # all processors together
    short = Attention(12, 384, 12e6, 1.2e6).seconds(gpu, "bf16")
    assert short == pytest.approx(3 * (work * 4 / 12 + 1e-6))
    long = Attention(12, 1024, 12e6, 1.2e6).seconds(gpu, "bf16")  # 96 blocks, 24 waves
    assert long == pytest.approx(24 * (work * 4 / 96 + 1e-6))
    single = Attention(12, 1, 12e6, 1.2e6).seconds(gpu, "bf16")  # by keys over all processors
    assert single == pytest.approx(work + 1e-6)


def test_activations_that_fit_pass_through_the_cache() -> None:
    """Weights of 2 x 64 KiB come from memory at 1 TB/s; vectors of 64 features from the cache."""
    trace = trace_of([8, 64], linear("a", "x", 64, 512))
    near = round_gpu().model_copy(
        update={"cache": round_gpu().cache.model_copy(update={"capacity": 8 * 9216.0})}
    )
    moved = 2 * 8 * (64 + 512)  # 9,216 bytes: exactly the cache
    (cold,) = inference(round_gpu(), trace).kernels
    (warm,) = inference(near, trace).kernels
    assert cold.memory_s == pytest.approx((2 * 64 * 512 + moved) / 1e12)
    assert warm.memory_s == pytest.approx(2 * 64 * 512 / 1e12 + moved / 100e12)
    (more,) = inference(near, trace, 2).kernels  # twice as much does not fit
    assert more.memory_s == pytest.approx((2 * 64 * 512 + 2 * moved) / 1e12)


def test_kernels_launched_one_by_one_wait_for_the_host() -> None:
    trace = trace_of([10], linear("a", "x", 10, 10), linear("b", "a", 10, 10))
    gpu = round_gpu("3 us")
    graph, host = inference(gpu, trace), inference(gpu, trace, launch="host")
    assert graph.seconds == pytest.approx(2 * 3e-6, rel=1e-3)
    assert host.seconds == pytest.approx(2 * 5e-6)  # a launch every 5 us
    assert all(k.bound == "launch" for k in host.kernels)
    large = trace_of([1024, 1024], linear("a", "x", 1024, 1024))
    assert inference(gpu, large, launch="host").seconds == inference(gpu, large).seconds


def test_vector_operations_run_at_the_rate_of_fp32() -> None:
    gelu = {"name": "g", "op": "activation", "inputs": ["x"], "function": "gelu"}
    (kernel,) = inference(round_gpu(), trace_of([1000], gelu)).kernels
    assert kernel.compute_s == pytest.approx(1000 / 10e12)


@given(batch=st.integers(2, 512), precision=st.sampled_from(["fp32", "bf16", "int8"]))
def test_laws_of_batch_and_precision(batch: int, precision: str) -> None:
    trace = trace_of([7, 64], linear("a", "x", 64, 256), linear("b", "a", 256, 64))
    gpu = round_gpu("1 us")
    one, many = (inference(gpu, trace, n, precision) for n in (1, batch))
    assert one.seconds <= many.seconds < batch * one.seconds  # weights are read once a batch
    assert one.joules < many.joules < batch * one.joules
    for few, more in zip(one.kernels, many.kernels, strict=True):
        weights = 64 * 256 * BYTES[precision]
        assert more.ops == batch * few.ops
        assert more.bytes - weights == pytest.approx(batch * (few.bytes - weights))
    half = inference(gpu, trace, batch, "int8").kernels
    whole = inference(gpu, trace, batch, "bf16").kernels
    assert all(2 * a.bytes == b.bytes for a, b in zip(half, whole, strict=True))
    assert many.seconds == pytest.approx(sum(k.seconds for k in many.kernels))
    assert many.joules <= 120 * many.seconds * (1 + 1e-9)
    assert many.joules >= 20 * many.seconds


def test_fusing_keeps_the_work_and_saves_traffic() -> None:
    trace, gpu = load_trace(BERT), load_gpu("a100")
    fused, apart = inference(gpu, trace), inference(gpu, trace, fuse=False)
    assert sum(k.ops for k in fused.kernels) == pytest.approx(sum(k.ops for k in apart.kernels))
    assert sum(k.ops for k in fused.kernels) > 2 * trace.macs()
    assert sum(k.bytes for k in fused.kernels) < sum(k.bytes for k in apart.kernels)
    assert fused.seconds < apart.seconds
    attention = next(k for k in fused.kernels if k.layer == "block0.scores")
    assert attention.layers == ("block0.scores", "block0.softmax", "block0.context")
    # q, k, v in, context out: no 128 x 128 scores for 12 heads
    assert attention.bytes == 4 * 128 * 768 * 2
    done = [layer.name for group in group_layers(trace, True) for layer in group.layers]
    assert sorted(done) == sorted(layer.name for layer in trace.layers)


def test_a_kernel_reads_only_what_was_there_before_it() -> None:
    for path in (BERT, ROOT / "workloads" / "resnet18.yaml", ROOT / "traces" / "ppocr_v4_rec.trace.json"):  # fmt: skip  # noqa: E501
        trace = load_trace(path)
        there = {entry.name for entry in trace.inputs}
        views = {layer.name for layer in trace.layers if layer.op == "move"}
        for group in group_layers(trace, True):
            inside = set(group.names)
            needed = {n for layer in group.layers for n in layer.inputs}
            assert needed - inside <= there | views
            there |= inside


def by_layer(result: GPUResult, phase: str) -> dict[str, float]:
    return {k.layer: k.seconds for k in result.kernels if k.phase == phase}


def test_decoding_reads_every_weight_and_the_cache_for_each_token() -> None:
    prompt, steps, width = 100, 1000, 1024
    gpu, trace = round_gpu(), decoder(prompt, steps, width)
    result = inference(gpu, trace)
    # steps attend to 101 ... 1100 positions; keys and values of each are width / 4 each
    cached = sum(2 * n * width // 4 for n in range(prompt + 1, prompt + steps + 1))
    queries = steps * 2 * width
    attention = next(k for k in result.kernels if k.phase == "decode" and k.layer == "s")
    assert attention.launches == steps
    assert attention.bytes == (cached + queries) * 2
    assert attention.seconds == pytest.approx(attention.bytes / 1e12)
    weights = 2 * width * width + 2 * width * width // 4 + width * 32000
    streamed = steps * weights * 2 / 1e12
    assert result.decode_seconds == pytest.approx(streamed + attention.seconds, rel=0.02)
    assert result.decode_seconds > 0.9 * result.seconds
    assert result.seconds == pytest.approx(result.prefill_seconds + result.decode_seconds)
    # prompt: causal, so that half of its keys are seen; q reads 100 positions
    first = next(k for k in result.kernels if k.phase == "prefill" and k.layer == "s")
    products = 2 * 2 * width * prompt * (prompt + 1) / 2
    assert first.ops == products + SOFTMAX_OPS * 8 * prompt * (prompt + 1) / 2
    head = next(k for k in result.kernels if k.phase == "prefill" and k.layer == "head")
    assert head.ops == 2 * width * 32000  # scores of one position


def test_decoding_adds_up_to_the_trace() -> None:
    trace = decoder(40, 24)
    kernels = [k for k in inference(round_gpu(), trace).kernels if k.layer != "s"]
    layers = {layer.name: layer for layer in trace.layers}
    for names in (("q", "k", "v"), ("o",), ("head",)):  # q, k and v are one product
        done = sum(k.ops for k in kernels if k.layer == names[0])
        macs = (layers[n].macs(trace.input_shapes(layers[n]), trace.shapes[n]) for n in names)
        assert done == pytest.approx(2 * sum(macs))


def test_interleaved_sequences_are_a_batch_of_their_own() -> None:
    single = decoder(8, 4, 64)
    data = single.model_dump(exclude_none=True)
    data["inputs"][0]["shape"] = [3 * 12, 64]
    for layer in data["layers"]:
        if layer["op"] == "matmul":
            layer["sequences"] = 3
        if layer["op"] == "move":
            layer["shape"] = [3 * 5, 64]
            layer["start"] = 3 * 7
    data["generation"]["sequences"] = 3
    three = inference(round_gpu(), Trace.model_validate(data))
    batched = inference(round_gpu(), single, 3)
    for a, b in zip(three.kernels, batched.kernels, strict=True):
        assert (a.layer, a.launches) == (b.layer, b.launches)
        assert a.ops == pytest.approx(b.ops)
        assert a.bytes == pytest.approx(b.bytes)


def test_what_no_token_changes_runs_once() -> None:
    layers = [
        {"name": "pooled", "op": "reduce", "inputs": ["y"], "function": "mean"},
        linear("fixed", "pooled", 8, 8),
        linear("a", "x", 8, 8),
        {"name": "add", "op": "elementwise", "inputs": ["a", "fixed"], "function": "add"},
    ]
    trace = trace_of(
        [6, 8], *layers, inputs=[{"name": "x", "shape": [6, 8]}, {"name": "y", "shape": [9, 8]}],
        generation={"prompt": 2, "decode": 4, "source": "add", "target": "x"},
    )  # fmt: skip
    result = inference(round_gpu(), trace, fuse=False)
    assert list(by_layer(result, "prefill")) == ["pooled", "fixed", "a", "add"]
    assert list(by_layer(result, "decode")) == ["a", "add"]


def test_a_recurrent_layer_reads_its_weights_at_every_position() -> None:
    lstm = {"name": "l", "op": "recurrent", "inputs": ["x"], "cell": "lstm", "in_features": 64,
            "hidden": 64}  # fmt: skip
    (kernel,) = inference(round_gpu("1 us"), trace_of([10, 64], lstm)).kernels
    assert kernel.launches == 10
    assert kernel.bytes == (10 * 4 * 64 * 128 + 2 * 10 * 64) * 2


def test_memory_of_weights_cache_and_activations() -> None:
    trace = decoder(100, 28)
    need = inference(round_gpu(), trace, batch=4).memory
    assert need.weights == trace.parameters() * 2
    assert need.kv_cache == 4 * 128 * 2 * 256 * 2
    assert need.fits
    small = inference(load_gpu("jetson-nano"), decoder(8, 8, 16384), precision="fp16").memory
    assert small.weights > 1e9
    big = inference(round_gpu(), decoder(8, 8, 16384)).memory
    assert not big.fits
    assert big.total == big.weights + big.kv_cache + big.activations > big.capacity == 2**30


def test_adapters() -> None:
    gpu = round_gpu("1 us")
    load = adapter_load(gpu, 10**7)
    assert load.seconds == pytest.approx(1e-6 + 1e7 / 10e9)
    assert 20 * load.seconds < load.joules < 21 * load.seconds  # a hundredth of the bandwidth
    (merge,) = adapter_merge(gpu, [(1000, 2000)], rank=8)
    assert merge.ops == 2 * 8 * 2e6 + 2e6
    assert merge.bytes == (2 * 2e6 + 8 * 3000) * 2
    assert merge.bound == "memory"
    assert len(adapter_merge(gpu, [(4, 4)] * 5, rank=1)) == 5


def test_a_training_step() -> None:
    trace = trace_of([100, 64], linear("a", "x", 64, 64), linear("b", "a", 64, 64))
    work = learning_work(trace, ["a", "b"], optimizer="adam", batch=8)
    kernels = training_step(round_gpu(), work)
    ops = math.fsum(k.ops for k in kernels if k.layer != "update")
    assert ops == 2 * (work.forward_macs + work.backward_macs)
    update = kernels[-1]
    assert update.layer == "update"
    assert update.bytes == work.trainable * 7 * 2
    probe = training_step(round_gpu(), learning_work(trace, ["b"], batch=8))
    assert math.fsum(k.seconds for k in probe) < math.fsum(k.seconds for k in kernels)


def test_shipped_gpus() -> None:
    assert gpu_names() == ["a100", "a100-40gb", "h100", "h200", "jetson-nano", "rtx-a5000"]
    for name in gpu_names():
        gpu = load_gpu(name)
        for path, part in gpu.parts().items():
            for field in set(type(part).model_fields) - {"source", "sources"}:
                source = part.sources.get(field, part.source)
                cited = source.replace(",", ":").split(":")[0]
                assert cited == "assumption" or cited in gpu.references, (name, path, field)
    a100, h200 = load_gpu("a100"), load_gpu("h200")
    assert a100.arithmetic("bf16").peak == 312e12
    assert a100.memory.bandwidth == 2039e9 * 8
    assert h200.memory.rate > load_gpu("h100").memory.rate > a100.memory.rate
    assert named_like("NVIDIA H200") == "h200"
    assert named_like("NVIDIA A100-SXM4-80GB") == "a100"
    assert named_like("NVIDIA RTX A5000") == "rtx-a5000"
    with pytest.raises(InputError, match="--gpu"):
        named_like("NVIDIA GeForce RTX 4090")


def test_bad_requests(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'a100'"):
        load_gpu("a10")
    with pytest.raises(InputError, match="no int8 arithmetic"):
        inference(load_gpu("jetson-nano"), load_trace(BERT), 1, "int8")
    with pytest.raises(InputError, match="batch of 0"):
        inference(round_gpu(), load_trace(BERT), 0)
    text = (ROOT / "arch_configs" / "gpu" / "rtx-a5000.yaml").read_text(encoding="utf-8")
    for old, new, line, fault in (
        ("idle: 25 W", "idle: 250 W", "idle: 25 W", "idle power"),
        ("latency: 3.32 us", "latency: 3.32 W", "latency: 3.32", "power, not a duration"),
        ("memory_share: 0.32", "memory_share: 1.32", "memory_share: 0.32", "memory_share"),
        ("{efficiency: assumption, latency", "{efficency: assumption, latency", "", "efficiency"),
    ):
        path = tmp_path / "gpu.yaml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(InputError, match=fault) as caught:
            load_gpu(path)
        number = next(i for i, found in enumerate(text.splitlines(), 1) if line in found)
        if line:
            assert caught.value.where is not None
            assert f":{number}" in str(caught.value.where)


def test_commands(shell: Shell) -> None:
    status, out, err = shell("gpu", "show", "a100")
    assert (status, err) == (0, "")
    assert "312 Top/s" in out
    assert "2.039 TB/s" in out
    assert "numbers are assumptions, marked '!'" in out
    data = json.loads(shell("gpu", "show", "h200", "--json").out)
    rates = {row["path"]: row["value"] for row in data["values"]}
    assert rates["compute.bf16.peak"] == 989e12
    status, out, err = shell("gpu", "run", "a100", BERT, "--batch", "8", "--json")
    assert (status, err) == (0, "")
    data = json.loads(out)
    expected = inference(load_gpu("a100"), load_trace(BERT), 8)
    assert data["seconds"] == expected.seconds
    assert sum(row["joules"] for row in data["kernels"]) == pytest.approx(data["joules"])
    status, out, _ = shell("gpu", "run", "a100", BERT, "--no-fuse", "--precision", "int8")
    assert status == 0
    assert "batch 1, int8" in " ".join(out.split())
    status, _, err = shell("gpu", "run", "h1000", BERT)
    assert status == 2
    assert "Did you mean 'h100'" in err
