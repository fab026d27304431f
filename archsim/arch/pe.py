"""A PE's components by the role they play in a matrix-vector product, and the time of one beat."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.arch.model import PE, C
from archsim.components.adc import ADC
from archsim.components.base import ceil_div
from archsim.components.crossbar import Crossbar
from archsim.components.dac import DAC
from archsim.components.register import Register
from archsim.components.sample_hold import SampleHold
from archsim.components.shift_add import ShiftAdd


class IncompletePE(ValueError):
    """A PE without a part it needs, or with parts that do not fit; says which and what to add."""


@dataclass(frozen=True)
class Roles:
    """The parts of a PE; `names` gives each part's name in the YAML, by role."""

    array: Crossbar
    dac: DAC
    sample_hold: SampleHold
    adc: ADC
    shift_add: ShiftAdd
    input_register: Register
    output_register: Register
    names: dict[str, str]

    @property
    def arrays_per_adc(self) -> int:
        return self.array.count // self.adc.count

    def read_seconds(self) -> float:
        """One input bit through DAC, array and sample-and-hold, which work at the same time."""
        return max(self.dac.pulse, self.array.read_time, self.sample_hold.sample_time)

    def beat_seconds(self, columns: int) -> float:
        """The slowest step of one input bit when `columns` columns of each array are used."""
        per_adc = self.adc.convert(columns).seconds * self.arrays_per_adc
        ports = self.shift_add.count * self.shift_add.inputs
        per_port = self.shift_add.accumulate(columns).seconds * ceil_div(self.array.count, ports)
        return max(self.read_seconds(), per_adc, per_port)

    def outputs_per_array(self, weight_bits: int) -> int:
        """Weights side by side in one row of an array."""
        return self.array.columns // self.array.columns_per_weight(weight_bits)

    def input_beats(self, input_bits: int) -> int:
        """Reads that one input vector takes, DAC resolution by DAC resolution."""
        return ceil_div(input_bits, self.dac.resolution)


def roles(pe: PE) -> Roles:
    """Find the parts of a PE by kind; IncompletePE if one is missing or counts do not fit."""
    names: dict[str, str] = {}

    def need(role: str, kind: type[C], **fields: str) -> C:
        found = pe.find(kind, **fields)
        if found is None:
            extra = "".join(f", {k}: {v}" for k, v in fields.items())
            word = kind.model_fields["kind"].annotation.__args__[0]  # type: ignore[union-attr]
            raise IncompletePE(f"the PE needs a component of kind: {word}{extra}")
        names[role], part = found
        return part

    parts = Roles(
        array=need("array", Crossbar),
        dac=need("dac", DAC),
        sample_hold=need("sample_hold", SampleHold),
        adc=need("adc", ADC),
        shift_add=need("shift_add", ShiftAdd),
        input_register=need("input_register", Register, side="input"),
        output_register=need("output_register", Register, side="output"),
        names=names,
    )
    arrays = parts.array.count
    for part, wanted, why in (
        (parts.dac, arrays * parts.array.rows, "one per row of every array"),
        (parts.sample_hold, arrays * parts.array.columns, "one per column of every array"),
    ):
        if part.count != wanted:
            raise IncompletePE(f"{part.title}: count is {part.count}, needs {wanted} ({why})")
    if arrays % parts.adc.count:
        raise IncompletePE(f"ADCs: count is {parts.adc.count}, must divide the {arrays} arrays")
    return parts


def peak_ops_per_second(chip_arrays: int, pe: Roles, weight_bits: int, input_bits: int) -> float:
    """Operations per second with every cell of every array in use; one MAC is two operations.

    arrays x rows x outputs x 2 / (input beats x beat time); ISAAC section VIII.
    """
    outputs = pe.outputs_per_array(weight_bits)
    columns = outputs * pe.array.columns_per_weight(weight_bits)
    seconds = pe.input_beats(input_bits) * pe.beat_seconds(columns)
    return chip_arrays * pe.array.rows * outputs * 2 / seconds
