"""Every way in which input can be bad: one clear error, status 2, nothing written."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from onnx_graphs import GraphMaker
from test_cli_support import ROOT, SMALL_ARCH, SMALL_WORKLOAD, Shell, line_of, shell

__all__ = ["shell"]

ARCH_FAULTS = {
    "unknown component": (
        "kind: adc", "kind: adcc", ("'adcc' is not valid here", "Did you mean 'adc'?"),
    ),
    "misspelt field": (
        "      static_share: 0.051", "      static_shaer: 0.051",
        ("(chip.tile.edram.static_shaer)", "Did you mean 'static_share'?"),
    ),
    "wrong unit": ("rate: 1.28 GS/s", "rate: 1.28 GHz", ("is a frequency, not a sample rate",)),
    "unknown unit": ("clock: 10 MHz", "clock: 10 Mhz", ("'Mhz' is not a known unit", "'MHz'")),
    "no unit": ("clock: 10 MHz", "clock: 10", ("has no unit",)),
    "negative count": ("      count: 12", "      count: -12", ("-12 must be 1 or more",)),
    "zero clock": ("clock: 10 MHz", "clock: 0 MHz", ("must be more than 0",)),
    "counts that do not fit": ("count: 1024", "count: 1000", ("needs 1024",)),
    "newer version": ("archsim_arch: 1", "archsim_arch: 2", ("newer archsim",)),
}  # fmt: skip
TRACE_FAULTS = {
    "cycle": ("inputs: [image]", "inputs: [second]", ("cycle", "first -> relu -> second")),
    "shapes": ("in_channels: 8", "in_channels: 9", ("layer 'second'", "[4, 4, 8]")),
    "unknown input": ("inputs: [first]", "inputs: [fist]", ("Did you mean 'first'?",)),
    "misspelt field": ("kernel: [3, 3]", "kernal: [3, 3]", ("Did you mean 'kernel'?",)),
    "unknown operator": ("op: activation", "op: activaton", ("Did you mean 'activation'?",)),
    "newer version": ("archsim_trace: 1", "archsim_trace: 9", ("newer archsim", "version 9")),
    "name twice": ("name: relu, op: a", "name: first, op: a", ("the name 'first' is used twice",)),
}


@pytest.mark.parametrize("fault", ARCH_FAULTS)
def test_bad_architecture(shell: Shell, fault: str) -> None:
    old, new, expected = ARCH_FAULTS[fault]
    text = SMALL_ARCH.replace(old, new, 1)
    assert text != SMALL_ARCH
    path = shell.file("bad.yaml", text)
    err = shell.refused("run", path, shell.workload, "--out", shell.out)
    if fault != "counts that do not fit":
        assert err.startswith(f"error: {path}:{line_of(text, new)} ")
    else:
        assert err.startswith(f"error: {path}:")
    for part in expected:
        assert part in err
    for command in ("show", "sources"):
        assert shell.refused(command, path) == err


@pytest.mark.parametrize("instead", ["", "        raet: 1.28 GS/s\n"])
def test_missing_field(shell: Shell, instead: str) -> None:
    text = SMALL_ARCH.replace("        rate: 1.28 GS/s\n", instead)
    err = shell.refused("run", shell.file("bad.yaml", text), shell.workload, "--out", shell.out)
    assert "(chip.tile.pe.adc.rate): the field 'rate' is missing" in err
    assert "Add 'rate'" in err
    assert ("Did you mean 'rate'?" in err) == bool(instead)


@pytest.mark.parametrize("fault", TRACE_FAULTS)
def test_bad_workload(shell: Shell, fault: str) -> None:
    old, new, expected = TRACE_FAULTS[fault]
    text = SMALL_WORKLOAD.replace(old, new, 1)
    assert text != SMALL_WORKLOAD
    path = shell.file("bad.yaml", text)
    err = shell.refused("run", shell.arch, path, "--out", shell.out)
    assert err.startswith(f"error: {path}:{line_of(text, new)} ")
    for part in expected:
        assert part in err
    assert shell.refused("show", path) == err


def test_json_trace_that_is_cut_off_or_newer(shell: Shell) -> None:
    whole = (ROOT / "traces" / "ppocr_v4_cls.trace.json").read_text(encoding="utf-8")
    path = shell.file("cut.json", whole[:5000])
    err = shell.refused("run", shell.arch, path, "--out", shell.out)
    assert err.startswith(f"error: {path}")
    assert "JSON" in err
    newer = json.loads(whole) | {"archsim_trace": 7}
    path = shell.file("newer.json", json.dumps(newer))
    err = shell.refused("run", shell.arch, path, "--out", shell.out)
    assert f"{path} (archsim_trace): this trace has format version 7" in err


def test_paths_that_can_not_be_read(shell: Shell) -> None:
    assert "this is a directory" in shell.refused("run", shell.folder, shell.workload)
    err = shell.refused("run", shell.arch, shell.folder / "smal.yaml")
    assert "there is no such file. Did you mean 'small.yaml'?" in err
    err = shell.refused("run", shell.workload, shell.arch)
    assert "this is not an architecture" in err
    locked = shell.file("locked.yaml", SMALL_ARCH)
    os.chmod(locked, 0)
    if not os.access(locked, os.R_OK):  # root reads everything
        assert "there is no permission" in shell.refused("run", locked, shell.workload)


def test_validate_reports_every_file(shell: Shell) -> None:
    bad = shell.file("bad.yaml", SMALL_ARCH.replace("kind: adc", "kind: adcc"))
    neither = shell.file("neither.yaml", "archsim_trce: 1\n")
    both = shell.file("both.yaml", SMALL_WORKLOAD + "archsim_arch: 1\n")
    result = shell.file("result.json", '{"archsim_result": 1}')
    files = [bad, shell.arch, neither, shell.workload, both, result]
    status, out, err = shell("validate", *files)
    assert status == 2
    assert [line.split(":")[0] for line in out.splitlines()] == [shell.arch, shell.workload]
    errors = err.splitlines()
    assert len(errors) == 4
    assert all(line.startswith("error: ") for line in errors)
    assert "Did you mean 'adc'?" in errors[0]
    assert f"{neither}:1 (archsim_trce)" in errors[1]
    assert "Did you mean 'archsim_trace'?" in errors[1]
    assert "both" in errors[2]
    assert "the result of a run" in errors[3]
    status, out, err = shell("validate", "--json", *files)
    assert (status, err) == (2, "")
    found = json.loads(out)
    assert found["bad"] == 4
    assert [entry["ok"] for entry in found["files"]] == [False, True, False, True, False, False]


def test_onnx_models_that_can_not_be_read(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = GraphMaker(shell.folder)
    x = maker.input("x", [1, 4])
    model = maker.save(maker.node("Einsum", x, equation="ij->ij"))
    out = shell.folder / "out.json"
    err = shell.refused("trace", "export", "onnx", model, "-o", out)
    assert f"error: {model}: has operators that do not fit a trace" in err
    assert "'Einsum_0'" in err
    err = shell.refused("trace", "export", "onnx", shell.folder / "no.onnx", "-o", out)
    assert "there is no such file" in err
    err = shell.refused("trace", "export", "onnx", model, "-o", shell.folder / "out.txt")
    assert "the ending '.txt' is not known" in err
    np.save(shell.folder / "one.npy", np.zeros(3))
    for name, text in (("one.npy", "one array without a name"), ("none.npz", "can't be read"),
                       ("small.yaml", "not an .npz file")):  # fmt: skip
        inputs = shell.folder / name
        err = shell.refused("trace", "export", "onnx", model, "--inputs", inputs, "-o", out)
        assert err.startswith(f"error: {inputs}")
        assert text in err
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    err = shell.refused("trace", "export", "onnx", model, "-o", out)
    assert "'onnx', which is not installed" in err
    assert "archsim[traces]" in err


def test_errors_of_the_engine(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    import archsim.engine
    from archsim.engine.deadlock import DeadlockError

    faults = {
        "the mapped model can't proceed: deadlock: a waits for b": DeadlockError(["a waits for b"]),
        "simulated time passes": OverflowError("simulated time passes 1 ticks"),
        "not enough memory": MemoryError(),
    }
    for text, fault in faults.items():

        def fail(*_: object, fault: Exception = fault, **__: object) -> None:
            raise fault

        monkeypatch.setattr(archsim.engine, "run_program", fail)
        assert text in shell.refused("run", shell.arch, shell.workload, "--out", shell.out)


def test_a_bug_shows_its_traceback(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    import archsim.mapping.lower

    monkeypatch.setattr(archsim.mapping.lower, "map_trace", lambda *_, **__: 1 / 0)
    status, out, err = shell("run", shell.arch, shell.workload, "--out", shell.out)
    assert (status, out) == (1, "")
    assert "ZeroDivisionError" in err
    assert "This is a bug of archsim" in err.splitlines()[-1]
    assert not shell.out.exists()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["trace", "exprot"], "Did you mean 'export'?"),
        (["run", "a", "b", "--jsn"], "--json"),
        (["schema", "arhc"], "'arch'"),
        (["run"], "'ARCH'"),
        (["validate"], "'FILES...'"),
    ],
)
def test_wrong_usage(shell: Shell, arguments: list[str], hint: str) -> None:
    status, out, err = shell(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("Usage: archsim")
    assert hint in err
