"""What an architecture is, before anything runs on it."""

from __future__ import annotations

from typing import Literal

from archsim.reproduce.bench import Bench
from archsim.reproduce.measure import ChipName, Measure


class ChipMeasure(Measure):
    """Peak operations per second (two for a MAC) of one PE or of one chip, its power or area.

    tops: peak of a chip; pe_gops: of one PE, in 1e9 op/s; array_w: watts of one array or macro in
    full use; pes: PEs of a chip; area_mm2: of a chip.
    """

    kind: Literal["chip"]
    chip: ChipName
    of: Literal["tops", "pe_gops", "array_w", "pes", "area_mm2"] = "tops"

    def value(self, bench: Bench) -> float:
        from archsim.arch.pe import roles
        from archsim.arch.totals import chip_total, peak_tops

        arch = bench.chip(self.chip)
        if self.of == "array_w":
            return float(roles(arch.chip.tile.pe).array.power)
        pes = arch.chip.tile.count * arch.chip.tile.pe.count
        if self.of == "pes":
            return float(pes)
        if self.of == "area_mm2":
            return chip_total(arch).area
        return peak_tops(arch) if self.of == "tops" else 1e3 * peak_tops(arch) / pes
