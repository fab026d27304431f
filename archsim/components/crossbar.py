"""A crossbar of resistive cells: rows of inputs, columns of weighted sums."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from archsim.components.base import Component, ceil_div
from archsim.components.values import Values
from archsim.schema.units import POSITIVE, Bits, Conductance, Duration, Shape2D, Voltage


class Crossbar(Component):
    """An analog array that multiplies a vector of input bits by its stored weights in one read.

    A weight of w bits takes ceil(w / bits_per_cell) neighbouring columns, twice that with
    differential encoding (positive and negative part); offset encoding stores weight + bias and
    subtracts the bias digitally (ISAAC section V).

    The energy of a read is that of its cells, V^2 G t each, if read_voltage and on_conductance are
    given (`power` then counts only through its static share). Otherwise it is the array's power
    over its cells, understood as the average over uniform random inputs and weights in cells whose
    conductance grows from zero with their level.
    """

    kind: Literal["crossbar"]
    size: Annotated[Shape2D, Field(description="rows x columns")]
    bits_per_cell: Bits
    encoding: Literal["offset", "differential"] = "offset"
    read_time: Annotated[Duration, POSITIVE, Field(description="one read of all columns")]
    read_voltage: Annotated[
        Voltage, Field(description="over a cell at full scale of the DAC; 0: not stated")
    ] = 0.0
    read_pulse: Annotated[
        Duration, Field(description="time the voltage is there; read_time unless given")
    ] = 0.0
    on_conductance: Annotated[
        Conductance, Field(description="of a cell at its highest level; 0: not stated")
    ] = 0.0
    off_conductance: Annotated[
        Conductance, Field(description="of a cell at level 0, and of one without a weight")
    ] = 0.0

    flip: Annotated[
        bool, Field(description="columns that would need the top bit are stored inverted")
    ] = False

    title: ClassVar[str] = "crossbars"
    costing_only = Component.costing_only | {"read_pulse", "flip"}
    descriptive = Component.descriptive | {"flip"}

    @model_validator(mode="after")
    def _cell(self) -> Self:
        if (self.read_voltage > 0) != (self.on_conductance > 0):
            raise ValueError("read_voltage and on_conductance are given together or not at all")
        if self.off_conductance > self.on_conductance:
            raise ValueError(
                f"off_conductance ({self.off_conductance:g} S) is above on_conductance "
                f"({self.on_conductance:g} S): level 0 conducts least"
            )
        return self

    @property
    def rows(self) -> int:
        return self.size[0]

    @property
    def columns(self) -> int:
        return self.size[1]

    def columns_per_weight(self, weight_bits: int) -> int:
        """Columns that one weight takes."""
        slices = ceil_div(weight_bits, self.bits_per_cell)
        return slices * (2 if self.encoding == "differential" else 1)

    def mean_conductance(self, values: Values) -> float | None:
        """Siemens of a cell in use, averaged over a layer; None without conductances."""
        if not self.on_conductance:
            return None
        span = self.on_conductance - self.off_conductance
        return self.off_conductance + values.filled * values.level * span

    def energies(self) -> dict[str, float]:
        """`cell_read`: one cell during one read.

        With conductances that of a cell at its highest level on a row at full scale, else the
        array's power over its cells.
        """
        if self.on_conductance:
            pulse = self.read_pulse or self.read_time
            return {"cell_read": self.read_voltage**2 * self.on_conductance * pulse}
        return {"cell_read": self.dynamic_power * self.read_time / (self.rows * self.columns)}

    def value_factor(self, action: str, values: Values) -> float:
        """`cell_read`: mean conductance times wordline drive, over what `energies` is for."""
        if action != "cell_read":
            return 1.0
        conductance = self.mean_conductance(values)
        if conductance is not None:
            return values.drive * conductance / self.on_conductance
        usual = values.usual_drive * values.usual_level
        return values.drive * values.filled * values.level / usual

    def periods(self) -> list[float]:
        return [self.read_time]
