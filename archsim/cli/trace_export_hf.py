"""archsim trace export hf: a Hugging Face folder as a trace with statistics of real text."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from archsim.cli import trace_output
from archsim.cli.progress import progress_bar
from archsim.cli.quantisation import quantisation_options

if TYPE_CHECKING:
    from archsim.trace.quantiser import Quantiser

# NumPy reads this when it is imported. The products are small beside the counting, and threads that
# wait for each other by spinning make an export several times slower where a machine is shared.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@click.command("hf")
@click.argument("folder", metavar="DIR")
@click.option("--text", metavar="FILE",
              help="Text to read, in UTF-8; lines that start with '#' are left out.")  # fmt: skip
@click.option("--tokens", metavar="FILE.npy",
              help="Token ids in place of a text, (passages, seq) or one stream.")  # fmt: skip
@click.option("--seq", type=click.IntRange(1), default=128, show_default=True, metavar="N",
              help="Tokens of a passage, special ones included.")  # fmt: skip
@click.option("--decode", type=click.IntRange(0), default=0, show_default=True, metavar="N",
              help="Tokens that a decoder generates behind --seq (the text's own).")  # fmt: skip
@click.option("--passages", type=click.IntRange(1), default=8, show_default=True, metavar="N",
              help="Passages of the text that are read, at most.")  # fmt: skip
@click.option("--head", type=click.Choice(["mean", "pooler"]), default="mean", show_default=True,
              help="How an encoder ends: mean over the tokens, or BERT's pooler.")  # fmt: skip
@click.option("--statistics", type=click.Choice(["all", "stored"]), default="all",
              show_default=True, help="Of all layers, or of those with weights alone.")  # fmt: skip
@quantisation_options
@click.option("--name", help="Name of the trace; by default the model's.")
@trace_output.output_option("A .json trace or a .yaml workload; by default NAME.trace.json.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(
    folder: str,
    text: str | None,
    tokens: str | None,
    seq: int,
    decode: int,
    passages: int,
    head: Literal["mean", "pooler"],
    statistics: Literal["all", "stored"],
    name: str | None,
    output: str | None,
    quiet: bool,
    quantiser: Quantiser,
) -> None:
    """Run the model in DIR (config.json, safetensors, tokenizer.json) on a text."""
    if (text is None) == (tokens is None):
        raise click.UsageError("give either --text FILE or --tokens FILE.npy.")
    trace_output.require("safetensors", *(["tokenizers"] if text else []))
    out = trace_output.output_path(output, name or Path(folder).resolve().name)

    from archsim.trace.hf.export import export_hf, has_forward, load_model
    from archsim.trace.hf.tokens import file_passages, text_passages

    source = text or tokens
    assert source is not None
    if not has_forward(folder) and _through_transformers(folder):
        if decode:
            raise click.UsageError("--decode takes one of the architectures of docs/traces_hf.md.")
        from archsim.trace.pytorch.folder import trace_folder

        ids = text_passages(folder, text, seq) if text else file_passages(source, seq)
        trace = trace_folder(
            folder, ids[0], name=name, data=f"{seq} tokens from {Path(source).name}",
            quantiser=quantiser,
        )  # fmt: skip
        trace_output.save(trace, out, folder)
        return
    model = load_model(folder, head)  # before its tokeniser: a wrong folder is told as such
    read = (
        text_passages(folder, text, seq + decode) if text else file_passages(source, seq + decode)
    )
    chosen = read[:passages]
    data = f"{len(chosen)} passages of {seq + decode} tokens from {Path(source).name}"
    with progress_bar(not quiet, "layers") as report:
        trace = export_hf(
            model,
            chosen,
            decode=decode,
            name=name,
            data=data,
            quantiser=quantiser,
            statistics=statistics,
            progress=lambda done, total: report("layer by layer", done, total) if report else None,
        )
    trace_output.save(trace, out, folder)


def _through_transformers(folder: str) -> bool:
    """True if torch and transformers are there and know the architecture."""
    if find_spec("torch") is None:
        return False
    from archsim.trace.pytorch.folder import knows

    return knows(folder)
