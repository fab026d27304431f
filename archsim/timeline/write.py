"""Write a timeline in the format that the file's name asks for."""

from __future__ import annotations

from pathlib import Path

from archsim.system.atomic import write_bytes, write_text
from archsim.timeline.model import Timeline


def write_timeline(path: str | Path, timeline: Timeline) -> None:
    """`.json`: Chrome's format; `.pftrace`: Perfetto's. InputError if it can't be written."""
    if Path(path).suffix.lower() == ".pftrace":
        from archsim.timeline.pftrace import pftrace

        write_bytes(path, pftrace(timeline))
        return
    from archsim.timeline.chrome import chrome_json

    write_text(path, chrome_json(timeline))
