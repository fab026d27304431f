"""Traces from PyTorch modules: torch.export, its ATen operators, and a run on real input."""

from __future__ import annotations

import importlib.util

from archsim.errors import InputError

if importlib.util.find_spec("torch") is None:
    raise InputError(
        "tracing a module takes the package 'torch', which is not installed.",
        fix="Install it with `pip install 'archsim[torch]'`.",
    )

from archsim.trace.pytorch.tracing import trace_module

__all__ = ["trace_module"]
