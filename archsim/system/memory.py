"""The memory of this machine, asked before a run takes it."""

from __future__ import annotations

import os

from archsim.errors import InputError


def check_memory(needed: int, what: str, fix: str) -> None:
    """InputError if `what` ("a batch of 9 makes 3 instances") takes more bytes than there are."""
    present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > present:
        raise InputError(
            f"{what}, which take about {needed / 1e9:.0f} GB; this machine has "
            f"{present / 1e9:.0f} GB.",
            fix=fix,
        )
