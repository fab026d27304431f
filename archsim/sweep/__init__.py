"""Sweeps: many points of a design space, on any Dask cluster, in a store that survives kills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archsim.sweep.results import load_results as load_results
    from archsim.sweep.run import run_sweep as run_sweep

_PUBLIC = {"run_sweep": "archsim.sweep.run", "load_results": "archsim.sweep.results"}
__all__ = ["load_results", "run_sweep"]


def __getattr__(name: str) -> Any:
    """Import public names when they are first used."""
    if name in _PUBLIC:
        import importlib

        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'archsim.sweep' has no attribute '{name}'")
