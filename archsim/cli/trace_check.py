"""archsim trace check: whether a trace still fits the model that it was made from."""

from __future__ import annotations

import click


@click.command("check")
@click.argument("model", metavar="MODEL")
@click.argument("trace", metavar="TRACE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(model: str, trace: str, as_json: bool) -> None:
    """Say whether TRACE was made from MODEL as it is now (an .onnx file or a folder).

    Exit with 0 if it was, 1 if the model has changed. Other versions of the packages that read it
    are told, but are no fault.
    """
    from archsim.cli import stdout
    from archsim.cli.console import print_json
    from archsim.errors import InputError
    from archsim.trace.load import load_trace
    from archsim.trace.origin import model_hash, versions

    made = load_trace(trace).provenance.origin
    if made is None:
        raise InputError(
            "the trace does not record which model it was made from.",
            trace,
            "Traces record it since archsim trace check is there: export it again.",
        )
    found = model_hash(model)
    now = versions()
    other = {
        name: [then, now.get(name, "not installed")]
        for name, then in made.versions.items()
        if now.get(name) != then
    }
    fits = found == made.sha256
    if as_json:
        print_json(
            {"fits": fits, "command": made.command, "model_sha256": found,
             "trace_sha256": made.sha256, "versions": other}
        )  # fmt: skip
    else:
        stdout.write(
            f"{trace} fits {model}"
            if fits
            else f"{trace} does not fit {model}: the model has changed since, or is another one"
        )
        stdout.write(f"made by: {made.command}")
        for name, (then, there) in other.items():
            stdout.write(f"{name}: {then} then, {there} now")
    if not fits:
        raise click.exceptions.Exit(1)
