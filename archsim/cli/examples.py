"""archsim examples: the chips, traces, workloads, experiments and sweeps that come with archsim."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("examples")
@click.option("--copy", "to", metavar="DIR", help="Copy them into a folder, to change them there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(to: str | None, as_json: bool) -> None:
    """List the files that come with archsim by the names that commands take, or copy them."""
    from archsim.cli import stdout
    from archsim.cli.console import print_json
    from archsim.system import shipped

    if to is not None:
        copied = shipped.copy_examples(Path(to))
        if as_json:
            print_json({"copied": [str(path) for path in copied]})
        else:
            stdout.write(f"{to}: {len(copied)} files in {', '.join(shipped.EXAMPLES)}")
        return
    by_folder = {folder: shipped.shipped(folder) for folder in shipped.EXAMPLES}
    if as_json:
        print_json({f: {n: str(p) for n, p in own.items()} for f, own in by_folder.items()})
        return
    for folder, own in by_folder.items():
        stdout.write(click.wrap_text(", ".join(own), 100, f"{folder}: ", "    "))
