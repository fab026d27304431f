"""Run a Program with its timeline recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from archsim.arch.model import Architecture
from archsim.components.values import Values
from archsim.engine.activity import Activity
from archsim.engine.record import run_recorded
from archsim.errors import InputError
from archsim.mapping.mapped import Mapped
from archsim.program import Ints
from archsim.timeline.buffers import occupancy
from archsim.timeline.model import LABEL, TRACK, Timeline, Track
from archsim.timeline.operations import operation_slices
from archsim.timeline.power import Power
from archsim.timeline.slices import Slices

LIMIT = 100_000
LEAST_LIMIT = 100


def record(
    arch: Architecture,
    mapped: Mapped,
    values: Mapping[str, Values],
    *,
    name: str = "",
    limit: int = LIMIT,
    engine: str = "fast",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Timeline, Activity]:
    """Run on the named engine, every service by itself, and keep at most about `limit` slices.

    values: by layer, as for costing. Three quarters of the slices are for units, the rest for
    operations. Memory grows with `limit` and with the number of instances, not of services.
    InputError for a limit below 100.
    """
    if limit < LEAST_LIMIT:
        raise InputError(f"the timeline's limit is {limit} slices.", fix="Give 100 or more.")
    units = Slices(mapped.program, mapped.resource_places, arch.chip.tile.count, limit * 3 // 4)
    power = Power(arch, mapped, values)

    def take(services: Ints) -> None:
        units.add(services)
        power.add(services)

    activity = run_recorded(mapped.program, take, progress, engine)
    rows, tracks, labels = _joined(units, mapped, activity, limit // 4)
    timeline = Timeline(
        name=name,
        tick=mapped.tick,
        makespan=activity.makespan,
        tracks=tracks,
        labels=labels,
        slices=rows,
        counters=[
            *power.counters(activity.makespan, mapped.tick),
            *occupancy(mapped, activity),
        ],
        resolution=units.gap,
        merged=units.merged,
    )
    return timeline, activity


def _joined(
    units: Slices, mapped: Mapped, activity: Activity, limit: int
) -> tuple[Ints, list[Track], list[str]]:
    tracks, labels, rows = operation_slices(mapped, activity, limit)
    table = units.table()
    used, table[:, TRACK] = np.unique(table[:, TRACK], return_inverse=True)
    table[:, TRACK] += len(tracks)
    table[:, LABEL] += len(labels)
    return (
        np.concatenate([rows, table]),
        [*tracks, *(units.tracks[i] for i in used.tolist())],
        [*labels, *mapped.program.flow_names],
    )
