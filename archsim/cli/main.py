"""The command `archsim`: finds the subcommand, and words every error for the user."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

import click

import archsim
from archsim.cli import stdout
from archsim.cli.group import LazyGroup
from archsim.errors import InputError

BAD_INPUT, INTERNAL, INTERRUPTED, CLOSED_PIPE = 2, 1, 130, 141
COMPLETE = "_ARCHSIM_COMPLETE"  # by which a shell asks for completions
INTERRUPTED_TEXT = "interrupted; nothing was written"


class Interrupted(Exception):
    """Ctrl-C, which click would answer with a line of its own."""


class Root(LazyGroup):
    """The top of the command line."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as fault:
            raise Interrupted(str(fault) or INTERRUPTED_TEXT) from None


cli = Root(
    "archsim",
    lazy={
        "run": ("archsim.cli.run", "Simulate a model on an architecture."),
        "validate": ("archsim.cli.validate", "Check architectures, traces and workloads."),
        "show": ("archsim.cli.show", "Show what an architecture or a trace consists of."),
        "sources": ("archsim.cli.sources", "List where each number of an architecture is from."),
        "schema": ("archsim.cli.schema", "Print the JSON Schema of a file format."),
        "trace": ("archsim.cli.trace", "Make traces from trained models."),
        "gpu": ("archsim.cli.gpu", "Model a GPU to compare with, or measure one."),
        "compare": ("archsim.cli.compare", "Compare adaptation methods with GPUs."),
        "sweep": ("archsim.cli.sweep", "Simulate the points of a design space."),
        "pareto": ("archsim.cli.pareto", "List the best points of a sweep."),
        "reproduce": ("archsim.cli.reproduce", "Run published experiments again."),
        "report": ("archsim.cli.report", "Make an HTML page of a run, a sweep or a comparison."),
        "plot": ("archsim.cli.plot", "Draw figures of results for a paper."),
        "examples": ("archsim.cli.examples", "List or copy the files that come with archsim."),
        "help": ("archsim.cli.help", "Print a document, or the help of a command."),
        "completion": ("archsim.cli.completion", "Print the completion script of a shell."),
        "bench": ("archsim.cli.bench", "Measure how fast archsim is here."),
    },
    help="Cycle-level simulation of compute-in-memory hardware.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from archsim.system.version import commit

        at = commit()
        stdout.write(f"archsim {archsim.__version__}" + (f" ({at})" if at else ""))
        ctx.exit()


click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
             help="Show the version and its commit, and exit.")(cli)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: done. 2: wrong usage or bad input, with one paragraph on stderr. 130: Ctrl-C. 141: the
    reader of stdout went away. 1: a bug of archsim, with a traceback.
    """
    stdout.ensure_streams()
    try:
        status = cli.main(arguments, prog_name="archsim", standalone_mode=False)
        stdout.flush()
        return status if isinstance(status, int) else 0
    except click.ClickException as fault:
        fault.show()
        return fault.exit_code
    except (Interrupted, click.Abort, KeyboardInterrupt) as fault:
        return _fail(str(fault) or INTERRUPTED_TEXT, INTERRUPTED)
    except SystemExit as fault:  # click's own: a shell asked for completions, or a closed pipe
        return int(fault.code or 0) if COMPLETE in os.environ else CLOSED_PIPE
    except BrokenPipeError:
        return CLOSED_PIPE
    except InputError as fault:
        return _fail(f"error: {fault}")
    except OverflowError as fault:
        return _fail(
            f"error: {fault}. Use a smaller batch, or clocks whose periods have a simple ratio."
        )
    except MemoryError:
        return _fail("error: there is not enough memory for this run. Use a smaller batch.")
    except OSError as fault:
        if fault.errno != errno.ENOSPC:
            return _report_bug()
        stdout.abandon()
        return _fail("error: there is no space left on the device that holds the output.")
    except Exception as fault:
        if _is_deadlock(fault):
            return _fail(
                f"error: the mapped model can't proceed: {fault}. "
                "Give the buffers or registers named here more room."
            )
        return _report_bug()


def _fail(text: str, status: int = BAD_INPUT) -> int:
    # A name in an input file may hold anything; only line ends may reach the terminal as they are.
    shown = "".join(
        c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    try:
        click.echo(shown, err=True)
    except UnicodeEncodeError:
        click.echo(shown.encode("ascii", "backslashreplace").decode(), err=True)
    except OSError:
        pass  # nobody reads stderr; the status still tells
    return status


def _is_deadlock(fault: Exception) -> bool:
    from archsim.engine.deadlock import DeadlockError

    return isinstance(fault, DeadlockError)


def _report_bug() -> int:
    import traceback

    traceback.print_exc()
    return _fail(
        f"This is a bug of archsim {archsim.__version__}: please report the lines above with the "
        "command and its input files.",
        INTERNAL,
    )


if __name__ == "__main__":
    sys.exit(main())
