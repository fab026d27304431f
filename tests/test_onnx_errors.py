"""Bad ONNX files and bad inputs: exit status 2, one clear paragraph, nothing half-written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import helper
from onnx_graphs import GraphMaker, sample, shapes, summary

from archsim.cli.trace_export_onnx import command
from archsim.errors import InputError
from archsim.trace.load import load_trace
from archsim.trace.onnx import import_onnx, reading, values


@pytest.fixture
def maker(tmp_path: Path) -> GraphMaker:
    return GraphMaker(tmp_path)


@pytest.fixture
def model(maker: GraphMaker) -> Path:
    x = maker.input("image", [1, 3, 4, 4])
    return maker.save(maker.node("Relu", maker.node("Conv", x, maker.weight(8, 3, 3, 3))))


def export(model: Path, *options: str) -> Any:
    """Run the command; a file that it writes is `out.json` beside the model."""
    out = model.parent / "out.json"
    return CliRunner().invoke(command, [str(model), "-o", str(out), *options])


def refused(model: Path, text: str, *options: str) -> None:
    before = sorted(model.parent.iterdir())
    result = export(model, *options)
    assert isinstance(result.exception, InputError), result.output
    assert text in str(result.exception)
    assert sorted(model.parent.iterdir()) == before


def batch(folder: Path, **arrays: Any) -> str:
    path = folder / "batch.npz"
    np.savez(path, **arrays)
    return str(path)


def test_good_input(model: Path) -> None:
    values = np.random.default_rng(1).normal(size=(1, 3, 4, 4)).astype(np.float32)
    result = export(model, "--inputs", batch(model.parent, image=values), "--bits", "4,6")
    assert result.exit_code == 0, result.exception
    assert "2 layers" in result.output
    assert '"bits":4' in (model.parent / "out.json").read_text()


def test_wrong_inputs(model: Path) -> None:
    fine = np.zeros((1, 3, 4, 4), np.float32)
    folder = model.parent
    refused(model, "no input 'imgae'", "--inputs", batch(folder, imgae=fine))
    refused(model, "which [1, 3, 5, 4] doesn't fit", "--inputs",
            batch(folder, image=np.zeros((1, 3, 5, 4), np.float32)))  # fmt: skip
    refused(model, "which [3, 4, 4] doesn't fit", "--inputs", batch(folder, image=fine[0]))
    refused(model, "is complex64, the model takes float32", "--inputs",
            batch(folder, image=fine.astype(np.complex64)))  # fmt: skip
    bad = fine.copy()
    bad[0, 1, 2, 3] = np.nan
    refused(model, "input 'image' has NaN or infinite", "--inputs", batch(folder, image=bad))
    refused(model, "input 'image' has no value", "--inputs", batch(folder))


def test_npz_files(model: Path) -> None:
    folder = model.parent
    pickled = batch(folder, image=np.array([{"a": 1}], dtype=object))
    refused(model, "is a pickle, which can run code", "--inputs", pickled)
    (folder / "text.npz").write_text("not a zip")
    refused(model, "is not an .npz file", "--inputs", str(folder / "text.npz"))
    np.save(folder / "one.npy", np.zeros(3))
    refused(model, "one array without a name", "--inputs", str(folder / "one.npy"))
    refused(model, "can't be read", "--inputs", str(folder / "absent.npz"))


def test_infinite_activation_is_named(maker: GraphMaker) -> None:
    x = maker.input("image", [1, 4])
    path = maker.save(maker.node("Relu", maker.node("Exp", x)))
    values = batch(maker.folder, image=np.full((1, 4), 1000, np.float32))
    refused(path, "tensor 'Exp_0.0' has 4 NaN or infinite values", "--inputs", values)


def test_missing_external_data_is_named(model: Path) -> None:
    loaded = onnx.load(model)
    onnx.save(loaded, model, save_as_external_data=True, location="w.bin", size_threshold=0)
    (model.parent / "w.bin").unlink()
    values = batch(model.parent, image=np.zeros((1, 3, 4, 4), np.float32))
    refused(model, "external data 'w.bin' is not beside it", "--inputs", values)
    assert export(model).exit_code == 0  # its shapes are still a trace


def test_external_data_elsewhere_is_not_read(model: Path) -> None:
    loaded = onnx.load(model)
    onnx.save(loaded, model, save_as_external_data=True, location="w.bin", size_threshold=0)
    stub = onnx.load(model, load_external_data=False)
    secret = model.parent.parent / f"{model.parent.name}.bin"
    secret.write_bytes((model.parent / "w.bin").read_bytes())
    for tensor in stub.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = f"../{secret.name}"
    onnx.save(stub, model)
    trace = import_onnx(model)
    assert trace.parameters() == 8 * 27
    values = batch(model.parent, image=np.zeros((1, 3, 4, 4), np.float32))
    refused(model, "has no weights", "--inputs", values)


def test_a_model_larger_than_memory(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "memory", lambda: 1000)
    refused(model, "is too large: reading it takes")


def test_corrupt_file(model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-100])
    refused(model, "truncated, corrupt or of another format")


def test_unknown_operators(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4])
    path = maker.save(maker.node("Hardmax", maker.node("Relu", x)))
    refused(path, "Hardmax (1, first 'Hardmax_1')")
    result = export(path, "--allow-unknown")
    assert result.exit_code == 0
    assert "without a cost of their own: Hardmax (1)" in result.output


def test_a_model_that_is_run_in_groups(maker: GraphMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    x = maker.input("x", [1, 4, 6, 6])
    path = maker.save(
        maker.encoder_block(maker.input("y", [1, 5, 12]), 5, 3, 4),
        maker.node("Relu", maker.node("Conv", x, maker.weight(4, 4, 3, 3))),
    )
    feeds = {
        "x": np.random.default_rng(1).normal(size=(1, 4, 6, 6)).astype(np.float32),
        "y": np.random.default_rng(2).normal(size=(1, 5, 12)).astype(np.float32),
    }
    whole = import_onnx(path, inputs=feeds)
    runs = []
    run = values.run

    def counted(*arguments: Any) -> Any:
        runs.append(arguments[1])
        return run(*arguments)

    monkeypatch.setattr(values, "run", counted)
    monkeypatch.setattr(values, "GROUP_BYTES", 600)
    assert import_onnx(path, inputs=feeds) == whole
    assert len(runs) > 5
    monkeypatch.setattr(values, "LARGEST", 100)  # weights as inputs
    assert import_onnx(path, inputs=feeds) == whole


def test_every_unknown_operator_is_named_at_once(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4, 5, 5])
    y = maker.node("Hardmax", maker.node("Hardmax", x))
    y = maker.node("NonZero", maker.node("Relu", y))
    with pytest.raises(InputError) as caught:
        import_onnx(maker.save(y))
    text = str(caught.value)
    assert "Hardmax (2, first 'Hardmax_0')" in text
    assert "NonZero (1, first 'NonZero_3')" in text
    assert "Relu" not in text
    assert "model.onnx" in text
    assert "--allow-unknown" in text


def test_operators_that_do_not_fit_are_listed_with_those_without_a_rule(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4, 5, 5])
    y = maker.node("Conv", x, maker.node("Relu", maker.input("w", [1, 4, 1, 1])))
    y = maker.node("Relu", maker.node("Hardmax", y))
    path = maker.save(y)
    with pytest.raises(InputError, match=r"Hardmax \(1.*'Conv_1' \(Conv\) has a weight") as caught:
        import_onnx(path)
    assert "Relu_" not in str(caught.value)
    trace = import_onnx(path, allow_unknown=True)
    assert [layer.op for layer in trace.layers] == [
        "activation",
        "unknown",
        "unknown",
        "activation",
    ]
    assert [layer.operator for layer in trace.layers[1:3]] == ["Conv", "Hardmax"]
    assert trace.layers[1].inputs == ["x", "Relu_0"]
    assert shapes(trace)[1:] == [(5, 5, 1), (5, 5, 1), (5, 5, 1)]


def test_an_operator_of_another_domain_is_named(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4])
    y = maker.node("Secret", maker.node("Relu", x), domain="vendor")
    model = maker.model(maker.node("Relu", y))
    model.opset_import.append(helper.make_opsetid("vendor", 1))
    onnx.save(model, maker.folder / "m.onnx")
    with pytest.raises(InputError, match=r"Secret \(1, first 'Secret_1'\)"):
        import_onnx(maker.folder / "m.onnx")


def test_a_run_learns_the_shapes_that_inference_does_not_know(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 5, 4])
    y = maker.node("Gelu", maker.linear(x, 4, 6), domain="com.microsoft")
    model = maker.model(maker.linear(y, 6, 3))
    onnx.save(model, maker.folder / "m.onnx")
    trace = import_onnx(maker.folder / "m.onnx")
    assert summary(trace) == [("linear",), ("activation", "gelu"), ("linear",)]
    assert trace.macs() == 5 * (4 * 6 + 6 * 3)


@pytest.mark.parametrize("content", [b"", b"not a model at all", bytes(range(256)) * 8])
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.onnx: (is not a readable ONNX|holds no graph)"):
        import_onnx(path)


def test_truncated_and_missing_files(maker: GraphMaker, tmp_path: Path) -> None:
    x = maker.input("x", [1, 4])
    path = maker.save(maker.linear(x, 4, 400))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="truncated"):
        import_onnx(path)
    with pytest.raises(InputError, match="no such file"):
        import_onnx(tmp_path / "absent.onnx")
    with pytest.raises(InputError):
        import_onnx(tmp_path)


def test_dynamic_dimensions(maker: GraphMaker) -> None:
    x = maker.input("x", ["batch", 3, "height", 8])
    path = maker.save(maker.node("Conv", x, maker.weight(4, 3, 1, 1)))
    with pytest.raises(InputError, match=r"dynamic dimensions: \['batch', 3, 'height', 8\]"):
        import_onnx(path)
    assert import_onnx(path, shapes={"x": [1, 3, 6, 8]}).macs() == 48 * 12
    assert import_onnx(path, inputs={"x": sample(1, 3, 2, 8)}).macs() == 16 * 12
    with pytest.raises(InputError, match="doesn't fit"):
        import_onnx(path, shapes={"x": [1, 4, 6, 8]})
    with pytest.raises(InputError, match=r"no input 'y'.*Valid here: x"):
        import_onnx(path, shapes={"y": [1, 3, 6, 8]})
    with pytest.raises(InputError, match="batch of 2"):
        import_onnx(path, shapes={"x": [2, 3, 6, 8]})


def test_not_a_number_is_named(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4])
    path = maker.save(maker.node("Relu", maker.node("Sqrt", x)))
    with pytest.raises(InputError, match=r"tensor 'Sqrt_0\.0' has 4 NaN or infinite"):
        import_onnx(path, inputs={"x": -np.ones((1, 4), np.float32)})


def test_inputs_without_weights_are_refused(maker: GraphMaker, tmp_path: Path) -> None:
    x = maker.input("x", [1, 3, 4, 4])
    model = maker.model(maker.node("Conv", x, maker.weight(64, 3, 3, 3)))
    path = tmp_path / "external.onnx"
    onnx.save(model, path, save_as_external_data=True, location="data.bin", size_threshold=0)
    with_data = import_onnx(path, inputs={"x": sample(1, 3, 4, 4)})
    assert with_data.layers[0].weight_stats is not None
    (tmp_path / "data.bin").unlink()
    assert import_onnx(path).macs() == with_data.macs() == 4 * 64 * 27
    with pytest.raises(InputError, match="no weights"):
        import_onnx(path, inputs={"x": sample(1, 3, 4, 4)})


def test_shapes_on_the_command_line(maker: GraphMaker) -> None:
    model = maker.save(maker.node("Relu", maker.input("x", [1, "tokens"])))
    refused(model, "dynamic dimensions: [1, 'tokens']. Give shapes={'x': [...]} (--shape x=1,...)")
    refused(model, "would have 99999999999999999999 positions", "--shape", f"x=1,{'9' * 20}")
    twice = export(model, "--shape", "x=1,4", "--shape", "x=1,5")
    assert twice.exit_code == 2
    assert "an input has two shapes" in twice.output
    assert export(model, "--shape", "x=1,4").exit_code == 0


def test_external_data_that_is_cut_short_is_named(model: Path) -> None:
    loaded = onnx.load(model)
    onnx.save(loaded, model, save_as_external_data=True, location="weights.bin", size_threshold=0)
    data = model.parent / "weights.bin"
    data.write_bytes(data.read_bytes()[:-1])
    np.savez(model.parent / "x.npz", image=np.ones((1, 3, 4, 4), np.float32))
    refused(model, "'weights.bin' is not beside it whole", "--inputs", str(model.parent / "x.npz"))


def test_where_the_trace_goes_is_checked_before_the_model_is_read(tmp_path: Path) -> None:
    (tmp_path / "taken.json").mkdir()
    for name, words in [
        ("taken.json", "a directory, not a file"),
        ("taken.json.txt", "the ending '.txt' is not known"),
        ("file/x.json", "there is no folder"),
    ]:
        (tmp_path / "file").write_text("")
        result = CliRunner().invoke(command, ["no.onnx", "-o", str(tmp_path / name)])
        assert words in str(result.exception)


def test_one_place_for_the_trace(model: Path) -> None:
    result = export(model, "-o", "other.json")
    assert result.exit_code == 2
    assert "one trace is written to one place" in result.output
    assert not (model.parent / "out.json").exists()


def test_the_trace_says_which_inputs_it_is_of(model: Path) -> None:
    batch = model.parent / "batch.npz"
    np.savez(batch, image=np.ones((1, 3, 4, 4), np.float32))
    assert export(model, "--inputs", str(batch)).exit_code == 0
    trace = load_trace(model.parent / "out.json")
    assert trace.provenance.data == "batch.npz"
