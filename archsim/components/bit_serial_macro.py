"""What digital bit-serial macros have in common: AND in every cell, adder trees, accumulators."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from archsim.components.base import Component, Work, ceil_div
from archsim.components.values import Values
from archsim.schema.ranges import Times
from archsim.schema.units import POSITIVE, Area, Count, Energy, Frequency, Power, Shape2D

Format = Literal["int8", "fp8_e4m3", "fp8_e5m2"]
WIDTH = 8  # bits of a number in every format
MANTISSA = {"fp8_e4m3": 3, "fp8_e5m2": 2}  # stored mantissa bits; the hidden one comes on top


class BitSerialMacro(Component):
    """Cells that are ANDed with one input bit per row at a time and summed by an adder tree.

    A cell holds one bit, so a weight of w bits takes w columns. Of `depth` planes of weights one
    computes at a time: they share the AND gates, the trees and the accumulators. Input bits are
    streamed most significant first, `cycles_per_bit` clocks each.

    In FP8 the inputs of a vector are first aligned to the largest exponent among them; the signed
    significands (hidden bit, mantissa and `guard_bits` that catch what is shifted out) are then
    streamed like integers, the sign selecting addition or subtraction. Weights are aligned when
    they are stored, a sign and WIDTH - 1 bits of significand each. Numbers of other widths are
    integer codes in every format.

    `power` and `area` follow from the fields below and are left out of a file: power is that of a
    saturated macro with random 8-bit codes, leakage included.
    """

    size: Annotated[Shape2D, Field(description="rows x columns of cells that compute together")]
    depth: Annotated[Count, Field(description="planes of weights that share the compute logic")] = 1
    format: Annotated[Format, Field(description="of 8-bit inputs and weights")]
    clock: Annotated[Frequency, POSITIVE]
    cycles_per_bit: Annotated[Count, Field(description="clocks per beat")] = 1
    bits_per_clock: Annotated[Count, Field(description="input bits streamed in one beat")] = 1
    drain: Annotated[Count, Field(description="clocks from the last bit to the result")]
    guard_bits: Annotated[int, Field(ge=0, le=16, description="FP8: bits behind the mantissa")] = 4
    align_cycles: Annotated[Count, Field(description="FP8: clocks to compare and align")] = 1
    cell_energy: Annotated[Energy, Field(description="a cell's AND for one bit, random codes")]
    tree_energy: Annotated[Energy, Field(description="a column's share of the tree for one bit")]
    accumulate_energy: Annotated[Energy, Field(description="one output shifted and added")]
    sense_energy: Annotated[Energy, Field(description="a cell read for one vector")] = 0.0
    align_energy: Annotated[Energy, Field(description="FP8: one input compared and aligned")] = 0.0
    normalise_energy: Annotated[Energy, Field(description="FP8: one output normalised")] = 0.0
    cell_area: Annotated[Area, Field(description="of one bit with its access transistors")] = 0.0
    logic_area: Annotated[Area, Field(description="of everything but the cells")] = 0.0
    cell_leakage: Annotated[Power, Field(description="of one bit")] = 0.0
    logic_leakage: Annotated[Power, Field(description="of everything but the cells")] = 0.0
    endurance: Annotated[
        Times | None, Field(description="writes that a cell survives; any number if none")
    ] = None

    bits_per_cell: ClassVar[int] = 1
    costing_only = Component.costing_only | {"endurance"}

    @model_validator(mode="after")
    def _totals(self) -> Self:
        for field, instead in (
            ("power", "the energies"),
            ("static_share", "cell_leakage and logic_leakage"),
            ("area", "cell_area and logic_area"),
        ):
            if field in self.model_fields_set:
                raise ValueError(f"{field} of a macro follows from {instead}: leave it out")
        self.refresh()
        return self

    def refresh(self) -> None:
        """Power and area, which follow from the energies and areas of the pieces."""
        cells = self.rows * self.columns * self.depth
        power = self.saturated_energy / self.vector_seconds(WIDTH) + self.static_power
        object.__setattr__(self, "power", power)  # frozen, and complete only now
        object.__setattr__(self, "area", cells * self.cell_area + self.logic_area)

    @property
    def rows(self) -> int:
        return self.size[0]

    @property
    def columns(self) -> int:
        return self.size[1]

    @property
    def encoding(self) -> Literal["twos_complement", "sign_magnitude"]:
        """How stored weights show their bits."""
        return "twos_complement" if self.format == "int8" else "sign_magnitude"

    def columns_per_weight(self, weight_bits: int) -> int:
        """Columns that one weight takes."""
        return weight_bits

    def aligned(self, input_bits: int) -> bool:
        """Whether numbers of that width are floats that must be aligned, not integer codes."""
        return self.format != "int8" and input_bits == WIDTH

    def streamed_bits(self, input_bits: int) -> int:
        """Bits of an input that are streamed, one after another."""
        if not self.aligned(input_bits):
            return input_bits
        return 1 + MANTISSA[self.format] + self.guard_bits

    def beats(self, input_bits: int) -> int:
        """Beats in which an input's bits are streamed, `bits_per_clock` together."""
        return ceil_div(self.streamed_bits(input_bits), self.bits_per_clock)

    def align(self, rows: int) -> Work:
        """Find the largest exponent of `rows` inputs and shift their significands to it."""
        return Work(self.align_cycles, 1 / self.clock, {"align": rows})

    def multiply(self, input_bits: int, rows: int, columns: int, kept: int, outputs: int) -> Work:
        """One beat: `rows` x `columns` cells, of which `kept` columns are summed.

        The stored bits are sensed once for a vector, which is spread over its beats.
        """
        actions = {"cell": rows * columns, "tree": kept, "accumulate": outputs}
        sensed = rows * columns / self.beats(input_bits)
        return Work(self.cycles_per_bit, 1 / self.clock, {**actions, "sense": sensed})

    def deliver(self, input_bits: int, outputs: int, merged: int) -> Work:
        """Results leave the pipeline; `merged` of them are added to partial sums on the way.

        The next vector may be in the trees meanwhile, so that there are as many servers as clocks.
        """
        actions = {"accumulate": merged}
        if self.aligned(input_bits):
            actions["normalise"] = outputs
        return Work(self.drain, 1 / self.clock, actions, servers=self.drain)

    def vector_seconds(self, input_bits: int) -> float:
        """From one vector to the next: its bits, or the alignment of the next if that is longer."""
        clocks = self.beats(input_bits) * self.cycles_per_bit
        if self.aligned(input_bits):
            clocks = max(clocks, self.align_cycles)
        return clocks / self.clock

    @property
    def saturated_energy(self) -> float:
        """Joules of one vector of 8-bit inputs through all cells of a plane, random codes."""
        outputs = self.columns // WIDTH
        piece = self.multiply(WIDTH, self.rows, self.columns, self.columns, outputs)
        beats = self.beats(WIDTH)
        amounts = {action: beats * amount for action, amount in piece.actions.items()}
        if self.aligned(WIDTH):
            amounts |= {"align": self.rows, "normalise": outputs}
        return sum(amount * self.energies()[action] for action, amount in amounts.items())

    @property
    def static_power(self) -> float:
        """Watts of one macro, whatever it does."""
        return self.rows * self.columns * self.depth * self.cell_leakage + self.logic_leakage

    @property
    def write_period(self) -> float:
        """Seconds to write `rows_written` rows, all their cells at once."""
        raise NotImplementedError

    @property
    def rows_written(self) -> int:
        """Rows of a plane that are written at once."""
        return 1

    def write_steps(self, rows: int) -> int:
        """Writes, one after another, that fill `rows` rows."""
        return ceil_div(rows, self.rows_written)

    def energies(self) -> dict[str, float]:
        """Per cell and bit, column and bit, output; FP8 per input and output; per cell written."""
        return {
            "cell": self.cell_energy,
            "tree": self.tree_energy,
            "accumulate": self.accumulate_energy,
            "sense": self.sense_energy,
            "align": self.align_energy,
            "normalise": self.normalise_energy,
        }

    def value_factor(self, action: str, values: Values) -> float:
        """`cell`: an AND gate works when input bit and stored bit are one, 1/4 of random codes."""
        if action != "cell":
            return 1.0
        usual = values.usual_drive * values.usual_level
        return values.drive * values.filled * values.level / usual

    def periods(self) -> list[float]:
        return [1 / self.clock]
