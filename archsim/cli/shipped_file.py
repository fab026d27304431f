"""A parameter that takes a file, or a file that comes with archsim by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from archsim.system import shipped

if TYPE_CHECKING:
    _Type = click.ParamType[str]
else:
    _Type = click.ParamType  # generic only in newer releases


class ShippedFile(_Type):
    """The path of a file; `folders` are those in which a bare name is looked up."""

    name = "file"

    def __init__(self, *folders: str) -> None:
        self.folders = folders

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if ctx is not None and ctx.resilient_parsing:  # completion: nothing is refused yet
            return str(value)
        return shipped.resolve(value, *self.folders)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names, and after them what the shell finds itself."""
        names = [n for n in shipped.shipped(*self.folders) if n.startswith(incomplete)]
        return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


CHIP = ShippedFile(shipped.CHIPS)
MODEL = ShippedFile(*shipped.MODELS)
CHIP_OR_MODEL = ShippedFile(shipped.CHIPS, *shipped.MODELS)
COMPARISON = ShippedFile(shipped.EXPERIMENTS)
SWEEP = ShippedFile(shipped.SWEEPS)
SCENARIO = ShippedFile(shipped.WORKLOADS)
