"""Write drivers of a tile: how cells of its arrays are programmed, row by row, with verify."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from archsim.components.base import Component
from archsim.schema.ranges import Few, Ratio, Times
from archsim.schema.units import POSITIVE, Count, Duration, Energy


class WriteDriver(Component):
    """Programs a row of an array: all its cells get a pulse, then the row is read back.

    A loop is one pulse and, with `verify`, one read of the row through the ADC; cells that have
    reached their level get no further pulses, and the row is done with its slowest cell. The pulses
    of a cell follow a normal distribution rounded to whole ones and cut to 1 .. `most`. Programmed
    without verify, every cell gets `pulses` pulses.
    """

    kind: Literal["write_driver"]
    technology: Annotated[str, Field(description="of the cells: RRAM, PCM, ...")]
    pulse: Annotated[Duration, POSITIVE, Field(description="one pulse, with its set-up")]
    pulse_energy: Annotated[Energy, Field(description="of one cell in one pulse")]
    pulses: Annotated[Ratio, Field(le=10_000, description="mean number until a cell has its level")]
    spread: Annotated[float, Field(ge=0, le=10_000, description="its standard deviation")] = 0.0
    most: Annotated[Few, Field(description="pulses after which a cell is given up")]
    verify: bool = True
    rows: Annotated[Count, Field(description="arrays of a tile that program a row at once")] = 1
    endurance: Annotated[Times, Field(description="cycles that a cell survives")]

    title: ClassVar[str] = "write drivers"

    def energies(self) -> dict[str, float]:
        """`pulse`: one pulse on one cell."""
        return {"pulse": self.pulse_energy}

    def periods(self) -> list[float]:
        return [self.pulse]

    @property
    def _of_a_cell(self) -> _Pulses:
        return _pulses(self.pulses, self.spread if self.verify else 0.0, self.most)

    def shares(self) -> NDArray[np.float64]:
        """(most,) probability that a cell takes 1, 2, ... pulses; read-only."""
        return self._of_a_cell.shares

    def mean_pulses(self) -> float:
        """Pulses that a cell takes on average, after rounding and cutting."""
        return self._of_a_cell.mean

    def draw_rows(
        self, rows: int, cells: int, random: np.random.Generator
    ) -> tuple[NDArray[np.int64], int]:
        """Loops of each of `rows` rows of `cells` cells, and pulses of all cells together.

        The slowest of c cells has the distribution F^c (Program-verify of a row); the sum over
        many cells is drawn from its normal limit.
        """
        drawn = self._of_a_cell
        uniform = random.random(rows) ** (1 / max(cells, 1))
        loops = np.searchsorted(drawn.upto, np.minimum(uniform, 1 - 1e-15), side="left") + 1
        count, most = rows * cells, len(drawn.shares)
        total = count * drawn.mean + random.normal() * drawn.deviation * math.sqrt(count)
        return np.minimum(loops, most), round(min(max(total, count), count * most))


class _Pulses(NamedTuple):
    """Shares of the numbers of pulses of a cell, their sums, and mean and deviation."""

    shares: NDArray[np.float64]
    upto: NDArray[np.float64]
    mean: float
    deviation: float


@lru_cache(maxsize=64)  # asked for every array that is programmed
def _pulses(pulses: float, spread: float, most: int) -> _Pulses:
    """Normal shares of the numbers of pulses, cut at 1 and `most`; a single one without spread."""
    if spread == 0:
        shares = np.zeros(max(most, round(pulses)))
        shares[max(round(pulses), 1) - 1] = 1.0
    else:
        steps = [k + 0.5 for k in range(1, most)]
        below = [0.5 * (1 + math.erf((k - pulses) / (spread * math.sqrt(2)))) for k in steps]
        shares = np.diff([0.0, *below, 1.0])
    shares.flags.writeable = False
    counts = np.arange(1, len(shares) + 1)
    mean = float(shares @ counts)
    deviation = math.sqrt(max(float(shares @ counts**2) - mean**2, 0.0))
    return _Pulses(shares, np.cumsum(shares), mean, deviation)
