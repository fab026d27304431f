"""What may be chosen about a run: shared by all that start one, and kept in its Result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from archsim.mapping.options import MapOptions
from archsim.schema.ranges import Seed
from archsim.schema.units import Count


class RunOptions(MapOptions):
    """What a run's figures depend on beside the chip and the model.

    batch: inferences, one behind the other; statistics: let the trace's value statistics change
    energies, else codes are uniform and random; effort: 0 maps by rules, 1 and 2 search for a
    mapping that is better by `objective`, with random steps from `search_seed`. An option that the
    mapping reads belongs to MapOptions.
    """

    batch: Count = 1
    statistics: bool = True
    effort: Literal[0, 1, 2] = 0
    objective: Literal["latency", "interval", "energy", "edp"] = "latency"
    search_seed: Seed = 0


DEFAULT_RUN = RunOptions()


@dataclass(frozen=True)
class Outputs:
    """What a run gives beside its figures.

    details: layers, value factors, critical path, floor plan and generation in the Result; without
    them it has the figures and the energy of each component; timeline: a file to record, .json or
    .pftrace, with about `timeline_limit` slices at most (the run then takes no shortcuts);
    mapping: a file for the mapping that was chosen.
    """

    details: bool = True
    timeline: str | Path | None = None
    timeline_limit: int = 100_000
    mapping: str | Path | None = None


FULL_OUTPUTS = Outputs()
FIGURES_ALONE = Outputs(details=False)
