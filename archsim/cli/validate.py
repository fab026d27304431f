"""archsim validate: check any number of files and report on each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from archsim.cli import inputs

if TYPE_CHECKING:
    from archsim.adaptation.comparison_file import Experiment
    from archsim.arch.model import Architecture
    from archsim.sweep.plan import Plan
    from archsim.trace.model import Trace
    from archsim.trace.scenario import Scenario

Facts = tuple[dict[str, Any], str]  # for JSON, and a line for people


@click.command("validate")
@click.argument("files", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(files: tuple[str, ...], as_json: bool) -> None:
    """Check FILES and what they name; exit with 2 if any is bad.

    Architectures, traces, workloads, scenarios, sweeps and comparisons.
    """
    from archsim.cli import stdout
    from archsim.cli.console import print_json, warn
    from archsim.errors import InputError
    from archsim.system import shipped
    from archsim.tables.table import printable

    reports: list[dict[str, Any]] = []
    for path in files:
        try:
            key, found = inputs.load_any(shipped.resolve(path, *shipped.EXAMPLES))
        except InputError as fault:
            reports.append({"file": path, "ok": False, "error": str(fault)})
            if not as_json:
                click.echo("\n".join(map(printable, f"error: {fault}".splitlines())), err=True)
            continue
        facts, line = _FACTS[key](found)
        reports.append({"file": path, "ok": True, **facts})
        if not as_json:
            stdout.write(printable(f"{path}: {line}"))
            warn(f"{path}: {sentence}" for sentence in facts.get("warnings", ()))
    bad = sum(not report["ok"] for report in reports)
    if as_json:
        print_json({"files": reports, "bad": bad})
    if bad:
        raise click.exceptions.Exit(2)


def _arch(arch: Architecture) -> Facts:
    from archsim.arch.totals import arrays_per_chip, chip_total, peak_tops
    from archsim.arch.warnings import arch_warnings
    from archsim.tables import figures

    total, tiles, arrays = chip_total(arch), arch.chip.tile.count, arrays_per_chip(arch)
    peak = peak_tops(arch)
    facts = {
        "kind": "architecture",
        "name": arch.name,
        "tiles": tiles,
        "arrays": arrays,
        "peak_tops": peak,
        "power_w": total.power,
        "area_mm2": total.area,
        "warnings": arch_warnings(arch),
    }
    line = (
        f"architecture {arch.name}, {figures.count(tiles)} tiles, {figures.count(arrays)} arrays, "
        f"peak {figures.tops(peak)}, {figures.watts(total.power)}, {figures.area(total.area)}"
    )
    return facts, line


def _trace(trace: Trace) -> Facts:
    from archsim.tables import figures

    facts = {
        "kind": "trace",
        "name": trace.name,
        "layers": len(trace.layers),
        "macs": trace.macs(),
        "parameters": trace.parameters(),
    }
    line = (
        f"trace {trace.name}, {figures.count(len(trace.layers))} layers, "
        f"{figures.magnitude(trace.macs(), 'MACs')}, "
        f"{figures.magnitude(trace.parameters(), 'parameters')}"
    )
    return facts, line


def _scenario(scenario: Scenario) -> Facts:
    from archsim.tables import figures

    tasks, requests = len(scenario.tasks()), scenario.count()
    facts = {
        "kind": "scenario",
        "name": scenario.name,
        "trace": scenario.trace.name,
        "tasks": tasks,
        "requests": requests,
        "inferences": scenario.inferences(),
    }
    line = (
        f"scenario {scenario.name} of {scenario.trace.name}, {figures.count(tasks)} tasks, "
        f"{figures.count(requests)} requests"
    )
    return facts, line


def _sweep(plan: Plan) -> Facts:
    from archsim.tables import figures

    statuses = [] if plan.searching else [point.status for point in plan.points]
    left_out = {status: statuses.count(status) for status in ("invalid", "excluded")}
    facts = {
        "kind": "sweep",
        "name": plan.name,
        "axes": plan.axes,
        "points": plan.total,
        **left_out,
        "warnings": list(plan.warnings),
    }
    line = f"sweep {plan.name}, {len(plan.axes)} axes, {figures.count(plan.total)} points"
    for status, number in left_out.items():
        line += f", {figures.count(number)} of them {status}" if number else ""
    return facts, line


def _comparison(experiment: Experiment) -> Facts:
    facts = {
        "kind": "comparison",
        "name": experiment.name,
        "arch": experiment.arch.name,
        "trace": experiment.trace.name,
        "methods": list(experiment.methods),
        "gpus": list(experiment.gpus),
    }
    line = (
        f"comparison {experiment.name}, {experiment.trace.name} on {experiment.arch.name}, "
        f"{len(experiment.methods)} methods, {len(experiment.gpus)} GPUs"
    )
    return facts, line


_FACTS: dict[str, Callable[[Any], Facts]] = {
    inputs.ARCH: _arch,
    inputs.TRACE: _trace,
    inputs.SCENARIO: _scenario,
    inputs.SWEEP: _sweep,
    inputs.COMPARISON: _comparison,
}
