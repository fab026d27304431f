"""A PE's components by the role they play in a matrix-vector product, and the time it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from archsim.arch.model import PE, C
from archsim.components.adc import ADC
from archsim.components.base import ceil_div
from archsim.components.bit_serial_macro import BitSerialMacro
from archsim.components.crossbar import Crossbar
from archsim.components.dac import DAC
from archsim.components.register import Register
from archsim.components.sample_hold import SampleHold
from archsim.components.shift_add import ShiftAdd


class IncompletePE(ValueError):
    """A PE without a part it needs, or with parts that do not fit; says which and what to add."""


@dataclass(frozen=True)
class AnalogRoles:
    """The parts of a PE of crossbars; `names` gives each part's name in the YAML, by role."""

    array: Crossbar
    dac: DAC
    sample_hold: SampleHold
    adc: ADC
    shift_add: ShiftAdd
    input_register: Register
    output_register: Register
    names: dict[str, str]

    @property
    def planes(self) -> int:
        """Arrays' worth of weights that the PE holds."""
        return self.array.count

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

    def converted(self, columns: int, kept: float) -> int:
        """Columns of an array that are digitised when a mask keeps a share of them."""
        return max(math.ceil(columns * kept), 1)

    def input_beats(self, input_bits: int) -> int:
        """Reads that one input vector takes, DAC resolution by DAC resolution."""
        return ceil_div(input_bits, self.dac.resolution)

    def vector_seconds(self, columns: int, input_bits: int, held: int = 1) -> float:
        """From one vector to the next; arrays work side by side, however many are `held`."""
        return self.input_beats(input_bits) * self.beat_seconds(columns)


@dataclass(frozen=True)
class MacroRoles:
    """The parts of a PE of digital bit-serial macros, with the interface of AnalogRoles."""

    array: BitSerialMacro
    input_register: Register
    output_register: Register
    names: dict[str, str]

    @property
    def planes(self) -> int:
        """Arrays' worth of weights that the PE holds: every plane of every macro."""
        return self.array.count * self.array.depth

    def outputs_per_array(self, weight_bits: int) -> int:
        """Weights side by side in one row of a plane."""
        return self.array.columns // self.array.columns_per_weight(weight_bits)

    def converted(self, columns: int, kept: float) -> int:
        """Columns that are summed when a mask keeps a share of them."""
        return max(math.ceil(columns * kept), 1)

    def input_beats(self, input_bits: int) -> int:
        """Beats in which one input vector is streamed."""
        return self.array.beats(input_bits)

    def beat_seconds(self, columns: int) -> float:
        """One streamed bit, whatever the number of columns."""
        return self.array.cycles_per_bit / self.array.clock

    def vector_seconds(self, columns: int, input_bits: int, held: int = 1) -> float:
        """From one vector to the next when the PE holds `held` planes: those of a macro in turn."""
        return self.array.vector_seconds(input_bits) * min(held, self.array.depth)


Roles = AnalogRoles | MacroRoles


def roles(pe: PE) -> Roles:
    """Find the parts of a PE by kind; IncompletePE if one is missing or counts do not fit."""
    macro, crossbar = pe.find(BitSerialMacro), pe.find(Crossbar)
    if macro is not None and crossbar is not None:
        raise IncompletePE(
            f"the PE has a crossbar ('{crossbar[0]}') and a bit-serial macro ('{macro[0]}'), "
            "needs one of them"
        )
    return _analog(pe) if macro is None else _digital(pe, *macro)


def _need(pe: PE, names: dict[str, str], role: str, kind: type[C], **fields: str) -> C:
    found = pe.find(kind, **fields)
    if found is None:
        extra = "".join(f", {k}: {v}" for k, v in fields.items())
        word = kind.model_fields["kind"].annotation.__args__[0]  # type: ignore[union-attr]
        raise IncompletePE(f"the PE needs a component of kind: {word}{extra}")
    names[role], part = found
    return part


def _digital(pe: PE, name: str, macro: BitSerialMacro) -> MacroRoles:
    names = {"array": name}
    return MacroRoles(
        array=macro,
        input_register=_need(pe, names, "input_register", Register, side="input"),
        output_register=_need(pe, names, "output_register", Register, side="output"),
        names=names,
    )


def _analog(pe: PE) -> AnalogRoles:
    names: dict[str, str] = {}
    parts = AnalogRoles(
        array=_need(pe, names, "array", Crossbar),
        dac=_need(pe, names, "dac", DAC),
        sample_hold=_need(pe, names, "sample_hold", SampleHold),
        adc=_need(pe, names, "adc", ADC),
        shift_add=_need(pe, names, "shift_add", ShiftAdd),
        input_register=_need(pe, names, "input_register", Register, side="input"),
        output_register=_need(pe, names, "output_register", Register, side="output"),
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
    """Operations per second with every cell that can compute in use; one MAC is two operations.

    arrays x rows x outputs x 2 / time of a vector; ISAAC section VIII. Of a macro's planes one
    computes at a time.
    """
    outputs = pe.outputs_per_array(weight_bits)
    columns = outputs * pe.array.columns_per_weight(weight_bits)
    return chip_arrays * pe.array.rows * outputs * 2 / pe.vector_seconds(columns, input_bits)
