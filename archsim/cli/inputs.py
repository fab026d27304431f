"""Loading a file of which the user need not say what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.errors import InputError, nearest

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.trace.model import Trace

ARCH_KEY, TRACE_KEY, RESULT_KEY = "archsim_arch", "archsim_trace", "archsim_result"


def load_either(path: str) -> Architecture | Trace:
    """The architecture or trace in a file, told apart by its version key; InputError if neither."""
    from archsim.arch.load import arch_from_document
    from archsim.documents import load_document
    from archsim.trace.load import load_trace

    document = load_document(path)
    keys = list(document.data) if isinstance(document.data, dict) else []
    if ARCH_KEY in keys and TRACE_KEY in keys:
        raise InputError(
            f"the file has both '{ARCH_KEY}' and '{TRACE_KEY}'.",
            document.location((TRACE_KEY,)),
            "A file is one or the other: remove one of the keys.",
        )
    if ARCH_KEY in keys:
        return arch_from_document(document)
    if TRACE_KEY in keys:
        return load_trace(path)
    if RESULT_KEY in keys:
        raise InputError(
            "this is the result of a run.", path, "Give an architecture, a trace or a workload."
        )
    near = [key for key in keys if nearest(key, [ARCH_KEY, TRACE_KEY]).startswith("Did you mean")]
    raise InputError(
        "this is neither an architecture nor a trace: it has no format version."
        if not near
        else f"'{near[0]}' is not known here.",
        document.location((near[0],) if near else ()),
        nearest(near[0], [ARCH_KEY, TRACE_KEY])
        if near
        else f"Start an architecture with `{ARCH_KEY}: 1`, a trace with `{TRACE_KEY}: 1`.",
    )
