"""archsim run: simulate a model on an architecture and show what came out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archsim.cli.run_options import options_of, run_options
from archsim.cli.shipped_file import CHIP, MODEL

if TYPE_CHECKING:
    from archsim.options import RunOptions
    from archsim.result import Result


@click.command("run")
@click.argument("arch", type=CHIP)
@click.argument("trace", type=MODEL)
@run_options()
@click.option("--engine", type=click.Choice(["fast", "reference"]), default="fast",
              show_default=True, help="Both give the same result in every tick.")  # fmt: skip
@click.option("--no-fold", is_flag=True, help="Simulate identical arrays one by one.")
@click.option("--no-merge-beats", is_flag=True, help="Simulate every input bit by itself.")
@click.option("--no-max-plus", is_flag=True, help="Simulate also what nothing else can delay.")
@click.option("--no-steady-state", is_flag=True, help="Simulate every period of what repeats.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option("--out", metavar="DIR", help="Also write result.json, layers.csv and summary.md.")
@click.option("--force", is_flag=True, help="Replace an earlier run in the --out directory.")
@click.option("--timeline", metavar="FILE",
              help="Also write what ran when, for ui.perfetto.dev (.json, .pftrace).")  # fmt: skip
@click.option("--timeline-limit", type=click.IntRange(100, 10**8), default=100_000, metavar="N",
              show_default=True, help="Most slices in the timeline; more are merged.")  # fmt: skip
@click.option("--mapping", metavar="FILE",
              help="Take the mapping of FILE; where there is none yet, write it.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(
    arch: str,
    trace: str,
    engine: str,
    no_fold: bool,
    no_merge_beats: bool,
    no_max_plus: bool,
    no_steady_state: bool,
    as_json: bool,
    out: str | None,
    force: bool,
    timeline: str | None,
    mapping: str | None,
    timeline_limit: int,
    quiet: bool,
    **given: Any,
) -> None:
    """Simulate TRACE (a trace or a workload) on ARCH, an architecture."""
    from archsim.arch.load import load_arch
    from archsim.arch.warnings import arch_warnings
    from archsim.cli import stdout
    from archsim.cli.console import print_tables, warn
    from archsim.cli.progress import progress_bar
    from archsim.engine import Engine
    from archsim.errors import InputError
    from archsim.options import Outputs
    from archsim.report import run_tables
    from archsim.simulation import simulate
    from archsim.system.atomic import check_file
    from archsim.system.output import check_directory
    from archsim.timeline import TIMELINE_ENDINGS

    if force and out is None:
        raise click.UsageError("--force replaces the directory of --out, which is not given.")
    if out is not None:
        check_directory(out, force=force)
    if timeline is not None:
        check_file(timeline, TIMELINE_ENDINGS)
    options = options_of(given)
    if mapping is not None:
        options = _mapped_by(check_file(mapping, (".yaml", ".yml")), arch, trace, options)
    try:
        with progress_bar(not quiet and not as_json) as progress:
            result = simulate(
                arch,
                trace,
                options,
                engine=Engine(
                    engine,
                    fold_lock_step=not no_fold,
                    merge_beats=not no_merge_beats,
                    max_plus=not no_max_plus,
                    steady_state=not no_steady_state,
                ),
                outputs=Outputs(
                    timeline=timeline,
                    timeline_limit=timeline_limit,
                    mapping=None if options.choice else mapping,
                ),
                progress=progress,
            )
    except InputError as fault:
        if fault.where is not None:
            raise
        raise InputError(fault.what, f"{trace} on {arch}", fault.fix) from None
    warn(arch_warnings(load_arch(arch)))
    text = result.model_dump_json(indent=2)
    try:
        if out is not None:
            _write(result, text, out, force)
        if as_json:
            stdout.write(text)
        else:
            print_tables(
                run_tables.headline(result), run_tables.energy(result), run_tables.layers(result)
            )
    except KeyboardInterrupt:
        if out is not None and _holds(Path(out), text):
            raise KeyboardInterrupt(f"interrupted; the results are in {out}") from None
        raise


def _mapped_by(path: Path, arch: str, trace: str, options: RunOptions) -> RunOptions:
    """The options with the choice of a mapping file, if there is one."""
    from archsim.arch.load import load_arch
    from archsim.mapping.mapping_file import load_mapping
    from archsim.trace.load import load_trace

    if not path.exists():
        return options
    choice, chips = load_mapping(path, load_arch(arch), load_trace(trace))
    return options.model_copy(update={"choice": choice, "chips": chips})


def _write(result: Result, text: str, out: str, force: bool) -> None:
    from archsim.report import run_tables
    from archsim.system.output import RESULT_FILE, write_directory
    from archsim.tables.table import to_csv

    files = {
        RESULT_FILE: text + "\n",
        "layers.csv": to_csv(run_tables.layers(result)),
        "summary.md": run_tables.summary(result),
    }
    write_directory(out, files, force=force)


def _holds(out: Path, text: str) -> bool:
    from archsim.system.output import RESULT_FILE

    try:
        return (out / RESULT_FILE).read_text(encoding="utf-8") == text + "\n"
    except OSError:
        return False
