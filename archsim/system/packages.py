"""Packages that only sweeps need, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from archsim.errors import InputError

_PIP = {
    "dask": "distributed",
    "distributed": "distributed",
    "dask_jobqueue": "dask-jobqueue",
    "optuna": "optuna",
    "scipy": "scipy",
    "matplotlib": "matplotlib",
}


def need(module: str, purpose: str) -> Any:
    """Import a module; InputError with the pip command if its package is not installed.

    purpose: what needs it, as the subject of a sentence ("a Sobol sample").
    """
    package = module.split(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as fault:
        if fault.name is None or fault.name.split(".")[0] != package:
            raise
        raise InputError(
            f"{purpose} needs the package '{_PIP[package]}', which is not installed.",
            fix=f"Install it: pip install {_PIP[package]}, or all of them: "
            "pip install 'archsim[sweep]'.",
        ) from None
