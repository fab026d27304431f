"""archsim: a cycle-level simulator of compute-in-memory hardware.

>>> import archsim
>>> result = archsim.simulate("arch_configs/isaac_vpu.yaml", "traces/minilm_l6.trace.json")
>>> result.layer_frame()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from archsim.arch.load import load_arch as load_arch
    from archsim.errors import InputError as InputError
    from archsim.result import Result as Result
    from archsim.simulation import simulate as simulate
    from archsim.trace.load import load_trace as load_trace
    from archsim.trace.pytorch import trace_module as trace_module

_PUBLIC = {
    "simulate": "archsim.simulation",
    "load_arch": "archsim.arch.load",
    "load_trace": "archsim.trace.load",
    "trace_module": "archsim.trace.pytorch",
    "Result": "archsim.result",
    "InputError": "archsim.errors",
}
__all__ = [
    "InputError",
    "Result",
    "__version__",
    "load_arch",
    "load_trace",
    "simulate",
    "trace_module",
]


def __getattr__(name: str) -> Any:
    """Import public names when they are first used, so that importing archsim is instant."""
    if name in _PUBLIC:
        import importlib

        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'archsim' has no attribute '{name}'")
