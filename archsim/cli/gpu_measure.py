"""archsim gpu measure: the layers of a model on the GPU of this host."""

from __future__ import annotations

from pathlib import Path

import click

from archsim.cli.shipped_file import MODEL


@click.command("measure")
@click.option("--trace", type=MODEL, required=True, metavar="FILE", help="A trace or a workload.")
@click.option("--out", metavar="FILE",
              help="Where the measurement goes; else a name made from what it is.")  # fmt: skip
@click.option("--batch", type=click.IntRange(1, 10**9), default=1, show_default=True, metavar="N",
              help="Inferences that run together.")  # fmt: skip
@click.option("--precision", default="bf16", show_default=True,
              type=click.Choice(["fp32", "tf32", "fp16", "bf16"]))  # fmt: skip
@click.option("--seconds", default=1.0, show_default=True, type=click.FloatRange(0.01, 60),
              help="How long each kernel runs.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Do not name each layer on stderr.")
def command(
    trace: str, out: str | None, batch: int, precision: str, seconds: float, quiet: bool
) -> None:
    """Measure every layer of a trace as a PyTorch kernel, with its energy from NVML.

    Needs an NVIDIA GPU and the packages torch and nvidia-ml-py; without them it says so.
    """
    from hashlib import sha256

    from archsim.cli import stdout
    from archsim.gpu.measure import find_device, measure
    from archsim.gpu.measurement import file_name, save_measurement
    from archsim.trace.load import load_trace

    loaded = load_trace(trace)
    device = find_device()

    def name_layer(layer: str, done: int, total: int) -> None:
        if not quiet:
            click.echo(f"{done + 1}/{total} {layer}", err=True)

    digest = sha256(Path(trace).read_bytes()).hexdigest()
    measured = measure(
        device,
        loaded,
        digest,
        batch=batch,
        precision=precision,
        seconds=seconds,
        progress=name_layer,
    )
    target = out or file_name(measured)
    save_measurement(measured, target)
    stdout.write(f"{target}: {len(measured.kernels)} kernels on {measured.device}")
