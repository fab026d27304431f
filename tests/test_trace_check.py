"""A trace records the model that it was made from; a changed model is told."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from click.testing import CliRunner
from onnx_graphs import GraphMaker

from archsim.cli.trace import command as trace
from archsim.errors import InputError
from archsim.trace.load import load_trace
from archsim.trace.origin import folder_hash, tensors_hash


def check(*words: str) -> Any:
    return CliRunner().invoke(trace, ["check", *words])


def test_a_trace_fits_its_model_until_that_changes(tmp_path: Path) -> None:
    maker = GraphMaker(tmp_path)
    x = maker.input("image", [1, 3, 4, 4])
    model = maker.save(maker.node("Relu", maker.node("Conv", x, maker.weight(8, 3, 3, 3))))
    out = tmp_path / "out.json"
    words = ["export", "onnx", str(model), "-o", str(out), "--name", "small net"]
    assert CliRunner().invoke(trace, words).exit_code == 0
    made = load_trace(out).provenance.origin
    assert made is not None and made.sha256 == hashlib.sha256(model.read_bytes()).hexdigest()
    assert made.versions["onnx"] == onnx.__version__
    assert made.command.endswith(f"trace export onnx {model} --name 'small net'")
    fits = check(str(model), str(out))
    assert fits.exit_code == 0 and f"{out} fits {model}" in fits.output
    model.write_bytes(model.read_bytes() + b"\n")
    changed = check(str(model), str(out), "--json")
    assert changed.exit_code == 1 and json.loads(changed.output)["fits"] is False


def test_what_cannot_be_checked(tmp_path: Path) -> None:
    old = "workloads/resnet18.yaml"
    refused = check(old, old)
    assert isinstance(refused.exception, InputError)
    assert "does not record which model" in str(refused.exception)
    with pytest.raises(InputError, match=r"no config\.json with"):
        folder_hash(tmp_path)


def test_the_content_of_tensors_has_no_order_but_names_and_shapes() -> None:
    one = tensors_hash([("a", [1.0, 2.0]), ("b", [3.0])])
    assert one == tensors_hash([("b", [3.0]), ("a", [1.0, 2.0])])
    assert one != tensors_hash([("a", [1.0]), ("b", [2.0, 3.0])])
    assert one != tensors_hash([("a", [[1.0, 2.0]]), ("b", [3.0])])
