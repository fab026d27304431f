"""Reads an ONNX file and fixes the shapes of its inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archsim.errors import InputError, nearest
from archsim.trace.onnx.expand import expand
from archsim.trace.onnx.graph import Array, Dims, Graph, node_of

LARGEST_DIM = 2**31 - 1


def load_graph(
    path: str | Path,
    inputs: Mapping[str, Array] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    model: Any = None,
) -> Graph:
    """Read an ONNX file, or its model in memory, and fix the shapes of its inputs.

    Dynamic dimensions come from `inputs` or `shapes`; a dynamic first dimension is a batch of 1.
    An integer without a dimension in `inputs` (a switch) is a constant of the graph.
    Raises InputError for an unreadable file, an unknown input name, or a dimension left open.
    """
    path = Path(path)
    if model is None:
        model = expand(_read(path))
    graph = model.graph
    from onnx import helper

    initializers = {tensor.name: tensor for tensor in graph.initializer}
    declared = [i for i in graph.input if i.name not in initializers]
    result = Graph(
        path=path,
        model=model,
        inputs=[i.name for i in declared],
        outputs=[o.name for o in graph.output],
        nodes=[node_of(n) for n in graph.node],
        types={
            i.name: np.dtype(helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type))
            for i in declared
            if i.type.tensor_type.elem_type
        },
    )
    for tensor in initializers.values():
        add_constant(result, tensor)
    given = {name: list(np.shape(value)) for name, value in (inputs or {}).items()}
    for name, shape in (shapes or {}).items():
        if name in given and given[name] != list(shape):
            raise result.error(
                f"input '{name}' has shape {given[name]} but shapes say {list(shape)}",
                "Give one of the two.",
            )
        given[name] = list(shape)
    for name in given:
        if name not in result.inputs:
            raise result.error(f"has no input '{name}'.", nearest(name, result.inputs))
    for item in declared:
        result.shapes[item.name] = _input_shape(result, item, given.get(item.name))
    for name, value in (inputs or {}).items():
        if np.ndim(value) == 0 and np.asarray(value).dtype.kind in "iub":
            result.inputs.remove(name)  # a switch, such as a sampling rate
            result.constants[name] = np.asarray(value).astype(result.types[name])
    return result


def add_constant(graph: Graph, tensor: Any) -> None:
    """Take a TensorProto as a constant; without its data only its shape is known."""
    from onnx import checker, external_data_helper, numpy_helper

    value: Array | None = None
    outside = external_data_helper.uses_external_data(tensor)
    try:
        if outside:
            external_data_helper.load_external_data_for_tensor(tensor, str(graph.path.parent))
            tensor.data_location = 0
            del tensor.external_data[:]
        value = np.asarray(numpy_helper.to_array(tensor))
    except (checker.ValidationError, OSError, ValueError, TypeError):  # no data: shape only
        if outside:  # not there, or shorter than the file says
            located = {entry.key: entry.value for entry in tensor.external_data}
            graph.absent.add(located.get("location", "?"))
    graph.constants[tensor.name] = value
    graph.shapes[tensor.name] = tuple(tensor.dims)
    graph.roots[tensor.name] = tensor.name


def _read(path: Path) -> Any:
    import onnx

    _check_size(path)
    try:
        model = onnx.load_model(str(path), format="protobuf", load_external_data=False)
    except FileNotFoundError:
        raise InputError(
            "there is no such file.", str(path), "Check the path to the ONNX file."
        ) from None
    except OSError as fault:
        raise InputError(f"can't be read: {fault.strerror}.", str(path)) from fault
    except MemoryError:
        raise _too_large(path, path.stat().st_size) from None
    except Exception as fault:
        raise InputError(
            "is not a readable ONNX file: it is truncated, corrupt or of another format.",
            str(path),
            "Export the model again.",
        ) from fault
    if not model.graph.node:
        raise InputError(
            "holds no graph: it is empty, corrupt or of another format.",
            str(path),
            "Export the model again.",
        )
    _check_size(path, _outside(model, path.parent))
    return model


def _outside(model: Any, folder: Path) -> int:
    """Bytes in external data files that are there."""
    names = {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return sum((folder / n).stat().st_size for n in names if (folder / n).is_file())


def _check_size(path: Path, outside: int = 0) -> None:
    """InputError for a model that doesn't fit in memory beside a copy of itself."""
    if not path.is_file():
        return  # the reader says what is wrong
    needed = 2 * (path.stat().st_size + outside)
    if needed > memory():
        raise _too_large(path, needed)


def _too_large(path: Path, needed: int) -> InputError:
    return InputError(
        f"is too large: reading it takes {needed / 1e9:.1f} GB of memory, "
        f"this machine has {memory() / 1e9:.1f} GB.",
        str(path),
        "Use a machine with more memory, or a file whose weights are left out and --shape.",
    )


def memory() -> int:
    """Bytes of memory in this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _input_shape(graph: Graph, item: Any, given: list[int] | None) -> Dims:
    kind = item.type.tensor_type
    if not kind.HasField("shape"):
        if given is None:
            raise graph.error(
                f"input '{item.name}' has no declared shape.",
                f"Give shapes={{'{item.name}': [...]}} (--shape {item.name}=1,...).",
            )
        return tuple(given)
    dims = [d.dim_value if d.HasField("dim_value") else 0 for d in kind.shape.dim]
    shown = [d.dim_value if d.dim_value > 0 else d.dim_param or "?" for d in kind.shape.dim]
    if given is not None:
        if max(given, default=0) > LARGEST_DIM:
            raise graph.error(
                f"input '{item.name}' would have {max(given)} positions along one axis.",
                f"Give sizes up to {LARGEST_DIM}.",
            )
        fits = len(given) == len(dims) and all(
            d <= 0 or d == g for d, g in zip(dims, given, strict=True)
        )
        if not fits:
            raise graph.error(
                f"input '{item.name}' is declared {shown}, which {given} doesn't fit.",
                "Give a shape with the same fixed dimensions.",
            )
        dims = list(given)
    elif dims and dims[0] <= 0:
        dims[0] = 1
    if any(d <= 0 for d in dims):
        raise graph.error(
            f"input '{item.name}' has dynamic dimensions: {shown}.",
            f"Give shapes={{'{item.name}': [...]}} (--shape {item.name}=1,...), or inputs.",
        )
    return tuple(dims)
