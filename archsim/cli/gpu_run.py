"""archsim gpu run: time and energy of a model on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from archsim.cli.shipped_file import MODEL

if TYPE_CHECKING:
    from archsim.gpu.model import LaunchMode


@click.command("run")
@click.argument("gpu")
@click.argument("trace", type=MODEL)
@click.option("--batch", type=click.IntRange(1, 10**9), default=1, show_default=True, metavar="N",
              help="Inferences that run together.")  # fmt: skip
@click.option("--precision", default="bf16", show_default=True,
              help="fp32, tf32, fp16, bf16, fp8 or int8, as the GPU has them.")  # fmt: skip
@click.option("--no-fuse", is_flag=True, help="Launch one kernel for every layer.")
@click.option("--launch", type=click.Choice(["graph", "host"]), default="graph", show_default=True,
              help="Kernels in one graph, or one by one by the host.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    gpu: str,
    trace: str,
    batch: int,
    precision: str,
    no_fuse: bool,
    launch: LaunchMode,
    as_json: bool,
) -> None:
    """Work out TRACE (a trace or a workload) on GPU (a name such as a100, or a YAML)."""
    from archsim.cli.console import print_json, print_tables
    from archsim.gpu.inference import inference
    from archsim.gpu.load import load_gpu
    from archsim.report import gpu_tables
    from archsim.trace.load import load_trace

    result = inference(
        load_gpu(gpu), load_trace(trace), batch, precision, fuse=not no_fuse, launch=launch
    )
    if as_json:
        print_json(gpu_tables.as_data(result))
    else:
        print_tables(gpu_tables.headline(result), gpu_tables.kernel_table(result))
