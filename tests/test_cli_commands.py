"""validate, sources, schema, show, trace export, --version and --help on good input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import GraphMaker
from test_cli_support import ROOT, Shell, shell

import archsim
from archsim.trace.load import load_trace

__all__ = ["shell"]
ISAAC = ROOT / "arch_configs" / "isaac.yaml"
RESNET = ROOT / "workloads" / "resnet18.yaml"


def as_json(shell: Shell, *arguments: str | Path) -> dict[str, object]:
    status, out, err = shell(*arguments, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_validate(shell: Shell) -> None:
    trace = ROOT / "traces" / "ppocr_v4_cls.trace.json"
    status, out, err = shell("validate", ISAAC, RESNET, trace)
    assert (status, err) == (0, "")
    arch, workload, ocr = out.splitlines()
    assert arch.startswith(f"{ISAAC}: architecture ISAAC-CE, 168 tiles, 16,128 arrays, peak 41.29")
    assert "65.8" in arch  # W; ISAAC's Table I
    assert workload.endswith("trace resnet18, 48 layers, 1.814 GMACs, 11.68 Mparameters")
    assert "124 layers, 16.32 MMACs, 124.1 kparameters" in ocr
    found = as_json(shell, "validate", ISAAC, RESNET)
    assert found["bad"] == 0
    chip, model = found["files"]
    assert (chip["kind"], chip["tiles"], chip["arrays"]) == ("architecture", 168, 16128)
    assert chip["power_w"] == pytest.approx(65.8, rel=2e-3)
    assert (model["kind"], model["layers"], model["macs"]) == ("trace", 48, 1_814_073_344)


def test_sources(shell: Shell) -> None:
    status, out, err = shell("sources", ISAAC)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    adc = next(line for line in lines if line.startswith("chip.tile.pe.adc.rate"))
    assert "1.28 GSa/s" in adc
    assert "isaac, section V" in adc
    assert "!" not in adc
    capacity = next(line for line in lines if line.startswith("chip.tile.edram.capacity"))
    assert "64 KB" in capacity
    size = next(line for line in lines if line.startswith("chip.tile.pe.array.size"))
    assert "128 x 128" in size
    found = as_json(shell, "sources", ISAAC)
    marked = [row for row in found["values"] if row["assumed"]]
    assert len(marked) == found["assumptions"] > 0
    assert all(row["source"].startswith("assumption") for row in marked)
    assert f"{len(marked)} of {len(found['values'])} numbers are assumptions" in out
    assert sum("  !  " in line for line in lines) == len(marked)
    assert "doi:10.1109/ISCA.2016.12" in out
    rate = next(row for row in found["values"] if row["path"] == "chip.tile.pe.adc.rate")
    assert rate["value"] == 1.28e9
    only = as_json(shell, "sources", ISAAC, "--assumptions")
    assert only["values"] == marked
    assert only["numbers"] == found["numbers"]


def test_schema(shell: Shell) -> None:
    for which, required in (("arch", "chip"), ("trace", "layers")):
        status, out, err = shell("schema", which)
        assert (status, err) == (0, "")
        schema = json.loads(out)
        assert required in schema["required"]
        assert "$defs" in schema
    assert "ADC" in json.loads(shell("schema", "arch").out)["$defs"]


def test_show_architecture(shell: Shell) -> None:
    status, out, err = shell("show", ISAAC)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert next(line for line in lines if line.startswith("    pe ")).split()[2:4] == [
        "12",
        "2,016",
    ]
    assert next(line for line in lines if line.startswith("      adc ")).split()[1] == "adc"
    found = as_json(shell, "show", ISAAC)
    one = {row["unit"]: row for row in found["totals"]}
    # ISAAC, Table I: IMA 24.08 mW, tile 330 mW and 0.372 mm2, chip 65.8 W and 85.4 mm2.
    assert one["PE"]["power_w"] == pytest.approx(24.08e-3, rel=1e-3)
    assert one["tile"]["power_w"] == pytest.approx(0.330, rel=2e-3)
    assert one["tile"]["area_mm2"] == pytest.approx(0.372, rel=2e-3)
    assert one["chip"]["power_w"] == pytest.approx(65.8, rel=2e-3)
    assert one["chip"]["area_mm2"] == pytest.approx(85.4, rel=2e-3)
    assert [one[unit]["arrays"] for unit in ("PE", "tile", "chip")] == [8, 96, 16128]
    assert f"{one['chip']['peak_tops']:.4g} TOPS" in out
    parts = {row["path"]: row for row in found["parts"]}
    assert parts["chip.tile.pe.adc"]["number"] == 16128
    leaves = [row for row in found["parts"] if row["kind"] != "level"]
    assert sum(row["chip_power_w"] for row in leaves) == pytest.approx(one["chip"]["power_w"])


def test_show_trace(shell: Shell) -> None:
    status, out, err = shell("show", RESNET)
    assert (status, err) == (0, "")
    assert "1,814,073,344 (1.814 GMACs)" in out
    first = next(line for line in out.splitlines() if line.startswith("conv1"))
    assert "112 x 112 x 64" in first
    assert "118,013,952" in first
    found = as_json(shell, "show", RESNET)
    assert sum(row["macs"] for row in found["layers"]) == found["macs"] == 1_814_073_344
    assert sum(row["parameters"] for row in found["layers"]) == found["parameters"]


def test_export_onnx(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = GraphMaker(shell.folder)
    x = maker.input("x", ["batch", "tokens", 4])
    model = maker.save(maker.linear(x, 4, 6))
    sample = shell.folder / "batch.npz"
    np.savez(sample, x=maker.random.normal(size=(1, 5, 4)).astype(np.float32))

    out = shell.folder / "given.trace.json"
    arguments = ("trace", "export", "onnx", model, "--inputs", sample, "--name", "tiny", "-o", out)
    status, text, err = shell(*arguments)
    assert (status, err) == (0, "")
    assert text == f"{out}: trace tiny, 1 layers, 120 MACs, 24 parameters\n"
    trace = load_trace(out)
    assert trace.name == "tiny"
    assert trace.layers[0].weight_stats is not None

    workload = shell.folder / "given.yaml"
    assert shell("trace", "export", "onnx", model, "--shape", "x=1,7,4", "-o", workload)[0] == 0
    assert load_trace(workload).macs() == 7 * 4 * 6

    monkeypatch.chdir(shell.folder)
    assert shell("trace", "export", "onnx", model, "--shape", "x=1,7,4").status == 0
    assert load_trace("model.trace.json").layers == load_trace(workload).layers


def test_version_and_help(shell: Shell) -> None:
    assert shell("--version").out.startswith(f"archsim {archsim.__version__}")
    status, out, _ = shell("--help")
    assert status == 0
    for name in ("run", "validate", "sources", "schema", "show", "trace", "bench"):
        assert f"\n  {name} " in out
        assert shell(name, "--help").status == 0
    assert shell("trace", "export", "onnx", "--help").status == 0
