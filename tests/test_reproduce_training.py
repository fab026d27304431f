"""Measures of a training step: memory, energy and wear worked out by hand, and what adds up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from archsim.errors import InputError
from archsim.reproduce.bench import Bench
from archsim.reproduce.load import load_experiment
from archsim.reproduce.registry import make_measure

ROOT = Path(__file__).resolve().parents[1]
CHIPS = {
    name: {"arch": str(ROOT / "arch_configs" / f"{name}.yaml")}
    for name in ("sas_mram_int8", "sram_int8", "rram_sram_hybrid")
}
BLOCKS = [{"expand": 16, "out": 8, "stride": 2}, {"expand": 16, "out": 8}, {"expand": 16, "out": 8}]
TINY = {"stem": 8, "last": 16, "classes": 4, "blocks": BLOCKS}
MODELS = {
    "one": {"linear": [64, 24]},  # 64 rows of 24 weights of 8 bits: one plane of a macro
    "tiny": {"config": "mobilenet-v2", "image": 16, "sizes": TINY},
    "v2": {"config": "mobilenet-v2", "image": 32, "norms": True},
}
METHODS = {
    "full": {"kind": "full"},
    "rep": {"kind": "rep-net", "biases": False},
    "tl": {"kind": "mobiletl", "blocks": 1},
    "da3": {"kind": "da3", "reduction": 4},
    "pooled": {"kind": "da3", "reduction": 4, "pool": 2},
}


def bench(folder: Path, measures: dict[str, Any], **parts: Any) -> Bench:
    """A bench with these measures, on the models, chips and methods above and in `parts`."""
    document = {
        "archsim_experiment": 1,
        "title": "a step",
        "paper": "none",
        "learnt": "Energies add up.",
        "chips": CHIPS | parts.get("chips", {}),
        "models": MODELS | parts.get("models", {}),
        "methods": METHODS,
        "measures": measures,
        "figures": [{"name": name, "measure": name} for name in measures],
    }
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return Bench(load_experiment(path))


def step(of: str, model: str = "one", method: str = "full", **more: Any) -> dict[str, Any]:
    """A measure of a step simulated on the SAS-MRAM chip."""
    return {"kind": "training", "model": model, "chip": "sas_mram_int8", "method": method,
            "batch": 2, "bits": 8, "of": f"chip_{of}", **more}  # fmt: skip


def values(folder: Path, *wanted: str, **more: Any) -> list[float]:
    made = bench(folder, {name: step(name, **more) for name in wanted})
    return [made.value(name) for name in wanted]


# --- one layer, by hand -------------------------------------------------------------------------


def test_an_update_writes_half_of_the_bits_of_what_trains(tmp_path: Path) -> None:
    """64 x 24 weights of 8 bits, of which new codes change every second; a row at a time."""
    cells, pulses, rows, steps = values(
        tmp_path, "update_cells", "update_pulses", "update_rows", "steps_until_worn"
    )
    assert (cells, pulses, rows) == (64 * 24 * 8 / 2, 64 * 24 * 8 / 2, 64)
    assert steps == 1e14 / 0.5  # a write every second step, on the mean of the cells


def test_an_update_takes_a_pulse_per_row(tmp_path: Path) -> None:
    """With pulses far longer than the transfer of a row, each row adds one of them."""
    chips: dict[str, Any] = {}
    for pulse in (10, 30):
        macro = {"sot_pulse": f"{pulse} us", "stt_pulse": "2 ns"}
        change = {"chip": {"tile": {"pe": {"macro": macro}}}}
        chips[f"slow{pulse}"] = {**CHIPS["sas_mram_int8"], "change": change}
    measures = {name: step("update_seconds", chip=name) for name in chips}
    made = bench(tmp_path, measures, chips=chips)
    assert made.value("slow30") - made.value("slow10") == pytest.approx(64 * 20e-6, rel=1e-6)


def test_pulses_are_what_a_dearer_pulse_adds_to_an_update(tmp_path: Path) -> None:
    change = {"chip": {"tile": {"pe": {"macro": {"sot_energy": "200 fJ"}}}}}
    chips = {"dear": {**CHIPS["sas_mram_int8"], "change": change}}
    measures = {
        "usual": step("update_dynamic"),
        "dear": step("update_dynamic", chip="dear"),
        "cells": step("update_cells"),
        "write": {"kind": "chip", "chip": "sas_mram_int8", "of": "write_j"},
        "dear_write": {"kind": "chip", "chip": "dear", "of": "write_j"},
    }
    made = bench(tmp_path, measures, chips=chips)
    assert made.value("write") == pytest.approx(136e-15)
    assert made.value("dear_write") == pytest.approx(236e-15)
    added = made.value("dear") - made.value("usual")
    assert added == pytest.approx(made.value("cells") * 100e-15, rel=1e-6)


def test_sram_does_not_wear(tmp_path: Path) -> None:
    made = bench(tmp_path, {"worn": step("steps_until_worn", chip="sram_int8")})
    with pytest.raises(InputError, match="no cell that wears"):
        made.value("worn")


def test_macs_of_one_layer(tmp_path: Path) -> None:
    """Nothing trains before the first layer: forward and the weight gradient, 2 samples each."""
    work = {"kind": "training", "model": "one", "trains": "layer", "batch": 2}
    made = bench(tmp_path, {of: {**work, "of": of} for of in ("forward_macs", "backward_macs")})
    assert made.value("forward_macs") == made.value("backward_macs") == 2 * 64 * 24


# --- what adds up -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["full", "rep", "tl", "da3", "pooled"])
@pytest.mark.parametrize("chip", ["sas_mram_int8", "rram_sram_hybrid"])
def test_a_step_is_its_parts(method: str, chip: str, tmp_path: Path) -> None:
    names = (
        "joules", "forward_joules", "backward_joules", "static_joules", "update_joules",
        "update_dynamic", "seconds", "passes_seconds", "update_seconds", "forward_seconds",
    )  # fmt: skip
    found = values(tmp_path, *names, model="tiny", method=method, chip=chip)
    total, *parts, dynamic, seconds, passes, update, forward = found
    assert total == pytest.approx(sum(parts), rel=1e-9)
    assert all(part > 0 for part in parts)
    assert 0 < dynamic < parts[-1]
    assert seconds == pytest.approx(passes + update)
    assert 0 < forward < passes


def test_more_images_cost_passes_and_no_update(tmp_path: Path) -> None:
    measures = {
        f"{of}{batch}": step(of, model="tiny", method="rep", batch=batch)
        for of in ("forward_joules", "backward_joules", "update_joules")
        for batch in (1, 3)
    }
    made = bench(tmp_path, measures)
    for of in ("forward_joules", "backward_joules"):
        assert made.value(f"{of}3") == pytest.approx(3 * made.value(f"{of}1"))
    assert made.value("update_joules3") == made.value("update_joules1")


# --- memory -------------------------------------------------------------------------------------


def chain(folder: Path) -> dict[str, Any]:
    """4 -> 6 -> 5 -> 3 with ReLUs between: 24 + 30 + 15 weights, as in docs/learning.md."""
    layers: list[dict[str, Any]] = []
    source = "x"
    for number, (rows, columns) in enumerate([(4, 6), (6, 5), (5, 3)], 1):
        layers.append(
            {"name": f"fc{number}", "op": "linear", "inputs": [source], "in_features": rows,
             "out_features": columns}
        )  # fmt: skip
        layers.append(
            {"name": f"relu{number}", "op": "activation", "inputs": [f"fc{number}"],
             "function": "relu"}
        )  # fmt: skip
        source = f"relu{number}"
    trace = {
        "archsim_trace": 1,
        "name": "chain",
        "provenance": {"model": "a test", "made_by": "a test"},
        "inputs": [{"name": "x", "shape": [1, 4]}],
        "layers": layers[:-1],
    }
    path = folder / "chain.yaml"
    path.write_text(yaml.safe_dump(trace), encoding="utf-8")
    return {"chain": {"trace": str(path)}}


@pytest.mark.parametrize(
    ("trains", "elements", "trained"),
    [
        ("fc3", 6 + 5, 15),  # fc2 is read and made; nothing is kept before
        ("fc[23]", 6 + 5 + 3, 45),  # at fc3: fc2 has kept 6, 5 are read and 3 made
        ("fc.", 4 + 6 + 5 + 3, 69),  # and fc1 has kept 4
    ],
)
def test_memory_by_hand(trains: str, elements: int, trained: int, tmp_path: Path) -> None:
    """Trained parameters of 4 bytes, frozen ones of 1, and the fullest moment of the forward."""
    measure = {"kind": "training_memory", "model": "chain", "trains": trains, "batch": 2}
    made = bench(tmp_path, {"memory": measure}, models=chain(tmp_path))
    assert made.value("memory") == 4 * trained + (69 - trained) + 2 * 4 * elements


def test_a_grouped_convolution_needs_a_part_of_its_output(tmp_path: Path) -> None:
    """8 x 8 maps: expanding reads 8 channels and makes 16, the depthwise layer reads 16 and makes
    them one after another."""
    wide = {**TINY, "blocks": [{"expand": 16, "out": 8}]}
    measures = {
        "memory": {"kind": "training_memory", "model": "wide", "trains": "classifier"},
        "weights": {"kind": "parameters", "model": "wide"},
    }
    models = {"wide": {"config": "mobilenet-v2", "image": 16, "sizes": wide}}
    made = bench(tmp_path, measures, models=models)
    head = 16 * 4
    frozen = made.value("weights") - head
    assert made.value("memory") == 4 * head + frozen + 4 * 8 * 8 * (8 + 16)


def test_what_a_block_keeps_by_hand(tmp_path: Path) -> None:
    """6 times the channels inside: 1 + 4 x 6 + 1 maps, and 1 + 2 x 6 + 1 with MobileTL."""
    block = {"kind": "training", "model": "v2", "within": r"block14\..*"}
    shifts = r"block14\.(expand|depthwise)"
    measures = {
        "full": {**block, "trains": r"block14\..*", "relu_mask": False},
        "tl": {**block, "trains": rf"{shifts}|block14\.(project|project_norm)", "biases": shifts,
               "masks": True},
    }  # fmt: skip
    made = bench(tmp_path, measures)
    assert made.value("full") == 26 * 160 * 32  # a map of 1 x 1
    assert made.value("tl") == 14 * 160 * 32


def test_memory_of_a_published_table_with_what_it_has_besides() -> None:
    """TinyTL's networks have 1,816,416 parameters of residual modules, by its Figure 3: 10.587824
    MB of parameters where they train and 5.138576 where they are frozen, 4 bytes against 1. With
    one byte each the table's 30.8 MB (31) for the classifier alone come out."""
    modules = (10.587824 - 5.138576) / 3
    ours = Bench(load_experiment("rep-net")).value("last_mb")
    assert ours + modules == pytest.approx(30.8, rel=0.005)


def test_memory_of_resnet50_with_shortcuts_kept_twice() -> None:
    """TinyTL's profiler keeps what two convolutions read for each of them: 64 x 56^2 + 256 x 56^2 +
    512 x 28^2 + 1024 x 14^2 values per image, of 4 bytes."""
    twice = 4 * (64 * 56**2 + 256 * 56**2 + 512 * 28**2 + 1024 * 14**2) / 1e6
    ours = Bench(load_experiment("da3")).value("full_mb")
    assert ours + 8 * twice == pytest.approx(802, rel=0.01)


# --- methods ------------------------------------------------------------------------------------


def test_rep_net_beside_proxylessnas_has_the_weights_of_its_public_code() -> None:
    """(inputs, outputs, kernel) of the six modules; the first has 8 channels inside, one group."""
    modules = [(32, 40, 5), (40, 80, 5), (80, 96, 5), (96, 192, 3), (192, 320, 3)]
    weights = 3 * 8 * 25 + 8 * 32
    weights += sum(c * c // 2 * k * k + c * out for c, out, k in modules)
    made = Bench(load_experiment("rep-net"))
    adapted = made.adapted("rram", "small", "frozen")
    # at 96 x 96 maps are smaller: kernels of 3 from the third module on
    small = weights - sum(c * c // 2 * 16 for c in (40, 80))
    assert adapted.trained == small + 1280 * 102
    at_224 = made.adapted("rram", "proxyless", "frozen")
    assert at_224.trained == weights + 1280 * 102 == 413_048 + 130_560
    reads = {layer.name: layer.inputs for layer in at_224.trace.layers}
    assert reads["rep1.pool"] == ["block2.add"]
    assert at_224.trace.shapes["rep1.conv2"] == at_224.trace.shapes["rep1.resize"] == (28, 28, 40)
    assert at_224.trace.shapes["rep3.conv2"] == (7, 7, 96)  # enlarged: its block keeps 14 x 14


def test_da3_that_averages_first_keeps_a_quarter(tmp_path: Path) -> None:
    """Behind each of three blocks, of 4 x 4 positions and 2 x 2: 8 channels read, one sigmoid."""
    kept = {"kind": "training", "model": "tiny", "chip": "sas_mram_int8"}
    made = bench(tmp_path, {m: {**kept, "method": m} for m in ("da3", "pooled")})
    assert made.value("da3") - made.value("pooled") == 3 * (8 + 1) * (16 - 4) * 32
    trained = [
        made.adapted("sas_mram_int8", "tiny", method).trained for method in ("da3", "pooled")
    ]
    assert trained[0] == trained[1] == 3 * (2 * 8 * 2 + 8) + 16 * 4


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "m", "trains": ".*", "of": "chip_update_joules"}, "needs a method"),
        ({"model": "m", "trains": ".*", "of": "peak_bits", "within": "a"}, "stored_bits alone"),
        ({"model": "m", "of": "stored_bits"}, "either method or trains"),
    ],
)
def test_incomplete_measures_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_measure({"kind": "training", **arguments})


@pytest.mark.parametrize("of", ["write_j", "cells_mm2"])
def test_cells_of_crossbars_are_refused(of: str, tmp_path: Path) -> None:
    made = bench(tmp_path, {"cells": {"kind": "chip", "chip": "rram_sram_hybrid", "of": of}})
    with pytest.raises(InputError, match="has crossbars"):
        made.value("cells")


def test_a_chip_by_hand(tmp_path: Path) -> None:
    """1,024 macros of 4 planes of 64 x 192 cells."""
    chip = {"kind": "chip", "chip": "sas_mram_int8"}
    made = bench(tmp_path, {of: {**chip, "of": of} for of in ("cells_mm2", "static_w")})
    assert made.value("cells_mm2") == pytest.approx(1024 * 4 * 64 * 192 * 0.0931e-6)
    assert made.value("static_w") > 1024 * 1.757e-3  # the logic of the macros alone
