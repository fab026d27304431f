"""The options of a run, as every command that simulates takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from archsim.options import RunOptions

C = TypeVar("C", bound=Callable[..., Any])


def _chips(context: click.Context, parameter: click.Parameter, value: str) -> int | str:
    """A number of chips, or 'auto'."""
    if value == "auto":
        return value
    if value.isascii() and value.isdigit() and 0 < int(value) < 10**6:
        return int(value)
    raise click.BadParameter(f"'{value}' is neither a number of chips (1 or more) nor 'auto'.")


PARAMETERS = ("batch", "chips", "no_replicate", "weights", "no_stats", "effort", "objective")
"""Names of the parameters that `run_options` adds to a command."""


def run_options(batch: str = "Inferences to simulate, one behind the other.") -> Callable[[C], C]:
    """Adds the options to a command; batch: what is said of --batch."""
    options = (
        click.option("--batch", type=click.IntRange(1, 10**9), default=1, show_default=True,
                     metavar="N", help=batch),
        click.option("--chips", callback=_chips, default="1", show_default=True, metavar="N|auto",
                     help="Chips to use; auto: as many as the model needs."),
        click.option("--no-replicate", is_flag=True, help="Keep one copy of every layer."),
        click.option("--weights", type=click.Choice(["auto", "resident", "turns"]), default="auto",
                     show_default=True, help="Keep all weights in arrays, or write them in turns; "
                     "auto: in turns where SRAM or MRAM cells are too few."),
        click.option("--no-stats", is_flag=True,
                     help="Cost random values, not those of the trace."),
        click.option("--effort", type=click.Choice(["0", "1", "2"]), default="0", show_default=True,
                     help="Map by rules (0), or search for a better mapping (1, or 2 for longer)."),
        click.option("--objective", type=click.Choice(["latency", "interval", "energy", "edp"]),
                     default="latency", show_default=True, help="What the search is to lower."),
    )  # fmt: skip

    def added(command: C) -> C:
        for option in reversed(options):
            command = option(command)
        return command

    return added


def options_of(given: dict[str, Any]) -> RunOptions:
    """The options that a command's parameters state; takes them out of `given`."""
    from archsim.options import RunOptions

    return RunOptions(
        batch=given.pop("batch"),
        chips=given.pop("chips"),
        weights=given.pop("weights"),
        replicate=not given.pop("no_replicate"),
        statistics=not given.pop("no_stats"),
        effort=int(given.pop("effort")),
        objective=given.pop("objective"),
    )
