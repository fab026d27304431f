"""Power over time: the energy of every service spread over its time, and static power."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from archsim.arch.model import Architecture
from archsim.components.values import Values
from archsim.costing.energy import cost
from archsim.mapping.mapped import Mapped
from archsim.program import Ints
from archsim.timeline.model import Counter

BUCKETS = 1024


class Power:
    """Joules in buckets of time, by component; a bucket doubles its width when the run outgrows it.

    A service's energy is its action's bill at the components' energies per action and the layer's
    values, as costing has them, drawn evenly from its start to its end. values: by layer.
    """

    def __init__(
        self,
        arch: Architecture,
        mapped: Mapped,
        values: Mapping[str, Values],
        buckets: int = BUCKETS,
    ):
        from archsim.engine.cache import prepare_cache

        prepare_cache()
        from archsim.timeline import kernel

        self._feed = kernel.feed_energy
        parts = arch.parts()
        self._paths = list(parts)
        self._static = np.array(
            [part.static_power * number * mapped.chips for part, number in parts.values()]
        )
        number = {path: i for i, path in enumerate(self._paths)}
        energies = {path: part.energies() for path, (part, _) in parts.items()}
        program = mapped.program
        counts_of = program.action_counts()
        factors = cost(arch, mapped.actions, counts_of, 0.0, mapped.chips, values).factors
        bills = [
            [
                (
                    number[path],
                    amount * energies[path][name] * factors[action.layer].get((path, name), 1.0),
                )
                for path, name, amount in action.bill
            ]
            for action in mapped.actions.actions
        ]
        at, entries, joules = [0], [], []
        counts = program.stage_count.tolist()
        for action, count in zip(program.stage_action.tolist(), counts, strict=True):
            for part_number, each in bills[action] if action >= 0 else []:
                entries.append(part_number)
                joules.append(count * each)
            at.append(len(entries))
        self._bill_at = np.asarray(at, np.int64)
        self._bill_part = np.asarray(entries, np.int64)
        self._bill_joules = np.asarray(joules, np.float64)
        self._joules = np.zeros((len(parts), buckets))
        self._width = 1

    def add(self, services: Ints) -> None:
        """Services (k, 4) of (stage, instance, start, end)."""
        self._width = self._feed(
            services,
            self._bill_at,
            self._bill_part,
            self._bill_joules,
            self._joules,
            self._width,
        )

    def counters(self, makespan: int, tick: float) -> list[Counter]:
        """Watts of the whole machine and of each component that draws any, from 0 to makespan.

        The integral over the run is its energy.
        """
        used = max(-(-makespan // self._width), 1)
        edges = np.minimum(np.arange(used + 1, dtype=np.int64) * self._width, max(makespan, 1))
        seconds = np.diff(edges) * tick
        joules = self._joules[:, :used].copy()
        joules[:, -1] += self._joules[:, used:].sum(axis=1)  # of zero ticks, at the very end
        watts = joules / seconds + self._static[:, None]
        rows = [("power", watts.sum(axis=0))]
        rows += [
            (f"power of {path.removeprefix('chip.')}", row)
            for path, row in zip(self._paths, watts, strict=True)
            if row.any()
        ]
        return [Counter("power", name, "W", edges, np.append(values, 0.0)) for name, values in rows]
