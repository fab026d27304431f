"""Loading a file of which the user need not say what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError, nearest

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.documents import Document
    from archsim.trace.model import Trace

ARCH, TRACE, SCENARIO = "archsim_arch", "archsim_trace", "archsim_scenario"
SWEEP, COMPARISON = "archsim_sweep", "archsim_comparison"
"""Version keys of the kinds of files."""

_KINDS = {
    ARCH: "an architecture",
    TRACE: "a trace",
    SCENARIO: "a scenario",
    SWEEP: "a sweep",
    COMPARISON: "a comparison",
    "archsim_experiment": "an experiment of `archsim reproduce`",
    "archsim_result": "the result of a run",
}


def load_either(path: str) -> Architecture | Trace:
    """The architecture or trace in a file, told apart by its version key; InputError if neither."""
    from archsim.documents import load_document

    document = load_document(path)
    found: Architecture | Trace = _loaders(document)[_key_of(document, (ARCH, TRACE))]()
    return found


def load_any(path: str) -> tuple[str, Any]:
    """(version key, content) of a file that a user writes.

    Content: an Architecture, a Trace, a Scenario, the Plan of a sweep, or the Experiment of a
    comparison. Raises InputError for whatever is wrong in it or in a file that it names.
    """
    from archsim.documents import load_document

    document = load_document(path)
    loaders = _loaders(document)
    key = _key_of(document, tuple(loaders))
    return key, loaders[key]()


def _loaders(document: Document) -> Mapping[str, Any]:
    """How to load a document, by its version key."""

    def arch() -> Any:
        from archsim.arch.load import arch_from_document

        return arch_from_document(document)

    def trace() -> Any:
        from archsim.trace.load import trace_from_document

        return trace_from_document(document)

    def scenario() -> Any:
        from archsim.trace.scenario import scenario_from_document

        return scenario_from_document(document)

    def sweep() -> Any:
        from archsim.sweep.plan import load_plan

        return load_plan(document.path)

    def comparison() -> Any:
        from archsim.adaptation.comparison_file import load_experiment

        return load_experiment(document.path)

    return {ARCH: arch, TRACE: trace, SCENARIO: scenario, SWEEP: sweep, COMPARISON: comparison}


def _key_of(document: Document, wanted: tuple[str, ...]) -> str:
    """The version key that a document has, of those wanted; InputError if none or several."""
    keys = list(document.data) if isinstance(document.data, dict) else []
    present: list[str] = [key for key in keys if key in _KINDS]
    names = [_KINDS[key] for key in wanted]
    choice = f"{', '.join(names[:-1])} or {names[-1]}"
    if len(present) > 1:
        raise InputError(
            f"the file has both '{present[0]}' and '{present[1]}'.",
            document.location((present[1],)),
            "A file is one or the other: remove one of the keys.",
        )
    if present and present[0] in wanted:
        return present[0]
    if present:
        raise InputError(f"this is {_KINDS[present[0]]}.", str(document.path), f"Give {choice}.")
    near = [key for key in keys if nearest(key, wanted).startswith("Did you mean")]
    if near:
        raise InputError(
            f"'{near[0]}' is not known here.",
            document.location((near[0],)),
            nearest(near[0], wanted),
        )
    raise InputError(
        f"this is not {choice}: it has no format version.",
        document.location(()),
        f"Start an architecture with `{ARCH}: 1`, a trace with `{TRACE}: 1`.",
    )
