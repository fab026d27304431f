"""What a worker does: simulate points, one after another, and never raise for one of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from archsim.arch.model import Architecture
from archsim.arch.totals import chip_total, peak_tops
from archsim.errors import InputError
from archsim.options import FIGURES_ALONE
from archsim.result import Result
from archsim.schema.expression import Expression, ExpressionError, parse_expression
from archsim.sweep.inputs import Inputs, fault_text, tool_version
from archsim.sweep.methods import METHOD, SWITCH_FIGURES, method_of, parameter, switch_figures
from archsim.sweep.names import CHIP_FIGURES, FIGURES
from archsim.sweep.paths import RUN, TRACE, arch_value, trace_leaves
from archsim.sweep.points import EXCLUDED, FAILED, INVALID, OK, Point
from archsim.trace.model import Trace


@dataclass(frozen=True)
class Outcome:
    """What became of a point: its status, why, its figures if it ran, and the seconds it took."""

    index: int
    status: str
    reason: str = ""
    figures: dict[str, Any] | None = None
    wall_s: float = 0.0


class WrongVersion(InputError):
    """A worker runs other code than the client."""


def run_points(
    inputs: Inputs, points: Sequence[Point], constraints: Sequence[str], version: str
) -> list[Outcome]:
    """Simulate points on a worker. WrongVersion if its archsim is not the client's."""
    if version != tool_version():
        raise WrongVersion(
            f"a worker runs archsim {tool_version()}, and this is archsim {version}.",
            fix="Install the same archsim on all machines and start them again.",
        )
    parsed = [parse_expression(text) for text in constraints]
    return [run_point(inputs, point, parsed) for point in points]


def run_point(inputs: Inputs, point: Point, constraints: Sequence[Expression]) -> Outcome:
    """Simulate one point; whatever goes wrong becomes its status and reason."""
    begun = time.perf_counter()
    try:
        status, reason, figures = _run(inputs, point, constraints)
    except InputError as fault:
        status, reason, figures = INVALID, fault_text(fault), None
    except (ExpressionError, OverflowError) as fault:
        status, reason, figures = INVALID, str(fault), None
    except Exception as fault:
        kind = type(fault).__name__
        known = kind == "DeadlockError"
        status, reason, figures = INVALID if known else FAILED, f"{kind}: {fault}", None
    return Outcome(point.index, status, reason, figures, time.perf_counter() - begun)


def _run(
    inputs: Inputs, point: Point, constraints: Sequence[Expression]
) -> tuple[str, str, dict[str, Any] | None]:
    def figures() -> dict[str, Any]:
        trace = inputs.trace_with(point.trace, point.trace_sets)
        return point_figures(arch, trace, point)

    arch = inputs.arch_with(point.arch)
    return judge(inputs, point, arch, constraints, figures)


def judge(
    inputs: Inputs,
    point: Point,
    arch: Architecture,
    constraints: Sequence[Expression],
    figures: Callable[[], dict[str, Any]],
) -> tuple[str, str, dict[str, Any] | None]:
    """(status, reason, figures) of a point; figures are only asked for if the chip is allowed."""
    before, after = _split(constraints, point)
    reason = unmet(before, point, inputs, arch, chip_figures(arch, point)) if before else ""
    if reason:
        return EXCLUDED, reason, None
    found = figures()
    reason = unmet(after, point, inputs, arch, found)
    return (EXCLUDED if reason else OK), reason, found


def unmet_before(inputs: Inputs, point: Point, constraints: Sequence[Expression]) -> str:
    """Which constraints a point's chip does not meet; '' for none. InputError if it is invalid."""
    before, _ = _split(constraints, point)
    arch = inputs.arch_with(point.arch)
    return unmet(before, point, inputs, arch, chip_figures(arch, point)) if before else ""


def point_figures(arch: Architecture, trace: Trace, point: Point) -> dict[str, Any]:
    """The figures of a point's run, and of its task switch if it has an adaptation method.

    Points that differ in costs alone share the Program of the run.
    """
    from archsim.simulation import simulate

    method = method_of(point.adaptation)
    run = partial(simulate, arch, run=point.options, outputs=FIGURES_ALONE, memory=_recent)
    if method is None:
        return figures_of(run(trace))
    adapted = method.adapt(trace, arch)
    result = run(adapted.trace, placement=adapted.placement)
    switch = switch_figures(arch, adapted, point.options.on(result.chips), memory=_recent)
    return {**figures_of(result), **switch}


class _Recent(dict[str, Any]):
    """The latest few runs of this worker."""

    MOST = 4

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        while len(self) > self.MOST:
            del self[next(iter(self))]


_recent = _Recent()


def forget_runs() -> None:
    """Let go of the latest runs, so that the next point is mapped and simulated anew."""
    _recent.clear()


def figures_of(result: Result) -> dict[str, Any]:
    """The single figures of a result, and its energy by kind of component, by column name."""
    figures: dict[str, Any] = {name: getattr(result, name) for name in FIGURES}
    for kind, joules in sorted(result.energy_breakdown_j.items()):
        figures[f"energy_{kind.replace(' ', '_')}_j"] = joules
    return {**figures, "digest": result.digest}


def chip_figures(arch: Architecture, point: Point) -> dict[str, float]:
    """CHIP_FIGURES, for all chips of a run."""
    chips = point.options.most_chips
    assert chips is not None
    return {"area_mm2": chips * chip_total(arch).area, "peak_tops": chips * peak_tops(arch)}


def _split(
    constraints: Sequence[Expression], point: Point
) -> tuple[list[Expression], list[Expression]]:
    """Constraints that can be checked before the simulation of a point, and the others."""
    known = set(CHIP_FIGURES) if point.options.most_chips is not None else set()
    results = {*FIGURES, *SWITCH_FIGURES} - known
    before = [c for c in constraints if not c.names & results]
    return before, [c for c in constraints if c not in before]


def unmet(
    constraints: Sequence[Expression],
    point: Point,
    inputs: Inputs,
    arch: Architecture,
    figures: dict[str, Any],
) -> str:
    """Which constraints a point does not meet, as the reason of its exclusion; '' for none."""
    lookup = _lookup(point, inputs, arch, figures)
    missed = [c.text for c in constraints if not c.value(lookup)]
    return "; ".join(f"not met: {text}" for text in missed)


def _lookup(
    point: Point, inputs: Inputs, arch: Architecture, figures: dict[str, Any]
) -> Callable[[str], Any]:
    def value(name: str) -> Any:
        if name in figures:
            return figures[name]
        if name in ("trace", "method"):
            return getattr(point, name)
        if name.startswith(RUN):
            return getattr(point.options, name.removeprefix(RUN))
        if name.startswith(METHOD):
            return parameter(point.adaptation, name)
        if name.startswith(TRACE):
            trace = inputs.trace_with(point.trace, point.trace_sets)
            return trace_leaves(trace)[name.removeprefix(TRACE)]
        try:
            return arch_value(arch, name)
        except KeyError:
            return point.settings[name]

    return value
