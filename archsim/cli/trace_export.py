"""archsim trace export: one command per format that models come in."""

from __future__ import annotations

from archsim.cli.group import LazyGroup

command = LazyGroup(
    "export",
    lazy={
        "onnx": ("archsim.cli.trace_export_onnx", "Read an ONNX model."),
        "hf": ("archsim.cli.trace_export_hf", "Run a Hugging Face model on a text."),
        "hf-config": ("archsim.cli.trace_export_hf_config", "Write a model's shapes alone."),
    },
    help="Read a trained model and write its trace.",
)
