"""Adaptation methods as an axis of a sweep, and what a task switch adds to the figures of a point.

A method is known here by its content: `kind` and all parameters; that of inference alone is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError, nearest
from archsim.schema.expression import ExpressionError

if TYPE_CHECKING:
    from archsim.adaptation.adapted import Adapted
    from archsim.adaptation.method import Method
    from archsim.arch.model import Architecture
    from archsim.options import RunOptions
    from archsim.simulation import Memory

NONE = "none"
"""Inference of the model as it is."""

METHOD = "method."
"""Start of a path to a parameter: `method.rank`."""

SWITCH_FIGURES = (
    "trained", "stored_bits", "rows_programmed", "cells_programmed", "pulses", "bits_written",
    "switch_energy_j", "switch_latency_s", "once_energy_j", "once_latency_s",
)  # fmt: skip
"""Figures that a point with a method has besides those of its inference."""

Content = Mapping[str, Any]


def name_of(entry: str | Content) -> str:
    """What the table calls a method: its kind, and parameters other than the paper's.

    entry: as a sweep file lists it. Raises InputError for an unknown method or a bad parameter.
    """
    from archsim.adaptation.comparison_file import label

    content = _listed(entry)
    return label(_made(content)) if content["kind"] != NONE else NONE


def given_by(entries: Sequence[str | Content]) -> dict[str, Content]:
    """Kind and parameters of each method as the file gives them, by name; InputError."""
    return {name_of(entry): _listed(entry) for entry in entries}


def parameters(kind: str) -> frozenset[str]:
    """Names of a method's parameters."""
    from archsim.adaptation.registry import methods

    return frozenset() if kind == NONE else frozenset(methods()[kind].model_fields) - {"kind"}


def content(given: Content, sets: Content) -> dict[str, Any]:
    """The whole content of a method with further parameters set; InputError if they don't fit."""
    if given["kind"] == NONE:
        return {}
    return _made({**given, **sets}).model_dump(mode="json")


def parameter(whole: Content, path: str) -> Any:
    """The value at a path such as `method.rank`; ExpressionError if the method has none."""
    name = path.removeprefix(METHOD)
    if name == "kind" or name not in whole:
        raise ExpressionError(f"the method '{whole.get('kind', NONE)}' has no parameter '{name}'")
    return whole[name]


def switch_figures(
    arch: Architecture, adapted: Adapted, run: RunOptions, *, memory: Memory
) -> dict[str, float]:
    """SWITCH_FIGURES of a method on a chip; the task switch is simulated, or in the memory."""
    from archsim.adaptation.evaluate import write

    switch, once = (
        write(arch, adapted, rewrites, run, memory=memory)
        for rewrites in (adapted.switch, adapted.once)
    )
    values = (
        adapted.trained, adapted.stored_bits, switch.rows, switch.cells, switch.pulses, switch.bits,
        switch.joules, switch.seconds, once.joules, once.seconds,
    )  # fmt: skip
    return dict(zip(SWITCH_FIGURES, values, strict=True))


def method_of(whole: Content) -> Method | None:
    """The method of a point; None for inference alone."""
    return _made(whole) if whole else None


def _listed(entry: str | Content) -> Content:
    """An entry with its kind checked."""
    from archsim.adaptation.registry import methods

    given = {"kind": entry} if isinstance(entry, str) else dict(entry)
    kind, known = given.get("kind"), [NONE, *methods()]
    if not isinstance(kind, str):
        raise InputError("a method without a kind.", fix="Write for instance {kind: full}.")
    if kind not in known:
        raise InputError(f"'{kind}' is not a known method.", fix=nearest(kind, known))
    if kind == NONE and len(given) > 1:
        raise InputError(f"'{NONE}' has no parameters.", fix="Remove them.")
    return given


def _made(given: Content) -> Method:
    from archsim.adaptation.registry import make_method

    return make_method(given["kind"], {k: v for k, v in given.items() if k != "kind"})
