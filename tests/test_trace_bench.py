"""The benchmark of trace exports measures what is there and says what is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import GraphMaker

from archsim.bench import trace_bench as bench
from archsim.errors import InputError
from archsim.report.trace_bench_tables import trace_bench_tables
from archsim.tables.table import to_csv


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that can be run, one with an open size, a file that is no model."""
    monkeypatch.setattr(bench, "PACKAGES", {})
    maker = GraphMaker(tmp_path)
    x = maker.input("x", ["batch", 8])
    maker.save(maker.node("MatMul", x, maker.weight(8, 4))).rename(tmp_path / "good.onnx")
    maker = GraphMaker(tmp_path)
    maker.save(maker.node("Relu", maker.input("x", [1, "n"]))).rename(tmp_path / "open.onnx")
    (tmp_path / "bad.onnx").write_text("no model")
    return tmp_path


def test_what_is_measured_and_what_is_skipped(folder: Path) -> None:
    said: list[str] = []
    found = bench.trace_bench(folder, said.append)
    assert [(e.name, e.command) for e in found.exports] == [
        ("LLaMA-3.2-1B, shapes", "hf-config"), ("good", "onnx"),
    ]  # fmt: skip
    assert all(e.wall_s > 0 and e.peak_mb > 0 and e.trace_kb > 0 for e in found.exports)
    assert [e.goal_s for e in found.exports] == [bench.GOAL_SHAPES_S, bench.GOAL_EXPORT_S]
    why = {one.name: one.why for one in found.skipped}
    assert set(why) == {*bench.WANTED.values(), "open", "bad"}
    assert "open size" in why["open"]
    assert "not a readable ONNX file" in why["bad"]
    assert said == ["LLaMA-3.2-1B, shapes", "bad", "good", "open"]
    first, second = trace_bench_tables(found)
    assert "good" in to_csv(first)
    assert "open" in to_csv(second)
    json.dumps(found.model_dump(), allow_nan=False)


def test_random_inputs_have_the_types_and_shapes_of_the_model(tmp_path: Path) -> None:
    maker = GraphMaker(tmp_path)
    x = maker.input("image", ["n", 3, "h", "w"])
    path = maker.save(maker.node("Relu", x)).rename(tmp_path / "PP-OCRv4_rec.onnx")
    out = bench._random_inputs(path, tmp_path / "in.npz")
    assert out is not None
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["image"].shape == (1, 3, 48, 320)
        assert arrays["image"].dtype == np.float32


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        bench.trace_bench(tmp_path / "nowhere")
