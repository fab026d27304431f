"""archsim trace export hf-config: a model's sizes as a workload, without its weights."""

from __future__ import annotations

import shlex

import click
from click.core import ParameterSource

from archsim.cli import trace_output

POSITIVE = click.IntRange(1, 10**7)
BITS = click.IntRange(1, 32)


@click.command("hf-config")
@click.argument("model")
@click.option("--seq", type=POSITIVE, metavar="P",
              help="Positions of a sequence that are there at once: a prompt.")  # fmt: skip
@click.option("--decode", type=click.IntRange(0, 10**7), default=0, show_default=True, metavar="D",
              help="Positions generated after them, one after another.")  # fmt: skip
@click.option("--sequences", type=POSITIVE, default=1, show_default=True, metavar="B",
              help="Sequences that run together.")  # fmt: skip
@click.option("--past", type=click.IntRange(0, 10**7), default=0, show_default=True, metavar="N",
              help="Positions whose keys and values are in a cache already.")  # fmt: skip
@click.option("--image", type=POSITIVE, metavar="PIXELS",
              help="Height and width of the image, in place of the configuration's.")  # fmt: skip
@click.option("--no-head", is_flag=True, help="End with the last block.")
@click.option("--weight-bits", type=BITS, default=8, show_default=True, metavar="N",
              help="Width of a weight's code.")  # fmt: skip
@click.option("--input-bits", type=BITS, default=8, show_default=True, metavar="N",
              help="Width of an activation's code.")  # fmt: skip
@click.option("--name", help="Name of the trace; by default the model's.")
@trace_output.output_option("A .yaml workload or a .json trace; by default NAME.yaml.")
def command(
    model: str,
    seq: int | None,
    decode: int,
    sequences: int,
    past: int,
    image: int | None,
    no_head: bool,
    weight_bits: int,
    input_bits: int,
    name: str | None,
    output: str | None,
) -> None:
    """Write the layers of MODEL: a built-in name, a configuration, or a config.json."""
    from archsim.models.build import build_trace
    from archsim.models.extent import Extent
    from archsim.models.load import load_config
    from archsim.tables import figures
    from archsim.trace.model import Precision

    config = load_config(model)
    if name:
        config = config.model_copy(update={"name": name})
    out = trace_output.output_path(output, config.name, ".yaml")
    extent = Extent(seq, decode, sequences, past, image, not no_head)
    made_by = _made_by(click.get_current_context())
    trace = build_trace(config, extent, made_by, Precision(weight=weight_bits, input=input_bits))
    header = (
        f"{trace.name}: {figures.magnitude(trace.macs(), 'MACs')}, "
        f"{trace.parameters(biases=True):,} parameters "
        f"({trace.parameters():,} weights); shapes only, no value statistics.\n"
        f"Sizes: {config.source}.\n"
        f"Made by: {made_by}"
    )
    trace_output.save(trace, out, model, header)


def _made_by(context: click.Context) -> str:
    """The command line without the place of its output."""
    words = ["archsim", "trace", "export", "hf-config", context.params["model"]]
    for option in context.command.params:
        name = str(option.name)
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if isinstance(option, click.Option) and given and name != "output":
            words += [option.opts[0]] if option.is_flag else [option.opts[0], context.params[name]]
    return shlex.join(map(str, words))
