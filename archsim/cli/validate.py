"""archsim validate: check any number of files and report on each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.trace.model import Trace


@click.command("validate")
@click.argument("files", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(files: tuple[str, ...], as_json: bool) -> None:
    """Check architectures, traces and workloads; exit with 2 if any of FILES is bad."""
    from archsim.arch.model import Architecture
    from archsim.cli import stdout
    from archsim.cli.console import print_json
    from archsim.cli.inputs import load_either
    from archsim.errors import InputError
    from archsim.report.table import printable

    reports: list[dict[str, Any]] = []
    for path in files:
        try:
            found = load_either(path)
        except InputError as fault:
            reports.append({"file": path, "ok": False, "error": str(fault)})
            if not as_json:
                click.echo("\n".join(map(printable, f"error: {fault}".splitlines())), err=True)
            continue
        facts, line = _arch(found) if isinstance(found, Architecture) else _trace(found)
        reports.append({"file": path, "ok": True, **facts})
        if not as_json:
            stdout.write(printable(f"{path}: {line}"))
    bad = sum(not report["ok"] for report in reports)
    if as_json:
        print_json({"files": reports, "bad": bad})
    if bad:
        raise click.exceptions.Exit(2)


def _arch(arch: Architecture) -> tuple[dict[str, Any], str]:
    from archsim.arch.totals import arrays_per_chip, chip_total, peak_tops
    from archsim.report import figures

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
    }
    line = (
        f"architecture {arch.name}, {figures.count(tiles)} tiles, {figures.count(arrays)} arrays, "
        f"peak {figures.tops(peak)}, {figures.watts(total.power)}, {figures.area(total.area)}"
    )
    return facts, line


def _trace(trace: Trace) -> tuple[dict[str, Any], str]:
    from archsim.report import figures

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
