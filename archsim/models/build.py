"""A trace from a model's sizes: shapes only, no value statistics."""

from __future__ import annotations

from archsim.errors import InputError
from archsim.models.config import ModelConfig
from archsim.models.extent import Extent
from archsim.trace.generation import generation_fault
from archsim.trace.model import TRACE_VERSION, Precision, Provenance, Trace


def build_trace(
    config: ModelConfig, extent: Extent, made_by: str, precision: Precision | None = None
) -> Trace:
    """The layers of one inference of the model.

    made_by: the command or script, for the trace's provenance. Raises InputError if the extent
    does not fit the model.
    """
    graph = config.graph(extent)
    trace = Trace(
        archsim_trace=TRACE_VERSION,
        name=config.name,
        provenance=Provenance(model=f"{config.name}: {config.source}", made_by=made_by),
        precision=precision or Precision(),
        generation=graph.generation,
        inputs=graph.inputs,
        layers=graph.layers,
    )
    fault = generation_fault(trace)
    if fault is not None:
        raise InputError(f"{config.name}: {fault.what}", fix=fault.fix)
    return trace
