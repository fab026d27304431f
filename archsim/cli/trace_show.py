"""archsim trace show: the layers, work and values of a trace, or what a scenario asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from archsim.cli.shipped_file import MODEL

if TYPE_CHECKING:
    from archsim.trace.model import Trace
    from archsim.trace.scenario import Scenario

REQUESTS = 10  # shown of a scenario unless --layers says otherwise


@click.command("show")
@click.argument("file", type=MODEL)
@click.option("--layers", "most", type=click.IntRange(0, 10**9), metavar="N",
              help="Show the first N layers (of a scenario: requests).")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(file: str, most: int | None, as_json: bool) -> None:
    """Show FILE: a trace, a workload or a scenario."""
    from archsim.cli.console import print_json, print_tables
    from archsim.documents import load_document
    from archsim.report.trace_tables import layer_table, total_table, value_table
    from archsim.trace.load import trace_from_document
    from archsim.trace.scenario import SCENARIO_KEY, scenario_from_document

    document = load_document(file)
    if isinstance(document.data, dict) and SCENARIO_KEY in document.data:
        _show_scenario(
            scenario_from_document(document), REQUESTS if most is None else most, as_json
        )
        return
    trace = trace_from_document(document)
    if as_json:
        print_json(_trace_json(trace, most))
        return
    values = value_table(trace, most)
    tables = [layer_table(trace, most), *([values] if values.records else []), total_table(trace)]
    print_tables(*tables)


def _trace_json(trace: Trace, most: int | None) -> dict[str, Any]:
    from archsim.report.trace_tables import activations, layer_table, value_table
    from archsim.tables.table import rows
    from archsim.trace.generation import kv_cache

    cache = kv_cache(trace)
    return {
        "name": trace.name,
        "provenance": trace.provenance.model_dump(),
        "inputs": [{"name": item.name, "shape": item.shape} for item in trace.inputs],
        "layers": rows(layer_table(trace, most)),
        "values": rows(value_table(trace, most)),
        "layer_count": len(trace.layers),
        "macs": trace.macs(),
        "parameters": trace.parameters(),
        "parameters_with_biases": trace.parameters(biases=True),
        "activations": activations(trace),
        "generation": trace.generation and trace.generation.model_dump(),
        "kv_cache_bits_per_token": cache and cache.per_token,
        "kv_cache_bits": cache and cache.total,
    }


def _show_scenario(scenario: Scenario, most: int, as_json: bool) -> None:
    from archsim.cli.console import print_json, print_tables
    from archsim.report.scenario_tables import request_table, scenario_table
    from archsim.tables.table import rows

    requests = request_table(scenario, most)
    if not as_json:
        print_tables(scenario_table(scenario), requests)
        return
    print_json(
        {
            "name": scenario.name,
            "trace": str(scenario.trace_path),
            "tasks": scenario.tasks(),
            "request_count": scenario.count(),
            "inferences": scenario.inferences(),
            "switches": scenario.switches(),
            "requests": rows(requests),
        }
    )
