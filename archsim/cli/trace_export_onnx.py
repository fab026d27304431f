"""archsim trace export onnx: an ONNX model as a trace or a workload."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archsim.cli import trace_output
from archsim.cli.quantisation import quantisation_options
from archsim.errors import InputError

if TYPE_CHECKING:
    from archsim.trace.model import Trace
    from archsim.trace.onnx.graph import Array
    from archsim.trace.quantiser import Quantiser


@click.command("onnx")
@click.argument("model")
@click.option("--inputs", metavar="BATCH.npz",
              help="Real inputs by name, from which value statistics are taken.")  # fmt: skip
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,224,224",
              help="Shape of an input whose dimensions the model leaves open.")  # fmt: skip
@click.option("--allow-unknown", is_flag=True,
              help="Let operators without a cost count as one operation per element.")  # fmt: skip
@quantisation_options
@click.option("--name", help="Name of the trace; by default the file's.")
@trace_output.output_option("A .json trace or a .yaml workload; by default NAME.trace.json.")
def command(
    model: str,
    inputs: str | None,
    shapes: tuple[str, ...],
    allow_unknown: bool,
    quantiser: Quantiser,
    name: str | None,
    output: str | None,
) -> None:
    """Read MODEL (an .onnx file) and write its trace."""
    out = trace_output.output_path(output, name or Path(model).stem)
    trace_output.require("onnx", *([] if inputs is None else ["onnxruntime"]))
    sizes = _shapes(shapes)
    sample = None if inputs is None else _sample(inputs)

    from archsim.cli import stdout
    from archsim.trace.onnx import import_onnx

    trace = import_onnx(
        model, inputs=sample, shapes=sizes, name=name, allow_unknown=allow_unknown,
        quantiser=quantiser, data=Path(inputs or "none").name,
    )  # fmt: skip
    trace_output.save(trace, out, model)
    unknown = _unknown(trace)
    if unknown:
        stdout.write(f"operators without a cost of their own: {unknown}")


def _unknown(trace: Trace) -> str:
    """The operators of `unknown` layers and how often each occurs."""
    counts = Counter(layer.operator for layer in trace.layers if layer.op == "unknown")
    return ", ".join(f"{operator} ({count})" for operator, count in sorted(counts.items()))


def _shapes(texts: tuple[str, ...]) -> dict[str, list[int]] | None:
    found = dict(map(_shape, texts))
    if len(found) < len(texts):
        raise click.BadParameter("an input has two shapes.", param_hint="'--shape'")
    return found or None


def _shape(text: str) -> tuple[str, list[int]]:
    name, _, sizes = text.rpartition("=")
    numbers = sizes.replace("x", ",").split(",")
    if not name or not all(n.strip().isdecimal() and int(n) > 0 for n in numbers):
        raise click.BadParameter(f"'{text}' is not a shape.", param_hint="'--shape'")
    return name, [int(n) for n in numbers]


def _sample(path: str) -> dict[str, Array]:
    """The arrays of an .npz file by name; pickled objects could run code and are refused."""
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
            "is not an .npz file of plain arrays (one of objects is a pickle, which can run code "
            "when it is loaded).",
            path,
            "Save it with np.savez(path, name=array), each array of numbers.",
        ) from None
