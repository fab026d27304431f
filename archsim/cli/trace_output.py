"""What the export commands share: the packages they need, where they write, what they say."""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from archsim.errors import InputError

if TYPE_CHECKING:
    from archsim.trace.model import Trace

Command = TypeVar("Command", bound=Callable[..., Any])
WORKLOAD = (".yaml", ".yml")
ENDINGS = (".json", *WORKLOAD)


def require(*packages: str) -> None:
    """InputError for the first of `packages` that is not installed."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f"reading this model takes the package '{package}', which is not installed.",
                fix="Install it with `pip install 'archsim[traces]'`.",
            )


def output_option(text: str) -> Callable[[Command], Command]:
    """The option --output with its help; to give it twice is wrong usage."""
    return click.option("-o", "--output", metavar="OUT", multiple=True, callback=_one, help=text)


def _one(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> str | None:
    if len(value) > 1:
        raise click.BadParameter("one trace is written to one place.", ctx, param)
    return value[0] if value else None


def output_path(output: str | None, name: str, ending: str = ".trace.json") -> Path:
    """The path of --output, by default `name` and `ending`, checked before any work is done.

    Missing folders are made when the trace is written. Raises InputError.
    """
    from archsim.system.atomic import check_file

    out = Path(output or f"{name.replace('/', '_')}{ending}")
    try:
        there = next(folder for folder in out.parents if folder.exists())
        check_file(out if there == out.parent else there / out.name, ENDINGS)
    except OSError as fault:
        raise InputError(f"can't be written: {fault.strerror}.", str(out)) from None
    return out


def _with_origin(trace: Trace, source: str) -> Trace:
    """The trace with the command that makes it and the content of the model that it reads."""
    from archsim.trace.origin import model_hash, origin

    context = click.get_current_context()
    words = [*context.command_path.split(), *_words(context)]
    made = origin(shlex.join(words), model_hash(source))
    provenance = trace.provenance.model_copy(update={"origin": made})
    return trace.model_copy(update={"provenance": provenance})


def _words(context: click.Context) -> list[str]:
    """The arguments and options that were given, without the place of the output."""
    words: list[str] = []
    for option in context.command.params:
        name = str(option.name)
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        if name == "output":
            continue
        for one in value if isinstance(value, tuple | list) else [value]:
            if isinstance(option, click.Option):
                words.append(option.opts[0])
            if not (isinstance(option, click.Option) and option.is_flag):
                words.append(str(one))
    return words


def save(trace: Trace, out: Path, source: str, header: str | None = None) -> None:
    """Write a trace as JSON, or as a YAML workload below `header`, and print one line about it.

    source: the model's file or folder, for the header where none is given.
    """
    from archsim.cli import stdout
    from archsim.tables import figures
    from archsim.trace.load import save_trace
    from archsim.trace.yaml_writer import save_workload

    if header is None:
        trace = _with_origin(trace, source)
    try:
        if out.suffix.lower() in WORKLOAD:
            save_workload(trace, out, header or f"{trace.name}, read from {Path(source).name}.")
        else:
            save_trace(trace, out)
    except UnicodeEncodeError:  # a path in bytes that the locale does not read as text
        raise InputError(
            "the trace would have a name that is not Unicode text.",
            source,
            "Run in a UTF-8 locale (LC_ALL=C.UTF-8), or rename the file.",
        ) from None
    stdout.write(
        f"{out}: trace {trace.name}, {figures.count(len(trace.layers))} layers, "
        f"{figures.magnitude(trace.macs(), 'MACs')}, "
        f"{figures.magnitude(trace.parameters(), 'parameters')}"
    )
