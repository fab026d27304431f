"""Errors a user can act on: what is wrong, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """A place in an input file; any part may be unknown."""

    file: str | None = None
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if self.file and self.line is not None:
            place += f":{self.line}"
        if self.key:
            place += f" ({self.key})" if place else self.key
        return place


class InputError(Exception):
    """Bad input. The CLI prints it as one paragraph and exits with status 2.

    what: the fault; where: file, line and key; fix: what would be right.
    """

    def __init__(self, what: str, where: Location | str | None = None, fix: str | None = None):
        self.what = what
        self.where = Location(file=where) if isinstance(where, str) else where
        self.fix = fix
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where and str(self.where) else self.what
        return f"{text} {self.fix}" if self.fix else text


def nearest(word: str, candidates: Iterable[str]) -> str:
    """A 'did you mean' sentence for a misspelt word, or the list of valid words."""
    known = sorted(set(candidates))
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Valid here: {', '.join(known)}."
