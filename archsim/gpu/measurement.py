"""Measured kernels of a real GPU: the document, and the model beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field

from archsim.documents import check_version, load_document, validate
from archsim.errors import InputError
from archsim.gpu.fusion import group_layers
from archsim.gpu.inference import phases, work_of
from archsim.gpu.model import GPU
from archsim.gpu.phase import Phase, PhaseName
from archsim.gpu.roofline import Bound, kernel
from archsim.schema import Model
from archsim.schema.ranges import Size, Whole
from archsim.system.atomic import write_text
from archsim.trace.model import Trace

MEASUREMENT_VERSION: Final = 1


class MeasuredKernel(Model):
    """One kernel, per launch. keys: positions that a decode step attends to, 0 in other phases.

    joules is of the whole board and missing where its energy cannot be read. Kernels of equal
    shapes are measured once: `measured_as` names the layer that stands for this one.
    """

    layer: str
    op: str
    phase: PhaseName
    keys: Whole = 0
    seconds: Annotated[float, Field(ge=1e-12, le=1e9)]
    joules: Annotated[float, Field(ge=0, le=1e12)] | None = None
    launches: Size
    measured_as: str | None = None


class Measurement(Model):
    """What one GPU took for the layers of one trace, each layer a kernel of its own."""

    archsim_gpu_measurement: Annotated[Literal[1], Field(description="format version")]
    device: str
    driver: str
    torch: str
    cuda: str
    archsim: str
    trace: str
    trace_sha256: str
    batch: Size
    precision: str
    launched_by: Annotated[str, Field(description="'CUDA graph' or 'eager'")]
    energy_from: Annotated[str, Field(description="'counter', 'sampled power' or 'none'")]
    idle_w: Annotated[float, Field(ge=0, le=1e9)] | None = None
    kernels: Annotated[list[MeasuredKernel], Field(min_length=1)]


@dataclass(frozen=True)
class Comparison:
    """One kernel, measured and modelled, per launch."""

    layer: str
    op: str
    phase: PhaseName
    bound: Bound
    measured_s: float
    modelled_s: float
    measured_j: float | None
    modelled_j: float

    @property
    def time_error(self) -> float:
        """Modelled over measured time, less 1."""
        return self.modelled_s / self.measured_s - 1

    @property
    def energy_error(self) -> float | None:
        """Modelled over measured energy, less 1."""
        return self.modelled_j / self.measured_j - 1 if self.measured_j else None


def save_measurement(measurement: Measurement, path: str | Path) -> None:
    """Write as JSON, whole or not at all."""
    write_text(path, measurement.model_dump_json(indent=1, exclude_none=True) + "\n")


def file_name(measurement: Measurement) -> str:
    """A name that tells measurements apart: device, trace, precision and batch."""
    words = (measurement.device, measurement.trace, measurement.precision)
    plain = ("".join(c if c.isalnum() else "_" for c in word.lower()) for word in words)
    return f"{'-'.join(plain)}-b{measurement.batch}.json"


def load_measurement(path: str | Path) -> Measurement:
    """Read a measurement; InputError at file and key if it is not one."""
    document = load_document(path)
    check_version(
        document, "GPU measurement", "archsim_gpu_measurement", MEASUREMENT_VERSION
    )  # fmt: skip
    return validate(Measurement, document)


def compare(measurement: Measurement, gpu: GPU, trace: Trace) -> list[Comparison]:
    """The model's time and energy of every measured kernel, without fusing.

    Raises InputError if the trace has no such layer, which is to say that another was measured.
    """
    groups = {
        layer.name: group for group in group_layers(trace, fuse=False) for layer in group.layers
    }
    found = []
    for measured in measurement.kernels:
        if measured.layer not in groups:
            raise InputError(
                f"the trace '{trace.name}' has no layer '{measured.layer}' that runs on a GPU.",
                None,
                f"Give the trace that was measured, '{measurement.trace}'.",
            )
        group, phase = groups[measured.layer], measured_phase(trace, measured.phase, measured.keys)
        modelled = kernel(
            gpu,
            measurement.precision,
            group.names,
            work_of(phase, group, measurement.batch),
            phase=measured.phase,
            launches=measured.launches,
        )
        found.append(
            Comparison(
                measured.layer,
                measured.op,
                measured.phase,
                modelled.bound,
                measured.seconds,
                modelled.seconds / measured.launches,
                measured.joules,
                modelled.joules / measured.launches,
            )
        )
    return found


def measured_phase(trace: Trace, name: PhaseName, keys: int) -> Phase:
    """The phase that a kernel was measured in: decode steps at one number of keys."""
    if name == "decode":
        return Phase(trace, "decode", 1, float(keys), skip_masked=False)
    return phases(trace, skip_masked=False)[0]


def mean_keys(trace: Trace) -> int:
    """Positions that the decode step in the middle attends to: where steps are measured."""
    made = trace.generation
    return (
        0 if made is None else round(float(np.mean((made.prompt + 1, made.prompt + made.decode))))
    )
