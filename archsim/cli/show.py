"""archsim show: what an architecture or a trace consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from archsim.cli.shipped_file import CHIP_OR_MODEL, MODEL

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.trace.model import Trace


@click.command("show")
@click.argument("file", type=CHIP_OR_MODEL)
@click.argument("trace", required=False, type=MODEL)
@click.option(
    "--mapping", is_flag=True, help="Where each layer of TRACE stands, how often and why."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(file: str, trace: str | None, mapping: bool, as_json: bool) -> None:
    """Show FILE: the parts of an architecture, or the layers of a trace or workload."""
    from archsim.arch.model import Architecture
    from archsim.cli.inputs import load_either

    if mapping != (trace is not None):
        raise click.UsageError("--mapping takes a chip and a model: show --mapping ARCH TRACE.")
    if trace is not None:
        _show_mapping(file, trace, as_json)
        return
    found = load_either(file)
    if isinstance(found, Architecture):
        _show_arch(found, as_json)
    else:
        _show_trace(found, as_json)


def _show_mapping(arch: str, trace: str, as_json: bool) -> None:
    from archsim.arch.load import load_arch
    from archsim.cli.console import print_json, print_tables
    from archsim.mapping.options import MapOptions
    from archsim.report.mapping_tables import mapping_table
    from archsim.tables.table import rows
    from archsim.trace.load import load_trace

    table = mapping_table(load_arch(arch), load_trace(trace), MapOptions(chips="auto"))
    if as_json:
        print_json({"name": table.title, "layers": rows(table)})
    else:
        print_tables(table)


def _show_arch(arch: Architecture, as_json: bool) -> None:
    from archsim.arch.warnings import arch_warnings
    from archsim.cli.console import print_json, print_tables, warn
    from archsim.report.arch_tables import sum_table, tree_table
    from archsim.tables.table import rows

    tree, totals, warnings = tree_table(arch), sum_table(arch), arch_warnings(arch)
    warn(warnings)
    if not as_json:
        print_tables(tree, totals)
        return
    print_json(
        {
            "name": arch.name,
            "description": arch.description,
            "technology_m": arch.technology,
            "clock_hz": arch.clock,
            "weight_bits": arch.precision.weight,
            "input_bits": arch.precision.input,
            "parts": rows(tree),
            "totals": rows(totals),
            "warnings": warnings,
        }
    )


def _show_trace(trace: Trace, as_json: bool) -> None:
    from archsim.cli.console import print_json, print_tables
    from archsim.report.trace_tables import layer_table, total_table
    from archsim.tables.table import rows

    layers = layer_table(trace)
    if not as_json:
        print_tables(layers, total_table(trace))
        return
    print_json(
        {
            "name": trace.name,
            "provenance": trace.provenance.model_dump(),
            "weight_bits": trace.precision.weight,
            "input_bits": trace.precision.input,
            "inputs": [{"name": item.name, "shape": item.shape} for item in trace.inputs],
            "layers": rows(layers),
            "macs": trace.macs(),
            "parameters": trace.parameters(),
        }
    )
