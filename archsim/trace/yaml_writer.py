"""Workloads: traces as YAML that people read, one layer per line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from archsim.errors import InputError
from archsim.system.atomic import write_text
from archsim.trace.model import Trace

# Text that needs no quotes inside a flow mapping and is text in YAML 1.1 and 1.2.
PLAIN = re.compile(
    r"(?!(?:null|true|false|yes|no|on|off|y|n)$)[a-z_][\w./@+-]*", re.IGNORECASE | re.ASCII
)
WIDTH = 100


def save_workload(trace: Trace, path: str | Path, header: str) -> None:
    """Write a trace as a YAML workload with `header` as its opening comment.

    Fields that hold their default are left out. The file appears whole or not at all, and
    `load_trace` gives an equal trace back. Raises InputError if the place can't be written.
    """
    path = Path(path)
    if path.suffix not in (".yaml", ".yml"):
        raise InputError("a workload is saved as YAML.", str(path), "End the name in .yaml.")
    text = workload_text(trace, header)
    write_text(path, text)


def workload_text(trace: Trace, header: str) -> str:
    """The YAML of a trace: top-level keys in block style, inputs and layers one per line."""
    data = trace.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    lines = [f"# {line}".rstrip() for line in header.strip().splitlines()]
    for key, value in data.items():
        if key in ("inputs", "layers"):
            lines += ["", f"{key}:"]
            lines += [f"  - {_flow(_in_reading_order(row))}" for row in value]
        elif isinstance(value, dict) and len(_flow(value)) > WIDTH:
            lines.append(f"{key}:")
            lines += [f"  {name}: {_flow(item)}" for name, item in value.items()]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _in_reading_order(row: dict[str, Any]) -> dict[str, Any]:
    """Name, operator and inputs first, then sizes; what is learnt beside, and the shape, last."""
    first = {key: row[key] for key in ("name", "op", "inputs") if key in row}
    last = {key: row[key] for key in ("biases", "tied_to", "shape") if key in row}
    return first | {k: v for k, v in row.items() if k not in last} | last


def _flow(value: Any) -> str:
    """Data as one line of YAML in flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str) and PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
