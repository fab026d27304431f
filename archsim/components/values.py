"""What the data of one layer look like to the parts of a PE."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Values:
    """Averages over the reads of one layer, all shares of 1.

    one_density: ones in the bits of its inputs; drive: energy of a wordline's pulse over that of
    one at full scale; level: cell level over the highest, of cells that hold weights; filled: cells
    that hold weights among those in the rows and columns in use; live: conversions that are not
    skipped; usual_drive, usual_level: the same with uniform random codes, at which stated powers
    are understood to be; inputs, weights: whether the trace had the statistics.
    """

    one_density: float
    drive: float
    level: float
    filled: float
    live: float
    usual_drive: float
    usual_level: float
    inputs: bool
    weights: bool
