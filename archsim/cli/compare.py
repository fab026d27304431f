"""archsim compare: adaptation methods on a chip, and GPUs, in one table."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archsim.cli.run_options import PARAMETERS, options_of, run_options
from archsim.cli.shipped_file import CHIP, COMPARISON, MODEL, SCENARIO

if TYPE_CHECKING:
    from archsim.adaptation.comparison_file import Experiment
    from archsim.adaptation.comparison_result import Comparison

FORMATS = ("table", "md", "latex", "csv", "json")
IN_FILE = (
    "arch", "trace", "methods", "gpu", "gpu_batch", "gpu_precision", "gpu_rank", "gpu_launch",
    "tasks", "inferences_per_task", "scenario", *PARAMETERS, "overlap", "seed", "learn_steps",
    "learn_batch", "optimizer",
)  # fmt: skip
"""Parameters that a file gives, which the command line may then not."""


@click.command("compare")
@click.argument("file", type=COMPARISON, required=False)
@click.option("--arch", type=CHIP, metavar="FILE", help="Architecture of the chip.")
@click.option("--trace", type=MODEL, metavar="FILE", help="Trace or workload.")
@click.option("--methods", metavar="NAMES", help="Methods, with commas between them.")
@click.option("--gpu", metavar="NAMES", default="", help="GPUs, with commas between them.")
@click.option("--gpu-batch", type=click.IntRange(1, 10**9), metavar="N",
              help="Inferences that run together on the GPUs.  [default: --batch]")  # fmt: skip
@click.option("--gpu-precision", metavar="NAME",
              help="Of the GPUs: fp16, int8 ...  [default: bf16, else fp16, fp32]")  # fmt: skip
@click.option("--gpu-rank", type=click.IntRange(1, 10**6), metavar="N",
              help="Rank of the adapters on the GPUs.  [default: 4]")  # fmt: skip
@click.option("--gpu-launch", type=click.Choice(["graph", "host"]), default="graph",
              show_default=True, help="Kernels in one graph, or one by one.")  # fmt: skip
@click.option("--tasks", type=click.IntRange(1, 10**9), default=8, show_default=True,
              metavar="N", help="Tasks, one after the other.")  # fmt: skip
@click.option("--inferences-per-task", type=click.IntRange(1, 10**12), default=10_000,
              show_default=True, metavar="N", help="Inferences of each task.")  # fmt: skip
@click.option("--scenario", type=SCENARIO, metavar="FILE",
              help="A scenario in place of these two.")  # fmt: skip
@run_options("Inferences one behind the other on the chip, together on a GPU.")
@click.option("--overlap", type=click.IntRange(0, 10**6), default=0, metavar="N",
              help="Simulate a switch beside N inferences.")  # fmt: skip
@click.option("--learn-steps", type=click.IntRange(1, 10**9), metavar="N",
              help="Learn each task on the device, in N steps.")  # fmt: skip
@click.option("--learn-batch", type=click.IntRange(1, 10**6), default=1, show_default=True,
              metavar="N", help="Mini-batch of a step.")  # fmt: skip
@click.option("--optimizer", type=click.Choice(["sgd", "momentum", "adam"]), default="sgd",
              show_default=True, help="Of the steps.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the programming pulses.")
@click.option("--skip-unfit", is_flag=True, help="Name what does not fit, and go on without it.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As --format json.")
@click.option("--out", metavar="DIR", help="Also write comparison.json, .md, .csv and .tex.")
@click.option("--force", is_flag=True, help="Replace an earlier comparison in the --out directory.")
@click.option("--plot", metavar="DIR", help="Also draw figures (PDF and PNG).")
@click.option("--workers", type=click.IntRange(1, 1000), metavar="N",
              help="Processes.  [default: one per core]")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.pass_context
def command(
    context: click.Context,
    /,
    file: str | None,
    skip_unfit: bool,
    form: str,
    as_json: bool,
    out: str | None,
    force: bool,
    plot: str | None,
    workers: int | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Compare adaptation methods with one another and with GPUs.

    FILE is a comparison in YAML; without it --arch, --trace and --methods say what is compared.
    """
    from archsim.adaptation.comparison import compare
    from archsim.adaptation.comparison_result import COMPARISON_FILE
    from archsim.system.output import check_directory

    if force and out is None:
        raise click.UsageError("--force replaces the directory of --out, which is not given.")
    if out is not None:
        check_directory(out, force=force, marker=COMPARISON_FILE)
    if plot is not None and Path(plot).exists() and not Path(plot).is_dir():
        raise click.BadParameter(f"'{plot}' is a file, not a folder.", param_hint="--plot")
    experiment = _experiment(context, file, given)
    form = "json" if as_json else form
    if plot is not None:
        from archsim.system.packages import need

        need("matplotlib", "a figure")
    with _progress(not quiet and form == "table") as progress:
        found = compare(
            experiment,
            skip_unfit=skip_unfit,
            workers=workers or len(os.sched_getaffinity(0)),
            progress=progress,
        )
    if out is not None:
        _write(found, out, force)
    if plot is not None:
        from archsim.plots.compare_figures import draw_comparison

        draw_comparison(found, plot)
    _show(found, form)


def _experiment(context: click.Context, file: str | None, given: dict[str, Any]) -> Experiment:
    from archsim.adaptation.comparison_file import ComparisonFile, experiment, load_experiment

    named = [
        name
        for name in IN_FILE
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if file is not None:
        if named:
            option = "--" + named[0].replace("_", "-")
            raise click.UsageError(f"{option} is for comparisons without a FILE; write it there.")
        return load_experiment(file)
    for name in ("arch", "trace", "methods"):
        if not given[name]:
            raise click.UsageError(f"Give --{name}, or a FILE that describes the comparison.")
    if given["scenario"] and {"tasks", "inferences_per_task"} & set(named):
        raise click.UsageError("--scenario says how many tasks and inferences there are.")
    learn = None
    if given["learn_steps"] is not None:
        learn = {"optimizer": given["optimizer"], "batch": given["learn_batch"],
                 "steps": given["learn_steps"]}  # fmt: skip
    elif {"learn_batch", "optimizer"} & set(named):
        raise click.UsageError("--learn-steps says how many steps are learnt.")
    choice = {
        "batch": given["gpu_batch"],
        "precision": given["gpu_precision"],
        "launch": given["gpu_launch"],
    }
    if given["gpu_rank"] is not None:
        choice["rank"] = given["gpu_rank"]
    tasks = {"tasks": given["tasks"], "inferences_per_task": given["inferences_per_task"]}
    return experiment(
        ComparisonFile.model_validate(
            {
                "archsim_comparison": 1,
                "arch": given["arch"],
                "trace": given["trace"],
                "methods": split(given["methods"]),
                "gpus": [{"gpu": name, **choice} for name in split(given["gpu"])],
                "scenario": given["scenario"] or tasks,
                "options": {
                    **dict(options_of(given)),
                    "overlap": given["overlap"],
                    "seed": given["seed"],
                    "learn": learn,
                },
            }
        )
    )


def split(names: str) -> list[str]:
    """Names with commas between them."""
    return [name.strip() for name in names.split(",") if name.strip()]


@contextlib.contextmanager
def _progress(wanted: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar of the simulations that are done, on stderr where that is a terminal."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulating", total=None)

        def report(name: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=name)

        yield report


def _write(found: Comparison, out: str, force: bool) -> None:
    from archsim.adaptation.comparison_result import COMPARISON_FILE
    from archsim.report import compare_text
    from archsim.system.output import write_directory

    files = {
        COMPARISON_FILE: found.model_dump_json(indent=2) + "\n",
        "comparison.md": compare_text.as_markdown(found),
        "comparison.csv": compare_text.as_csv(found),
        "break_even.csv": compare_text.break_even_csv(found),
        "comparison.tex": compare_text.as_latex(found),
    }
    write_directory(out, files, force=force, marker=COMPARISON_FILE)


def _show(found: Comparison, form: str) -> None:
    from archsim.cli import stdout
    from archsim.cli.console import print_tables
    from archsim.report import compare_tables, compare_text

    if form == "table":
        print_tables(*compare_tables.all_tables(found))
    elif form == "json":
        stdout.write(found.model_dump_json(indent=2))
    else:
        text = {
            "md": compare_text.as_markdown,
            "latex": compare_text.as_latex,
            "csv": compare_text.as_csv,
        }[form](found)
        stdout.write(text.rstrip("\n"))
