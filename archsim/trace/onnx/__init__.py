"""Traces from ONNX files."""

from __future__ import annotations

from archsim.trace.onnx.importer import import_onnx

__all__ = ["import_onnx"]
