"""Loading traces: every error names its place and its remedy, and saving loses nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from archsim.errors import InputError
from archsim.trace.load import load_trace, save_trace
from archsim.trace.model import Trace
from archsim.trace.order import find_cycle, topological_order
from archsim.trace.stats import tensor_stats

CONV = {"op": "conv2d", "kernel": [3, 3], "padding": [1, 1, 1, 1]}


def small() -> dict[str, Any]:
    """A residual block: conv -> relu -> conv -> add -> pool."""
    return {
        "archsim_trace": 1,
        "name": "small",
        "provenance": {"model": "made up", "made_by": "a test"},
        "inputs": [{"name": "image", "shape": [8, 8, 4]}],
        "layers": [
            {"name": "a", "inputs": ["image"], **CONV, "in_channels": 4, "out_channels": 6},
            {"name": "b", "op": "activation", "inputs": ["a"], "function": "relu"},
            {"name": "c", "inputs": ["b"], **CONV, "in_channels": 6, "out_channels": 6},
            {"name": "d", "op": "elementwise", "inputs": ["c", "b"], "function": "add"},
            {"name": "e", "op": "pool", "inputs": ["d"], "function": "avg", "kernel": [8, 8]},
        ],
    }


def write(folder: Path, data: dict[str, Any], suffix: str) -> Path:
    """The trace as a file; in YAML every layer is one line, the first on line 7."""
    path = folder / f"small{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps(data))
        return path
    flow: dict[str, Any] = {"default_flow_style": True, "width": 10**6}
    lines = [
        f"{key}: {yaml.safe_dump(data[key], **flow).replace('...', '').strip()}"
        for key in data
        if key != "layers"
    ]
    lines.append("layers:")
    lines += [f"- {yaml.safe_dump(layer, **flow).strip()}" for layer in data["layers"]]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(params=[".yaml", ".json"])
def suffix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def refused(folder: Path, data: dict[str, Any], suffix: str) -> InputError:
    with pytest.raises(InputError) as caught:
        load_trace(write(folder, data, suffix))
    return caught.value


def at_layer(error: InputError, index: int, key: str = "") -> bool:
    """Whether the error stands at this layer: its line in YAML, its key path in both."""
    where = error.where
    assert where is not None and where.file is not None
    if where.file.endswith(".yaml"):
        assert where.line == 6 + index
    return where.key == f"layers[{index}]{key}"


def test_loads(tmp_path: Path, suffix: str) -> None:
    trace = load_trace(write(tmp_path, small(), suffix))
    assert [layer.name for layer in trace.layers] == ["a", "b", "c", "d", "e"]
    assert trace.shapes == {
        "image": (8, 8, 4),
        **dict.fromkeys("abcd", (8, 8, 6)),
        "e": (1, 1, 6),
    }
    assert trace.macs() == 64 * 9 * (4 * 6 + 6 * 6)
    assert trace.parameters() == 9 * (4 * 6 + 6 * 6)


def test_layers_are_sorted_stably(tmp_path: Path, suffix: str) -> None:
    data = small()
    data["layers"].insert(0, data["layers"].pop())  # the pool before what feeds it
    data["layers"].append({"name": "z", "op": "softmax", "inputs": ["image"]})
    trace = load_trace(write(tmp_path, data, suffix))
    assert [layer.name for layer in trace.layers] == ["a", "b", "c", "d", "e", "z"]
    assert trace.shapes["e"] == (1, 1, 6)


def test_errors_keep_the_place_in_the_file_when_layers_are_sorted(
    tmp_path: Path, suffix: str
) -> None:
    data = small()
    data["layers"][0]["in_channels"] = 5
    data["layers"].reverse()
    assert at_layer(refused(tmp_path, data, suffix), 4)


def test_cycle(tmp_path: Path, suffix: str) -> None:
    data = small()
    data["layers"][1]["inputs"] = ["d"]
    data["layers"][3]["inputs"] = ["c", "a"]
    error = refused(tmp_path, data, suffix)
    assert "b -> c -> d -> b" in error.what
    assert at_layer(error, 1, ".inputs")


def test_a_layer_that_feeds_itself(tmp_path: Path, suffix: str) -> None:
    data = small()
    data["layers"][3]["inputs"] = ["c", "d"]
    assert "d -> d" in refused(tmp_path, data, suffix).what


def test_unknown_input_suggests_the_nearest(tmp_path: Path, suffix: str) -> None:
    data = small()
    data["layers"][0]["inputs"] = ["imagf"]
    error = refused(tmp_path, data, suffix)
    assert "'imagf'" in error.what and "Did you mean 'image'?" in str(error.fix)
    assert at_layer(error, 0, ".inputs[0]")


def test_name_used_twice(tmp_path: Path, suffix: str) -> None:
    data = small()
    data["layers"][2]["name"] = "a"
    error = refused(tmp_path, data, suffix)
    assert "'a' is used twice" in error.what and "layers[0].name" in str(error.fix)
    assert at_layer(error, 2, ".name")


def test_a_layer_may_not_take_an_input_s_name(tmp_path: Path, suffix: str) -> None:
    data = small()
    data["layers"][4]["name"] = "image"
    error = refused(tmp_path, data, suffix)
    assert "'image' is used twice" in error.what and "inputs[0].name" in str(error.fix)


@pytest.mark.parametrize("inputs", [["c"], ["c", "b", "a"]])
def test_number_of_inputs(tmp_path: Path, suffix: str, inputs: list[str]) -> None:
    data = small()
    data["layers"][3]["inputs"] = inputs
    error = refused(tmp_path, data, suffix)
    assert f"has {len(inputs)} inputs and takes 2" in error.what
    assert at_layer(error, 3, ".inputs")


def test_shapes_that_do_not_chain(tmp_path: Path, suffix: str) -> None:
    data = small()
    data["layers"][2]["in_channels"] = 7
    error = refused(tmp_path, data, suffix)
    assert "'c' (conv2d)" in error.what and "expects 7 channels, its input has 6" in error.what
    assert "'b' with shape [8, 8, 6]" in str(error.fix)
    assert at_layer(error, 2)


def test_window_larger_than_its_input(tmp_path: Path, suffix: str) -> None:
    data = small()
    data["layers"][4]["kernel"] = [9, 8]
    error = refused(tmp_path, data, suffix)
    assert "window of 9" in error.what and at_layer(error, 4)


def test_declared_shape_must_be_the_inferred_one(tmp_path: Path, suffix: str) -> None:
    data = small()
    data["layers"][0]["shape"] = [8, 8, 6]
    load_trace(write(tmp_path, data, suffix))
    data["layers"][0]["shape"] = [8, 8, 4]
    error = refused(tmp_path, data, suffix)
    assert "declares the shape [8, 8, 4], but produces [8, 8, 6]" in error.what
    assert at_layer(error, 0, ".shape")


def test_newer_version(tmp_path: Path, suffix: str) -> None:
    error = refused(tmp_path, small() | {"archsim_trace": 2, "unknown": 1}, suffix)
    assert "newer archsim" in error.what and error.fix == "Upgrade archsim."
    assert error.where is not None and error.where.key == "archsim_trace"


@pytest.mark.parametrize("version", [0, "one", True])
def test_impossible_version(tmp_path: Path, suffix: str, version: object) -> None:
    error = refused(tmp_path, small() | {"archsim_trace": version}, suffix)
    assert error.where is not None and error.where.key == "archsim_trace"


def test_not_a_trace(tmp_path: Path, suffix: str) -> None:
    data = small()
    del data["archsim_trace"]
    error = refused(tmp_path, data, suffix)
    assert "not a trace" in error.what and "archsim_trace: 1" in str(error.fix)


def test_not_even_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text("[1, 2]")
    with pytest.raises(InputError, match="not a trace"):
        load_trace(path)


def test_truncated_json(tmp_path: Path) -> None:
    path = write(tmp_path, small(), ".json")
    text = json.dumps(small(), indent=1)
    path.write_text(text[: len(text) // 2])
    with pytest.raises(InputError) as caught:
        load_trace(path)
    where = caught.value.where
    assert where is not None and where.file == str(path)
    assert where.line == text[: len(text) // 2].count("\n") + 1


def test_misspelt_operator(tmp_path: Path, suffix: str) -> None:
    data = small()
    data["layers"][0]["op"] = "conv2"
    error = refused(tmp_path, data, suffix)
    assert "conv2d" in str(error) and "layers[0]" in str(error)
    if suffix == ".yaml":
        assert "small.yaml:6" in str(error)


def test_misspelt_field(tmp_path: Path, suffix: str) -> None:
    data = small()
    data["layers"][0]["kernal"] = data["layers"][0].pop("kernel")
    error = refused(tmp_path, data, suffix)
    assert "kernal" in str(error) and "'kernel'" in str(error) and "layers[0]" in str(error)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json"):
        load_trace(tmp_path / "none.json")


@pytest.mark.parametrize("field", ["histogram", "one_density"])
def test_statistics_must_add_up(tmp_path: Path, suffix: str, field: str) -> None:
    data = small()
    stats = tensor_stats(np.linspace(-1, 1, 50)).model_dump()
    stats[field] = [1, *stats[field][1:]] if field == "histogram" else stats[field][:-1]
    data["layers"][2]["input_stats"] = stats
    assert at_layer(refused(tmp_path, data, suffix), 2, f".input_stats.{field}")


def with_statistics() -> Trace:
    data = small()
    values = np.random.default_rng(1).normal(size=500)
    data["precision"] = {"weight": 4, "input": 8}
    data["layers"][0] |= {
        "weight_bits": 4,
        "weight_stats": tensor_stats(values, 4).model_dump(),
        "input_stats": tensor_stats(values / 3, 8).model_dump(),
        "output_stats": tensor_stats(values * 1e-9, 12).model_dump(),
    }
    return Trace.model_validate(data)


def test_save_then_load_is_equal(tmp_path: Path) -> None:
    trace = with_statistics()
    path = tmp_path / "out.trace.json"
    save_trace(trace, path)
    assert load_trace(path) == trace
    assert list(tmp_path.iterdir()) == [path]  # no temporary file stays


def test_saved_form(tmp_path: Path) -> None:
    path = tmp_path / "out.trace.json"
    save_trace(with_statistics(), path)
    rows = path.read_text().splitlines()
    layers = rows[rows.index('"layers": [') + 1 : -2]
    assert [json.loads(row.rstrip(","))["name"] for row in layers] == ["a", "b", "c", "d", "e"]
    assert set(json.loads(layers[1].rstrip(","))) == {"name", "op", "inputs", "function"}
    assert "null" not in path.read_text()


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.trace.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(InputError, match="No space left"):
        save_trace(with_statistics(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_save_makes_folders_and_refuses_what_it_cannot_write(tmp_path: Path) -> None:
    save_trace(with_statistics(), tmp_path / "new" / "out.json")
    assert load_trace(tmp_path / "new" / "out.json") == with_statistics()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        save_trace(with_statistics(), tmp_path / "file" / "out.json")
    with pytest.raises(InputError, match=r"\.trace\.json"):
        save_trace(with_statistics(), tmp_path / "out.yaml")


def test_topological_order_keeps_what_is_sorted() -> None:
    parents = [[], [0], [0], [1, 2], []]
    assert topological_order(parents) == [0, 1, 2, 3, 4]


def test_find_cycle_names_only_the_cycle() -> None:
    parents = [[], [0, 4], [1], [2], [3], [4]]  # 1 -> 2 -> 3 -> 4 -> 1; 5 hangs on it
    order = topological_order(parents)
    assert order == [0]
    assert find_cycle(parents, set(order)) == [1, 2, 3, 4]


def test_the_example_in_the_documentation(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "traces.md").read_text()
    path = tmp_path / "example.yaml"
    path.write_text(page.split("```yaml\n")[1].split("```")[0])
    trace = load_trace(path)
    assert trace.shapes["classifier"] == (1, 1, 10)
    assert trace.macs() == 32 * 32 * 9 * (3 * 16 + 16 * 16) + 160
