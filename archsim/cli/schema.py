"""archsim schema: the JSON Schema of a file format, for editors and other tools."""

from __future__ import annotations

import click


@click.command("schema")
@click.argument("which", type=click.Choice(["arch", "trace", "scenario"]),
                metavar="arch|trace|scenario")  # fmt: skip
def command(which: str) -> None:
    """Print the JSON Schema of architectures, of traces or of scenarios."""
    from pydantic import BaseModel

    from archsim.cli.console import print_json

    model: type[BaseModel]
    if which == "arch":
        from archsim.arch.model import Architecture as model
    elif which == "scenario":
        from archsim.trace.scenario import ScenarioFile as model
    else:
        from archsim.trace.model import Trace as model
    schema = model.model_json_schema()
    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
