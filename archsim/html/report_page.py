"""The page for whatever results a path holds."""

from __future__ import annotations

from pathlib import Path

from archsim.report.results import load_results


def report_page(path: str | Path) -> str:
    """The HTML report of results; InputError as for `load_results`."""
    loaded = load_results(path)
    if loaded.kind == "run":
        from archsim.html.run_page import run_page

        return run_page(loaded.content)
    if loaded.kind == "comparison":
        from archsim.html.comparison_page import comparison_page

        return comparison_page(loaded.content)
    if loaded.kind == "reproduction":
        from archsim.html.reproduction_page import reproduction_page

        return reproduction_page(loaded.content)
    from archsim.html.sweep_page import sweep_page

    return sweep_page(loaded.name, loaded.content)
