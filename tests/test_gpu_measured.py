"""The GPU model beside times that others measured, in a fit of which they had no part.

NVIDIA's table of BERT: eight of its 80 times, left out by scripts/fit_gpu.py. TensorRT-LLM's tables
of LLaMA-7B on an A100 and an H100: no constant was fitted to any of them.
"""

from __future__ import annotations

import csv

import pytest
from test_cli_support import ROOT

from archsim.gpu.inference import inference
from archsim.gpu.load import load_gpu
from archsim.models.build import build_trace
from archsim.models.extent import Extent
from archsim.models.load import load_config
from archsim.trace.model import Trace

TABLE = ROOT / "arch_configs" / "gpu" / "bert_a100_40gb.csv"


def bert(model: str, tokens: int) -> Trace:
    return build_trace(load_config(model), Extent(seq=tokens, head=False), "a test")


def llama(prompt: int, decode: int) -> Trace:
    """LLaMA-7B; NVIDIA ran more positions than the model was trained for."""
    config = load_config("llama-7b").model_copy(update={"positions": 4096})
    return build_trace(config, Extent(seq=prompt, decode=decode), "a test")


def measured() -> dict[tuple[str, int, int, str], float]:
    """Seconds by model, tokens, batch and precision."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(line for line in file if not line.startswith("#"))
        return {
            (e["model"], int(e["tokens"]), int(e["batch"]), e["precision"]): float(e["ms"]) / 1e3
            for e in lines
        }


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("batch", [1, 8, 32, 128])
def test_bert_base_left_out_of_the_fit(precision: str, batch: int) -> None:
    found = inference(load_gpu("a100-40gb"), bert("bert-base", 128), batch, precision).seconds
    assert found == pytest.approx(measured()["bert-base", 128, batch, precision], rel=0.15)


def test_all_of_bert() -> None:
    gpu, rows = load_gpu("a100-40gb"), measured()
    assert len(rows) == 80
    errors = sorted(
        abs(inference(gpu, bert(model, tokens), batch, precision).seconds / seconds - 1)
        for (model, tokens, batch, precision), seconds in rows.items()
        if batch in (1, 4, 16, 128)
    )
    assert errors[len(errors) // 2] < 0.05
    assert errors[-1] < 0.2


@pytest.mark.parametrize(
    "gpu, precision, batch, prompt, decode, tokens_per_s",
    [  # TensorRT-LLM docs/source/performance.md at 138f96d, single GPUs
        ("a100", "fp16", 384, 128, 128, 5586),
        ("a100", "fp16", 60, 128, 2048, 1928),
        ("a100", "fp16", 52, 2048, 128, 591),
        ("h100", "fp8", 768, 128, 128, 19694),
        ("h100", "fp8", 112, 128, 2048, 6818),
        ("h100", "fp8", 80, 2048, 128, 2244),
        ("h100", "fp8", 48, 2048, 2048, 2740),
    ],
)
def test_llama_7b_throughput(
    gpu: str, precision: str, batch: int, prompt: int, decode: int, tokens_per_s: float
) -> None:
    found = inference(load_gpu(gpu), llama(prompt, decode), batch, precision)
    assert batch * decode / found.seconds == pytest.approx(tokens_per_s, rel=0.25)


@pytest.mark.parametrize(
    "gpu, precision, milliseconds", [("a100", "fp16", 133), ("h100", "fp8", 36)]
)
def test_llama_7b_first_token_of_2048(gpu: str, precision: str, milliseconds: float) -> None:
    found = inference(load_gpu(gpu), llama(2048, 1), 1, precision)
    assert 1e3 * found.prefill_seconds == pytest.approx(milliseconds, rel=0.25)
