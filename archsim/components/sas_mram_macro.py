"""A bit-serial macro of spin-transfer-torque assisted spin-orbit-torque (SAS) MRAM cells."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from archsim.components.bit_serial_macro import BitSerialMacro
from archsim.schema.ranges import Times
from archsim.schema.units import Count, Duration, Energy


class SASMRAMMacro(BitSerialMacro):
    """Cells are magnetic tunnel junctions (MTJs); several share a heavy-metal line.

    A write sends a spin-orbit-torque (SOT) pulse through the line and, at the same time, a
    spin-transfer-torque (STT) current through the one MTJ that is to switch; its direction is the
    new bit. The MTJs of a line belong to different planes, so that a row is written in one pulse.
    Writes are not verified. Without STT this is SOT-MRAM (a line for each MTJ), without SOT
    STT-MRAM; which of them a file describes shows in `cell_area`.
    """

    kind: Literal["sas_mram_macro"]
    sot_pulse: Annotated[Duration, Field(description="current through the heavy-metal line")] = 0.0
    sot_energy: Annotated[Energy, Field(description="of one line in one pulse")] = 0.0
    stt_pulse: Annotated[Duration, Field(description="current through the selected MTJ")] = 0.0
    stt_energy: Annotated[Energy, Field(description="of one MTJ in one pulse")] = 0.0
    write_rows: Annotated[Count, Field(description="rows of a plane written at once")] = 1
    endurance: Annotated[Times, Field(description="cycles that a cell survives")]

    title: ClassVar[str] = "SAS-MRAM macros"

    @model_validator(mode="after")
    def _pulses(self) -> Self:
        for torque, pulse, energy in (
            ("sot", self.sot_pulse, self.sot_energy),
            ("stt", self.stt_pulse, self.stt_energy),
        ):
            if (pulse > 0) != (energy > 0):
                raise ValueError(f"{torque}_pulse and {torque}_energy are given together")
        if self.write_period == 0:
            raise ValueError("give a SOT pulse, an STT pulse or both: without them nothing writes")
        return self

    @property
    def write_period(self) -> float:
        """Seconds of a write: the longer of the two pulses, which begin together."""
        return max(self.sot_pulse, self.stt_pulse)

    @property
    def rows_written(self) -> int:
        return self.write_rows

    def energies(self) -> dict[str, float]:
        """`write`: one cell, the pulses through its line and its MTJ."""
        return {**super().energies(), "write": self.sot_energy + self.stt_energy}

    def periods(self) -> list[float]:
        return [*super().periods(), self.write_period]
