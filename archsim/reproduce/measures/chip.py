"""What an architecture is, before anything runs on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from archsim.errors import InputError
from archsim.reproduce.measure import ChipName, Measure, Workbench

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.components.bit_serial_macro import BitSerialMacro


class ChipMeasure(Measure):
    """Peak operations per second (two for a MAC) of one PE or of one chip, its power or area.

    tops: peak of a chip; pe_gops: of one PE, in 1e9 op/s; array_w: watts of one array or macro in
    full use; pes: PEs of a chip; area_mm2: of a chip; static_w: watts of a chip that does nothing.
    Of bit-serial macros: cells_mm2, of all cells of a chip; write_j, joules to write one of them.
    """

    kind: Literal["chip"]
    chip: ChipName
    of: Literal[
        "tops", "pe_gops", "array_w", "pes", "area_mm2", "static_w", "cells_mm2", "write_j"
    ] = "tops"  # fmt: skip

    def value(self, bench: Workbench) -> float:
        """The number; InputError for cells of a chip that has no bit-serial macros."""
        from archsim.arch.pe import roles
        from archsim.arch.totals import arrays_per_chip, chip_total, peak_tops

        arch = bench.chip(self.chip)
        if self.of == "array_w":
            return float(roles(arch.chip.tile.pe).array.power)
        if self.of == "static_w":
            return float(sum(part.static_power * count for part, count in arch.parts().values()))
        if self.of == "cells_mm2":
            macro = self._macro(arch)
            cells = macro.rows * macro.columns * macro.depth * arrays_per_chip(arch)
            return cells * macro.cell_area
        if self.of == "write_j":
            return self._macro(arch).energies()["write"]
        pes = arch.chip.tile.count * arch.chip.tile.pe.count
        if self.of == "pes":
            return float(pes)
        if self.of == "area_mm2":
            return chip_total(arch).area
        return peak_tops(arch) if self.of == "tops" else 1e3 * peak_tops(arch) / pes

    def _macro(self, arch: Architecture) -> BitSerialMacro:
        from archsim.arch.pe import MacroRoles, roles

        pe = roles(arch.chip.tile.pe)
        if not isinstance(pe, MacroRoles):
            raise InputError(
                f"'{arch.name}' has crossbars, whose cells have no {self.of}.",
                fix="Name a chip of bit-serial macros.",
            )
        return pe.array
