"""archsim gpu compare: the roofline beside a measurement."""

from __future__ import annotations

import click

from archsim.cli.shipped_file import MODEL


@click.command("compare")
@click.argument("measurement")
@click.argument("trace", type=MODEL)
@click.option("--gpu", metavar="NAME", help="The model's GPU; else the one that was measured.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(measurement: str, trace: str, gpu: str | None, as_json: bool) -> None:
    """Show the model's time and energy of each kernel of MEASUREMENT, made with TRACE."""
    from hashlib import sha256
    from pathlib import Path

    from archsim.cli.console import print_json, print_tables
    from archsim.gpu.load import load_gpu, named_like
    from archsim.gpu.measurement import compare, load_measurement
    from archsim.report import gpu_tables
    from archsim.tables.table import rows
    from archsim.trace.load import load_trace

    measured = load_measurement(measurement)
    modelled = load_gpu(gpu or named_like(measured.device))
    found = compare(measured, modelled, load_trace(trace))
    same = sha256(Path(trace).read_bytes()).hexdigest() == measured.trace_sha256
    kernels, totals = gpu_tables.comparison_tables(measured, modelled, found, same_trace=same)
    if as_json:
        print_json(
            {"device": measured.device, "gpu": modelled.name, "kernels": rows(kernels),
             "totals": rows(totals)}
        )  # fmt: skip
    else:
        print_tables(kernels, totals)
