"""Low-rank adapters (LoRA; Hu et al., ICLR 2022): their parameters, and a trace that has them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, Literal

from archsim.errors import InputError, nearest
from archsim.trace.model import Trace
from archsim.trace.operators import Elementwise, Layer, Linear

PARTS: Final = ("lora_a", "lora_b", "lora_add")


def lora_parameters(shapes: Iterable[tuple[int, int]], rank: int) -> int:
    """Values in the adapters of weight matrices (in, out): rank x (in + out) each.

    Raises InputError for a rank below 1.
    """
    _check_rank(rank)
    return sum(rank * (rows + columns) for rows, columns in shapes)


def fusion_parameters(outputs: Sequence[int], pool: int, layers: int) -> int:
    """Values that LoRAFusion trains: a magnitude per output and a coefficient per pooled adapter.

    outputs: output features of each adapted matrix; pool: frozen adapters to choose from, each
    with a coefficient of its own in each of `layers` layers. Counted after LoRAFusion (GLSVLSI
    2025, doi:10.1145/3716368.3735213); that the coefficients are one per layer is our reading.
    """
    return sum(outputs) + pool * layers


def lora_shapes(trace: Trace, names: Collection[str]) -> list[tuple[int, int]]:
    """(in, out) of the named linear layers; InputError if one is not there or not linear."""
    return [(layer.in_features, layer.out_features) for layer in _linear(trace, names)]


def lora_name(layer: str, part: Literal["lora_a", "lora_b", "lora_add"]) -> str:
    """Name of a layer that `with_lora` puts beside `layer`."""
    return f"{layer}.{part}"


def with_lora(trace: Trace, names: Collection[str], rank: int) -> Trace:
    """The trace with an adapter beside each named linear layer: x W + x A B.

    Three layers come behind each: `.lora_a` (in to rank), `.lora_b` (rank to out) and `.lora_add`,
    which takes the layer's place for all that read it. Raises InputError for a layer that is not
    there or not linear, and a rank below 1.
    """
    _check_rank(rank)
    adapted = {layer.name for layer in _linear(trace, names)}
    renamed = {name: lora_name(name, "lora_add") for name in adapted}
    layers: list[Layer] = []
    for layer in trace.layers:
        sources = [renamed.get(name, name) for name in layer.inputs]
        layers.append(layer.model_copy(update={"inputs": sources}))
        if isinstance(layer, Linear) and layer.name in adapted:
            a, b, add = (f"{layer.name}.{part}" for part in PARTS)
            layers += [
                Linear(name=a, op="linear", inputs=sources, in_features=layer.in_features,
                       out_features=rank),
                Linear(name=b, op="linear", inputs=[a], in_features=rank,
                       out_features=layer.out_features),
                Elementwise(name=add, op="elementwise", inputs=[layer.name, b], function="add"),
            ]  # fmt: skip
    taken = [layer.name for layer in layers]
    if len(set(taken)) < len(taken):
        raise InputError("the trace has adapters already.", None, "Start from the trace without.")
    generation = trace.generation
    if generation is not None:
        source = renamed.get(generation.source, generation.source)
        generation = generation.model_copy(update={"source": source})
    fields = {name: getattr(trace, name) for name in type(trace).model_fields}
    return Trace(**(fields | {"layers": layers, "generation": generation}))


def _linear(trace: Trace, names: Collection[str]) -> list[Linear]:
    layers = {layer.name: layer for layer in trace.layers}
    found = []
    for name in names:
        layer = layers.get(name)
        if not isinstance(layer, Linear):
            linear = [other.name for other in trace.layers if isinstance(other, Linear)]
            hint = nearest(name, linear)
            raise InputError(
                f"there is no linear layer '{name}' to adapt.",
                None,
                hint if hint.startswith("Did") else "Use the name of a linear layer of the trace.",
            )
        found.append(layer)
    return found


def _check_rank(rank: int) -> None:
    if rank < 1:
        raise InputError(f"an adapter of rank {rank} is not possible.", None, "Give 1 or more.")
