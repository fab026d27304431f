"""archsim trace export: one command per format that models come in."""

from __future__ import annotations

from archsim.cli.group import LazyGroup

command = LazyGroup(
    "export",
    lazy={"onnx": ("archsim.cli.trace_export_onnx", "Read an ONNX model.")},
    help="Read a trained model and write its trace.",
)
