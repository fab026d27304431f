"""trace show and trace diff: the tables, the figures behind them and the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli_support import ROOT, SMALL_WORKLOAD, Shell, shell

from archsim.report.trace_tables import histogram_bars
from archsim.trace.difference import compare, total_variation
from archsim.trace.load import load_trace, save_trace
from archsim.trace.stats import tensor_stats

__all__ = ["shell"]
MINILM = ROOT / "traces" / "minilm_l6.trace.json"


def shown(shell: Shell, *arguments: str | Path) -> dict[str, Any]:
    status, out, err = shell("trace", "show", *arguments, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_show_a_workload(shell: Shell) -> None:
    status, out, err = shell("trace", "show", shell.workload)
    assert (status, err) == (0, "")
    assert "Values" not in out  # it has no statistics
    found = shown(shell, shell.workload)
    # 4 x 4 x 27 x 8 and 4 x 4 x 8 x 4; three outputs: 16 x 8 twice, 16 x 4
    assert found["macs"] == 16 * 27 * 8 + 16 * 8 * 4
    assert found["activations"] == 16 * 8 * 2 + 16 * 4
    assert found["kv_cache_bits"] is None
    assert [layer["name"] for layer in found["layers"]] == ["first", "relu", "second"]


def test_show_a_trace_with_values(shell: Shell) -> None:
    found = shown(shell, MINILM)
    trace = load_trace(MINILM)
    assert found["parameters_with_biases"] == trace.parameters(biases=True)
    by_name = {row["name"]: row for row in found["values"]}
    query = next(layer for layer in trace.layers if layer.name == "block0.query")
    assert query.weight_stats is not None
    assert by_name["block0.query"]["weight_zero_share"] == query.weight_stats.zero_share
    assert by_name["block0.query"]["weight_one_density"] == query.weight_stats.one_density
    status, out, _ = shell("trace", "show", MINILM, "--layers", "7")
    assert status == 0
    assert "The first 7 of 91 layers." in out
    assert "block0.key" not in out
    line = [line for line in out.splitlines() if line.startswith("block0.query")][1]
    assert f"{100 * query.weight_stats.zero_share:.1f} %" in line
    assert histogram_bars(query.weight_stats) in line
    assert len(shown(shell, MINILM, "--layers", "7")["layers"]) == 7


def test_show_a_decoder(shell: Shell) -> None:
    path = shell.folder / "d.yaml"
    command = ("trace", "export", "hf-config", "llama-3.2-1b", "--seq", "6", "--decode", "2")
    assert shell(*command, "-o", path).status == 0
    # 16 blocks, K and V of 8 heads of 64 at 8 bits: 16 KiB per token
    found = shown(shell, path)
    assert found["kv_cache_bits_per_token"] == 16 * 2 * 512 * 8
    assert found["kv_cache_bits"] == 8 * found["kv_cache_bits_per_token"]
    assert found["generation"]["decode"] == 2
    out = shell("trace", "show", path, "--layers", "0").out
    assert "16 KB per token and sequence, 128 KB at the end" in out
    assert "prompt 6, decode 2" in out
    assert "1,235,814,400" in out


def test_histogram_bars() -> None:
    two_bits = tensor_stats(np.array([-1, -1, 0, 0, 0, 0, 1]), 2)  # codes -2 .. 1
    assert histogram_bars(two_bits) == " ▄█▂"
    assert len(histogram_bars(tensor_stats(np.linspace(-1, 1, 999), 8))) == 16
    assert histogram_bars(None) == ""


def test_diff_of_equal_traces(shell: Shell) -> None:
    other = shell.file("other.yaml", SMALL_WORKLOAD.replace("name: small", "name: another"))
    assert shell("trace", "diff", shell.workload, other) == (0, "no difference\n", "")
    status, out, _ = shell("trace", "diff", shell.workload, other, "--json")
    assert (status, json.loads(out)) == (0, {"equal": True, "fields": [], "values": []})


def test_diff_of_layers(shell: Shell) -> None:
    text = SMALL_WORKLOAD.replace("out_channels: 8}", "out_channels: 9}").replace(
        "in_channels: 8, out", "in_channels: 9, out"
    )
    text = text.replace("weight: 16", "weight: 8").replace("[6, 6, 3]", "[7, 6, 3]")
    text += "  - {name: third, op: softmax, inputs: [second]}\n"
    status, out, err = shell("trace", "diff", shell.workload, shell.file("o.yaml", text), "--json")
    assert (status, err) == (1, "")
    found = {(row["layer"], row["field"]): row for row in json.loads(out)["fields"]}
    assert found[("", "input image")]["second"] == [[7, 6, 3], None]
    assert found[("first", "out_channels")]["first"] == 8
    assert found[("first", "output")]["second"] == [5, 4, 9]
    assert found[("first", "macs")]["second"] == 20 * 27 * 9
    assert found[("first", "weight_bits")]["second"] == 8
    assert found[("third", "layer")] == {
        "layer": "third", "field": "layer", "first": None, "second": True,
    }  # fmt: skip
    assert ("first", "kernel") not in found
    status, out, _ = shell("trace", "diff", shell.file("o2.yaml", text), shell.workload)
    assert status == 1
    assert "present" in next(line for line in out.splitlines() if line.startswith("third"))


def test_diff_of_values(shell: Shell) -> None:
    trace = load_trace(shell.workload)

    def with_weights(values: list[int]) -> Path:
        stats = tensor_stats(np.array(values), 2)
        layers = [trace.layers[0].model_copy(update={"weight_stats": stats}), *trace.layers[1:]]
        path = shell.folder / f"{'_'.join(map(str, values))}.json"
        save_trace(trace.model_copy(update={"layers": layers}), path)
        return path

    one, two = with_weights([-1, 0, 0, 1]), with_weights([-1, -1, 0, 1])
    status, out, _ = shell("trace", "diff", one, two, "--json")
    assert status == 1
    assert json.loads(out)["values"] == [
        {
            "layer": "first",
            "tensor": "weight",
            "first_zero_share": 0.5,
            "second_zero_share": 0.25,
            "first_one_density": 0.375,  # codes 11, 00, 00, 01
            "second_one_density": 0.625,  # codes 11, 11, 00, 01
            "distance": 0.25,
        }
    ]
    bare = shell("trace", "diff", one, shell.workload, "--json")
    assert json.loads(bare.out)["values"][0]["second_zero_share"] is None
    assert bare.status == 1
    assert "0.2500" in shell("trace", "diff", one, two).out


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30),
       st.lists(st.integers(-3, 3), min_size=1, max_size=30))  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_total_variation_is_a_distance(left: list[int], right: list[int]) -> None:
    one, two = (tensor_stats(np.array([*values, 3, -3]), 3) for values in (left, right))
    distance = total_variation(one, two)
    assert distance is not None
    assert 0 <= distance <= 1
    assert total_variation(two, one) == pytest.approx(distance)
    assert total_variation(one, one) == 0
    # no code's share differs by more
    top = max(abs(a / one.samples - b / two.samples)
              for a, b in zip(one.histogram, two.histogram, strict=True))  # fmt: skip
    assert distance >= top - 1e-12


def test_widths_that_do_not_correspond() -> None:
    values = np.arange(-3, 4)
    assert total_variation(tensor_stats(values, 3), tensor_stats(values, 8)) is None


def test_a_trace_is_equal_to_itself() -> None:
    trace = load_trace(MINILM)
    assert compare(trace, trace).equal


def test_refused(shell: Shell) -> None:
    assert "no such file" in shell.refused("trace", "diff", shell.workload, "missing.yaml")
    assert "no such file" in shell.refused("trace", "show", "missing.yaml")
    assert "archsim_trace" in shell.refused("trace", "show", shell.arch)
    assert "archsim_trace" in shell.refused("trace", "diff", shell.workload, shell.arch)


def test_an_operator_without_a_cost_is_shown_by_its_own_name(shell: Shell) -> None:
    text = SMALL_WORKLOAD + (
        "  - {name: sort, op: unknown, operator: TopK, inputs: [second], shape: [4, 4, 4]}\n"
    )
    path = shell.file("unknown.yaml", text)
    status, out, _ = shell("trace", "show", path)
    assert status == 0
    assert "unknown (TopK)" in out
    layers = shown(shell, path)["layers"]
    assert [(row["op"], row["operator"]) for row in layers][-1] == ("unknown", "TopK")
    assert layers[0]["operator"] is None
