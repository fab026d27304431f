"""The committed traces and workloads made from ONNX files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import onnx
import pytest

from archsim.trace.load import load_trace
from archsim.trace.onnx import import_onnx

ROOT = Path(__file__).resolve().parent.parent


def count_macs(path: Path) -> int:
    """MACs from the declared shapes and sizes in a JSON trace, without archsim's classes."""
    total = 0
    for layer in json.loads(path.read_text(encoding="utf-8"))["layers"]:
        positions = math.prod(layer["shape"][:-1])
        if layer["op"] == "conv2d":
            inner = math.prod(layer["kernel"]) * layer["in_channels"] // layer.get("groups", 1)
            total += positions * layer["out_channels"] * inner
        elif layer["op"] == "linear":
            total += positions * layer["in_features"] * layer["out_features"]
        elif layer["op"] == "matmul":
            total += positions * layer.get("heads", 1) * layer["k"] * layer["n"]
    return total


@pytest.mark.parametrize(
    ("name", "macs", "weights", "layers"),
    [
        ("ppocr_v4_rec", 702_469_440, 2_669_672, 144),
        ("ppocr_v4_cls", 16_315_376, 124_072, 124),
        ("ppocr_v4_det", 57_657_344, 1_164_320, 175),
    ],
)
def test_committed_traces(name: str, macs: int, weights: int, layers: int) -> None:
    path = ROOT / "traces" / f"{name}.trace.json"
    assert path.stat().st_size < 1_000_000
    trace = load_trace(path)
    assert trace.macs() == count_macs(path) == macs
    assert (trace.parameters(), len(trace.layers)) == (weights, layers)
    for layer in trace.layers:
        assert (layer.weight_stats is not None) == (layer.op in ("conv2d", "linear"))
        for stats in (layer.weight_stats, layer.input_stats, layer.output_stats):
            assert stats is None or sum(stats.histogram) == stats.samples
        assert layer.input_stats is not None
        assert layer.output_stats is not None
        if layer.op == "conv2d":
            assert layer.weight_stats.samples == layer.parameters()


def test_committed_int8_encoder() -> None:
    """Six layers of width 384 on 128 tokens; the weights are the file's own codes."""
    path = ROOT / "traces" / "minilm_l6_int8.trace.json"
    assert path.stat().st_size < 1_000_000
    trace = load_trace(path)
    tokens, width = 128, 384
    macs = 6 * (tokens * 12 * width**2 + 2 * tokens**2 * width)
    assert trace.macs() == count_macs(path) == macs
    assert trace.parameters() == 6 * 12 * width**2 + (30522 + 2) * width
    weights = [layer.weight_stats for layer in trace.layers if layer.op == "linear"]
    assert len(weights) == 36
    assert {stats.scheme for stats in weights} == {"per_column_symmetric"}
    assert all(stats.histogram[0] == 0 and stats.histogram[-1] > 0 for stats in weights)


@pytest.mark.parametrize(
    ("name", "gmacs", "millions", "stationary"),
    [("resnet18", 1.814, 11.68, 21), ("resnet50", 4.089, 25.50, 54)],
)
def test_committed_workloads(name: str, gmacs: float, millions: float, stationary: int) -> None:
    trace = load_trace(ROOT / "workloads" / f"{name}.yaml")
    assert trace.macs() / 1e9 == pytest.approx(gmacs, abs=5e-4)
    assert trace.parameters() / 1e6 == pytest.approx(millions, abs=5e-3)
    assert sum(layer.stationary for layer in trace.layers) == stationary
    assert (trace.precision.weight, trace.precision.input) == (16, 16)
    assert trace.inputs[0].shape == [224, 224, 3]


def test_resnet50_workload_is_what_the_importer_gives() -> None:
    source = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"
    found = import_onnx(source)
    layers = [layer.model_copy(update={"biases": 0}) for layer in found.layers]
    assert layers == load_trace(ROOT / "workloads/resnet50.yaml").layers
    assert found.parameters(biases=True) == 25_557_032  # torchvision's resnet50
