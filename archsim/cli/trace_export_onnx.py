"""archsim trace export onnx: an ONNX model as a trace or a workload."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archsim.errors import InputError

if TYPE_CHECKING:
    from archsim.trace.onnx.graph import Array

WORKLOAD = (".yaml", ".yml")


@click.command("onnx")
@click.argument("model")
@click.option("--inputs", metavar="BATCH.npz",
              help="Real inputs by name, from which value statistics are taken.")  # fmt: skip
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,224,224",
              help="Shape of an input whose dimensions the model leaves open.")  # fmt: skip
@click.option("--name", help="Name of the trace; by default the file's.")
@click.option("-o", "--output", metavar="OUT",
              help="A .json trace or a .yaml workload; by default NAME.trace.json.")  # fmt: skip
def command(
    model: str, inputs: str | None, shapes: tuple[str, ...], name: str | None, output: str | None
) -> None:
    """Read MODEL (an .onnx file) and write its trace."""
    out = Path(output or f"{name or Path(model).stem}.trace.json")
    if out.suffix not in (".json", *WORKLOAD):
        raise InputError(
            f"the ending '{out.suffix}' is not known.", str(out), "Use .json, .yaml or .yml."
        )
    _require("onnx")
    if inputs is not None:
        _require("onnxruntime")
    sizes = dict(map(_shape, shapes)) or None
    sample = None if inputs is None else _sample(inputs)

    from archsim.cli import stdout
    from archsim.report import figures
    from archsim.trace.load import save_trace
    from archsim.trace.onnx import import_onnx
    from archsim.trace.yaml_writer import save_workload

    trace = import_onnx(model, inputs=sample, shapes=sizes, name=name)
    if out.suffix in WORKLOAD:
        save_workload(trace, out, f"{trace.name}, read from {Path(model).name}.")
    else:
        save_trace(trace, out)
    stdout.write(
        f"{out}: trace {trace.name}, {figures.count(len(trace.layers))} layers, "
        f"{figures.magnitude(trace.macs(), 'MACs')}, "
        f"{figures.magnitude(trace.parameters(), 'parameters')}"
    )


def _require(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise InputError(
            f"reading this model takes the package '{package}', which is not installed.",
            fix="Install it with `pip install 'archsim[traces]'`.",
        )


def _shape(text: str) -> tuple[str, list[int]]:
    name, _, sizes = text.rpartition("=")
    numbers = sizes.replace("x", ",").split(",")
    if not name or not all(n.strip().isdecimal() and int(n) > 0 for n in numbers):
        raise click.BadParameter(f"'{text}' is not a shape.", param_hint="'--shape'")
    return name, [int(n) for n in numbers]


def _sample(path: str) -> dict[str, Array]:
    """The arrays of an .npz file by name."""
    import zipfile

    import numpy as np

    try:
        loaded: Any = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise InputError("holds one array without a name.", path, "Save it with np.savez.")
        with loaded:
            return {key: loaded[key] for key in loaded.files}
    except OSError as fault:
        raise InputError(f"can't be read: {fault.strerror or fault}.", path) from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise InputError(
            "is not an .npz file of plain arrays.", path, "Save it with np.savez(path, name=array)."
        ) from None
